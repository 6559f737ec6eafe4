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


"""Cinder's groups: volumes put together, and their snapshots."""

from collections.abc import Callable
import dataclasses
from typing import Any
from typing import Protocol

from csbs.tests.unit.cloud.openstack.stub import cinder as stub_cinder
from csbs.tests.unit.cloud.openstack.stub import snapshots as stub_snapshots
from csbs.tests.unit.cloud.openstack.stub import wire

_SPEC = 'consistent_group_snapshot_enabled'


class Host(Protocol):
    """What is asked of the cloud."""

    cinder: stub_cinder.Cinder
    snapshots: stub_snapshots.Snapshots

    def later(self, word: str, work: Callable[[], None]) -> None: ...

    def breaks_now(self, word: str) -> bool: ...


@dataclasses.dataclass
class Group:
    """A group of volumes, which know that they are in it.

    :ivar host: the back end it was given to
    """

    id: str
    name: str | None
    project_id: str
    group_type: str
    volume_types: list[str]
    host: str | None
    status: str = 'creating'
    created_at: str = dataclasses.field(default_factory=wire.now)


@dataclasses.dataclass
class GroupSnapshot:
    """A snapshot of all volumes of a group."""

    id: str
    name: str | None
    project_id: str
    group_id: str
    status: str = 'creating'
    created_at: str = dataclasses.field(default_factory=wire.now)


class Groups:
    """Groups and their snapshots.

    :ivar kinds: the specs of group types, by id
    :ivar closed: whether users may not make groups
    """

    def __init__(self, cloud: Host) -> None:
        self._cloud = cloud
        self.kinds: dict[str, dict[str, str]] = {
            'consistent-type': {_SPEC: '<is> True'},
            'generic-type': {},
        }
        self.closed = False
        self.groups: dict[str, Group] = {}
        self.snapshots: dict[str, GroupSnapshot] = {}
        self._routes: wire.Routes = {
            'GET group_types': self._list_types,
            'GET groups/detail': self._list,
            'POST groups': self._create,
            'GET groups/*': self._show,
            'PUT groups/*': self._update,
            'POST groups/*/action': self._act,
            'GET group_snapshots/detail': self._list_snapshots,
            'POST group_snapshots': self._create_snapshot,
            'GET group_snapshots/*': self._show_snapshot,
            'DELETE group_snapshots/*': self._delete_snapshot,
            'POST group_snapshots/*/action': self._act_on_snapshot,
        }

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        return wire.route(self._routes, request)

    @property
    def _volumes(self) -> list[stub_cinder.Volume]:
        return list(self._cloud.cinder.volumes.values())

    def _of(
        self, request: wire.Request, things: dict[str, Any], one: str
    ) -> Any:
        found = things.get(one)
        if found is None or not (
            request.who.admin or found.project_id == request.who.project_id
        ):
            raise wire.Refusal(404, f'Group {one} could not be found.')
        return found

    def _list_types(self, request: wire.Request) -> wire.Answer:
        return 200, {
            'group_types': [
                {'id': one, 'name': one, 'is_public': True, 'group_specs': it}
                for one, it in self.kinds.items()
            ]
        }

    # Groups.

    def _list(self, request: wire.Request) -> wire.Answer:
        found = wire.chosen(request, self.groups.values(), ('name', 'status'))
        return 200, {'groups': [_describe(each) for each in found]}

    def _show(self, request: wire.Request, one: str) -> wire.Answer:
        return 200, {'group': _describe(self._of(request, self.groups, one))}

    def _create(self, request: wire.Request) -> wire.Answer:
        wanted = request.body['group']
        if self.closed:
            raise wire.Refusal(403, 'Policy does not allow group:create.')
        if wanted['group_type'] not in self.kinds:
            raise wire.Refusal(404, 'Group type could not be found.')
        known = {kind.id: kind for kind in self._cloud.cinder.types.values()}
        kinds = [known[each] for each in wanted['volume_types']]
        group = Group(
            wire.new_id(),
            wanted.get('name'),
            request.who.project_id,
            wanted['group_type'],
            [kind.id for kind in kinds],
            kinds[0].pool.partition('#')[0],
        )
        self.groups[group.id] = group
        self._cloud.later('group', lambda: self._made(group))
        return 202, {'group': {'id': group.id, 'name': group.name}}

    def _made(self, group: Group) -> None:
        broken = self._cloud.breaks_now('group')
        if broken:
            group.host = None
        group.status = 'error' if broken else 'available'

    def _update(self, request: wire.Request, one: str) -> wire.Answer:
        group = self._of(request, self.groups, one)
        wanted = request.body['group']
        added = self._named(wanted.get('add_volumes'))
        removed = self._named(wanted.get('remove_volumes'))
        for volume in added:
            self._check_added(group, volume)
        for volume in removed:
            if volume.group_id != one:
                raise wire.Refusal(400, 'The volume is not in the group.')
            if volume.status not in ('available', 'in-use', 'error'):
                raise wire.Refusal(400, 'The volume has a bad status.')
        if group.status != 'available':
            raise wire.Refusal(400, 'Group status must be available.')
        group.status = 'updating'
        self._cloud.later(
            'group', lambda: self._updated(group, added, removed)
        )
        return 202, None

    def _named(self, text: str | None) -> list[stub_cinder.Volume]:
        ids = text.split(',') if text else []
        return [each for each in self._volumes if each.id in ids]

    def _check_added(self, group: Group, volume: stub_cinder.Volume) -> None:
        if volume.group_id:
            raise wire.Refusal(400, 'The volume is in another group.')
        if volume.project_id != group.project_id:
            raise wire.Refusal(400, 'They belong to different projects.')
        if volume.status not in ('available', 'in-use'):
            raise wire.Refusal(400, 'The volume has a bad status.')
        if volume.host.partition('#')[0] != group.host:
            raise wire.Refusal(400, 'Volume is not local to this node.')

    def _updated(
        self,
        group: Group,
        added: list[stub_cinder.Volume],
        removed: list[stub_cinder.Volume],
    ) -> None:
        if self._cloud.breaks_now('stuck group'):
            # It fails before it minds what becomes of the group.
            return
        if self._cloud.breaks_now('add' if added else 'remove'):
            group.status = 'error'
            for volume in (*added, *removed):
                volume.status = 'error'
            return
        for volume in added:
            volume.group_id = group.id
        for volume in removed:
            volume.group_id = None
        group.status = 'available'

    def _act(self, request: wire.Request, one: str) -> wire.Answer:
        group = self._of(request, self.groups, one)
        ((action, wanted),) = request.body.items()
        if action == 'reset_status':
            wire.need_admin(request)
            group.status = wanted['status']
            return 202, None
        if not group.host:
            del self.groups[one]
            return 202, None
        if group.status not in ('available', 'error'):
            raise wire.Refusal(400, f'The group is {group.status}.')
        if any(each.group_id == one for each in self.snapshots.values()):
            raise wire.Refusal(400, 'Group has existing snapshots.')
        if any(volume.group_id == one for volume in self._volumes):
            raise wire.Refusal(400, 'Group still contains volumes.')
        group.status = 'deleting'
        self._cloud.later('delete', lambda: self._deleted(group))
        return 202, None

    def _deleted(self, group: Group) -> None:
        if self._cloud.breaks_now('delete group'):
            group.status = 'error'
            return
        self.groups.pop(group.id, None)

    # Their snapshots.

    def _list_snapshots(self, request: wire.Request) -> wire.Answer:
        found = wire.chosen(
            request, self.snapshots.values(), ('name', 'status', 'group_id')
        )
        return 200, {
            'group_snapshots': [self._describe_snapshot(it) for it in found]
        }

    def _show_snapshot(self, request: wire.Request, one: str) -> wire.Answer:
        found = self._of(request, self.snapshots, one)
        return 200, {'group_snapshot': self._describe_snapshot(found)}

    def _describe_snapshot(self, snapshot: GroupSnapshot) -> dict[str, Any]:
        group = self.groups.get(snapshot.group_id)
        return {
            'id': snapshot.id,
            'group_id': snapshot.group_id,
            'group_type_id': group.group_type if group else None,
            'status': snapshot.status,
            'created_at': snapshot.created_at,
            'name': snapshot.name,
            'description': None,
            'project_id': snapshot.project_id,
        }

    def _create_snapshot(self, request: wire.Request) -> wire.Answer:
        wanted = request.body['group_snapshot']
        group = self._of(request, self.groups, wanted['group_id'])
        volumes = [it for it in self._volumes if it.group_id == group.id]
        if not volumes:
            raise wire.Refusal(400, 'The group is empty.')
        bad = {'available', 'in-use'}
        if any(volume.status not in bad for volume in volumes):
            raise wire.Refusal(400, 'A volume has a bad status.')
        who, cinder = request.who, self._cloud.cinder
        cinder.take_quota(who.project_id, 'snapshots', len(volumes))
        made = GroupSnapshot(
            wire.new_id(), wanted.get('name'), who.project_id, group.id
        )
        self.snapshots[made.id] = made
        members = [
            stub_snapshots.Snapshot(
                wire.new_id(),
                wanted.get('name'),
                who.project_id,
                who.user_id,
                volume.id,
                volume.size,
                group_snapshot_id=made.id,
            )
            for volume in volumes
        ]
        for each in members:
            self._cloud.snapshots.all[each.id] = each
        self._cloud.later('group snapshot', lambda: self._taken(made, members))
        return 202, {
            'group_snapshot': {
                'id': made.id,
                'name': made.name,
                'group_type_id': group.group_type,
            }
        }

    def _taken(
        self, made: GroupSnapshot, members: list[stub_snapshots.Snapshot]
    ) -> None:
        if made.id not in self.snapshots:
            return
        if self._cloud.breaks_now('group snapshot'):
            made.status = 'error'
            for each in members:
                each.status = 'error'
            return
        for each in members:
            self._cloud.snapshots.freeze(each)
            each.status = 'available'
        made.status = 'available'

    def _delete_snapshot(self, request: wire.Request, one: str) -> wire.Answer:
        found = self._of(request, self.snapshots, one)
        if found.status not in ('available', 'error'):
            raise wire.Refusal(400, f'The snapshot is {found.status}.')
        found.status = 'deleting'
        self._cloud.later('delete', lambda: self._snapshot_deleted(found))
        return 202, None

    def _snapshot_deleted(self, found: GroupSnapshot) -> None:
        snapshots = self._cloud.snapshots
        members = [
            each.id
            for each in snapshots.all.values()
            if each.group_snapshot_id == found.id
        ]
        if self._cloud.breaks_now('delete') or any(
            map(snapshots.has_clones, members)
        ):
            found.status = 'error'
            return
        for each in members:
            snapshots.forget(each)
        self.snapshots.pop(found.id, None)

    def _act_on_snapshot(self, request: wire.Request, one: str) -> wire.Answer:
        wire.need_admin(request)
        found = self._of(request, self.snapshots, one)
        found.status = request.body['reset_status']['status']
        return 202, None


def _describe(group: Group) -> dict[str, Any]:
    return {
        'id': group.id,
        'status': group.status,
        'availability_zone': 'nova',
        'created_at': group.created_at,
        'name': group.name,
        'description': None,
        'group_type': group.group_type,
        'volume_types': group.volume_types,
        'group_snapshot_id': None,
        'source_group_id': None,
        'replication_status': 'disabled',
        'project_id': group.project_id,
    }
