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

"""Freezing the volumes of a server, at one instant if that can be had.

Owns the choice of the way and the judgement of what was really had:

1. a shut off server does not write, so its snapshots are of one instant;
2. so is the snapshot of an only volume;
3. storage that freezes volumes together (:mod:`.groups`);
4. a pause of the server, when it is allowed (:mod:`.pause`);
5. one after another, which is said so.

A volume in Ceph is frozen there, if csbs may (:mod:`.rbd`), else by Cinder.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import json
import logging
import time
from typing import Any

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import groups
from csbs.cloud.openstack import pause
from csbs.cloud.openstack import rbd
from csbs.cloud.openstack import servers
from csbs.cloud.openstack import temporary
from csbs.domain import model

LOG = logging.getLogger(__name__)

_Method = model.SnapshotMethod
#: snapshot ids, or nothing while Ceph's own are read, by volume id
_Ids = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Source:
    """What is read of a frozen volume.

    :ivar snapshot_id: in Cinder, if it knows of it
    :ivar image: where it is in Ceph, if it can be read there
    :ivar name: of the snapshot in Ceph
    """

    snapshot_id: str | None = None
    image: rbd.Image | None = None
    name: str | None = None

    def encode(self) -> str:
        """Return it as the reference of a :class:`base.Snapshot`."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def decode(cls, ref: str) -> 'Source':
        """Return what :meth:`encode` made a reference of."""
        fields = json.loads(ref)
        if fields['image']:
            fields['image'] = rbd.Image(**fields['image'])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class _Job:
    """One server to be frozen.

    :ivar volumes: Cinder's descriptions
    :ivar images: where they are in Ceph, by volume id
    :ivar entries: the ledger's, by volume id, of snapshots that may not
        exist yet
    :ivar apis: whose Cinder's snapshots are, by volume id
    """

    context: csbs_context.RequestContext
    server: model.Server
    ledger: base.Ledger
    backup_id: str
    volumes: Sequence[Mapping[str, Any]]
    images: Mapping[str, rbd.Image]
    entries: dict[str, model.Resource] = dataclasses.field(
        default_factory=dict
    )
    apis: dict[str, clients.Api] = dataclasses.field(default_factory=dict)


class Freezer:
    """Freezes the volumes of servers."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        own: clients.Clients,
        ceph: rbd.Cluster | None,
    ) -> None:
        self._section = conf.openstack
        self._clients = own
        self._ceph = ceph

    def freeze(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: base.Ledger,
        *,
        backup_id: str,
        allow_pause: bool,
        fallback: Callable[[], None],
    ) -> base.SnapshotSet:
        """Freeze all volumes of a server by the best way there is.

        :raises CloudError: when it cannot be done; the ledger has the rest
        """
        job = self._job(context, server, ledger, backup_id)
        power = self._power(job)
        if power[0] == model.ServerStatus.SHUTOFF:
            return self._shut_off(job, power, fallback)
        if len(job.volumes) == 1:
            return self._plain(job, _Method.SINGLE)
        together = self._together(job)
        if together:
            return together
        if allow_pause and self._written_by_others(job) < 2:
            try:
                return self._paused(job, fallback)
            except pause.Refused as error:
                LOG.warning(
                    'Server %s cannot be paused: %s', job.server.id, error
                )
                for entry in job.entries.values():
                    job.ledger.keep(entry)
                job.entries.clear()
        fallback()
        return self._plain(job, _Method.SEQUENTIAL)

    def discard_snapshot(self, data: Mapping[str, Any]) -> bool:
        """Delete a snapshot of Cinder's, and see that it is gone.

        :returns: whether there was one
        """
        snapshots = self._clients.service().cinder.volume_snapshots
        found = temporary.find(
            snapshots, data.get('snapshot_id'), data['mark']
        )
        temporary.remove(snapshots, found, 'snapshot', self._section)
        return bool(found)

    def _job(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: base.Ledger,
        backup_id: str,
    ) -> _Job:
        volumes, images = [], {}
        for each in server.volumes:
            volume = servers.volume_of(self._clients.service(), each.id)
            if volume is None:
                raise exception.VolumeUnreadable(
                    id=each.id, reason='it is gone'
                )
            volumes.append(volume)
            image = self._ceph.locate(volume) if self._ceph else None
            if image:
                images[each.id] = image
        return _Job(context, server, ledger, backup_id, volumes, images)

    # The ways.

    def _shut_off(
        self,
        job: _Job,
        before: tuple[str, Any],
        fallback: Callable[[], None],
    ) -> base.SnapshotSet:
        found = self._plain(job, _Method.SHUT_OFF)
        still = before == self._power(job)
        if still and self._written_by_others(job) < 2:
            return found
        if len(job.volumes) == 1:
            return dataclasses.replace(
                found,
                method=_Method.SINGLE,
                consistency=_CONSISTENCY[_Method.SINGLE],
            )
        LOG.warning('Server %s was started meanwhile', job.server.id)
        fallback()
        return dataclasses.replace(
            found,
            method=_Method.SEQUENTIAL,
            consistency=_CONSISTENCY[_Method.SEQUENTIAL],
        )

    def _plain(
        self, job: _Job, method: model.SnapshotMethod
    ) -> base.SnapshotSet:
        self._plan(job)
        taken_at = _now()
        ids = self._take(job)
        self._note(job, ids)
        self._wait(job, ids, self._section.snapshot_timeout)
        return self._result(job, ids, method, taken_at)

    def _together(self, job: _Job) -> base.SnapshotSet | None:
        """Let the storage freeze all volumes, if it can."""
        way = groups.Groups(self._section, self._clients)
        fitting = way.find(job.context, job.volumes)
        if fitting is None:
            return None
        # What the next backup is compared with must not be younger than
        # what is read of this one.
        self._plan(job, only_ceph=True)
        taken_at = _now()
        try:
            self._take(job)
            ids = way.freeze(fitting, job.ledger)
        except (exception.CloudRefused, groups.Failed) as error:
            LOG.warning(
                'The volumes of server %s cannot be frozen together: %s',
                job.server.id,
                error,
            )
            for entry in job.entries.values():
                temporary.try_to_discard(job.ledger, entry)
            job.entries.clear()
            return None
        return self._result(job, ids, _Method.GROUP, taken_at)

    def _paused(
        self, job: _Job, fallback: Callable[[], None]
    ) -> base.SnapshotSet:
        api = self._clients.service()
        self._plan(job)
        with pause.paused(
            api, job.server.id, job.ledger, self._section.pause_timeout
        ) as stop:
            taken_at = _now()
            ids = self._take(job)
            left = stop.until - time.monotonic()
            done = self._done(job, ids, max(left, 0))
            still = done and stop.lasts()
        self._note(job, ids)
        if not still:
            LOG.warning(
                'The volumes of server %s were not frozen within its pause',
                job.server.id,
            )
            fallback()
            self._wait(job, ids, self._section.snapshot_timeout)
        found = self._result(
            job, ids, _Method.PAUSE if still else _Method.SEQUENTIAL, taken_at
        )
        return dataclasses.replace(found, paused_seconds=stop.seconds)

    # Their steps.

    def _plan(self, job: _Job, *, only_ceph: bool = False) -> None:
        """Write all snapshots down, so that taking them needs no database."""
        for volume in job.volumes:
            image = job.images.get(volume['id'])
            if image:
                job.entries[volume['id']] = job.ledger.plan(
                    model.ResourceKind.RBD_SNAPSHOT,
                    **dataclasses.asdict(image),
                    snapshot=rbd.kept_name(job.backup_id),
                )
            elif not only_ceph:
                job.apis[volume['id']] = self._clients.for_volume(
                    job.context, volume
                )
                job.entries[volume['id']] = job.ledger.plan(
                    model.ResourceKind.SNAPSHOT,
                    volume_id=volume['id'],
                    mark=temporary.mark(job.ledger),
                )

    def _take(self, job: _Job) -> _Ids:
        """Take all planned snapshots; Cinder's may not be complete yet."""
        ids = {}
        for volume in job.volumes:
            entry = job.entries.get(volume['id'])
            if entry and entry.kind == model.ResourceKind.SNAPSHOT:
                cinder = job.apis[volume['id']].cinder
                with temporary.asked(
                    job.ledger, entry, f'A snapshot of {volume["id"]}'
                ):
                    made = cinder.volume_snapshots.create(
                        volume['id'], name=entry.data['mark']
                    )
                ids[volume['id']] = made.id
        if self._ceph and job.images:
            self._ceph.create_snapshots(
                {
                    image: job.entries[volume_id].data['snapshot']
                    for volume_id, image in job.images.items()
                }
            )
        return ids

    def _note(self, job: _Job, ids: _Ids) -> None:
        for volume_id, snapshot_id in ids.items():
            job.ledger.update(job.entries[volume_id], snapshot_id=snapshot_id)

    def _done(self, job: _Job, ids: _Ids, timeout: float) -> bool:
        try:
            self._wait(job, ids, timeout)
        except _NotYet:
            return False
        return True

    def _wait(self, job: _Job, ids: _Ids, timeout: float) -> None:
        """Wait until Cinder has completed its snapshots.

        :raises _NotYet: when the time is up
        :raises CloudError: when one has failed
        """
        snapshots = self._clients.service().cinder.volume_snapshots
        deadline = time.monotonic() + timeout
        for volume_id, snapshot_id in ids.items():

            def look(
                volume_id: str = volume_id, snapshot_id: str = snapshot_id
            ) -> bool | None:
                with clients.translated(f'The snapshot of {volume_id}'):
                    status = snapshots.get(snapshot_id).status
                if status == 'creating':
                    if time.monotonic() >= deadline:
                        raise _NotYet(
                            f'Waited too long ({timeout:g} s) for the '
                            f'snapshot of volume {volume_id}.'
                        )
                    return None
                if status != 'available':
                    raise exception.CloudError(
                        f'The snapshot of volume {volume_id} is {status}; '
                        'the log of Cinder says why.'
                    )
                return True

            clients.wait_for(
                look,
                f'the snapshot of volume {volume_id}',
                timeout + 60,
                job.ledger.check,
                pause=0.1,
            )

    def _result(
        self,
        job: _Job,
        ids: _Ids,
        method: model.SnapshotMethod,
        taken_at: datetime.datetime,
    ) -> base.SnapshotSet:
        found = {}
        for volume in job.volumes:
            image = job.images.get(volume['id'])
            snapshot_id = ids.get(volume['id'])
            name = None
            if image and snapshot_id:
                name = f'snapshot-{snapshot_id}'
            elif image:
                name = job.entries[volume['id']].data['snapshot']
            found[volume['id']] = base.Snapshot(
                volume['id'],
                int(volume['size']) * model.GIB,
                Source(snapshot_id, image, name).encode(),
            )
        return base.SnapshotSet(
            _CONSISTENCY[method],
            method,
            taken_at,
            found,
            kept=tuple(
                entry
                for entry in job.entries.values()
                if entry.kind == model.ResourceKind.RBD_SNAPSHOT
            ),
        )

    def _power(self, job: _Job) -> tuple[str, Any]:
        """Return what changes whenever a server is started or stopped."""
        described = servers.describe(self._clients.service(), job.server.id)
        return servers.status(described), described.get('updated')

    def _written_by_others(self, job: _Job) -> int:
        """Return how many volumes other running servers may write to.

        One of them can be frozen at one instant with all that stand still,
        two can't.
        """
        return sum(
            running_elsewhere(self._clients.service(), volume, job.server.id)
            is not None
            for volume in job.volumes
        )


_CONSISTENCY = {
    _Method.SHUT_OFF: model.Consistency.SHUT_OFF,
    _Method.SINGLE: model.Consistency.CRASH_CONSISTENT,
    _Method.GROUP: model.Consistency.CRASH_CONSISTENT,
    _Method.PAUSE: model.Consistency.CRASH_CONSISTENT,
    _Method.SEQUENTIAL: model.Consistency.NONE,
}


class _NotYet(exception.CloudError):
    """A snapshot takes longer than it may."""


def running_elsewhere(
    api: clients.Api, volume: Mapping[str, Any], server_id: str
) -> str | None:
    """Return another server that has the volume and is not shut off."""
    for attached in volume.get('attachments', ()):
        other = attached.get('server_id')
        if not other or other == server_id:
            continue
        try:
            status = servers.status(servers.describe(api, other))
        except exception.ServerNotFound:
            continue
        if status != model.ServerStatus.SHUTOFF:
            return str(other)
    return None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
