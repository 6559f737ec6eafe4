# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""OpenStack as a cloud: what :class:`csbs.cloud.base.Cloud` asks for.

Owns who is asked for what; how it is done is in the modules beside this one.
Snapshots, temporary volumes and attachments are the service's own, except
where Cinder wants them in the project of the server. No object of a client
library leaves this package.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import datetime
import logging
from typing import Any
from typing import Self

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import attach
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import groups
from csbs.cloud.openstack import hold
from csbs.cloud.openstack import making
from csbs.cloud.openstack import pause
from csbs.cloud.openstack import rbd
from csbs.cloud.openstack import servers
from csbs.cloud.openstack import snapshots
from csbs.cloud.openstack import temporary
from csbs.domain import model

LOG = logging.getLogger(__name__)

_Kind = model.ResourceKind


class OpenStackCloud:
    """An OpenStack cloud; safe to use from threads and processes."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Prepare; nothing is asked before the first use.

        :raises CloudError: when the configuration is not whole
        """
        self._clients = clients.Clients(conf)
        self._ceph = rbd.Cluster(conf.rbd) if conf.rbd.pools else None
        self._section = section = conf.openstack
        self._freezer = snapshots.Freezer(conf, self._clients, self._ceph)
        self._groups = groups.Groups(section, self._clients)
        self._attacher = attach.Attacher(conf, self._clients, self._ceph)
        self._holder = hold.Holder(section, self._clients)
        self._maker = making.Maker(section, self._clients)
        self._undo: Mapping[
            model.ResourceKind, Callable[[Mapping[str, Any]], bool]
        ] = {
            _Kind.SNAPSHOT: self._freezer.discard_snapshot,
            _Kind.GROUP: self._groups.discard,
            _Kind.GROUP_SNAPSHOT: self._groups.discard_snapshot,
            _Kind.RBD_SNAPSHOT: self._discard_rbd_snapshot,
            _Kind.PAUSE: self._resume,
            _Kind.ATTACHMENT: self._attacher.discard,
            _Kind.SERVER: self._maker.discard_server,
            _Kind.HOLD: self._holder.release,
        }

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Self:
        """Make the cloud that ``[openstack]`` and ``[rbd]`` describe."""
        return cls(conf)

    def check(self) -> None:
        """See that Nova and Cinder answer and are new enough, and Ceph.

        :raises CloudError: when not
        """
        api = self._clients.service()
        with clients.translated('Nova'):
            api.nova.servers.list(
                detailed=False, search_opts={'all_tenants': True}, limit=1
            )
        with clients.translated('Cinder, asked as an administrator'):
            api.cinder.pools.list()
        if self._ceph:
            self._ceph.check()

    def servers(
        self, context: csbs_context.RequestContext
    ) -> Sequence[model.Server]:
        """Return the servers of the context's project, ordered by name.

        An administrator's context without a project gets everyone's.
        """
        if not context.project_id and not context.is_admin:
            return []
        return servers.find(self._api(context), context.project_id)

    def server(
        self, context: csbs_context.RequestContext, server_id: str
    ) -> model.Server:
        """Return one server of the context's project; services see all.

        :raises ServerNotFound: also when it is another project's
        """
        found = servers.get(self._api(context), server_id)
        if not context.is_admin and found.project_id != context.project_id:
            raise exception.ServerNotFound(id=server_id)
        return found

    def snapshot(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: base.Ledger,
        *,
        backup_id: str,
        allow_pause: bool,
        fallback: Callable[[], None],
    ) -> base.SnapshotSet:
        """Freeze all volumes of the server, at one instant if possible."""
        return self._freezer.freeze(
            context,
            server,
            ledger,
            backup_id=backup_id,
            allow_pause=allow_pause,
            fallback=fallback,
        )

    @contextlib.contextmanager
    def open_snapshot(
        self,
        context: csbs_context.RequestContext,
        snapshot: base.Snapshot,
        ledger: base.Ledger,
    ) -> Iterator[Any]:
        """Open a snapshot's bytes for reading.

        In Ceph, where it lies there; else through a volume that is made from
        it for the while.

        :raises VolumeUnreadable: when it cannot be opened
        """
        source = snapshots.Source.decode(snapshot.ref)
        with contextlib.ExitStack() as stack:
            try:
                if self._ceph and source.image:
                    found = stack.enter_context(
                        self._ceph.reader(source.image, source.name)
                    )
                else:
                    found = stack.enter_context(
                        self._through_volume(context, snapshot, source, ledger)
                    )
            except (OSError, exception.CloudError) as error:
                raise exception.VolumeUnreadable(
                    id=snapshot.volume_id, reason=error
                ) from error
            yield found

    def keep_only(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Drop the snapshots that are kept in Ceph for older backups.

        Not for younger ones: the next backup may have begun already.
        """

        def older(kept: Sequence[tuple[str, str]]) -> list[str]:
            owners = [owner for owner, _name in kept]
            if backup_id not in owners:
                return []
            return [name for _, name in kept[: owners.index(backup_id)]]

        self._drop(volume_ids, older)

    def forget(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Drop the snapshots that are kept in Ceph for a backup."""
        self._drop(
            volume_ids,
            lambda kept: [name for owner, name in kept if owner == backup_id],
        )

    def check_restore(
        self, server: model.Server, volume_ids: Collection[str]
    ) -> None:
        """See that no other running server has one of the volumes.

        :raises VolumeShared: when one has
        """
        api = self._clients.service()
        for each in server.volumes:
            if not each.multiattach or each.id not in volume_ids:
                continue
            volume = servers.volume_of(api, each.id) or {}
            other = snapshots.running_elsewhere(api, volume, server.id)
            if other:
                raise exception.VolumeShared(id=each.id, server_id=other)

    def hold(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: base.Ledger,
    ) -> model.Resource:
        """Stop the server and lock it, so that its disks can be written."""
        return self._holder.hold(server, ledger)

    @contextlib.contextmanager
    def open_volume(
        self, server_id: str, volume_id: str, ledger: base.Ledger
    ) -> Iterator[Any]:
        """Open a volume of a held server for writing.

        :raises VolumeUnwritable: when it cannot be opened
        """
        # What is kept of earlier backups would have to be copied away from
        # under every write; the next backup compares all of the volume.
        self._drop([volume_id], lambda kept: [name for _, name in kept])
        with self._opened(volume_id, ledger, server_id) as writer:
            yield writer

    def create_volume(
        self,
        context: csbs_context.RequestContext,
        spec: base.VolumeSpec,
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Volume]:
        """Make a volume for a new server, in the context's project."""
        return self._maker.volume(context, spec, ledger)

    @contextlib.contextmanager
    def open_new_volume(
        self, volume: model.Volume, ledger: base.Ledger
    ) -> Iterator[Any]:
        """Open a volume of :meth:`create_volume` for writing.

        :raises VolumeUnwritable: when it cannot be opened
        """
        with self._opened(volume.id, ledger, None) as writer:
            yield writer

    def create_server(
        self,
        context: csbs_context.RequestContext,
        spec: base.ServerSpec,
        volumes: Sequence[model.Volume],
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Server]:
        """Make a server from volumes; the first bootable one is its root."""
        return self._maker.server(context, spec, volumes, ledger)

    def hand_over(self, entries: Sequence[model.Resource]) -> None:
        """Take the marks off what is the user's from now on."""
        self._maker.hand_over(entries)

    def discard(
        self, context: csbs_context.RequestContext, entry: model.Resource
    ) -> None:
        """Take back what a ledger entry names; fine when it is gone.

        :raises CloudUnsettled: when it is not there, but may yet come
        :raises CloudError: when it is there and cannot be taken back
        """
        if entry.kind is model.ResourceKind.VOLUME:
            settled = self._maker.discard_volume(context, entry.data)
        else:
            settled = self._undo[entry.kind](entry.data)
        age = datetime.datetime.now(datetime.UTC) - entry.created_at
        if not settled and age.total_seconds() < self._section.settle:
            raise exception.CloudUnsettled(kind=entry.kind)

    def leftovers(self) -> Iterable[model.Resource]:
        """Return what bears a mark, as it would be in a ledger."""
        return temporary.leftovers(self._clients.service())

    def _api(self, context: csbs_context.RequestContext) -> clients.Api:
        # A task waits out an outage; a person wants to hear of it.
        return self._clients.service(patient=bool(context.is_admin))

    @contextlib.contextmanager
    def _through_volume(
        self,
        context: csbs_context.RequestContext,
        snapshot: base.Snapshot,
        source: snapshots.Source,
        ledger: base.Ledger,
    ) -> Iterator[Any]:
        volume = self._volume(snapshot.volume_id)
        api = self._clients.for_volume(context, volume)
        with temporary.planned(
            ledger, model.ResourceKind.VOLUME, mark=temporary.mark(ledger)
        ) as entry:
            what = 'A volume to read a snapshot through'
            with temporary.asked(ledger, entry, what):
                # The volume may have grown since.
                frozen = api.cinder.volume_snapshots.get(source.snapshot_id)
                made = api.cinder.volumes.create(
                    frozen.size,
                    snapshot_id=source.snapshot_id,
                    name=entry.data['mark'],
                )
            ledger.update(entry, volume_id=made.id)
            self._maker.wait_for_volume(made.id, ledger)
            with self._attacher.opened(
                self._volume(made.id), ledger
            ) as reader:
                yield reader

    @contextlib.contextmanager
    def _opened(
        self, volume_id: str, ledger: base.Ledger, server_id: str | None
    ) -> Iterator[Any]:
        with contextlib.ExitStack() as stack:
            try:
                if server_id:
                    self._holder.check(server_id)
                writer = stack.enter_context(
                    self._attacher.opened(
                        self._volume(volume_id),
                        ledger,
                        server_id=server_id,
                        writable=True,
                    )
                )
            except (OSError, exception.CloudError) as error:
                raise exception.VolumeUnwritable(
                    id=volume_id, reason=error
                ) from error
            yield writer

    def _volume(self, volume_id: str) -> dict[str, Any]:
        volume = servers.volume_of(self._clients.service(), volume_id)
        if volume is None:
            raise clients.Missing(f'Volume {volume_id} is gone.')
        return volume

    def _drop(
        self,
        volume_ids: Iterable[str],
        wanted: Callable[[Sequence[tuple[str, str]]], list[str]],
    ) -> None:
        """Remove those kept snapshots of volumes that ``wanted`` picks."""
        if self._ceph is None:
            return
        api = self._clients.service()
        for volume_id in volume_ids:
            volume = servers.volume_of(api, volume_id)
            image = self._ceph.locate(volume) if volume else None
            if image:
                for name in wanted(self._ceph.kept(image)):
                    self._ceph.remove_snapshot(image, name)

    def _discard_rbd_snapshot(self, data: Mapping[str, Any]) -> bool:
        if self._ceph is None:
            raise exception.CloudError(
                'There is a snapshot of csbs in Ceph, but [rbd] pools is '
                'not set any more.'
            )
        self._ceph.remove_snapshot(
            rbd.Image(data['pool'], data['name']), data['snapshot']
        )
        return True

    def _resume(self, data: Mapping[str, Any]) -> bool:
        return pause.resume(self._clients.service(), data['server_id'])
