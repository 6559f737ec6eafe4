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


"""Nova: servers, what they are doing, and who may do what to them."""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import Protocol

from csbs.tests.unit.cloud.openstack.stub import attachments
from csbs.tests.unit.cloud.openstack.stub import cinder
from csbs.tests.unit.cloud.openstack.stub import wire

#: how many tags a server may have
_TAGS = 50


class Host(Protocol):
    """What is asked of the cloud."""

    page: int
    cinder: cinder.Cinder
    attachments: attachments.Attachments

    def later(self, word: str, work: Callable[[], None]) -> None: ...

    def breaks_now(self, word: str) -> bool: ...


@dataclasses.dataclass
class Disk:
    """A volume as a server has it."""

    volume_id: str
    device: str
    attachment_id: str
    goes_with_it: bool = False
    tag: str | None = None


@dataclasses.dataclass
class Server:
    """A server.

    :ivar more: what it was made with
    :ivar actions: who asked for what: action, user and project
    """

    id: str
    name: str | None
    project_id: str
    user_id: str
    status: str = 'ACTIVE'
    task_state: str | None = None
    locked_by: str | None = None
    locked_reason: str | None = None
    disks: list[Disk] = dataclasses.field(default_factory=list)
    tags: list[str] = dataclasses.field(default_factory=list)
    more: dict[str, Any] = dataclasses.field(default_factory=dict)
    fault: str | None = None
    actions: list[tuple[str, str, str]] = dataclasses.field(
        default_factory=list
    )
    created_at: str = dataclasses.field(default_factory=wire.now)
    updated: str = dataclasses.field(default_factory=wire.now)


class Nova:
    """Servers and what belongs to them.

    :ivar hidden: the names of what servers have that is not told
    :ivar reclaims: whether deleted servers are kept for a while
    """

    def __init__(self, cloud: Host) -> None:
        self._cloud = cloud
        self.newest = '2.93'
        self.servers: dict[str, Server] = {}
        self.flavors = {'f1': 'small', 'f2': 'large'}
        self.keys = {'key'}
        self.zones = {'nova', 'az2'}
        self.networks = {'net-1', 'net-2'}
        self.groups = {'group-1': 'default', 'group-2': 'web'}
        self.hidden: set[str] = set()
        self.reclaims = False
        self._routes: wire.Routes = {
            'GET servers': self._list,
            'GET servers/detail': self._list,
            'POST servers': self._create,
            'GET servers/*': self._show,
            'DELETE servers/*': self._delete,
            'POST servers/*/action': self._act,
            'PUT servers/*/tags': self._set_tags,
            'DELETE servers/*/tags/*': self._untag,
            'GET servers/*/os-volume_attachments': self._list_disks,
            'GET servers/*/os-interface': self._list_interfaces,
            'GET servers/*/os-security-groups': self._list_groups,
            'GET servers/*/os-instance-actions': self._list_actions,
            'GET flavors/detail': self._list_flavors,
            'GET os-keypairs/*': self._show_key,
            'GET os-availability-zone': self._list_zones,
        }

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        return wire.route(self._routes, request)

    # For tests.

    def make_server(
        self,
        project_id: str,
        *volumes: cinder.Volume,
        name: str = 'web',
        **more: Any,
    ) -> Server:
        """Return a new server that has these volumes."""
        server = Server(
            wire.new_id(),
            name,
            project_id,
            'a-user',
            status=more.pop('status', 'ACTIVE'),
            tags=more.pop('tags', []),
            more=more,
        )
        self.servers[server.id] = server
        for volume in volumes:
            self.attach(server, volume.id)
        return server

    def attach(self, server: Server, volume_id: str, **more: Any) -> None:
        """Give a server a volume."""
        device = f'/dev/vd{chr(ord("a") + len(server.disks))}'
        made = self._cloud.attachments.attach(volume_id, server.id, device)
        server.disks.append(Disk(volume_id, device, made, **more))

    def detach(self, server: Server, volume_id: str) -> None:
        """Take a volume from a server."""
        for each in server.disks:
            if each.volume_id == volume_id:
                self._cloud.attachments.remove(each.attachment_id)
        server.disks = [it for it in server.disks if it.volume_id != volume_id]

    def change(self, server: Server, status: str) -> None:
        """Let a server come to a new status."""
        server.status, server.task_state = status, None
        server.updated = wire.now()

    def remove(self, server: Server) -> None:
        """Let a server be gone, with the disks that go with it."""
        self.servers.pop(server.id, None)
        for each in server.disks:
            if each.attachment_id in self._cloud.attachments.all:
                self._cloud.attachments.remove(each.attachment_id)
            volumes = self._cloud.cinder.volumes
            if each.goes_with_it and each.volume_id in volumes:
                del volumes[each.volume_id]

    # Looking.

    def _server(self, request: wire.Request, one: str) -> Server:
        found = self.servers.get(one)
        who = request.who
        if found is None or not (
            who.admin or found.project_id == who.project_id
        ):
            raise wire.Refusal(404, f'Instance {one} could not be found.')
        return found

    def _list(self, request: wire.Request) -> wire.Answer:
        found = [
            server
            for server in wire.chosen(request, self.servers.values(), ())
            if request.query.get('tags') in (None, *server.tags)
        ]
        part, _marker = wire.page(request, found, self._cloud.page)
        if request.parts[-1] == 'servers':
            return 200, {'servers': [{'id': it.id} for it in part]}
        return 200, {'servers': [self.describe(request, it) for it in part]}

    def _show(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        return 200, {'server': self.describe(request, server)}

    def describe(
        self, request: wire.Request, server: Server
    ) -> dict[str, Any]:
        more = server.more
        flavor = more.get('flavor', 'small')
        body: dict[str, Any] = {
            'id': server.id,
            'name': server.name,
            'status': server.status,
            'tenant_id': server.project_id,
            'user_id': server.user_id,
            'metadata': more.get('metadata', {}),
            'image': more.get('image', ''),
            'flavor': {
                'original_name': flavor,
                'vcpus': 1,
                'ram': 512,
                'disk': 0,
                'ephemeral': 0,
                'swap': 0,
                'extra_specs': {},
            },
            'created': server.created_at,
            'updated': server.updated,
            'addresses': {},
            'links': [],
            'OS-DCF:diskConfig': 'MANUAL',
            'OS-EXT-AZ:availability_zone': more.get('zone', 'nova'),
            'config_drive': more.get('config_drive', ''),
            'key_name': more.get('key_name'),
            'security_groups': [{'name': 'default'}],
            'OS-EXT-SRV-ATTR:host': 'compute',
            'OS-EXT-SRV-ATTR:hostname': 'web',
            'OS-EXT-SRV-ATTR:root_device_name': '/dev/vda',
            'OS-EXT-SRV-ATTR:user_data': more.get('user_data'),
            'OS-EXT-STS:task_state': server.task_state,
            'OS-EXT-STS:vm_state': server.status.lower(),
            'OS-EXT-STS:power_state': 1,
            'os-extended-volumes:volumes_attached': [
                {'id': it.volume_id, 'delete_on_termination': it.goes_with_it}
                for it in server.disks
            ],
            'locked': server.locked_by is not None,
            'locked_reason': server.locked_reason,
            'description': more.get('description'),
            'tags': server.tags,
            'server_groups': [],
            'trusted_image_certificates': None,
        }
        if server.fault:
            body['fault'] = {'code': 500, 'message': server.fault}
        return {
            name: value
            for name, value in body.items()
            if name not in self.hidden
        }

    def _list_disks(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        disks = [
            {
                'volumeId': it.volume_id,
                'serverId': one,
                'device': it.device,
                'tag': it.tag,
                'delete_on_termination': it.goes_with_it,
                'bdm_uuid': it.attachment_id,
                'attachment_id': it.attachment_id,
            }
            for it in server.disks
        ]
        if request.version < (2, 89):
            for disk in disks:
                del disk['attachment_id'], disk['bdm_uuid']
        return 200, {'volumeAttachments': disks}

    def _list_interfaces(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        return 200, {
            'interfaceAttachments': [
                {
                    'net_id': network,
                    'port_id': f'port-{number}',
                    'mac_addr': f'fa:16:3e:00:00:0{number}',
                    'port_state': 'ACTIVE',
                    'fixed_ips': [
                        {'subnet_id': 's', 'ip_address': f'10.0.0.{number}'}
                    ],
                    'tag': None,
                }
                for number, network in enumerate(
                    server.more.get('networks', ['net-1'])
                )
            ]
        }

    def _list_groups(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        ids = server.more.get('groups', ['group-1'])
        return 200, {
            'security_groups': [
                {'id': it, 'name': self.groups[it], 'rules': []} for it in ids
            ]
        }

    def _list_actions(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        return 200, {
            'instanceActions': [
                {
                    'action': action,
                    'user_id': user_id,
                    'project_id': project_id,
                    'request_id': f'req-{number}',
                    'instance_uuid': one,
                    'message': None,
                }
                # The newest first.
                for number, (action, user_id, project_id) in reversed(
                    list(enumerate(server.actions))
                )
            ]
        }

    def _list_flavors(self, request: wire.Request) -> wire.Answer:
        return 200, {
            'flavors': [
                {'id': one, 'name': name} for one, name in self.flavors.items()
            ]
        }

    def _show_key(self, request: wire.Request, name: str) -> wire.Answer:
        if name not in self.keys:
            raise wire.Refusal(404, f'Keypair {name} not found.')
        return 200, {'keypair': {'name': name}}

    def _list_zones(self, request: wire.Request) -> wire.Answer:
        return 200, {
            'availabilityZoneInfo': [
                {'zoneName': it, 'zoneState': {'available': True}}
                for it in sorted(self.zones)
            ]
        }

    # Acting.

    def _act(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        ((action, wanted),) = request.body.items()
        if server.locked_by and not request.who.admin and 'lock' not in action:
            raise wire.Refusal(409, f'Instance {one} is locked')
        work: Mapping[str, Callable[[], None]] = {
            'lock': lambda: self._lock(request, server, wanted or {}),
            'unlock': lambda: self._unlock(request, server),
            'pause': lambda: self._turn(server, 'pause'),
            'unpause': lambda: self._turn(server, 'unpause'),
            'os-stop': lambda: self._turn(server, 'os-stop'),
            'os-start': lambda: self._turn(server, 'os-start'),
            'forceDelete': lambda: self._go(server, at_once=True),
        }
        work[action]()
        server.updated = wire.now()
        who = request.who
        server.actions.append(
            (action.removeprefix('os-'), who.user_id, who.project_id)
        )
        return 202, None

    def _lock(
        self, request: wire.Request, server: Server, wanted: dict[str, Any]
    ) -> None:
        owner = request.who.project_id == server.project_id
        if server.locked_by and owner:
            return
        server.locked_by = 'owner' if owner else 'admin'
        if wanted.get('locked_reason'):
            server.locked_reason = wanted['locked_reason']

    def _unlock(self, request: wire.Request, server: Server) -> None:
        if server.locked_by == 'admin' and not request.who.admin:
            raise wire.Refusal(403, 'Policy does not allow unlock_override.')
        server.locked_by = server.locked_reason = None

    def _turn(self, server: Server, action: str) -> None:
        before, while_, after = {
            'pause': ('ACTIVE', 'pausing', 'PAUSED'),
            'unpause': ('PAUSED', 'unpausing', 'ACTIVE'),
            'os-stop': ('ACTIVE', 'powering-off', 'SHUTOFF'),
            'os-start': ('SHUTOFF', 'powering-on', 'ACTIVE'),
        }[action]
        if server.status != before or server.task_state:
            raise wire.Refusal(
                409,
                f"Cannot '{action}' instance {server.id} while it is in "
                f'vm_state {server.status} task_state {server.task_state}',
            )
        server.task_state = while_
        self._cloud.later(action, lambda: self._turned(server, action, after))

    def _turned(self, server: Server, action: str, after: str) -> None:
        if self._cloud.breaks_now(action):
            # The hypervisor cannot.
            after = server.status
        self.change(server, after)

    def _delete(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        if server.locked_by and not request.who.admin:
            raise wire.Refusal(409, f'Instance {one} is locked')
        self._go(server, at_once=not self.reclaims)
        return 204, None

    def _go(self, server: Server, *, at_once: bool) -> None:
        if not at_once:
            self.change(server, 'SOFT_DELETED')
            return
        server.task_state = 'deleting'
        self._cloud.later('delete server', lambda: self.remove(server))

    def _set_tags(self, request: wire.Request, one: str) -> wire.Answer:
        server = self._server(request, one)
        server.tags = list(request.body['tags'])
        return 200, {'tags': server.tags}

    def _untag(self, request: wire.Request, one: str, tag: str) -> wire.Answer:
        server = self._server(request, one)
        if tag not in server.tags:
            raise wire.Refusal(404, f'Tag {tag} could not be found.')
        server.tags.remove(tag)
        return 204, None

    def _create(self, request: wire.Request) -> wire.Answer:
        wanted, who = request.body['server'], request.who
        self._check_new(request, wanted)
        server = Server(
            wire.new_id(),
            wanted['name'],
            who.project_id,
            who.user_id,
            status='BUILD',
            task_state='scheduling',
            tags=list(wanted.get('tags', ())),
            more={
                'wanted': wanted,
                'flavor': self.flavors[wanted['flavorRef']],
                'metadata': wanted.get('metadata', {}),
                'key_name': wanted.get('key_name'),
                'description': wanted.get('description'),
                'user_data': wanted.get('user_data'),
            },
        )
        self.servers[server.id] = server
        self._cloud.later('server', lambda: self._built(server, wanted))
        return 202, {'server': {'id': server.id, 'adminPass': 'x'}}

    def _check_new(
        self, request: wire.Request, wanted: dict[str, Any]
    ) -> None:
        bad = None
        networks = wanted.get('networks')
        if wanted['flavorRef'] not in self.flavors:
            bad = 'Flavor could not be found.'
        elif wanted.get('key_name') not in (None, *self.keys):
            bad = 'Invalid key_name provided.'
        elif len(wanted.get('tags', ())) > _TAGS:
            bad = f'The number of tags exceeded the per-server limit {_TAGS}'
        elif wanted.get('availability_zone') not in (None, *self.zones):
            bad = 'The requested availability zone is not available'
        elif isinstance(networks, list) and not all(
            it['uuid'] in self.networks for it in networks
        ):
            bad = 'Network could not be found.'
        elif not all(
            it['name'] in self.groups
            for it in wanted.get('security_groups', ())
        ):
            bad = 'Security group not found.'
        if bad:
            raise wire.Refusal(400, bad)
        for disk in wanted['block_device_mapping_v2']:
            volume = self._cloud.cinder.volume(request, disk['uuid'])
            if volume.status != 'available':
                raise wire.Refusal(400, f'Volume is {volume.status}.')

    def _built(self, server: Server, wanted: dict[str, Any]) -> None:
        if server.id not in self.servers:
            return
        volumes = self._cloud.cinder.volumes
        disks = wanted['block_device_mapping_v2']
        if self._cloud.breaks_now('server') or not all(
            it['uuid'] in volumes for it in disks
        ):
            server.fault = 'No valid host was found.'
            self.change(server, 'ERROR')
            return
        for disk in disks:
            self.attach(
                server,
                disk['uuid'],
                goes_with_it=disk['delete_on_termination'],
                tag=disk.get('tag'),
            )
        self.change(server, 'ACTIVE')
