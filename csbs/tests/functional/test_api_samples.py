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

"""The samples in the API reference are what the API really answers.

With ``CSBS_WRITE_SAMPLES`` in the environment they are written anew.
"""

import json
import os
import pathlib
from typing import Any

from csbs.tests.functional import stack

_FOLDER = pathlib.Path(__file__).parents[3] / 'api-ref' / 'source' / 'samples'


def shape(value: Any) -> Any:
    """Return the names in a document, without what they stand for."""
    if isinstance(value, dict):
        return {
            'an id' if len(name) == 36 else name: shape(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return None


class SamplesTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(host='backup-1')
        self.written: set[str] = set()

    def sample(
        self,
        name: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: int = 200,
    ) -> Any:
        """Send a request and hold it and its answer against the samples."""
        answer = self.call(method, path, body, expect=expect)
        if body:
            self.check(f'{name}-request', body)
        self.check(f'{name}-response', answer)
        return answer

    def check(self, name: str, document: Any) -> None:
        path = _FOLDER / f'{name}.json'
        self.written.add(path.name)
        if 'CSBS_WRITE_SAMPLES' in os.environ:
            text = json.dumps(document, indent=4, ensure_ascii=False)
            path.write_text(text.replace('http://localhost', '') + '\n')
        committed = json.loads(path.read_text())
        if 'openapi' not in committed:
            self.assertEqual(shape(committed), shape(document), name)

    def test_samples(self) -> None:
        server = self.stack.make_server(
            'web', {'vda': stack.pattern(1 << 20), 'vdb': b'data' * 1024}
        )
        self.sample('list_versions', 'GET', '/')
        self.sample('show_version', 'GET', '/v1/')
        self.sample('check_health', 'GET', '/healthcheck')
        self.sample('list_servers', 'GET', '/v1/servers')
        self.sample('show_server', 'GET', f'/v1/servers/{server.id}')
        vault_id = self.sample_vaults()
        backup_id = self.sample_backups(server.id, vault_id)
        self.sample_policies(server.id, vault_id)
        self.sample_quotas()
        self.sample_ends(backup_id, vault_id)
        self.sample('list_services', 'GET', '/v1/services')
        if 'CSBS_WRITE_SAMPLES' not in os.environ:
            committed = {path.name for path in _FOLDER.iterdir()}
            self.assertEqual(committed, self.written)

    def sample_vaults(self) -> str:
        vault_id: str = self.sample(
            'create_vault',
            'POST',
            '/v1/vaults',
            {
                'vault': {
                    'name': 'production',
                    'description': 'Servers that earn money',
                    'capacity_gb': 200,
                    'months': 12,
                    'tags': ['shops'],
                }
            },
            expect=201,
        )['vault']['id']
        path = f'/v1/vaults/{vault_id}'
        self.sample('list_vaults', 'GET', '/v1/vaults')
        self.sample('show_vault', 'GET', path)
        self.sample(
            'update_vault',
            'PATCH',
            path,
            {'vault': {'name': 'shops', 'tags': ['shops', 'eu']}},
        )
        self.sample(
            'extend_vault', 'POST', f'{path}/extend', {'capacity_gb': 400}
        )
        self.sample('renew_vault', 'POST', f'{path}/renew', {'months': 6})
        return vault_id

    def sample_backups(self, server_id: str, vault_id: str) -> str:
        backup = self.sample(
            'create_backup',
            'POST',
            '/v1/backups',
            {
                'backup': {
                    'server_id': server_id,
                    'vault_id': vault_id,
                    'name': 'before-upgrade',
                    'description': 'All is well here',
                }
            },
            expect=202,
        )['backup']
        self.finish(backup)
        path = f'/v1/backups/{backup["id"]}'
        self.sample('list_backups', 'GET', '/v1/backups')
        self.sample('show_backup', 'GET', path)
        self.sample(
            'update_backup', 'PATCH', path, {'backup': {'name': 'keep-me'}}
        )
        self.sample('list_tasks', 'GET', '/v1/tasks')
        self.sample('show_task', 'GET', f'/v1/tasks/{backup["task_id"]}')
        restored = self.sample(
            'restore_backup',
            'POST',
            f'{path}/restore',
            {'restore': {'power_on': True}},
            expect=202,
        )['backup']
        self.finish(restored)
        for kind, where in (
            ('backup', path),
            ('vault', f'/v1/vaults/{vault_id}'),
        ):
            verified = self.sample(
                f'verify_{kind}',
                'POST',
                f'{where}/verify',
                {'verify': {'mode': 'deep', 'percent': 100}},
                expect=202,
            )['task']
            self.finish({'task_id': verified['id']})
        backup_id: str = backup['id']
        return backup_id

    def sample_policies(self, server_id: str, vault_id: str) -> None:
        policy_id = self.sample(
            'create_policy',
            'POST',
            '/v1/policies',
            {
                'policy': {
                    'name': 'nightly',
                    'enabled': True,
                    'schedule': {
                        'times': ['02:00', '14:30'],
                        'timezone': 'Europe/Berlin',
                        'weekdays': ['mon', 'thu'],
                    },
                    'retention': {'kind': 'count', 'value': 7},
                    'max_parallel': 2,
                }
            },
            expect=201,
        )['policy']['id']
        path = f'/v1/policies/{policy_id}'
        self.sample('list_policies', 'GET', '/v1/policies')
        self.sample('show_policy', 'GET', path)
        self.sample(
            'update_policy',
            'PATCH',
            path,
            {'policy': {'schedule': {'times': ['02:00'], 'every_days': 3}}},
        )
        vault = f'/v1/vaults/{vault_id}/policies/{policy_id}'
        self.sample('bind_vault', 'PUT', vault)
        self.sample('add_server', 'PUT', f'{path}/servers/{server_id}')
        run = self.sample('run_policy', 'POST', f'{path}/run', {}, expect=202)
        task = self.finish(run['policy'])
        (backup_id,) = task['result']['backups'].values()
        self.delete_backup(backup_id)
        self.sample('remove_server', 'DELETE', f'{path}/servers/{server_id}')
        self.sample('unbind_vault', 'DELETE', vault)
        self.sample('delete_policy', 'DELETE', path)

    def sample_quotas(self) -> None:
        self.sample('show_own_quota', 'GET', '/v1/quotas')
        self.sample('list_quotas', 'GET', '/v1/quotas/all')
        self.sample('show_statistics', 'GET', '/v1/statistics')
        path = '/v1/quotas/local'
        self.sample('show_quota', 'GET', path)
        self.sample(
            'update_quota',
            'PUT',
            path,
            {'quota': {'vaults': 20, 'policies': -1}},
        )
        self.sample('reset_quota', 'DELETE', path)

    def sample_ends(self, backup_id: str, vault_id: str) -> None:
        path = f'/v1/backups/{backup_id}'
        # Nobody may take the task before it is cancelled.
        self.stack.protection.stop()
        asked = self.sample(
            'create_server',
            'POST',
            f'{path}/servers',
            {
                'server': {
                    'name': 'web-2',
                    'networks': 'auto',
                    'key_name': 'operator',
                    'availability_zone': 'east',
                }
            },
            expect=202,
        )['backup']
        self.sample(
            'cancel_task',
            'POST',
            f'/v1/tasks/{asked["task_id"]}/cancel',
            {},
            expect=202,
        )
        self.stack.restart_protection()
        self.finish(asked, 'cancelled')
        deleted = self.sample('delete_backup', 'DELETE', path, expect=202)
        self.finish(deleted['backup'])
        gone = self.sample(
            'delete_vault', 'DELETE', f'/v1/vaults/{vault_id}', expect=202
        )
        self.finish(gone['vault'])
