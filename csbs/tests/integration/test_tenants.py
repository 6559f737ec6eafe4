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

"""What those who have no business with a server can see and do: nothing."""

import uuid

from csbs.tests.integration import base


class TenantsTest(base.IntegrationTestCase):
    def test_stranger(self) -> None:
        disk = self.cloud.volume(
            self.owner,
            'root',
            volume_type='ceph',
            image_id=self.cloud.image.id,
        )
        server = self.cloud.server(self.owner, 'mine', [disk])
        backup = self.back_up(server)
        self.assertEqual('single', backup['snapshot_method'])
        stranger = self.cloud.user('stranger')
        vault, task = backup['vault_id'], backup['task_id']
        for kind in ('vaults', 'backups', 'tasks', 'servers', 'policies'):
            found = self.call('GET', f'/v1/{kind}', user=stranger)
            self.assertEqual([], found[kind])
        for method, path, body in (
            ('GET', f'/v1/servers/{server.id}', None),
            ('GET', f'/v1/vaults/{vault}', None),
            ('GET', f'/v1/tasks/{task}', None),
            ('POST', f'/v1/tasks/{task}/cancel', {}),
            ('GET', f'/v1/backups/{backup["id"]}', None),
            ('DELETE', f'/v1/backups/{backup["id"]}', None),
            ('POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}),
            (
                'POST',
                f'/v1/backups/{backup["id"]}/servers',
                {'server': {'name': 'stolen'}},
            ),
        ):
            self.call(method, path, body, user=stranger, expect=404)
        # Members give no vaults up, whosever they are: it is no hint.
        for one in (vault, uuid.uuid4()):
            path = f'/v1/vaults/{one}'
            self.call('DELETE', path, user=stranger, expect=403)
        body = {'vault': {'name': 'his', 'capacity_gb': 100}}
        his = self.call('POST', '/v1/vaults', body, user=stranger)['vault']
        for vault_id in (vault, his['id']):
            body = {'backup': {'server_id': server.id, 'vault_id': vault_id}}
            self.call('POST', '/v1/backups', body, user=stranger, expect=404)
        self.assertEqual('available', self.backup(backup['id'])['status'])
