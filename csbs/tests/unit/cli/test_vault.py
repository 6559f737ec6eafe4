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

"""Tests of ``openstack csbs vault ...``."""

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import loopback


class TestVault(base.CliTestCase):
    def test_create(self) -> None:
        shown = self.run_json(
            'csbs',
            'vault',
            'create',
            '--capacity',
            '200',
            '--months',
            '12',
            '--description',
            'of every day',
            'daily',
        )

        self.assertEqual(
            [
                {
                    'vault': {
                        'name': 'daily',
                        'capacity_gb': 200,
                        'months': 12,
                        'description': 'of every day',
                    }
                }
            ],
            self.bodies('POST', '/v1/vaults'),
        )
        (vault,) = self.service.tables['vaults'].values()
        self.assertEqual(
            {
                'id': vault['id'],
                'name': 'daily',
                'description': 'of every day',
                'project_id': loopback.PROJECT,
                'status': 'available',
                'capacity_gb': 200,
                'used_gb': 0,
                'used_bytes': 0,
                'stored_bytes': 0,
                'protected_bytes': 0,
                'saved_percent': 0,
                'backup_count': 0,
                'policy_ids': [],
                'lock_days': None,
                'tags': [],
                'months': 12,
                'task_id': None,
                'created_at': '2026-11-23T10:00:00Z',
                'updated_at': None,
                'expires_at': '2026-12-23T10:00:00Z',
            },
            shown,
        )

    def test_create_leaves_defaults_to_the_service(self) -> None:
        self.run_json('csbs', 'vault', 'create', '--capacity', '100', 'a')

        self.assertEqual(
            [{'vault': {'name': 'a', 'capacity_gb': 100}}],
            self.bodies('POST', '/v1/vaults'),
        )

    def test_create_wants_a_number(self) -> None:
        result = self.openstack(
            'csbs', 'vault', 'create', '--capacity', 'much', 'a'
        )

        self.assertEqual(2, result.code)
        self.assertIn("'much' is not a whole number above 0", result.err)
        self.assertEqual([], self.service.requests)

    def test_list_json(self) -> None:
        first = self.service.add_vault('a', used_gb=7, stored_bytes=12345)
        second = self.service.add_vault('b')

        self.assertEqual(
            [
                {
                    'ID': first['id'],
                    'Name': 'a',
                    'Status': 'available',
                    'Capacity': 100,
                    'Used': 7,
                    'Stored': 12345,
                    'Backups': 0,
                },
                {
                    'ID': second['id'],
                    'Name': 'b',
                    'Status': 'available',
                    'Capacity': 100,
                    'Used': 0,
                    'Stored': 0,
                    'Backups': 0,
                },
            ],
            self.run_json('csbs', 'vault', 'list'),
        )

    def test_list_table(self) -> None:
        self.service.add_vault('a', stored_bytes=3 << 29, used_gb=2)

        result = self.openstack('csbs', 'vault', 'list', '--long')

        self.assertEqual(0, result.code)
        header, row = result.out.splitlines()[1], result.out.splitlines()[3]
        cells = [cell.strip() for cell in row.split('|')[2:-1]]
        self.assertEqual(
            [
                'a',
                'available',
                '100 GB',
                '2 GB',
                '1.5 GB',
                '0',
                '0%',
                '',
                '',
                '',
                loopback.PROJECT,
                '2026-11-23 10:00:00 UTC',
                '2026-12-23 10:00:00 UTC',
            ],
            cells,
        )
        self.assertIn('| Expires At', header)

    def test_list_asks_for_what_is_wanted(self) -> None:
        marker = self.service.add_vault('a')
        for name in 'bcd':
            self.service.add_vault(name)

        rows = self.run_json(
            'csbs',
            'vault',
            'list',
            '--status',
            'available',
            '--marker',
            'a',
            '--limit',
            '2',
            '--sort',
            'name:asc',
        )

        self.assertEqual(['b', 'c'], [row['Name'] for row in rows])
        self.assertEqual(
            [
                {
                    'status': 'available',
                    'marker': marker['id'],
                    'limit': '2',
                    'sort': 'name:asc',
                }
            ],
            self.queries('/v1/vaults')[1:],
        )

    def test_list_of_another_project(self) -> None:
        self.run_json('csbs', 'vault', 'list', '--project', 'p1')
        self.run_json('csbs', 'vault', 'list', '--all-projects')

        self.assertEqual(
            [
                {'project_id': 'p1', 'all_projects': 'true'},
                {'all_projects': 'true'},
            ],
            self.queries('/v1/vaults'),
        )

    def test_list_times_are_utc(self) -> None:
        self.run_json(
            'csbs',
            'vault',
            'list',
            '--created-since',
            '2026-11-23',
            '--created-before',
            '2026-11-24T10:00:00+08:00',
        )

        self.assertEqual(
            [
                {
                    'created_since': '2026-11-23T00:00:00Z',
                    'created_before': '2026-11-24T02:00:00Z',
                }
            ],
            self.queries('/v1/vaults'),
        )

    def test_show_by_name_and_by_id(self) -> None:
        vault = self.service.add_vault('a')

        by_name = self.run_json('csbs', 'vault', 'show', 'a')
        by_id = self.run_json('csbs', 'vault', 'show', vault['id'])

        self.assertEqual(vault['id'], by_name['id'])
        self.assertEqual(by_name, by_id)

    def test_show_unknown(self) -> None:
        result = self.openstack('csbs', 'vault', 'show', 'a')

        self.assertEqual(
            (1, '', "There is no vault with the name or ID 'a'.\n"),
            (result.code, result.out, result.err),
        )

    def test_show_ambiguous_lists_candidates(self) -> None:
        first = self.service.add_vault('a')
        second = self.service.add_vault('a')

        result = self.openstack('csbs', 'vault', 'show', 'a')

        self.assertEqual(1, result.code)
        self.assertEqual(
            f"There are 2 vaults named 'a'; use the ID of one: "
            f'{first["id"]} (created {loopback.NOW}), '
            f'{second["id"]} (created {loopback.NOW}).\n',
            result.err,
        )

    def test_set(self) -> None:
        vault = self.service.add_vault('a')

        result = self.openstack(
            'csbs', 'vault', 'set', '--name', 'b', '--description', '', 'a'
        )

        self.assertEqual((0, '', ''), (result.code, result.out, result.err))
        self.assertEqual('b', vault['name'])
        # what is the same already is not sent
        self.assertEqual(
            [{'vault': {'name': 'b'}}], self.bodies('PATCH', vault['id'])
        )

    def test_set_nothing(self) -> None:
        self.service.add_vault('a')

        result = self.openstack('csbs', 'vault', 'set', 'a')

        self.assertEqual(
            (
                1,
                'Nothing to set: give --name, --description, --lock-days, '
                '--tag or --no-tag.\n',
            ),
            (result.code, result.err),
        )

    def test_extend_and_renew(self) -> None:
        self.service.add_vault('a')

        extended = self.run_json(
            'csbs', 'vault', 'extend', '--capacity', '300', 'a'
        )
        renewed = self.run_json('csbs', 'vault', 'renew', '--months', '6', 'a')

        self.assertEqual(300, extended['capacity_gb'])
        self.assertEqual(7, renewed['months'])
        self.assertEqual(
            [{'capacity_gb': 300}], self.bodies('POST', '/extend')
        )
        self.assertEqual([{'months': 6}], self.bodies('POST', '/renew'))

    def test_delete_goes_on_after_an_error(self) -> None:
        full = self.service.add_vault('full', backup_count=3)
        self.service.add_vault('empty')

        result = self.openstack(
            'csbs', 'vault', 'delete', '--wait', 'full', 'nope', 'empty'
        )

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            f"Failed to delete vault 'full': Vault {full['id']} still holds "
            f'3 backups; delete them first. (csbs.vault.not_empty)\n'
            f"Failed to delete vault 'nope': There is no vault with the name "
            f"or ID 'nope'.\n"
            f'2 of 3 vaults failed to delete.\n',
            result.err,
        )
        self.assertEqual([full['id']], list(self.service.tables['vaults']))

    def test_delete_goes_on_when_nobody_answers(self) -> None:
        # the service goes away in the middle of it
        self.service.add_vault('a')
        self.service.add_vault('b')
        self.service.hang_up = ('DELETE', 1)

        result = self.openstack('csbs', 'vault', 'delete', 'a', 'b')

        self.assertEqual(1, result.code)
        self.assertIn("Failed to delete vault 'a': ", result.err)
        self.assertIn('1 of 2 vaults failed to delete.\n', result.err)
        (left,) = [
            vault
            for vault in self.service.tables['vaults'].values()
            if vault['status'] != 'deleting'
        ]
        self.assertEqual('a', left['name'])
