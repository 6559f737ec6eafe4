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


"""Cinder's snapshots, each with the bytes of its volume."""

from collections.abc import Callable
import dataclasses
from typing import Any
from typing import Protocol

from csbs.cloud import disk
from csbs.tests.unit.cloud.openstack.stub import cinder as stub_cinder
from csbs.tests.unit.cloud.openstack.stub import wire


class Host(Protocol):
    """What is asked of the cloud."""

    cinder: stub_cinder.Cinder

    def later(self, word: str, work: Callable[[], None]) -> None: ...

    def breaks_now(self, word: str) -> bool: ...


@dataclasses.dataclass
class Snapshot:
    """A snapshot."""

    id: str
    name: str | None
    project_id: str
    user_id: str
    volume_id: str
    size: int
    status: str = 'creating'
    group_snapshot_id: str | None = None
    created_at: str = dataclasses.field(default_factory=wire.now)


class Snapshots:
    """All snapshots."""

    def __init__(self, cloud: Host) -> None:
        self._cloud = cloud
        self.all: dict[str, Snapshot] = {}
        self._routes: wire.Routes = {
            'GET snapshots/detail': self._list,
            'POST snapshots': self._create,
            'GET snapshots/*': self._show,
            'DELETE snapshots/*': self._delete,
            'POST snapshots/*/action': self._act,
        }

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        return wire.route(self._routes, request)

    def freeze(self, snapshot: Snapshot) -> None:
        """Let a snapshot have the bytes that its volume has now."""
        disk.copy(
            self._cloud.cinder.path(snapshot.volume_id),
            self._cloud.cinder.path(snapshot.id),
        )

    def forget(self, snapshot_id: str) -> None:
        """Let a snapshot be gone."""
        self.all.pop(snapshot_id, None)
        self._cloud.cinder.path(snapshot_id).unlink(missing_ok=True)

    def has_clones(self, snapshot_id: str) -> bool:
        """Tell whether a volume lives on a snapshot."""
        return any(
            each.snapshot_id == snapshot_id
            for each in self._cloud.cinder.volumes.values()
        )

    def find(self, request: wire.Request, one: str) -> Snapshot:
        """Return a snapshot that may be seen."""
        found = self.all.get(one)
        if found is None or not wire.visible(request, found):
            raise wire.Refusal(404, f'Snapshot {one} could not be found.')
        return found

    def _list(self, request: wire.Request) -> wire.Answer:
        found = wire.chosen(
            request, self.all.values(), ('name', 'status', 'volume_id')
        )
        return self._cloud.cinder.listed(
            request, 'snapshots', found, _describe
        )

    def _show(self, request: wire.Request, one: str) -> wire.Answer:
        found = self.find(request, one)
        return 200, {'snapshot': _describe(request, found)}

    def _create(self, request: wire.Request) -> wire.Answer:
        wanted, who = request.body['snapshot'], request.who
        volume = self._cloud.cinder.volume(request, wanted['volume_id'])
        easy = request.version >= (3, 66) or wanted.get('force')
        if volume.status not in ('available', 'in-use' if easy else ''):
            raise wire.Refusal(400, f'Invalid volume: it is {volume.status}.')
        self._cloud.cinder.take_quota(who.project_id, 'snapshots')
        made = Snapshot(
            wire.new_id(),
            wanted.get('name'),
            who.project_id,
            who.user_id,
            volume.id,
            volume.size,
        )
        self.all[made.id] = made
        self._cloud.later('snapshot', lambda: self._taken(made))
        return 202, {'snapshot': _describe(request, made)}

    def _taken(self, snapshot: Snapshot) -> None:
        if snapshot.id not in self.all:
            return
        if self._cloud.breaks_now('snapshot'):
            snapshot.status = 'error'
            return
        self.freeze(snapshot)
        snapshot.status = 'available'

    def _delete(self, request: wire.Request, one: str) -> wire.Answer:
        found = self.find(request, one)
        if found.group_snapshot_id or found.status not in (
            'available',
            'error',
        ):
            raise wire.Refusal(
                400,
                'Invalid snapshot: Snapshot status must be available or error '
                'and Snapshot must not be part of a group.',
            )
        found.status = 'deleting'
        self._cloud.later('delete', lambda: self._deleted(found))
        return 202, None

    def _deleted(self, snapshot: Snapshot) -> None:
        if self._cloud.breaks_now('delete'):
            snapshot.status = 'error_deleting'
        elif self.has_clones(snapshot.id):
            # It is busy, and nobody is told.
            snapshot.status = 'available'
        else:
            self.forget(snapshot.id)

    def _act(self, request: wire.Request, one: str) -> wire.Answer:
        wire.need_admin(request)
        found = self.find(request, one)
        found.status = request.body['os-reset_status']['status']
        return 202, None


def _describe(request: wire.Request, snapshot: Snapshot) -> dict[str, Any]:
    return {
        'id': snapshot.id,
        'created_at': snapshot.created_at,
        'updated_at': None,
        'name': snapshot.name,
        'description': None,
        'volume_id': snapshot.volume_id,
        'status': snapshot.status,
        'size': snapshot.size,
        'metadata': {},
        'group_snapshot_id': snapshot.group_snapshot_id,
        'user_id': snapshot.user_id,
        'os-extended-snapshot-attributes:project_id': snapshot.project_id,
        'os-extended-snapshot-attributes:progress': '100%',
    }
