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

"""Stopping and locking a server whose disks are about to be overwritten.

Owns the lock's reason, which tells people what goes on, and csbs what the
server was like before: a restore that failed half way leaves the server
stopped and locked, and the next one has to know whether it ran.

An administrator's lock keeps the owner from starting the server. It is the
first thing that is done and the last that is undone, and its reason names its
holder: a server without it is let alone, whatever an entry of the ledger says
that was left from another time. A lock of the owner's own is taken over by
it; it is put back where csbs may act in the owner's project. One of another
administrator is respected.
"""

from collections.abc import Callable
from collections.abc import Mapping
import logging
import secrets
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

_RESTORING = f'{servers.LOCKED_BY_US} being restored'
_HALF = f'{servers.HALF_RESTORED}, so restore it again'
_RAN = 'it was running'
_LOCKED = 'it was locked'
#: what a server can be brought to the other from
_RESTING = frozenset({model.ServerStatus.ACTIVE, model.ServerStatus.SHUTOFF})


class Holder:
    """Holds servers that are being restored."""

    def __init__(
        self, section: cfg.ConfigOpts.GroupAttr, own: clients.Clients
    ) -> None:
        self._section = section
        self._clients = own

    def hold(
        self, server: model.Server, ledger: base.Ledger
    ) -> model.Resource:
        """Stop and lock a server.

        :raises ServerWrongState: when it neither runs nor is shut off
        :raises CloudError: when it cannot be; it is as before then
        """
        described = servers.describe(self._clients.service(), server.id)
        data = self._data(described)
        entry = ledger.plan(model.ResourceKind.HOLD, **data)
        try:
            with temporary.asked(ledger, entry, 'The server to be locked'):
                self._lock(data, f'{_RESTORING} ({data["holder"]})')
            self._bring(server.id, model.ServerStatus.SHUTOFF, ledger.check)
        except exception.CsbsError:
            temporary.try_to_discard(ledger, entry)
            raise
        LOG.info('Stopped and locked server %s for a restore', server.id)
        return entry

    def release(self, data: Mapping[str, Any]) -> bool:
        """Let go of a server; fine when nobody holds it, or it is gone.

        :param data: the ledger entry's, with ``keep_stopped`` and
            ``power_on`` when they are known
        :returns: whether it was held, or was known to be
        :raises CloudError: when it cannot be unlocked or started
        """
        api, server_id = self._clients.service(), data['server_id']
        try:
            described = servers.describe(api, server_id)
        except exception.ServerNotFound:
            return True
        known = data.get('keep_stopped') is not None
        if not _held(described, f'{_RESTORING} ({data["holder"]})'):
            if known and data['locked'] and not described.get('locked'):
                self._give_lock_back(data)
            return known
        if data.get('keep_stopped'):
            self._lock(data, _HALF)
            LOG.warning('Left server %s half restored', server_id)
            return True
        wanted = data.get('power_on')
        if wanted is None:
            wanted = data['ran']
        if wanted:
            self._bring(server_id, model.ServerStatus.ACTIVE)
        with clients.translated(f'Server {server_id} to be unlocked'):
            api.nova.servers.unlock(server_id)
        if data['locked']:
            self._give_lock_back(data)
        return True

    def check(self, server_id: str) -> None:
        """See that nothing but csbs writes to the disks of a server.

        :raises CloudError: when it is not held any more
        """
        described = servers.describe(self._clients.service(), server_id)
        stopped = servers.status(described) == model.ServerStatus.SHUTOFF
        if not stopped or not _held(described, _RESTORING):
            raise exception.CloudRefused(
                f'Server {server_id} is not stopped and locked for the '
                'restore any more.'
            )

    def _data(self, described: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is to be known of a server that is to be held."""
        status, server_id = servers.status(described), described['id']
        data: dict[str, Any] = {
            'server_id': server_id,
            'project_id': described['tenant_id'],
            'holder': secrets.token_hex(6),
        }
        locked = bool(described.get('locked'))
        locker = self._locker(described) if locked else None
        ours = locker in (None, self._clients.project_id())
        if ours and _held(described, servers.LOCKED_BY_US):
            reason = described['locked_reason']
            # Another restore may have written to its disks.
            return {
                **data,
                'ran': _RAN in reason,
                'locked': _LOCKED in reason,
                'keep_stopped': True,
            }
        if status not in _RESTING:
            raise exception.ServerWrongState(id=server_id, status=status)
        if locker not in (None, data['project_id']):
            raise exception.CloudRefused(
                f'Server {server_id} was locked by an administrator.'
            )
        ran = status == model.ServerStatus.ACTIVE
        return {**data, 'ran': ran, 'locked': locked}

    def _locker(self, described: Mapping[str, Any]) -> str | None:
        """Return the project that a server was locked from, if it is known.

        Nova decides by it who may unlock a server. The reason does not tell:
        its owner can write what he likes, and it outlives another lock.
        """
        nova = self._clients.service().nova
        with clients.translated('Who locked the server'):
            for action in nova.instance_action.list(described['id']):
                if action.action == 'lock':
                    return str(action.project_id)
        return None

    def _lock(self, data: Mapping[str, Any], reason: str) -> None:
        if data['ran']:
            reason = f'{reason}; {_RAN}'
        if data['locked']:
            reason = f'{reason}; {_LOCKED}'
        with clients.translated(f'Server {data["server_id"]} to be locked'):
            self._clients.service().nova.servers.lock(
                data['server_id'], reason
            )

    def _give_lock_back(self, data: Mapping[str, Any]) -> None:
        context = csbs_context.RequestContext.for_service(data['project_id'])
        owner = self._clients.tenant(context)
        if owner is None:
            LOG.warning(
                'Server %s had been locked by its owner and is not any more',
                data['server_id'],
            )
            return
        with clients.translated(f'Server {data["server_id"]} to be locked'):
            owner.nova.servers.lock(data['server_id'])

    def _bring(
        self,
        server_id: str,
        wanted: model.ServerStatus,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Stop or start a server, which nobody else can: it is locked.

        Asks whenever it rests in the other state, so that it does not matter
        what became of a request whose answer was lost.
        """
        api = self._clients.service()
        stop = wanted == model.ServerStatus.SHUTOFF

        def look() -> bool | None:
            described = servers.describe(api, server_id)
            status = servers.status(described)
            if status == wanted:
                return True
            if status == 'ERROR':
                raise exception.CloudError(
                    f'Server {server_id} went into the status ERROR.'
                )
            if status in _RESTING:
                try:
                    with clients.translated(f'Server {server_id}'):
                        ask = api.nova.servers
                        (ask.stop if stop else ask.start)(server_id)
                except exception.CloudError as error:
                    LOG.warning('Looking again: %s', error)
            return None

        clients.wait_for(
            look,
            f'server {server_id} to be {wanted}',
            self._section.server_timeout,
            check,
        )


def _held(described: Mapping[str, Any], reason: str) -> bool:
    """Tell whether a server is locked for a reason that begins like that.

    :param described: Nova's description
    """
    return bool(described.get('locked')) and str(
        described.get('locked_reason') or ''
    ).startswith(reason)
