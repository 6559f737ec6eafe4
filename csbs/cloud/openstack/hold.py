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

An administrator's lock keeps the owner from starting the server. A lock of
the owner's own is taken over by it; it is put back where csbs may act in the
owner's project.
"""

from collections.abc import Mapping
import logging
from typing import Any

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import servers
from csbs.domain import model

LOG = logging.getLogger(__name__)

_RESTORING = f'{servers.LOCKED_BY_US} being restored'
_HALF = f'{servers.HALF_RESTORED}, so restore it again'
_RAN = 'it was running'
_LOCKED = 'it was locked'


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

        :raises CloudError: when it cannot be; it is as before then
        """
        api = self._clients.service()
        described = servers.describe(api, server.id)
        reason = str(described.get('locked_reason') or '')
        ours = reason.startswith(servers.LOCKED_BY_US)
        running = described['status'] == model.ServerStatus.ACTIVE
        data = {
            'server_id': server.id,
            'project_id': server.project_id,
            'ran': _RAN in reason if ours else running,
            'locked': (
                _LOCKED in reason if ours else bool(described.get('locked'))
            ),
        }
        entry = ledger.plan(model.ResourceKind.HOLD, **data)
        try:
            self._lock(data, _RESTORING)
            if running:
                with clients.translated(f'Server {server.id} to be stopped'):
                    api.nova.servers.stop(server.id)
            self._wait(server.id, model.ServerStatus.SHUTOFF, ledger.check)
        except exception.CsbsError:
            ledger.discard(entry)
            raise
        LOG.info('Stopped and locked server %s for a restore', server.id)
        return entry

    def release(self, data: Mapping[str, Any]) -> bool:
        """Let go of a server; fine when nobody holds it, or it is gone.

        :param data: the ledger entry's, with ``keep_stopped`` and
            ``power_on`` when they are known
        :raises CloudError: when it cannot be unlocked or started
        """
        api, server_id = self._clients.service(), data['server_id']
        try:
            described = servers.describe(api, server_id)
        except exception.ServerNotFound:
            return True
        reason = str(described.get('locked_reason') or '')
        if reason.startswith(servers.LOCKED_BY_US):
            if data.get('keep_stopped'):
                self._lock(data, _HALF)
                LOG.warning('Left server %s half restored', server_id)
                return True
            with clients.translated(f'Server {server_id} to be unlocked'):
                api.nova.servers.unlock(server_id)
            if data.get('locked'):
                self._give_lock_back(data)
        wanted = data.get('power_on')
        if wanted is None:
            wanted = data.get('ran')
        if wanted and described['status'] == model.ServerStatus.SHUTOFF:
            with clients.translated(f'Server {server_id} to be started'):
                api.nova.servers.start(server_id)
        if wanted:
            self._wait(server_id, model.ServerStatus.ACTIVE)
        return True

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

    def _wait(
        self, server_id: str, status: model.ServerStatus, check: Any = None
    ) -> None:
        api = self._clients.service()

        def look() -> bool | None:
            described = servers.describe(api, server_id)
            if described['status'] == 'ERROR':
                raise exception.CloudError(
                    f'Server {server_id} went into the status ERROR.'
                )
            return servers.status(described) == status or None

        clients.wait_for(
            look,
            f'server {server_id} to be {status}',
            self._section.server_timeout,
            check or (lambda: None),
            pause=0.5,
        )
