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

"""Freezing volumes together, by storage that really can.

Owns what that asks of Cinder: a group of the right type, made for the moment,
with the user's volumes in it for no longer than the snapshot takes. Cinder
accepts group snapshots of any storage and takes them one by one where that
cannot do better, without a word; only the capability that a volume's own pool
reports tells. Adding volumes to a group that fails puts them into the status
error, while their server uses them: whatever happens they are put right.

A group takes only volumes of its own project, so this needs a way to act in
the user's. Its snapshots count there, as long as they are there.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import logging
import time
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

_CAPABILITY = 'consistent_group_snapshot_enabled'
_YES = '<is> True'
_WELL = frozenset({'available', 'in-use'})


class Failed(exception.CloudError):
    """The storage did not freeze the volumes; nothing of it is left."""


@dataclasses.dataclass(frozen=True)
class Fitting:
    """How some volumes can be frozen together."""

    api: clients.Api
    group_type_id: str
    volume_type_ids: Sequence[str]
    volumes: Sequence[Mapping[str, Any]]


class Groups:
    """Freezes volumes together."""

    def __init__(
        self, section: cfg.ConfigOpts.GroupAttr, own: clients.Clients
    ) -> None:
        self._section = section
        self._clients = own

    def find(
        self,
        context: csbs_context.RequestContext,
        volumes: Sequence[Mapping[str, Any]],
    ) -> Fitting | None:
        """Return how the volumes can be frozen together, if they can."""
        pools = {volume.get('os-vol-host-attr:host') for volume in volumes}
        backends = {str(pool).partition('#')[0] for pool in pools}
        types = {volume.get('volume_type_id') for volume in volumes}
        if len(backends) != 1 or None in types:
            return None
        if any(
            volume.get('group_id') or volume['status'] not in _WELL
            for volume in volumes
        ):
            return None
        cinder = self._clients.service().cinder
        with clients.translated('What the storage is capable of'):
            able = {
                pool.name
                for pool in cinder.pools.list(detailed=True)
                if getattr(pool, _CAPABILITY, False) is True
            }
            if not pools <= able:
                return None
            group_type = next(
                (
                    each.id
                    for each in cinder.group_types.list()
                    if each.group_specs.get(_CAPABILITY) == _YES
                ),
                None,
            )
        api = self._clients.tenant(context) if group_type else None
        if group_type is None or api is None:
            LOG.warning(
                'The storage could freeze volumes together, but %s',
                'csbs may not act in the project of the server'
                if group_type
                else f'no group type has the spec {_CAPABILITY}',
            )
            return None
        return Fitting(
            api,
            group_type,
            sorted(map(str, types)),
            volumes,
        )

    def freeze(self, way: Fitting, ledger: base.Ledger) -> dict[str, str]:
        """Freeze the volumes; return the ids of the snapshots by volume.

        :raises Failed: when they were not frozen
        """
        with contextlib.ExitStack() as undo:
            group = ledger.plan(
                model.ResourceKind.GROUP,
                mark=temporary.mark(ledger),
                volume_ids=[volume['id'] for volume in way.volumes],
            )
            undo.callback(temporary.try_to_discard, ledger, group)
            try:
                group_id = self._make(way, ledger, group)
                snapshot = ledger.plan(
                    model.ResourceKind.GROUP_SNAPSHOT,
                    mark=temporary.mark(ledger),
                )
                undo.callback(temporary.try_to_discard, ledger, snapshot)
                found = self._snapshot(way, ledger, snapshot, group_id)
            except exception.CloudError as error:
                raise Failed(str(error)) from error
            undo.pop_all()
        try:
            self._empty(group_id, list(found), ledger)
        except exception.CloudError as error:
            # The ledger has the group still: it is emptied later.
            LOG.warning('Volumes stay in a group for now: %s', error)
        return found

    def discard(self, data: Mapping[str, Any]) -> bool:
        """Take the volumes out of a group and delete it.

        Snapshots of it that were asked for go first: it cannot go before.

        :param data: the ledger entry's
        :returns: whether there was one, or its end is known
        :raises CloudError: when that cannot be done
        """
        cinder = self._clients.service().cinder
        found = temporary.find(
            cinder.groups, data.get('group_id'), data['mark']
        )
        volume_ids = set(data.get('volume_ids', ()))
        for group_id in found:
            with contextlib.suppress(clients.Missing):
                members = volume_ids | self._members(group_id)
                self._empty(group_id, sorted(members))
            self._remove_snapshots(self._snapshots_of(group_id))
            temporary.remove(
                cinder.groups,
                [group_id],
                'group',
                self._section,
            )
        if found:
            self._put_right(sorted(volume_ids))
        return bool(found)

    def discard_snapshot(self, data: Mapping[str, Any]) -> bool:
        """Delete a group snapshot with all its snapshots.

        :param data: the ledger entry's
        :returns: whether there was one
        :raises CloudError: when that cannot be done
        """
        found = temporary.find(
            self._clients.service().cinder.group_snapshots,
            data.get('group_snapshot_id'),
            data['mark'],
        )
        self._remove_snapshots(found)
        return bool(found)

    def _remove_snapshots(self, ids: Sequence[str]) -> None:
        temporary.remove(
            self._clients.service().cinder.group_snapshots,
            ids,
            'group snapshot',
            self._section,
        )

    def _snapshots_of(self, group_id: str) -> list[str]:
        snapshots = self._clients.service().cinder.group_snapshots
        with clients.translated(f'The snapshots of group {group_id}'):
            found = snapshots.list(
                search_opts={'all_tenants': True, 'group_id': group_id}
            )
            return [each.id for each in found if each.group_id == group_id]

    def _members(self, group_id: str) -> set[str]:
        volumes = self._clients.service().cinder.volumes
        with clients.translated(f'The volumes of group {group_id}'):
            found = volumes.list(
                search_opts={'all_tenants': True, 'group_id': group_id}
            )
        return {volume.id for volume in found}

    def _make(
        self, way: Fitting, ledger: base.Ledger, entry: model.Resource
    ) -> str:
        groups = way.api.cinder.groups
        with temporary.asked(ledger, entry, 'A group for the volumes'):
            group_id = str(
                groups.create(
                    way.group_type_id,
                    ','.join(way.volume_type_ids),
                    name=entry.data['mark'],
                ).id
            )
        ledger.update(entry, group_id=group_id)
        self._wait(groups, group_id, 'group', ledger)
        with clients.translated('The volumes to be put into a group'):
            groups.update(
                group_id,
                add_volumes=','.join(volume['id'] for volume in way.volumes),
            )
        self._wait(groups, group_id, 'group', ledger)
        return group_id

    def _snapshot(
        self,
        way: Fitting,
        ledger: base.Ledger,
        entry: model.Resource,
        group_id: str,
    ) -> dict[str, str]:
        cinder = way.api.cinder
        with temporary.asked(
            ledger, entry, 'A snapshot of all volumes together'
        ):
            made = cinder.group_snapshots.create(
                group_id, name=entry.data['mark']
            )
        ledger.update(entry, group_snapshot_id=made.id)
        self._wait(cinder.group_snapshots, made.id, 'group snapshot', ledger)
        wanted = {volume['id'] for volume in way.volumes}
        with clients.translated('The snapshots taken together'):
            found = {
                each.volume_id: each.id
                for each in cinder.volume_snapshots.list()
                if each.to_dict().get('group_snapshot_id') == made.id
            }
        if found.keys() != wanted:
            raise Failed('Not all volumes were frozen together.')
        return found

    def _wait(
        self, manager: Any, one: str, noun: str, ledger: base.Ledger | None
    ) -> None:
        def look() -> bool | None:
            with clients.translated(f'The {noun}'):
                status = manager.get(one).status
            if status == 'available':
                return True
            if 'error' in status:
                raise Failed(f'The {noun} is {status}.')
            return None

        clients.wait_for(
            look,
            f'a {noun}',
            self._section.snapshot_timeout,
            ledger.check if ledger else lambda: None,
        )

    def _empty(
        self,
        group_id: str,
        volume_ids: Sequence[str],
        ledger: base.Ledger | None = None,
    ) -> None:
        """Take volumes out of a group, and put right what it made wrong."""
        api = self._clients.service()
        groups = api.cinder.groups

        if self._settled(group_id) not in ('available', 'deleting'):
            with clients.translated(f'Group {group_id} to be put right'):
                groups.reset_state(group_id, 'available')
        self._put_right(volume_ids)
        inside = [
            volume_id
            for volume_id in volume_ids
            if (servers.volume_of(api, volume_id) or {}).get('group_id')
            == group_id
        ]
        if not inside:
            return
        try:
            with clients.translated('The volumes to be taken out of a group'):
                groups.update(group_id, remove_volumes=','.join(inside))
            self._wait(groups, group_id, 'group', ledger)
        finally:
            self._put_right(inside)

    def _settled(self, group_id: str) -> str:
        """Return the status of a group once nothing is done to it.

        A change that fails before Cinder minds what becomes of the group
        leaves it in the middle for ever; then that is what it returns.
        """
        groups = self._clients.service().cinder.groups
        deadline = time.monotonic() + self._section.snapshot_timeout

        def look() -> str | None:
            with clients.translated(f'Group {group_id}'):
                status = str(groups.get(group_id).status)
            changes = status in ('creating', 'updating')
            return None if changes and time.monotonic() < deadline else status

        return clients.wait_for(
            look, 'a group to settle', self._section.snapshot_timeout + 60
        )

    def _put_right(self, volume_ids: Sequence[str]) -> None:
        """Give volumes that a failed change of the group hurt their status."""
        api = self._clients.service()
        for volume_id in volume_ids:
            volume = servers.volume_of(api, volume_id)
            if volume is None or volume['status'] != 'error':
                continue
            attached = bool(volume.get('attachments'))
            LOG.warning('Volume %s is put right again', volume_id)
            with clients.translated(f'Volume {volume_id} to be put right'):
                api.cinder.volumes.reset_state(
                    volume_id,
                    'in-use' if attached else 'available',
                    'attached' if attached else 'detached',
                )
