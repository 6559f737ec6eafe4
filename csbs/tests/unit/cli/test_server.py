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

"""Tests of ``openstack csbs server ...`` and ``... service ...``."""

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import loopback


class TestServer(base.CliTestCase):
    def test_list(self) -> None:
        server = self.service.add_server('web-1')
        self.service.add_server('web-2', status='SHUTOFF')

        self.assertEqual(
            [
                {
                    'ID': server['id'],
                    'Name': 'web-1',
                    'Status': 'ACTIVE',
                    'Size': 50,
                    'Protectable': True,
                    'Last Backup At': None,
                }
            ],
            self.run_json('csbs', 'server', 'list', '--status', 'active'),
        )

    def test_show_says_why_not(self) -> None:
        server = self.service.add_server(
            'web-1', protectable=False, reason='It has no volume.', volumes=[]
        )

        shown = self.run_json('csbs', 'server', 'show', 'web-1')

        del server['created_at']
        self.assertEqual(server, shown)

    def test_create(self) -> None:
        backup = self.service.add_backup('b1')

        shown = self.run_json(
            'csbs',
            'server',
            'create',
            '--backup',
            'b1',
            '--flavor',
            'm1',
            '--network',
            'n1',
            '--network',
            'n2',
            '--key-name',
            'k',
            '--password',
            'p',
            '--security-group',
            's',
            '--availability-zone',
            'z',
            '--no-power-on',
            '--wait',
            'web-2',
        )

        self.assertEqual(
            [
                {
                    'server': {
                        'name': 'web-2',
                        'networks': ['n1', 'n2'],
                        'key_name': 'k',
                        'admin_pass': 'p',
                        'security_groups': ['s'],
                        'flavor_id': 'm1',
                        'availability_zone': 'z',
                        'power_on': False,
                    }
                }
            ],
            self.bodies('POST', '/servers'),
        )
        (task,) = self.service.tables['tasks'].values()
        self.assertEqual(
            {
                'name': 'web-2',
                'server_id': task['result']['server_id'],
                'backup_id': backup['id'],
                'task_id': task['id'],
            },
            shown,
        )

    def test_create_leaves_the_rest_to_the_backup(self) -> None:
        self.service.add_backup('b1')

        shown = self.run_json(
            'csbs', 'server', 'create', '--backup', 'b1', 'web-2'
        )
        self.run_json(
            'csbs',
            'server',
            'create',
            '--backup',
            'b1',
            '--network',
            'auto',
            'web-2',
        )

        self.assertIsNone(shown['server_id'])
        self.assertEqual(
            [
                {'server': {'name': 'web-2'}},
                {'server': {'name': 'web-2', 'networks': 'auto'}},
            ],
            self.bodies('POST', '/servers'),
        )


class TestService(base.CliTestCase):
    def test_list(self) -> None:
        self.service.tables['services'] = {
            's1': {
                'id': 's1',
                'binary': 'csbs-protection',
                'host': 'node-1',
                'started_at': loopback.NOW,
                'seen_at': loopback.NOW,
                'alive': True,
            }
        }

        self.assertEqual(
            [
                {
                    'ID': 's1',
                    'Binary': 'csbs-protection',
                    'Host': 'node-1',
                    'Alive': True,
                    'Seen At': loopback.NOW,
                    'Started At': loopback.NOW,
                }
            ],
            self.run_json('csbs', 'service', 'list', '--long'),
        )
