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


"""Cinder's attachments: who may have which volume, and where it is."""

import dataclasses
from typing import Any
from typing import Protocol

from csbs.tests.unit.cloud.openstack.stub import cinder as stub_cinder
from csbs.tests.unit.cloud.openstack.stub import wire


class Host(Protocol):
    """What is asked of the cloud."""

    cinder: stub_cinder.Cinder


@dataclasses.dataclass
class Attachment:
    """An attachment; without an instance it is not Nova's."""

    id: str
    volume_id: str
    project_id: str
    instance: str | None
    host: str | None
    device: str | None
    mode: str
    status: str
    by_nova: bool = False
    connector: dict[str, Any] | None = None
    name: str | None = None
    created_at: str = dataclasses.field(default_factory=wire.now)


class Attachments:
    """All attachments.

    :ivar connection: what hosts are told of the way to any volume
    """

    def __init__(self, cloud: Host) -> None:
        self._cloud = cloud
        self.all: dict[str, Attachment] = {}
        self.connection: dict[str, Any] = {'driver_volume_type': 'local'}
        self._routes: wire.Routes = {
            'GET attachments/detail': self._list,
            'POST attachments': self._create,
            'PUT attachments/*': self._update,
            'DELETE attachments/*': self._delete,
            'POST attachments/*/action': self._complete,
        }

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        return wire.route(self._routes, request)

    def of(self, volume_id: str) -> list[Attachment]:
        """Return the attachments of a volume."""
        return [it for it in self.all.values() if it.volume_id == volume_id]

    def attach(self, volume_id: str, server_id: str, device: str) -> str:
        """Attach a volume to a server, as Nova does."""
        volume = self._cloud.cinder.volumes[volume_id]
        made = Attachment(
            wire.new_id(),
            volume_id,
            volume.project_id,
            server_id,
            'compute',
            device,
            'rw',
            'attached',
            by_nova=True,
        )
        self.all[made.id] = made
        self._settle(volume_id)
        return made.id

    def remove(self, attachment_id: str) -> None:
        """Let an attachment be gone."""
        found = self.all.pop(attachment_id)
        self._settle(found.volume_id)

    def _settle(self, volume_id: str) -> None:
        """Give a volume the status that its attachments make."""
        volume = self._cloud.cinder.volumes.get(volume_id)
        if volume is None or volume.status.startswith('error'):
            return
        there = {each.status for each in self.of(volume_id)}
        for status, word in (
            ('attached', 'in-use'),
            ('attaching', 'attaching'),
            ('reserved', 'reserved'),
        ):
            if status in there:
                volume.status = word
                return
        volume.status = 'available'

    def _describe(self, it: Attachment) -> dict[str, Any]:
        path = str(self._cloud.cinder.path(it.volume_id))
        return {
            'id': it.id,
            'status': it.status,
            'instance': it.instance,
            'volume_id': it.volume_id,
            'attached_at': it.created_at,
            'detached_at': '',
            'attach_mode': it.mode,
            'connection_info': {
                **self.connection,
                'device_path': path,
                'access_mode': 'rw',
                'attachment_id': it.id,
            }
            if it.connector
            else {},
        }

    def _list(self, request: wire.Request) -> wire.Answer:
        found = wire.chosen(request, self.all.values(), ('volume_id',))
        return 200, {'attachments': [self._describe(it) for it in found]}

    def _create(self, request: wire.Request) -> wire.Answer:
        wanted = request.body['attachment']
        instance = wanted.get('instance_uuid', '')
        if instance is None:
            raise wire.Refusal(400, 'None is not a uuid.')
        volume = self._cloud.cinder.volume(request, wanted['volume_uuid'])
        if 'error' in volume.status:
            raise wire.Refusal(
                400,
                'Volume attachments can not be created if the volume is in '
                'an error state.',
            )
        same = instance and any(
            it.instance == instance for it in self.of(volume.id)
        )
        free = ['available', 'downloading']
        if volume.type.multiattach:
            free.append('in-use')
        if volume.status not in free and not (
            same and volume.status in ('in-use', 'reserved')
        ):
            raise wire.Refusal(
                400,
                f'Invalid volume: Volume {volume.id} status must be available '
                f'or downloading to reserve, but the current status is '
                f'{volume.status}.',
            )
        connector = wanted.get('connector') or None
        made = Attachment(
            wire.new_id(),
            volume.id,
            volume.project_id,
            instance or None,
            connector['host'] if connector else None,
            None,
            wanted.get('mode', 'rw'),
            'attaching' if connector else 'reserved',
            connector=connector,
        )
        self.all[made.id] = made
        # Whatever else has it.
        volume.status = made.status
        answer = self._describe(made)
        # That is what it was before the connector was minded.
        answer['status'] = 'reserved'
        return 200, {'attachment': answer}

    def _update(self, request: wire.Request, one: str) -> wire.Answer:
        found = self._find(request, one)
        if len(self.of(found.volume_id)) > 1:
            raise wire.Refusal(500, 'duplicate connectors detected on volume')
        raise wire.Refusal(400, 'The tests add no connectors later.')

    def _find(self, request: wire.Request, one: str) -> Attachment:
        found = self.all.get(one)
        if found is None or not (
            request.who.admin or found.project_id == request.who.project_id
        ):
            raise wire.Refusal(404, f'Attachment {one} could not be found.')
        return found

    def _complete(self, request: wire.Request, one: str) -> wire.Answer:
        found = self._find(request, one)
        found.status = 'attached'
        self._cloud.cinder.volumes[found.volume_id].status = 'in-use'
        return 204, None

    def _delete(self, request: wire.Request, one: str) -> wire.Answer:
        found = self._find(request, one)
        if found.by_nova and not request.by_service:
            raise wire.Refusal(
                409,
                'Detach volume from instance using the Compute API.',
            )
        self.remove(one)
        rest = [self._describe(it) for it in self.of(found.volume_id)]
        return 200, {'attachments': rest}
