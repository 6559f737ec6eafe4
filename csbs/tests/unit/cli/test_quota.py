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

"""Tests of ``openstack csbs quota ...``."""

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import loopback


class TestQuota(base.CliTestCase):
    def test_show(self) -> None:
        self.service.add_quota(loopback.PROJECT, vaults=-1)

        shown = self.run_json('csbs', 'quota', 'show')
        table = self.openstack('csbs', 'quota', 'show').out

        self.assertEqual(
            {
                'project_id': loopback.PROJECT,
                'vaults': -1,
                'policies': 20,
                'policies_per_vault': 10,
                'servers_per_policy': 10,
                'min_capacity_gb': 100,
                'max_capacity_gb': 1024000,
                'own': ['vaults'],
                'vaults_in_use': 1,
                'policies_in_use': 0,
                'policies_per_vault_in_use': 0,
                'servers_per_policy_in_use': 0,
                'capacity_gb_in_use': 400,
                'used_gb': 1,
            },
            shown,
        )
        self.assertRegex(table, r'\| vaults +\| unlimited +\|')
        self.assertRegex(table, r'\| min_capacity_gb +\| 100 GB +\|')

    def test_list(self) -> None:
        self.service.add_quota('p1')
        self.service.add_quota('p2', policies=3)

        rows = self.run_json('csbs', 'quota', 'list', '--limit', '1')
        self.assertEqual(
            [
                {
                    'Project': 'p1',
                    'Vaults': 10,
                    'Policies': 20,
                    'Vaults In Use': 1,
                    'Policies In Use': 0,
                    'Capacity': 400,
                    'Used': 1,
                }
            ],
            rows,
        )
        rows = self.run_json('csbs', 'quota', 'list', '--marker', 'p1')
        self.assertEqual(['p2'], [row['Project'] for row in rows])
        rows = self.run_json('csbs', 'quota', 'list', '--long')
        self.assertEqual([20, 3], [row['Policies'] for row in rows])
        self.assertEqual(1024000, rows[0]['Max Capacity'])

    def test_set_and_unset(self) -> None:
        set_ = ('csbs', 'quota', 'set', 'p1')
        self.openstack(*set_, '--vaults', '-1', '--max-capacity-gb', '500')
        quota = self.service.tables['quotas']['p1']
        self.assertEqual(['vaults', 'max_capacity_gb'], quota['own'])

        self.openstack('csbs', 'quota', 'unset', '--vaults', 'p1')
        quota = self.service.tables['quotas']['p1']
        self.assertEqual(['max_capacity_gb'], quota['own'])
        self.assertEqual(10, quota['limits']['vaults'])

        self.openstack('csbs', 'quota', 'unset', 'p1')
        self.assertEqual([], self.service.tables['quotas']['p1']['own'])

    def test_set_nothing(self) -> None:
        result = self.openstack('csbs', 'quota', 'set', 'p1')

        self.assertEqual(1, result.code)
        self.assertIn('Nothing to set: give --vaults, ', result.err)

    def test_set_wants_a_number(self) -> None:
        result = self.openstack('csbs', 'quota', 'set', '--vaults', 'x', 'p1')

        self.assertEqual(2, result.code)
        self.assertIn("'x' is not a whole number", result.err)
        self.assertEqual([], self.service.requests)


class TestStatistics(base.CliTestCase):
    def test_show(self) -> None:
        shown = self.run_json('csbs', 'statistics', 'show')
        table = self.openstack('csbs', 'statistics', 'show').out

        self.assertEqual(loopback.GIB, shown['stored_bytes'])
        self.assertEqual({'available': 4, 'error': 1}, shown['backups'])
        self.assertRegex(table, r'\| stored_bytes +\| 1\.0 GB +\|')
        self.assertRegex(table, r'\| saved_percent +\| 83% +\|')

    def test_show_of_others(self) -> None:
        words = ('csbs', 'statistics', 'show')

        one = self.run_json(*words, '--project', 'p1')
        everybody = self.run_json(*words, '--all-projects')

        self.assertEqual('p1', one['project_id'])
        self.assertIsNone(everybody['project_id'])
        both = self.openstack(*words, '--project', 'p1', '--all-projects')
        self.assertEqual(2, both.code)
