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

"""What the service on loopback has, as the API answers it.

Owns the tables and what a new row is like; what happens to rows is in
``loopback``.
"""

from typing import Any
import uuid

from csbs.tests.unit.sdk import keystone

GIB = 1 << 30
NOW = '2026-11-23T10:00:00Z'
PROJECT = keystone.PROJECT


def _volume(name: str, gigabytes: int, device: str) -> dict[str, Any]:
    return {
        'id': str(uuid.uuid4()),
        'name': name,
        'size_gb': gigabytes,
        'size_bytes': gigabytes * GIB,
        'device': device,
        'bootable': device == '/dev/vda',
        'status': 'in-use',
    }


class Rows:
    """The tables of the service, by the names of the API."""

    def __init__(self) -> None:
        names = ('vaults', 'backups', 'policies', 'quotas')
        names += ('tasks', 'servers', 'services')
        self.tables: dict[str, dict[str, dict[str, Any]]] = {
            name: {} for name in names
        }

    def add_server(self, name: str, **changes: Any) -> dict[str, Any]:
        volumes = [
            _volume(f'{name}-boot', 10, '/dev/vda'),
            _volume(f'{name}-data', 40, '/dev/vdb'),
        ]
        server: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'name': name,
            'status': 'ACTIVE',
            'volumes': volumes,
            'size_gb': 50,
            'policy_id': None,
            'last_backup_id': None,
            'last_backup_at': None,
            'task_id': None,
            'protectable': True,
            'reason': None,
            'notice': None,
            'created_at': NOW,
        } | changes
        self.tables['servers'][server['id']] = server
        return server

    def add_vault(self, name: str, **changes: Any) -> dict[str, Any]:
        vault: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'name': name,
            'description': '',
            'capacity_gb': 100,
            'months': 1,
            'status': 'available',
            'used_gb': 0,
            'used_bytes': 0,
            'stored_bytes': 0,
            'protected_bytes': 0,
            'saved_percent': 0,
            'backup_count': 0,
            'policy_ids': [],
            'lock_days': None,
            'tags': [],
            'task_id': None,
            'created_at': NOW,
            'updated_at': None,
            'expires_at': '2026-12-23T10:00:00Z',
        } | changes
        self.tables['vaults'][vault['id']] = vault
        return vault

    def add_backup(self, name: str, **changes: Any) -> dict[str, Any]:
        backup: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'vault_id': str(uuid.uuid4()),
            'server_id': str(uuid.uuid4()),
            'server_name': 'web-1',
            'name': name,
            'description': '',
            'status': 'available',
            'kind': 'full',
            'trigger': 'manual',
            'consistency': 'crash_consistent',
            'snapshot_method': 'group',
            'paused_seconds': None,
            'policy_id': None,
            'parent_id': None,
            'size_bytes': 50 * GIB,
            'size_gb': 50,
            'changed_bytes': 50 * GIB,
            'transferred_bytes': 3 * GIB,
            'stored_bytes': 3 * GIB // 2,
            'progress': 100,
            'fault': None,
            'task_id': None,
            'created_at': NOW,
            'updated_at': NOW,
            'snapshot_at': NOW,
            'items': [],
            'server': {'flavor': {'vcpus': 2}, 'name': 'web-1'},
        } | changes
        self.tables['backups'][backup['id']] = backup
        return backup

    def add_task(self, kind: str, **changes: Any) -> dict[str, Any]:
        task: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'kind': kind,
            'status': 'queued',
            'step': '',
            'progress': 0,
            'bytes_done': 0,
            'bytes_total': 0,
            'rate': None,
            'eta_seconds': None,
            'backup_id': None,
            'server_id': None,
            'vault_id': None,
            'policy_id': None,
            'parent_id': None,
            'trigger': None,
            'planned_at': None,
            'host': None,
            'attempts': 0,
            'result': {},
            'fault': None,
            'created_at': NOW,
            'started_at': None,
            'finished_at': None,
        } | changes
        self.tables['tasks'][task['id']] = task
        return task

    def add_policy(self, name: str, **changes: Any) -> dict[str, Any]:
        policy: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'name': name,
            'enabled': False,
            'vault_id': None,
            'server_ids': [],
            'schedule': {
                'times': ['02:00'],
                'timezone': 'UTC',
                'weekdays': [],
                'every_days': 1,
            },
            'retention': {'kind': 'forever', 'value': None},
            'allow_pause': None,
            'max_parallel': None,
            'next_run_at': None,
            'next_runs': [],
            'task_id': None,
            'created_at': NOW,
            'updated_at': None,
        } | changes
        self.tables['policies'][policy['id']] = policy
        return policy

    def add_quota(self, project_id: str, **limits: int) -> dict[str, Any]:
        quota: dict[str, Any] = {
            'project_id': project_id,
            'limits': {
                'vaults': 10,
                'policies': 20,
                'policies_per_vault': 10,
                'servers_per_policy': 10,
                'min_capacity_gb': 100,
                'max_capacity_gb': 1024000,
            }
            | limits,
            'usage': {
                'vaults': 1,
                'policies': 0,
                'policies_per_vault': 0,
                'servers_per_policy': 0,
                'capacity_gb': 400,
                'used_gb': 1,
            },
            'own': list(limits),
        }
        self.tables['quotas'][project_id] = quota
        return quota
