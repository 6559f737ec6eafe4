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

"""Tests of ``openstack csbs backup ...``."""

import uuid

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import loopback


class TestBackup(base.CliTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = self.service.add_vault('daily')
        self.server = self.service.add_server('web-1')

    def test_create(self) -> None:
        shown = self.run_json(
            'csbs',
            'backup',
            'create',
            '--vault',
            'daily',
            '--name',
            'before upgrade',
            '--description',
            'of web-1',
            'web-1',
        )

        self.assertEqual(
            [
                {
                    'backup': {
                        'server_id': self.server['id'],
                        'vault_id': self.vault['id'],
                        'name': 'before upgrade',
                        'description': 'of web-1',
                    }
                }
            ],
            self.bodies('POST', '/v1/backups'),
        )
        (backup,) = self.service.tables['backups'].values()
        self.assertEqual('creating', shown['status'])
        self.assertEqual(backup, shown)

    def test_create_waits(self) -> None:
        shown = self.run_json(
            'csbs', 'backup', 'create', '--wait', '--vault', 'daily', 'web-1'
        )

        self.assertEqual('available', shown['status'])
        self.assertEqual(100, shown['progress'])

    def test_create_that_fails(self) -> None:
        self.service.add_server('broken')

        result = self.openstack(
            'csbs', 'backup', 'create', '--wait', '--vault', 'daily', 'broken'
        )

        (task,) = self.service.tables['tasks'].values()
        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            f'Volume 7 cannot be read: it is gone. (csbs.volume.unreadable) '
            f'See also: openstack csbs task show {task["id"]}\n',
            result.err,
        )

    def test_create_that_takes_too_long(self) -> None:
        self.service.halted = True

        result = self.openstack(
            'csbs',
            'backup',
            'create',
            '--wait',
            '--timeout',
            '1',
            '--vault',
            'daily',
            'web-1',
        )

        (task,) = self.service.tables['tasks'].values()
        self.assertEqual(
            (
                1,
                f'The task has not ended within 1 seconds; it goes on. Go on '
                f'watching with: openstack csbs task watch {task["id"]}\n',
            ),
            (result.code, result.err),
        )

    def test_create_that_does_not_fit(self) -> None:
        self.vault['capacity_gb'] = 20

        result = self.openstack(
            'csbs', 'backup', 'create', '--vault', 'daily', 'web-1'
        )

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            f'The backup needs 50 GB, but vault {self.vault["id"]} has only '
            f'20 GB left. (csbs.vault.capacity_exceeded)\n',
            result.err,
        )

    def test_create_passes_on_the_notice(self) -> None:
        self.server['notice'] = 'The server is above 4 TB.'

        result = self.openstack(
            'csbs', 'backup', 'create', '--vault', 'daily', 'web-1'
        )

        self.assertEqual(
            (0, 'The server is above 4 TB.\n'), (result.code, result.err)
        )

    def test_list_json(self) -> None:
        backup = self.service.add_backup('b1')

        self.assertEqual(
            [
                {
                    'ID': backup['id'],
                    'Name': 'b1',
                    'Server': 'web-1',
                    'Status': 'available',
                    'Progress': 100,
                    'Kind': 'full',
                    'Size': 50,
                    'Created At': loopback.NOW,
                }
            ],
            self.run_json('csbs', 'backup', 'list'),
        )

    def test_list_long_adds_columns(self) -> None:
        fault = {'code': 'csbs.internal', 'message': 'It broke.'}
        self.service.add_backup(
            'b1', fault=fault, status='error', paused_seconds=0.251
        )

        (row,) = self.run_json('csbs', 'backup', 'list', '--long')
        table = self.openstack('csbs', 'backup', 'list', '--long').out

        self.assertEqual(fault, row['Fault'])
        self.assertEqual(3 * loopback.GIB // 2, row['Stored'])
        self.assertEqual(0.251, row['Paused'])
        self.assertIn('| It broke. (csbs.internal) |', table)
        self.assertIn('| 0.25 s |', table)

    def test_list_filters(self) -> None:
        gone = str(uuid.uuid4())

        self.run_json(
            'csbs',
            'backup',
            'list',
            '--server',
            'web-1',
            '--vault',
            'daily',
            '--status',
            'available',
            '--kind',
            'full',
            '--trigger',
            'manual',
            '--name',
            'b1',
        )
        self.run_json('csbs', 'backup', 'list', '--server', gone)

        self.assertEqual(
            [
                {
                    'server_id': self.server['id'],
                    'vault_id': self.vault['id'],
                    'status': 'available',
                    'kind': 'full',
                    'trigger': 'manual',
                    'name': 'b1',
                },
                {'server_id': gone},
            ],
            self.queries('/v1/backups'),
        )

    def test_list_of_an_unknown_server(self) -> None:
        result = self.openstack('csbs', 'backup', 'list', '--server', 'x')

        self.assertEqual(
            (1, "There is no server with the name or ID 'x'.\n"),
            (result.code, result.err),
        )

    def test_show_table(self) -> None:
        self.service.add_backup(
            'b1',
            items=[
                {
                    'volume_name': 'root',
                    'device': '/dev/vda',
                    'bootable': True,
                    'size_gb': 10,
                },
                {
                    'volume_name': '',
                    'device': '/dev/vdb',
                    'bootable': False,
                    'size_gb': 40,
                },
            ],
        )

        result = self.openstack('csbs', 'backup', 'show', 'b1')

        values = {
            line.split('|')[1].strip(): line.split('|')[2].strip()
            for line in result.out.splitlines()
            if line.count('|') == 3
        }
        self.assertEqual('50 GB', values['size_gb'])
        self.assertEqual('1.5 GB', values['stored_bytes'])
        self.assertEqual('100%', values['progress'])
        self.assertEqual('', values['fault'])
        self.assertEqual('/dev/vda, root, 10 GB, bootable', values['items'])
        self.assertEqual('/dev/vdb, 40 GB', values[''])

    def test_set(self) -> None:
        backup = self.service.add_backup('b1')

        result = self.openstack('csbs', 'backup', 'set', '--name', 'x', 'b1')

        self.assertEqual((0, '', ''), (result.code, result.out, result.err))
        self.assertEqual('x', backup['name'])

    def test_delete_many_and_wait(self) -> None:
        self.service.add_backup('b1')
        broken = self.service.add_backup('b2', server_name='broken')
        self.service.add_backup('b3')

        result = self.openstack(
            'csbs', 'backup', 'delete', '--wait', 'b1', 'b2', 'b3'
        )

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertIn("Failed to delete backup 'b2': Volume 7 ", result.err)
        self.assertIn('1 of 3 backups failed to delete.\n', result.err)
        self.assertEqual([broken['id']], list(self.service.tables['backups']))

    def test_restore_of_a_script_does_not_ask(self) -> None:
        backup = self.service.add_backup('b1')

        shown = self.run_json('csbs', 'backup', 'restore', '--wait', 'b1')

        (task,) = self.service.tables['tasks'].values()
        self.assertEqual(
            {
                'backup_id': backup['id'],
                'server_id': backup['server_id'],
                'server_name': 'web-1',
                'status': 'available',
                'task_id': task['id'],
            },
            shown,
        )

    def test_restore_power(self) -> None:
        self.service.add_backup('b1')

        for option in ((), ('--power-on',), ('--no-power-on',)):
            self.run_json('csbs', 'backup', 'restore', *option, 'b1')

        self.assertEqual(
            [
                {'restore': {}},
                {'restore': {'power_on': True}},
                {'restore': {'power_on': False}},
            ],
            self.bodies('POST', '/restore'),
        )

    def test_item_list(self) -> None:
        self.run_json(
            'csbs',
            'backup',
            'create',
            '--vault',
            'daily',
            '--name',
            'b1',
            'web-1',
        )
        (backup,) = self.service.tables['backups'].values()

        rows = self.run_json('csbs', 'backup', 'item', 'list', 'b1')

        self.assertEqual(
            [
                {
                    'ID': item['id'],
                    'Volume Name': item['volume_name'],
                    'Volume ID': item['volume_id'],
                    'Device': item['device'],
                    'Bootable': item['bootable'],
                    'Size': item['size_gb'],
                    'Changed': item['changed_bytes'],
                }
                for item in backup['items']
            ],
            rows,
        )
