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

"""A service whose keys are in a Barbican that comes and goes."""

from typing import Any

import requests

from csbs.tests.functional import processes
from csbs.tests.functional import stack
from csbs.tests.unit.keys import cloud

MIB = 1 << 20


class KeysTest(processes.ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        (self.state / 'csbs.conf').write_text(
            f'[DEFAULT]\ndebug = true\n{self.cloud.config}'
        )
        self.make_disks(vda=96 * MIB)
        self.start(
            'csbs-standalone',
            *('--config-file', str(self.state / 'csbs.conf')),
            *('--state-dir', str(self.state)),
            *('--port', str(self.port)),
        )
        self.wait_until_ready()

    def backed_up(self, vault_id: str) -> dict[str, Any]:
        return self.finish(self.start_backup(vault_id))

    def delete(self, path: str) -> dict[str, Any]:
        """Delete something and return the task when it is over."""
        (resource,) = self.call('DELETE', path).values()
        return self.finish(resource)

    def refusal(self, method: str, path: str, body: Any) -> tuple[int, str]:
        answer = requests.request(
            method,
            f'http://127.0.0.1:{self.port}{path}',
            json=body,
            timeout=30,
        )
        return answer.status_code, answer.json()['errors'][0]['code']

    def test_barbican_comes_and_goes(self) -> None:
        vault_id = self.make_vault()
        (secret,) = self.cloud.secrets.values()
        self.assertEqual(f'csbs vault {vault_id}', secret['name'])
        self.assertFalse((self.state / 'keys.json').exists())
        # Not even who debugs finds the key in the log.
        log = (self.state / 'csbs.log').read_text()
        self.assertIn('DEBUG', log)
        self.assertNotIn(secret['payload'], log)

        # A backup that has its key goes on.
        backup = self.start_backup(vault_id)
        stack.wait_for(
            lambda: self.task(backup['task_id'])['step'] == 'backing_up',
            'the data to move',
        )
        self.cloud.fault = 503
        self.assertEqual('succeeded', self.finish(backup)['status'])

        # What needs a key fails, and says why.
        task = self.backed_up(vault_id)
        self.assertEqual('failed', task['status'])
        self.assertEqual('csbs.key.unavailable', task['fault']['code'])
        vault = {'vault': {'name': 'v2', 'capacity_gb': 100}}
        self.assertEqual(
            (503, 'csbs.key.unavailable'),
            self.refusal('POST', '/v1/vaults', vault),
        )

        # When it is back, whatever became of the token, all goes on.
        self.cloud.fault = None
        self.cloud.tokens.clear()
        self.assertEqual('succeeded', self.backed_up(vault_id)['status'])
        for old in self.call('GET', '/v1/backups')['backups']:
            task = self.delete(f'/v1/backups/{old["id"]}')
            self.assertEqual('succeeded', task['status'], task)

        # The vault goes without it, and the key when it is back.
        self.cloud.fault = 503
        task = self.delete(f'/v1/vaults/{vault_id}')
        self.assertEqual('succeeded', task['status'], task)
        self.assertEqual(
            (404, 'csbs.vault.not_found'),
            self.refusal('GET', f'/v1/vaults/{vault_id}', None),
        )
        self.assertEqual(1, len(self.cloud.secrets))
        self.cloud.fault = None
        stack.wait_for(
            lambda: not self.cloud.secrets, 'the key to be destroyed'
        )
