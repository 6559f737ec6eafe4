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


"""Cinder: volumes with real bytes, pools, zones."""

from collections.abc import Callable
import dataclasses
import os
import pathlib
from typing import Any
from typing import Protocol

from csbs.cloud import disk
from csbs.domain import model
from csbs.tests.unit.cloud.openstack.stub import wire

_MAY_GO = frozenset({'available', 'error', 'error_extending'})


class Host(Protocol):
    """What is asked of the cloud."""

    root: pathlib.Path
    page: int
    attachments: Any
    snapshots: Any

    def later(self, word: str, work: Callable[[], None]) -> None: ...

    def breaks_now(self, word: str) -> bool: ...


@dataclasses.dataclass
class Type:
    """A volume type.

    :ivar pool: where its volumes are made
    """

    name: str
    pool: str = 'host@lvm#lvm'
    encrypted: bool = False
    multiattach: bool = False
    id: str = dataclasses.field(default_factory=wire.new_id)


@dataclasses.dataclass
class Volume:
    """A volume; its bytes are in a file that has its id for a name."""

    id: str
    name: str | None
    project_id: str
    user_id: str
    size: int
    type: Type
    status: str = 'creating'
    host: str = ''
    zone: str = 'nova'
    bootable: bool = False
    key_id: str | None = None
    description: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    image_metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    snapshot_id: str | None = None
    source_id: str | None = None
    group_id: str | None = None
    created_at: str = dataclasses.field(default_factory=wire.now)


class Cinder:
    """Volumes and where they can be.

    :ivar able: the pools that can freeze groups at one instant
    :ivar quotas: how many of a kind a project may have, by both
    :ivar newest: the newest microversion
    """

    def __init__(self, cloud: Host) -> None:
        self._cloud = cloud
        self.newest = '3.70'
        self.types = {
            each.name: each
            for each in (
                Type('plain'),
                Type('able', 'host@array#one'),
                Type('luks', encrypted=True),
                Type('shared', multiattach=True),
            )
        }
        self.pools = {'host@lvm#lvm', 'host@array#one'}
        self.able = {'host@array#one'}
        self.zones = {'nova'}
        self.quotas: dict[tuple[str, str], int] = {}
        self.volumes: dict[str, Volume] = {}
        self._routes: wire.Routes = {
            'GET volumes/detail': self._list_volumes,
            'POST volumes': self._create_volume,
            'GET volumes/*': self._show_volume,
            'PUT volumes/*': self._update_volume,
            'DELETE volumes/*': self._delete_volume,
            'POST volumes/*/action': self._act_on_volume,
            'GET scheduler-stats/get_pools': self._list_pools,
            'GET os-availability-zone': self._list_zones,
        }

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        return wire.route(self._routes, request)

    # For tests and the other services.

    def path(self, thing_id: str) -> pathlib.Path:
        """Return where the bytes of a volume or snapshot are."""
        return self._cloud.root / thing_id

    def make_volume(
        self,
        project_id: str,
        name: str | None = 'disk',
        kind: str = 'plain',
        size: int = 1,
        **more: Any,
    ) -> Volume:
        """Return a new volume of zeros that can be used at once."""
        kind_ = self.types[kind]
        volume = Volume(
            wire.new_id(),
            name,
            project_id,
            more.pop('user_id', 'a-user'),
            size,
            kind_,
            status='available',
            host=kind_.pool,
            key_id=wire.new_id() if kind_.encrypted else None,
            **more,
        )
        disk.create(self.path(volume.id), size * model.GIB)
        self.volumes[volume.id] = volume
        return volume

    def volume(self, request: wire.Request, volume_id: str) -> Volume:
        """Return a volume that may be seen."""
        found = self.volumes.get(volume_id)
        if found is None or not wire.visible(request, found):
            raise wire.Refusal(404, f'Volume {volume_id} could not be found.')
        return found

    def take_quota(self, project_id: str, kind: str, count: int = 1) -> None:
        """Refuse what would be too much for a project."""
        things: dict[str, Any] = {
            'volumes': self.volumes,
            'snapshots': self._cloud.snapshots.all,
        }
        used = sum(
            each.project_id == project_id for each in things[kind].values()
        )
        limit = self.quotas.get((project_id, kind))
        if limit is not None and used + count > limit:
            raise wire.Refusal(
                413, f'Maximum number of {kind} allowed ({limit}) exceeded'
            )

    # Volumes.

    def _list_volumes(self, request: wire.Request) -> wire.Answer:
        found = wire.chosen(
            request, self.volumes.values(), ('name', 'status', 'group_id')
        )
        return self.listed(request, 'volumes', found, self._describe)

    def listed(
        self,
        request: wire.Request,
        name: str,
        things: list[Any],
        describe: Callable[[wire.Request, Any], dict[str, Any]],
    ) -> wire.Answer:
        """Answer with one page of a list."""
        # The newest first.
        things = sorted(things, key=lambda it: it.created_at, reverse=True)
        part, marker = wire.page(request, things, self._cloud.page)
        body: dict[str, Any] = {name: [describe(request, it) for it in part]}
        if marker:
            query = '&'.join(
                f'{key}={value}'
                for key, value in {**request.query, 'marker': marker}.items()
            )
            href = (
                f'http://{request.headers["Host"]}/volume/v3/'
                f'{request.who.project_id}/{name}/detail?{query}'
            )
            body[f'{name}_links'] = [{'rel': 'next', 'href': href}]
        return 200, body

    def _describe(
        self, request: wire.Request, volume: Volume
    ) -> dict[str, Any]:
        attached = self._cloud.attachments.of(volume.id)
        body = {
            'id': volume.id,
            'status': volume.status,
            'size': volume.size,
            'availability_zone': volume.zone,
            'created_at': volume.created_at,
            'updated_at': None,
            'name': volume.name,
            'description': volume.description,
            'volume_type': volume.type.name,
            'volume_type_id': volume.type.id,
            'snapshot_id': volume.snapshot_id,
            'source_volid': volume.source_id,
            'metadata': volume.metadata,
            'links': [],
            'user_id': volume.user_id,
            'bootable': str(volume.bootable).lower(),
            'encrypted': volume.key_id is not None,
            'replication_status': None,
            'consistencygroup_id': None,
            'group_id': volume.group_id,
            'multiattach': volume.type.multiattach,
            'attachments': [
                {
                    'id': volume.id,
                    'attachment_id': each.id,
                    'volume_id': volume.id,
                    'server_id': each.instance,
                    'host_name': each.host if request.who.admin else None,
                    'device': each.device,
                    'attached_at': each.created_at,
                }
                for each in attached
                if each.status == 'attached'
            ],
            'os-vol-tenant-attr:tenant_id': volume.project_id,
        }
        if volume.key_id:
            body['encryption_key_id'] = volume.key_id
        if volume.image_metadata:
            body['volume_image_metadata'] = volume.image_metadata
        if request.who.admin:
            body['os-vol-host-attr:host'] = volume.host
            body['os-vol-mig-status-attr:name_id'] = None
            body['migration_status'] = None
        return body

    def _show_volume(self, request: wire.Request, one: str) -> wire.Answer:
        volume = self.volume(request, one)
        return 200, {'volume': self._describe(request, volume)}

    def _create_volume(self, request: wire.Request) -> wire.Answer:
        wanted, who = request.body['volume'], request.who
        snapshots = self._cloud.snapshots
        self.take_quota(who.project_id, 'volumes')
        size = wanted.get('size')
        source: Volume | None = None
        snapshot: Any = None
        if wanted.get('snapshot_id'):
            snapshot = snapshots.find(request, wanted['snapshot_id'])
            if snapshot.status != 'available':
                raise wire.Refusal(400, 'The snapshot must be available.')
            if size < snapshot.size:
                raise wire.Refusal(
                    400, 'Volume size is smaller than that of its snapshot.'
                )
            source = self.volumes[snapshot.volume_id]
        elif wanted.get('source_volid'):
            source = self.volume(request, wanted['source_volid'])
            if source.status not in ('available', 'in-use'):
                raise wire.Refusal(400, 'The source must be available.')
            if size < source.size:
                raise wire.Refusal(400, 'Clones must not be smaller.')
        kind = source.type if source else self._type(wanted)
        if source and source.key_id and source.project_id != who.project_id:
            # Barbican does not let the key of another project be copied.
            raise wire.Refusal(
                500,
                'The server has either erred or is '
                'incapable of performing the requested '
                'operation.',
            )
        zone = wanted.get('availability_zone') or 'nova'
        if zone not in self.zones:
            raise wire.Refusal(400, f"Availability zone '{zone}' is invalid.")
        volume = Volume(
            wire.new_id(),
            wanted.get('name'),
            who.project_id,
            who.user_id,
            size,
            kind,
            host=source.host if source else kind.pool,
            zone=zone,
            description=wanted.get('description'),
            metadata=dict(wanted.get('metadata') or {}),
            snapshot_id=snapshot.id if snapshot else None,
            source_id=source.id if source and not snapshot else None,
            key_id=(
                source.key_id
                if source
                else wire.new_id()
                if kind.encrypted
                else None
            ),
        )
        self.volumes[volume.id] = volume
        origin = snapshot or source
        self._cloud.later(
            'volume',
            lambda: self._made(volume, origin.id if origin else None),
        )
        return 202, {'volume': self._describe(request, volume)}

    def _made(self, volume: Volume, origin_id: str | None) -> None:
        if volume.id not in self.volumes:
            return
        if self._cloud.breaks_now('volume'):
            volume.status = 'error'
            return
        path = self.path(volume.id)
        if origin_id and self.path(origin_id).exists():
            disk.copy(self.path(origin_id), path)
            os.truncate(path, volume.size * model.GIB)
        else:
            disk.create(path, volume.size * model.GIB)
        volume.status = 'available'

    def _type(self, wanted: dict[str, Any]) -> Type:
        name = wanted.get('volume_type') or 'plain'
        if name not in self.types:
            raise wire.Refusal(404, f'Volume type {name} could not be found.')
        return self.types[name]

    def _update_volume(self, request: wire.Request, one: str) -> wire.Answer:
        volume = self.volume(request, one)
        volume.name = request.body['volume'].get('name', volume.name)
        return 200, {'volume': self._describe(request, volume)}

    def _delete_volume(self, request: wire.Request, one: str) -> wire.Answer:
        volume = self.volume(request, one)
        if (
            volume.status not in _MAY_GO
            or volume.group_id
            or self._cloud.attachments.of(one)
            or any(
                it.volume_id == one
                for it in self._cloud.snapshots.all.values()
            )
        ):
            raise wire.Refusal(
                400,
                'Invalid volume: Volume status must be available or error '
                'and must not be migrating, attached, belong to a group, have '
                'snapshots or be disassociated from snapshots.',
            )
        volume.status = 'deleting'
        stranger = request.who.project_id != volume.project_id
        self._cloud.later(
            'delete', lambda: self._deleted(volume, stranger=stranger)
        )
        return 202, None

    def _deleted(self, volume: Volume, *, stranger: bool) -> None:
        if self._cloud.breaks_now('delete') or (volume.key_id and stranger):
            volume.status = 'error_deleting'
            return
        self.volumes.pop(volume.id, None)
        self.path(volume.id).unlink(missing_ok=True)

    def _act_on_volume(self, request: wire.Request, one: str) -> wire.Answer:
        volume = self.volume(request, one)
        ((action, wanted),) = request.body.items()
        if action == 'os-set_bootable':
            volume.bootable = bool(wanted['bootable'])
            return 200, None
        if action == 'os-set_image_metadata':
            volume.image_metadata.update(wanted['metadata'])
            return 200, {'metadata': volume.image_metadata}
        if action == 'os-reset_status':
            wire.need_admin(request)
            volume.status = wanted['status']
            return 202, None
        raise wire.Refusal(400, f'There is no action {action}')

    # The rest.

    def _list_pools(self, request: wire.Request) -> wire.Answer:
        wire.need_admin(request)
        pools = []
        for name in sorted(self.pools):
            able = {'consistent_group_snapshot_enabled': True}
            more = able if name in self.able else {}
            pools.append({'name': name, 'capabilities': {'host': 1, **more}})
        return 200, {'pools': pools}

    def _list_zones(self, request: wire.Request) -> wire.Answer:
        return 200, {
            'availabilityZoneInfo': [
                {'zoneName': name, 'zoneState': {'available': True}}
                for name in sorted(self.zones)
            ]
        }
