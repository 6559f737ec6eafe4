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


"""Every address and method of the API, the handler and the rule behind it.

A route without a rule is open to everybody, without a token; each of them is
meant to be. Rules are in ``api.rbac``, what a request may hold is written on
the handler.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any

from csbs.api import request
from csbs.api.handlers import backups
from csbs.api.handlers import policies
from csbs.api.handlers import quotas
from csbs.api.handlers import restores
from csbs.api.handlers import root
from csbs.api.handlers import servers
from csbs.api.handlers import services
from csbs.api.handlers import statistics
from csbs.api.handlers import tasks
from csbs.api.handlers import vaults
from csbs.api.handlers import verifications

Handler = Callable[[request.Request], Mapping[str, Any]]

#: the rule of what everybody may do
PUBLIC = None


@dataclasses.dataclass(frozen=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    handler: Handler
    rule: str | None


_VAULT = '/v1/vaults/{vault_id}'
_BACKUP = '/v1/backups/{backup_id}'
_POLICY = '/v1/policies/{policy_id}'
_QUOTA = '/v1/quotas/{project_id}'

ROUTES = tuple(
    Route(*fields)
    for fields in (
        ('GET', '/', root.list_versions, PUBLIC),
        ('GET', '/healthcheck', root.check_health, PUBLIC),
        ('GET', '/v1', root.show_version, PUBLIC),
        ('GET', '/v1/openapi.json', root.show_openapi, PUBLIC),
        ('GET', '/v1/vaults', vaults.list_vaults, 'csbs:vaults:list'),
        ('POST', '/v1/vaults', vaults.create_vault, 'csbs:vaults:create'),
        ('GET', _VAULT, vaults.show_vault, 'csbs:vaults:get'),
        ('PATCH', _VAULT, vaults.update_vault, 'csbs:vaults:update'),
        ('DELETE', _VAULT, vaults.delete_vault, 'csbs:vaults:delete'),
        (
            'POST',
            f'{_VAULT}/extend',
            vaults.extend_vault,
            'csbs:vaults:extend',
        ),
        ('POST', f'{_VAULT}/renew', vaults.renew_vault, 'csbs:vaults:renew'),
        (
            'POST',
            f'{_VAULT}/verify',
            verifications.verify_vault,
            'csbs:vaults:verify',
        ),
        ('GET', '/v1/backups', backups.list_backups, 'csbs:backups:list'),
        ('POST', '/v1/backups', backups.create_backup, 'csbs:backups:create'),
        ('GET', _BACKUP, backups.show_backup, 'csbs:backups:get'),
        ('PATCH', _BACKUP, backups.update_backup, 'csbs:backups:update'),
        ('DELETE', _BACKUP, backups.delete_backup, 'csbs:backups:delete'),
        (
            'POST',
            f'{_BACKUP}/restore',
            restores.restore_backup,
            'csbs:backups:restore',
        ),
        (
            'POST',
            f'{_BACKUP}/verify',
            verifications.verify_backup,
            'csbs:backups:verify',
        ),
        (
            'POST',
            f'{_BACKUP}/servers',
            restores.create_server,
            'csbs:backups:create_server',
        ),
        ('GET', '/v1/policies', policies.list_policies, 'csbs:policies:list'),
        (
            'POST',
            '/v1/policies',
            policies.create_policy,
            'csbs:policies:create',
        ),
        ('GET', _POLICY, policies.show_policy, 'csbs:policies:get'),
        ('PATCH', _POLICY, policies.update_policy, 'csbs:policies:update'),
        ('DELETE', _POLICY, policies.delete_policy, 'csbs:policies:delete'),
        ('POST', f'{_POLICY}/run', policies.run_policy, 'csbs:policies:run'),
        (
            'PUT',
            f'{_POLICY}/servers/{{server_id}}',
            policies.add_server,
            'csbs:policies:add_server',
        ),
        (
            'DELETE',
            f'{_POLICY}/servers/{{server_id}}',
            policies.remove_server,
            'csbs:policies:remove_server',
        ),
        (
            'PUT',
            f'{_VAULT}/policies/{{policy_id}}',
            policies.bind_vault,
            'csbs:policies:bind_vault',
        ),
        (
            'DELETE',
            f'{_VAULT}/policies/{{policy_id}}',
            policies.unbind_vault,
            'csbs:policies:unbind_vault',
        ),
        ('GET', '/v1/tasks', tasks.list_tasks, 'csbs:tasks:list'),
        ('GET', '/v1/tasks/{task_id}', tasks.show_task, 'csbs:tasks:get'),
        (
            'POST',
            '/v1/tasks/{task_id}/cancel',
            tasks.cancel_task,
            'csbs:tasks:cancel',
        ),
        ('GET', '/v1/servers', servers.list_servers, 'csbs:servers:list'),
        (
            'GET',
            '/v1/servers/{server_id}',
            servers.show_server,
            'csbs:servers:get',
        ),
        ('GET', '/v1/quotas', quotas.show_own_quota, 'csbs:quotas:get_own'),
        ('GET', '/v1/quotas/all', quotas.list_quotas, 'csbs:quotas:list'),
        ('GET', _QUOTA, quotas.show_quota, 'csbs:quotas:get'),
        ('PUT', _QUOTA, quotas.update_quota, 'csbs:quotas:update'),
        ('DELETE', _QUOTA, quotas.reset_quota, 'csbs:quotas:reset'),
        (
            'GET',
            '/v1/statistics',
            statistics.show_statistics,
            'csbs:statistics:get',
        ),
        ('GET', '/v1/services', services.list_services, 'csbs:services:list'),
    )
)
