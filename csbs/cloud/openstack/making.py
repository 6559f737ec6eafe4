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

"""Volumes and servers made from a backup, for the user and as the user.

Owns what of the stored facts goes into the requests, and what becomes of
choices that no longer fit the cloud. What is made bears a mark until it is
handed over, and is the user's alone from then on.

An encrypted volume is made as a clone of the one that was backed up: only so
has it the same key, which opens what is restored onto it.
"""

import base64
import binascii
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import logging
from typing import Any

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import servers
from csbs.cloud.openstack import temporary
from csbs.domain import model

LOG = logging.getLogger(__name__)

#: a deleted server that Nova keeps for a while, and its volumes with it
_KEPT = 'SOFT_DELETED'
#: that a server may have
_MOST_TAGS = 50


class Maker:
    """Makes volumes and servers."""

    def __init__(
        self, section: cfg.ConfigOpts.GroupAttr, own: clients.Clients
    ) -> None:
        self._section = section
        self._clients = own

    def user(self, context: csbs_context.RequestContext) -> clients.Api:
        """Return the way to act in the context's project.

        :raises CloudRefused: when there is none
        """
        api = self._clients.tenant(context)
        if api is None:
            raise exception.CloudRefused(
                'csbs may not act in the project of the server: nobody gave '
                'it a token or a role there.'
            )
        return api

    def volume(
        self,
        context: csbs_context.RequestContext,
        spec: base.VolumeSpec,
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Volume]:
        """Make a volume to restore onto."""
        cinder, facts = self.user(context).cinder, spec.facts
        wanted = self._volume_body(cinder, spec)
        entry = ledger.plan(
            model.ResourceKind.VOLUME,
            mark=temporary.mark(ledger),
            final_name=spec.name,
        )
        with temporary.asked(ledger, entry, f'A volume for {spec.device}'):
            made = cinder.volumes.create(name=entry.data['mark'], **wanted)
        entry = ledger.update(entry, volume_id=made.id)
        self.wait_for_volume(made.id, ledger)
        with clients.translated(f'The volume for {spec.device}'):
            if spec.bootable or facts.get('bootable'):
                cinder.volumes.set_bootable(made.id, True)
            if facts.get('image_metadata'):
                cinder.volumes.set_image_metadata(
                    made.id, facts['image_metadata']
                )
        return entry, model.Volume(
            id=made.id,
            name=spec.name,
            size=int(made.size) * model.GIB,
            device=spec.device,
            bootable=spec.bootable,
            status='available',
            facts=facts,
        )

    def server(
        self,
        context: csbs_context.RequestContext,
        spec: base.ServerSpec,
        volumes: Sequence[model.Volume],
        ledger: base.Ledger,
    ) -> tuple[model.Resource, model.Server]:
        """Make a server of volumes and wait until it runs."""
        nova = self.user(context).nova
        wanted = self._server_body(nova, spec)
        mark = temporary.mark(ledger)
        tags = list(spec.facts.get('tags', ()))
        entry = ledger.plan(
            model.ResourceKind.SERVER,
            mark=mark,
            project_id=context.project_id,
            tags=tags,
        )
        # There may be as many as Nova allows already.
        wanted['tags'] = [mark, *tags[: _MOST_TAGS - 1]]
        what = f'Server {spec.name} to be made'
        with temporary.asked(ledger, entry, what):
            made = nova.servers.create(
                spec.name,
                None,
                block_device_mapping_v2=_disks(volumes),
                **wanted,
            )
        entry = ledger.update(entry, server_id=made.id)
        self._wait_for_server(made.id, ledger)
        if spec.choices.get('power_on') is False:
            with clients.translated(f'Server {spec.name} to be stopped'):
                nova.servers.stop(made.id)
        return entry, servers.get(self._clients.service(), made.id)

    def hand_over(self, entries: Sequence[model.Resource]) -> None:
        """Take the marks off what is the user's from now on."""
        api = self._clients.service()
        for entry in entries:
            data = entry.data
            with clients.translated(f'The new {entry.kind} to be named'):
                if entry.kind == model.ResourceKind.VOLUME:
                    api.cinder.volumes.update(
                        data['volume_id'], name=data['final_name']
                    )
                elif entry.kind == model.ResourceKind.SERVER:
                    api.nova.servers.set_tags(data['server_id'], data['tags'])

    def wait_for_volume(self, volume_id: str, ledger: base.Ledger) -> None:
        """Wait until a volume is made.

        :raises CloudError: when it fails, or the time is up
        """
        api = self._clients.service()

        def look() -> bool | None:
            volume = servers.volume_of(api, volume_id)
            status = volume['status'] if volume else 'gone'
            if status in ('creating', 'downloading'):
                return None
            if status != 'available':
                raise exception.CloudError(
                    f'Cinder could not make volume {volume_id}: it is '
                    f'{status}, and the log of Cinder says why.'
                )
            return True

        clients.wait_for(
            look,
            f'volume {volume_id} to be made',
            self._section.volume_timeout,
            ledger.check,
        )

    def discard_volume(
        self, context: csbs_context.RequestContext, data: Mapping[str, Any]
    ) -> bool:
        """Delete a volume; fine when it is gone.

        :param data: the ledger entry's
        :returns: whether there was one
        :raises CloudError: when it is there and cannot be deleted
        """
        own = self._clients.service()
        volumes = own.cinder.volumes
        found = temporary.find(volumes, data.get('volume_id'), data['mark'])
        for volume_id in found:
            volume = servers.volume_of(own, volume_id)
            if volume is None:
                continue
            api = self._clients.for_volume(context, volume)
            temporary.remove(
                volumes,
                [volume_id],
                'volume',
                self._section,
                api.cinder.volumes.delete,
            )
        return bool(found)

    def discard_server(self, data: Mapping[str, Any]) -> bool:
        """Delete a server; fine when it is gone.

        :param data: the ledger entry's
        :returns: whether there was one
        :raises CloudError: when it is there and cannot be deleted
        """
        nova = self._clients.service().nova.servers
        ids = [data['server_id']] if data.get('server_id') else []
        if not ids:
            with clients.translated('A server that was being made'):
                found = nova.list(
                    search_opts={'all_tenants': True, 'tags': data['mark']}
                )
                ids = temporary.oldest(found, 'created')
        for server_id in ids:

            def look(server_id: str = server_id) -> bool | None:
                try:
                    with clients.translated(f'Server {server_id}'):
                        described = nova.get(server_id).to_dict()
                        status = servers.status(described)
                        if status == _KEPT:
                            nova.force_delete(server_id)
                        elif '(deleting)' not in status:
                            nova.delete(server_id)
                except clients.Missing:
                    return True
                return None

            clients.wait_for(
                look,
                f'server {server_id} to be deleted',
                self._section.server_timeout,
            )
        return bool(ids)

    def _volume_body(
        self, cinder: Any, spec: base.VolumeSpec
    ) -> dict[str, Any]:
        facts = spec.facts
        size = -(-spec.size // model.GIB)
        body = {
            'size': size,
            'description': facts.get('description'),
            'metadata': facts.get('metadata') or {},
            'availability_zone': self._volume_zone(cinder, spec),
        }
        if not facts.get('encrypted'):
            return {**body, 'volume_type': facts.get('type')}
        source = servers.volume_of(self._clients.service(), spec.source_id)
        same = source and source.get('encryption_key_id') == facts.get(
            'encryption_key_id'
        )
        if not source or not same:
            raise exception.VolumeKeyGone(id=spec.source_id)
        body['size'] = max(size, int(source['size']))
        return {**body, 'source_volid': spec.source_id}

    def _volume_zone(self, cinder: Any, spec: base.VolumeSpec) -> str | None:
        """Return the zone that was chosen, or the old one, if it is there."""
        with clients.translated('The zones of volumes'):
            there = {
                zone.zoneName for zone in cinder.availability_zones.list()
            }
        wanted = (
            spec.availability_zone,
            spec.facts.get('availability_zone'),
        )
        return next((zone for zone in wanted if zone in there), None)

    def _server_body(self, nova: Any, spec: base.ServerSpec) -> dict[str, Any]:
        facts, choices = spec.facts, spec.choices
        nics = _nics(facts, choices)
        groups = choices.get('security_groups')
        if groups is None:
            groups = [
                group['id'] for group in facts.get('security_groups', ())
            ]
        body = {
            'flavor': choices.get('flavor_id') or _flavor(nova, facts),
            'nics': nics,
            'key_name': choices.get('key_name') or _key(nova, facts),
            'meta': dict(facts.get('metadata') or {}),
            'availability_zone': choices.get('availability_zone')
            or _zone(nova, facts),
            'config_drive': facts.get('config_drive') or None,
            'userdata': _user_data(facts),
            'description': facts.get('description'),
            'admin_pass': choices.get('admin_pass'),
        }
        if groups and nics != 'none':
            body['security_groups'] = groups
        return {name: value for name, value in body.items() if value}

    def _wait_for_server(self, server_id: str, ledger: base.Ledger) -> None:
        api = self._clients.service()

        def look() -> bool | None:
            described = servers.describe(api, server_id)
            if described['status'] == 'ERROR':
                fault = described.get('fault') or {}
                raise exception.CloudError(
                    f'Nova could not make the server: '
                    f'{fault.get("message") or "its log says why"}.'
                )
            running = model.ServerStatus.ACTIVE
            return servers.status(described) == running or None

        clients.wait_for(
            look,
            f'server {server_id} to run',
            self._section.server_timeout,
            ledger.check,
            pause=0.5,
        )


def _disks(volumes: Sequence[model.Volume]) -> list[dict[str, Any]]:
    """Return the volumes as Nova wants them: the root first."""
    ordered = sorted(
        volumes, key=lambda volume: (not volume.bootable, volume.device)
    )
    disks: list[dict[str, Any]] = []
    for volume in ordered:
        disk = {
            'uuid': volume.id,
            'source_type': 'volume',
            'destination_type': 'volume',
            'boot_index': -1 if disks else 0,
            'delete_on_termination': bool(
                volume.facts.get('delete_on_termination')
            ),
        }
        if volume.facts.get('tag'):
            disk['tag'] = volume.facts['tag']
        disks.append(disk)
    return disks


def _nics(
    facts: Mapping[str, Any], choices: Mapping[str, Any]
) -> str | list[dict[str, str]]:
    chosen = choices.get('networks')
    if isinstance(chosen, str):
        return chosen
    if chosen is not None:
        return [{'net-id': network} for network in chosen] or 'none'
    if 'networks' not in facts:
        return 'auto'
    nics = []
    for known in facts['networks']:
        nic = {'net-id': known['network_id']}
        if known.get('tag'):
            nic['tag'] = known['tag']
        nics.append(nic)
    return nics or 'none'


def _flavor(nova: Any, facts: Mapping[str, Any]) -> str:
    """Return the id of the flavor that has the name of the old one."""
    name = (facts.get('flavor') or {}).get('original_name')
    with clients.translated('The flavors'):
        for flavor in nova.flavors.list(is_public=None):
            if flavor.name == name:
                return str(flavor.id)
    raise exception.CloudRefused(
        f'The flavor {name} of the backup is not there any more; choose '
        'another one.'
    )


def _key(nova: Any, facts: Mapping[str, Any]) -> str | None:
    """Return the old key pair's name if the user still has it."""
    name = facts.get('key_name')
    if name:
        with (
            contextlib.suppress(clients.Missing),
            clients.translated('The key pair'),
        ):
            return str(nova.keypairs.get(name).name)
        LOG.warning('The new server gets no key pair: %s is gone', name)
    return None


def _zone(nova: Any, facts: Mapping[str, Any]) -> str | None:
    """Return the old zone if it is there, and is not what everyone gets."""
    name = facts.get('availability_zone')
    if name in (None, 'nova'):
        return None
    with clients.translated('The zones of servers'):
        zones = nova.availability_zones.list(detailed=False)
    return name if any(zone.zoneName == name for zone in zones) else None


def _user_data(facts: Mapping[str, Any]) -> bytes | None:
    try:
        return base64.b64decode(facts.get('user_data') or '') or None
    except binascii.Error:
        return None
