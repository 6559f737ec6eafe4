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

"""A cloud that is a directory: servers are folders of raw disk images.

For people who try csbs, develop it, or have disk images to protect. Owns
what a cloud must do (:class:`csbs.cloud.base.Cloud`) on this layout:

``<path>/servers/<any name>/``
    A server; see :mod:`csbs.cloud.local_folder` for what is in it. Put there
    by hand or made from a backup, then the name is the server's id. Names
    that begin with a dot are not looked at.
``<path>/snapshots/<uuid>/<volume id>.raw``
    The frozen disks of one server, for as long as a task needs them.
``<path>/volumes/<volume id>.raw``
    A new volume until it becomes a disk of a server.

Only names in the ledger are ever removed, and all of them are UUIDs that were
chosen here and written into the ledger before anything had them.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import logging
import os
import pathlib
import shutil
from typing import Any
from typing import Self
import uuid

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud import disk
from csbs.cloud import local_folder
from csbs.cloud import local_hold
from csbs.cloud import local_snapshot
from csbs.domain import model

LOG = logging.getLogger(__name__)

#: for writers on the disks of a running server, see local_folder
writing = local_folder.writing

#: choices for a new server that replace what the backup says
_CHOICES = ('networks', 'key_name', 'security_groups', 'availability_zone')


class LocalCloud:
    """The cloud of a directory; safe to use from threads and processes."""

    def __init__(
        self, path: pathlib.Path | str, freeze_timeout: float = 30.0
    ) -> None:
        """Use a directory, which is made when it is not there.

        :param freeze_timeout: seconds to wait for writers to pause
        :raises CloudError: when the directory cannot be made
        """
        root = pathlib.Path(path).absolute()
        self._freeze_timeout = freeze_timeout
        self.servers_path = root / 'servers'
        self._snapshots = root / 'snapshots'
        self._volumes = root / 'volumes'
        with _translated('The directory of the local cloud cannot be made'):
            for folder in (self.servers_path, self._snapshots, self._volumes):
                folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Self:
        """Make the cloud that the ``[local_cloud]`` options describe."""
        group = conf.local_cloud
        return cls(group.path, freeze_timeout=group.freeze_timeout)

    def servers(
        self, context: csbs_context.RequestContext
    ) -> Sequence[model.Server]:
        """Return the servers of the context's project, ordered by name.

        An admin's context without a project gets those of all projects.
        """
        found = (folder.server for folder in self._folders())
        every = context.is_admin and context.project_id is None
        return sorted(
            (
                server
                for server in found
                if every or server.project_id == context.project_id
            ),
            key=lambda server: (server.name, server.id),
        )

    def server(
        self, context: csbs_context.RequestContext, server_id: str
    ) -> model.Server:
        """Return one server of the context's project; admins see all.

        :raises ServerNotFound: also when it is another project's
        """
        server = self._folder(server_id).server
        if not context.is_admin and server.project_id != context.project_id:
            raise exception.ServerNotFound(id=server_id)
        return server

    def check(self) -> None:
        """See that the directory can be read.

        :raises CloudError: when it cannot
        """
        self._folders()

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
        """Copy or clone all disks of the server while writers are held off.

        :param allow_pause: not looked at: there is nothing to pause
        :param fallback: called when the writers would not be held off
        :raises CloudError: when it cannot be done; nothing is left then
        :raises ServerNotFound: when the server is gone
        """
        folder = self._folder(server.id)
        name = str(uuid.uuid4())
        entry = ledger.plan(
            model.ResourceKind.SNAPSHOT, name=name, server_id=server.id
        )
        try:
            with _translated(f'No snapshot of {server.name} can be taken'):
                return local_snapshot.freeze(
                    folder,
                    server.volumes,
                    self._snapshots / name,
                    self._freeze_timeout,
                    fallback,
                )
        except exception.CsbsError:
            ledger.discard(entry)
            raise

    @contextlib.contextmanager
    def open_snapshot(
        self,
        context: csbs_context.RequestContext,
        snapshot: base.Snapshot,
        ledger: base.Ledger,
    ) -> Iterator[disk.DiskReader]:
        """Open a snapshot's bytes for reading.

        :raises VolumeUnreadable: when it cannot be opened
        """
        name, _slash, volume_id = snapshot.ref.partition('/')
        with contextlib.ExitStack() as stack:
            try:
                path = self._snapshot_file(name, volume_id)
                reader = stack.enter_context(disk.reader(path))
            except (OSError, ValueError) as error:
                raise exception.VolumeUnreadable(
                    id=snapshot.volume_id, reason=disk.why(error)
                ) from error
            yield reader

    def keep_only(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Do nothing: a directory keeps nothing of a finished backup."""

    def forget(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Do nothing: a directory keeps nothing of a finished backup."""

    def check_restore(
        self, server: model.Server, volume_ids: Collection[str]
    ) -> None:
        """Return: a disk image belongs to one server."""

    def hold(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: base.Ledger,
    ) -> model.Resource:
        """Stop the server and lock it, so that its disks can be overwritten.

        The entry's data may get ``keep_stopped`` (true: a discard leaves the
        server stopped, locked and marked as half restored) and ``power_on``
        (true or false instead of as before).

        :raises CloudError: when its disks are still being written
        :raises ServerNotFound: when the server is gone
        """
        path = self._folder(server.id).path
        holder = str(uuid.uuid4())
        entry = ledger.plan(
            model.ResourceKind.HOLD, server_id=server.id, holder=holder
        )
        try:
            with _translated(f'Server {server.name} cannot be stopped'):
                local_hold.stop(path, holder, self._freeze_timeout)
        except exception.CsbsError:
            ledger.discard(entry)
            raise
        return entry

    @contextlib.contextmanager
    def open_volume(
        self, server_id: str, volume_id: str, ledger: base.Ledger
    ) -> Iterator[disk.DiskWriter]:
        """Open a volume of a held server for writing.

        :raises VolumeUnwritable: when the server is not held, or the disk
            image cannot be opened
        :raises ServerNotFound: when the server is gone
        """
        folder = self._folder(server_id)
        held = folder.description.get('held') or {}
        if not held.get('by'):
            raise exception.VolumeUnwritable(
                id=volume_id,
                reason='its server is not stopped and locked for a restore',
            )
        if volume_id not in folder.files:
            raise exception.VolumeUnwritable(
                id=volume_id, reason='the server has no such volume'
            )
        with _writer(volume_id, folder.files[volume_id]) as writer:
            yield writer

    def create_volume(
        self,
        context: csbs_context.RequestContext,
        spec: base.VolumeSpec,
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Volume]:
        """Make an empty volume that reads as zeros.

        :raises CloudError: when it cannot be made; nothing is left then
        """
        volume = model.Volume(
            id=str(uuid.uuid4()),
            name=spec.name,
            size=spec.size,
            device=spec.device,
            bootable=spec.bootable,
            status='available',
            facts=dict(spec.facts),
        )
        entry = ledger.plan(
            model.ResourceKind.VOLUME,
            volume_id=volume.id,
            project_id=context.project_id,
        )
        try:
            with _translated(f'Volume {spec.name} cannot be made'):
                disk.create(self._volume_file(volume.id), spec.size)
        except exception.CsbsError:
            ledger.discard(entry)
            raise
        return entry, volume

    @contextlib.contextmanager
    def open_new_volume(
        self, volume: model.Volume, ledger: base.Ledger
    ) -> Iterator[disk.DiskWriter]:
        """Open a volume of :meth:`create_volume` for writing.

        :raises VolumeUnwritable: when its disk image cannot be opened
        """
        with _writer(volume.id, self._volume_file(volume.id)) as writer:
            yield writer

    def create_server(
        self,
        context: csbs_context.RequestContext,
        spec: base.ServerSpec,
        volumes: Sequence[model.Volume],
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Server]:
        """Make a server from volumes; the first bootable one is its root.

        It appears at once, with all its disks, and runs unless the choice
        ``power_on`` is false. Passwords are not kept: nothing would use them.

        :raises CloudError: when it cannot be made; nothing is left then, nor
            are the volumes
        """
        server_id = str(uuid.uuid4())
        entry = ledger.plan(
            model.ResourceKind.SERVER,
            server_id=server_id,
            volume_ids=[volume.id for volume in volumes],
        )
        root_first = sorted(volumes, key=lambda volume: not volume.bootable)
        try:
            with _translated(f'Server {spec.name} cannot be made'):
                making, final = self._new_server_paths(server_id)
                making.mkdir()
                described = self._move_in(making, root_first)
                local_folder.write(
                    making,
                    {
                        'id': server_id,
                        'name': spec.name,
                        'project_id': context.project_id
                        or local_folder.DEFAULT_PROJECT,
                        'status': local_hold.power(
                            spec.choices.get('power_on', True)
                        ),
                        'volumes': described,
                        'facts': _facts(spec),
                    },
                )
                os.rename(making, final)
                local_folder.sync(self.servers_path)
        except exception.CsbsError:
            ledger.discard(entry)
            raise
        LOG.info('Made server %s with %d disks', server_id, len(volumes))
        return entry, local_folder.inspect(final).server

    def hand_over(self, entries: Sequence[model.Resource]) -> None:
        """Do nothing: what is made bears no mark."""

    def leftovers(self) -> Sequence[model.Resource]:
        """Return nothing: no request can come true behind the ledger."""
        return ()

    def discard(
        self, context: csbs_context.RequestContext, entry: model.Resource
    ) -> None:
        """Take back what a ledger entry names; fine when it is gone.

        :raises CloudError: when it is there and cannot be taken back
        """
        data = entry.data
        with _translated(f'A leftover {entry.kind} cannot be removed'):
            if entry.kind is model.ResourceKind.SNAPSHOT:
                _remove(self._snapshots / _uuid(data['name']))
            elif entry.kind is model.ResourceKind.VOLUME:
                # once it is a disk of a server it is not here any more
                self._volume_file(data['volume_id']).unlink(missing_ok=True)
            elif entry.kind is model.ResourceKind.SERVER:
                for path in self._new_server_paths(data['server_id']):
                    _remove(path)
            elif entry.kind is model.ResourceKind.HOLD:
                self._release(data)

    def _folders(self) -> list[local_folder.Folder]:
        with _translated('The servers of the local cloud cannot be listed'):
            paths = sorted(
                path
                for path in self.servers_path.iterdir()
                if not path.name.startswith('.') and path.is_dir()
            )
        found: dict[str, local_folder.Folder] = {}
        # a folder that has its id for a name goes before a copy of it
        for folder in sorted(
            map(local_folder.inspect, paths),
            key=lambda folder: folder.server.id != folder.path.name,
        ):
            owner = found.get(folder.server.id)
            if owner is not None:
                folder = local_folder.mark_copy(folder, owner)
            found[folder.server.id] = folder
        return list(found.values())

    def _folder(self, server_id: str) -> local_folder.Folder:
        for folder in self._folders():
            if folder.server.id == server_id:
                return folder
        raise exception.ServerNotFound(id=server_id)

    def _release(self, data: Mapping[str, Any]) -> None:
        try:
            path = self._folder(data['server_id']).path
        except exception.ServerNotFound:
            return
        local_hold.release(path, data)

    def _move_in(
        self, making: pathlib.Path, volumes: Sequence[model.Volume]
    ) -> list[dict[str, Any]]:
        described: list[dict[str, Any]] = []
        for volume in volumes:
            file = f'{os.path.basename(volume.device) or volume.id}.raw'
            if any(file == other['file'] for other in described):
                file = f'{volume.id}.raw'
            os.rename(self._volume_file(volume.id), making / file)
            described.append(
                {
                    'id': volume.id,
                    'name': volume.name,
                    'file': file,
                    'device': volume.device,
                    'bootable': volume.bootable,
                    'facts': dict(volume.facts),
                }
            )
        local_folder.sync(self._volumes)
        return described

    def _new_server_paths(
        self, server_id: str
    ) -> tuple[pathlib.Path, pathlib.Path]:
        name = _uuid(server_id)
        return self.servers_path / f'.new-{name}', self.servers_path / name

    def _snapshot_file(self, name: str, volume_id: str) -> pathlib.Path:
        return self._snapshots / _uuid(name) / f'{_uuid(volume_id)}.raw'

    def _volume_file(self, volume_id: str) -> pathlib.Path:
        return self._volumes / f'{_uuid(volume_id)}.raw'


def _facts(spec: base.ServerSpec) -> dict[str, Any]:
    facts = dict(spec.facts)
    chosen = {key: spec.choices.get(key) for key in _CHOICES}
    facts.update({k: v for k, v in chosen.items() if v is not None})
    if spec.choices.get('flavor_id') is not None:
        facts['flavor'] = {'id': spec.choices['flavor_id']}
    return facts


def _uuid(text: str) -> str:
    # whatever comes back from elsewhere, no path is ever made of it
    return str(uuid.UUID(text))


def _remove(path: pathlib.Path) -> None:
    # another process may be doing the same: then the rest is what counts
    while os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


@contextlib.contextmanager
def _writer(volume_id: str, path: pathlib.Path) -> Iterator[disk.DiskWriter]:
    with contextlib.ExitStack() as stack:
        try:
            writer = stack.enter_context(disk.writer(path))
        except OSError as error:
            raise exception.VolumeUnwritable(
                id=volume_id, reason=disk.why(error)
            ) from error
        yield writer


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, local_folder.Unusable) as error:
        raise exception.CloudError(f'{what}: {disk.why(error)}.') from error
