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

"""Servers and volumes as Nova and Cinder describe them.

Owns the way from their answers to ``domain.model``, and what of a server is
kept with a backup: all that is needed to make one like it. What a cloud does
not tell is left out, and named under ``unknown``; it never fails a backup.
Changes nothing.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import logging
from typing import Any

from csbs import exception
from csbs.cloud.openstack import clients
from csbs.domain import model

LOG = logging.getLogger(__name__)

#: begins the reason of every lock of csbs' own; see ``hold``
LOCKED_BY_US = 'csbs:'
#: begins the one that a failed restore leaves
HALF_RESTORED = f'{LOCKED_BY_US} half restored'

_ALL = {'all_tenants': True}
#: what of a server's description is kept as it is, by its name there
_PLAIN = (
    ('availability_zone', 'OS-EXT-AZ:availability_zone'),
    ('description', 'description'),
    ('flavor', 'flavor'),
    ('hostname', 'OS-EXT-SRV-ATTR:hostname'),
    ('key_name', 'key_name'),
    ('metadata', 'metadata'),
    ('root_device', 'OS-EXT-SRV-ATTR:root_device_name'),
    ('server_groups', 'server_groups'),
    ('tags', 'tags'),
    ('user_data', 'OS-EXT-SRV-ATTR:user_data'),
)


def find(api: clients.Api, project_id: str | None) -> list[model.Server]:
    """Return a project's servers, or everyone's, ordered by name.

    In few requests, whatever their number; without what only
    :func:`get` asks for.
    """
    wanted = {**_ALL, **({'project_id': project_id} if project_id else {})}
    with clients.translated('The servers cannot be listed'):
        servers = api.nova.servers.list(search_opts=wanted, limit=-1)
        volumes = api.cinder.volumes.list(search_opts=wanted)
    by_id = {volume.id: volume.to_dict() for volume in volumes}
    found = []
    for server in (each.to_dict() for each in servers):
        attached = [
            {
                'volumeId': entry['id'],
                'delete_on_termination': entry.get('delete_on_termination'),
            }
            for entry in server.get('os-extended-volumes:volumes_attached', ())
        ]
        found.append(_server(server, attached, by_id, {}))
    return sorted(found, key=lambda server: (server.name, server.id))


def get(api: clients.Api, server_id: str) -> model.Server:
    """Return one server with all that can be had of it.

    :raises ServerNotFound: when there is none of that id
    """
    server = describe(api, server_id)
    with clients.translated(f'The volumes of server {server_id}'):
        attached = [
            each.to_dict()
            for each in api.nova.volumes.get_server_volumes(server_id)
        ]
    by_id = {}
    for entry in attached:
        volume = volume_of(api, entry['volumeId'])
        if volume:
            by_id[volume['id']] = volume
    return _server(server, attached, by_id, _more_facts(api, server))


def describe(api: clients.Api, server_id: str) -> dict[str, Any]:
    """Return Nova's description of a server.

    :raises ServerNotFound: when there is none of that id
    """
    try:
        with clients.translated(f'Server {server_id}'):
            described: dict[str, Any] = api.nova.servers.get(
                server_id
            ).to_dict()
    except clients.Missing:
        raise exception.ServerNotFound(id=server_id) from None
    return described


def volume_of(api: clients.Api, volume_id: str) -> dict[str, Any] | None:
    """Return Cinder's description of a volume, None when there is none."""
    try:
        with clients.translated(f'Volume {volume_id}'):
            described: dict[str, Any] = api.cinder.volumes.get(
                volume_id
            ).to_dict()
    except clients.Missing:
        return None
    return described


def status(described: Mapping[str, Any]) -> str:
    """Return a server's status, with what is being done to it if anything."""
    task = described.get('OS-EXT-STS:task_state')
    word = str(described.get('status') or 'UNKNOWN')
    return f'{word} ({task})' if task else word


def _server(
    described: Mapping[str, Any],
    attached: Sequence[Mapping[str, Any]],
    by_id: Mapping[str, Mapping[str, Any]],
    more: Mapping[str, Any],
) -> model.Server:
    root = described.get('OS-EXT-SRV-ATTR:root_device_name')
    volumes = [
        _volume(entry, by_id.get(entry['volumeId']), described['id'], root)
        for entry in attached
    ]
    volumes.sort(key=lambda volume: (not volume.bootable, volume.device))
    raw = status(described)
    known = {model.ServerStatus.ACTIVE, model.ServerStatus.SHUTOFF}
    facts = {
        name: described[theirs]
        for name, theirs in _PLAIN
        if described.get(theirs) not in (None, '', [], {})
    }
    facts['config_drive'] = described.get('config_drive') in (True, 'True')
    return model.Server(
        id=described['id'],
        project_id=described['tenant_id'],
        name=described.get('name') or described['id'],
        status=(
            model.ServerStatus(raw)
            if raw in known
            else model.ServerStatus.OTHER
        ),
        raw_status=raw,
        volumes=tuple(volumes),
        locked=bool(described.get('locked')),
        half_restored=str(described.get('locked_reason') or '').startswith(
            HALF_RESTORED
        ),
        facts={**facts, **more},
        unprotectable=_unprotectable(described, attached, by_id),
    )


def _unprotectable(
    described: Mapping[str, Any],
    attached: Sequence[Mapping[str, Any]],
    by_id: Mapping[str, Mapping[str, Any]],
) -> str | None:
    if described.get('image'):
        return (
            'its root disk is not a volume: it was made from an image '
            'without one'
        )
    if not attached:
        return 'it has no volumes'
    missing = [
        entry['volumeId']
        for entry in attached
        if entry['volumeId'] not in by_id
    ]
    if missing:
        return f'Cinder does not know its volume {missing[0]}'
    return None


def _volume(
    entry: Mapping[str, Any],
    volume: Mapping[str, Any] | None,
    server_id: str,
    root: str | None,
) -> model.Volume:
    if volume is None:
        return model.Volume(
            id=entry['volumeId'],
            name='',
            size=0,
            device=entry.get('device') or '',
            bootable=False,
            status='missing',
        )
    device = entry.get('device') or next(
        (
            str(each.get('device') or '')
            for each in volume.get('attachments', ())
            if each.get('server_id') == server_id
        ),
        '',
    )
    return model.Volume(
        id=volume['id'],
        name=volume.get('name') or '',
        size=int(volume['size']) * model.GIB,
        device=device,
        bootable=bool(root) and device == root,
        status=volume['status'],
        multiattach=bool(volume.get('multiattach')),
        facts=_volume_facts(entry, volume),
    )


def _volume_facts(
    entry: Mapping[str, Any], volume: Mapping[str, Any]
) -> dict[str, Any]:
    facts = {
        'type': volume.get('volume_type'),
        'availability_zone': volume.get('availability_zone'),
        'description': volume.get('description'),
        'metadata': volume.get('metadata'),
        'image_metadata': volume.get('volume_image_metadata'),
        'encrypted': volume.get('encrypted') or None,
        'encryption_key_id': volume.get('encryption_key_id'),
        'multiattach': volume.get('multiattach') or None,
        'bootable': volume.get('bootable') == 'true' or None,
        'tag': entry.get('tag'),
        'delete_on_termination': entry.get('delete_on_termination'),
    }
    return {
        name: value
        for name, value in facts.items()
        if value not in (None, '', {})
    }


def _more_facts(
    api: clients.Api, described: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what further requests tell, and why some did not."""
    questions: tuple[tuple[str, Callable[[str], Any]], ...] = (
        (
            'networks',
            lambda it: _networks(api.nova.servers.interface_list(it)),
        ),
        (
            'security_groups',
            lambda it: _groups(api.nova.servers.list_security_group(it)),
        ),
    )
    facts: dict[str, Any] = {}
    unknown = {}
    for name, ask in questions:
        try:
            with clients.translated(name):
                facts[name] = ask(described['id'])
        except exception.CloudError as error:
            LOG.warning(
                'Of server %s is not known: %s', described['id'], error
            )
            unknown[name] = str(error)
    if unknown:
        facts['unknown'] = unknown
    return facts


def _networks(interfaces: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            'network_id': each.get('net_id'),
            'port_id': each.get('port_id'),
            'mac_address': each.get('mac_addr'),
            'fixed_ips': each.get('fixed_ips') or [],
            'tag': each.get('tag'),
        }
        for each in (interface.to_dict() for interface in interfaces)
    ]


def _groups(groups: Iterable[Any]) -> list[dict[str, str]]:
    return sorted(
        ({'id': group.id, 'name': group.name} for group in groups),
        key=lambda group: group['name'],
    )
