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

"""What the service on loopback answers for policies and quotas."""

from typing import Any
from typing import Protocol

from csbs.tests.unit.sdk import keystone
from csbs.tests.unit.sdk import rows

Answer = keystone.Answer


class Host(Protocol):
    """What has the rows."""

    tables: dict[str, dict[str, dict[str, Any]]]

    def add_policy(self, name: str, **changes: Any) -> dict[str, Any]: ...

    def add_quota(self, project_id: str, **limits: int) -> dict[str, Any]: ...

    def add_task(self, kind: str, **changes: Any) -> dict[str, Any]: ...

    def list_rows(self, name: str, query: dict[str, str]) -> Answer: ...


def answer(
    host: Host,
    method: str,
    parts: list[str],
    query: dict[str, str],
    body: Any,
) -> Answer | None:
    """Answer a request, or None if it is for something else.

    :raises keystone.Refusal: for an error
    """
    match parts:
        case ['statistics']:
            return 200, {'statistics': _statistics(query)}
        case ['quotas', 'all']:
            return host.list_rows('quotas', query)
        case ['quotas', *project]:
            project_id = project[0] if project else rows.PROJECT
            quota = _quota(host, method, project_id, body)
            return 200, {'quota': quota}
        case ['policies'] if method == 'POST':
            return 201, {'policy': host.add_policy(**body['policy'])}
        case ['policies', policy_id, *more]:
            row = _policy(host, policy_id)
            return _act(host, method, row, more, body)
        case ['vaults', vault_id, 'policies', policy_id]:
            row = _policy(host, policy_id)
            row['vault_id'] = vault_id if method == 'PUT' else None
            return 200, {'policy': row}
    return None


def _policy(host: Host, policy_id: str) -> dict[str, Any]:
    try:
        return host.tables['policies'][policy_id]
    except KeyError:
        raise keystone.Refusal(
            404, 'csbs.policy.not_found', f'There is no policy {policy_id}.'
        ) from None


def _act(
    host: Host, method: str, row: dict[str, Any], more: list[str], body: Any
) -> Answer:
    status = 200
    match method, more:
        case 'PATCH', []:
            row |= body['policy']
        case 'DELETE', []:
            del host.tables['policies'][row['id']]
        case 'POST', ['run']:
            status = 202
            task = host.add_task('policy_run', policy_id=row['id'])
            row = row | {'task_id': task['id']}
        case 'PUT', ['servers', server_id]:
            row['server_ids'].append(server_id)
        case 'DELETE', ['servers', server_id]:
            row['server_ids'].remove(server_id)
    return status, {'policy': row}


def _quota(
    host: Host, method: str, project_id: str, body: Any
) -> dict[str, Any]:
    quotas = host.tables['quotas']
    if method == 'DELETE':
        quotas.pop(project_id, None)
    if project_id not in quotas:
        host.add_quota(project_id)
    if method == 'PUT':
        given = body['quota']
        own = {
            name: quotas[project_id]['limits'][name]
            for name in quotas[project_id]['own']
        } | given
        host.add_quota(
            project_id,
            **{name: one for name, one in own.items() if one is not None},
        )
    return quotas[project_id]


def _statistics(query: dict[str, str]) -> dict[str, Any]:
    everybody = query.get('all_projects') == 'true'
    project_id = query.get('project_id', rows.PROJECT)
    return {
        'project_id': None if everybody else project_id,
        'vaults': 1,
        'capacity_gb': 400,
        'used_bytes': 3 * rows.GIB,
        'protected_bytes': 6 * rows.GIB,
        'stored_bytes': rows.GIB,
        'saved_percent': 83,
        'policies': 2,
        'enabled_policies': 1,
        'backups': {'available': 4, 'error': 1},
        'protected_servers': 2,
        'tasks': {'queued': 1, 'running': 0},
        'last_backup_at': rows.NOW,
    }
