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

"""Every command of ``openstack csbs``, with the programs themselves."""

import datetime
import importlib.metadata
import os

from csbs.tests.functional import openstack

MIB = 1 << 20
_NAMES = {
    entry.name.removeprefix('csbs_').replace('_', ' ')
    for entry in importlib.metadata.entry_points(group='openstack.csbs.v1')
}


class CommandsTest(openstack.OpenStackTestCase):
    def run_counted(self, command: str, *words: str) -> str:
        """Run a command that works, and remember that it was."""
        self.seen = getattr(self, 'seen', set()) | {command}
        return self.works(*command.split(), *words)

    def json_counted(self, command: str, *words: str) -> object:
        self.seen = getattr(self, 'seen', set()) | {command}
        return self.json(*command.split(), *words)

    def test_every_command(self) -> None:
        self.add_server('web', os.urandom(2 * MIB))
        self.add_server('db', os.urandom(MIB))
        self._vaults()
        self._policies()
        self._backups()
        self._tasks()
        self._quotas()
        self._ends()
        self.assertEqual(_NAMES, self.seen)

    def _vaults(self) -> None:
        table = self.run_counted(
            'vault create',
            '--capacity',
            '100',
            '--tag',
            'eu',
            '--description',
            'All',
            'first',
        )
        self.assertRegex(table, r'\| capacity_gb +\| 100 GB +\|')
        self.assertRegex(table, r'\| months +\| 1 month +\|')
        self.run_counted('vault set', '--tag', 'shop', '--name', 'v', 'first')
        vault = self.json_counted('vault show', 'v')
        self.assertEqual(['eu', 'shop'], vault['tags'])
        self.assertEqual(100, vault['capacity_gb'])
        self.run_counted('vault unset', '--tag', 'eu', '--description', 'v')
        vault = self.json('vault', 'show', vault['id'])
        self.assertEqual(('', ['shop']), (vault['description'], vault['tags']))
        self.run_counted('vault extend', '--capacity', '200', 'v')
        renewed = self.json_counted('vault renew', '--months', '2', 'v')
        self.assertEqual((200, 3), (renewed['capacity_gb'], renewed['months']))
        table = self.run_counted('vault list', '--long', '--tag', 'shop')
        self.assertIn('| 200 GB   |', table)
        self.assertEqual([], self.json('vault', 'list', '--tag', 'eu'))

    def _policies(self) -> None:
        made = self.json_counted(
            'policy create',
            '--every-days',
            '3',
            '--at',
            '02:00',
            '--at',
            '14:30',
            '--keep-count',
            '7',
            'p',
        )
        self.assertFalse(made['enabled'])
        self.assertEqual([], made['next_runs'])
        self.run_counted('policy add server', 'p', 'web', 'db')
        self.run_counted('vault add policy', 'v', 'p')
        self.run_counted('policy set', '--enable', '--keep-days', '30', 'p')
        shown = self.json_counted('policy show', 'p')
        self.assertEqual({'kind': 'days', 'value': 30}, shown['retention'])
        self.assertEqual(2, len(shown['server_ids']))
        runs = [
            datetime.datetime.fromisoformat(run) for run in shown['next_runs']
        ]
        self.assertEqual(5, len(runs))
        self.assertEqual(sorted(runs), runs)
        self.assertLess(datetime.datetime.now(datetime.UTC), runs[0])
        for run in runs:
            self.assertEqual(1, run.day % 3, run)
            self.assertIn(f'{run:%H:%M}', ('02:00', '14:30'))
        table = self.works('policy', 'show', 'p')
        self.assertIn('every 3 days at 02:00, 14:30 UTC', table)
        self.assertIn('| 30 days', table)
        self.assertIn(f'{runs[4]:%Y-%m-%d %H:%M}:00 UTC', table)
        (row,) = self.json_counted('policy list', '--enabled', '--vault', 'v')
        self.assertEqual('p', row['Name'])
        self.run_counted('policy remove server', 'p', 'db')
        self.works(
            *('policy', 'create', '--on', 'mon', '--on', 'thu'),
            *('--at', '23:00', '--time-zone', 'Europe/Berlin', 'weekly'),
        )
        table = self.works('policy', 'show', 'weekly')
        self.assertIn('on mon, thu at 23:00 Europe/Berlin', table)
        self.assertIn('| for ever', table)
        self.works('policy', 'set', '--every-days', '2', 'weekly')
        self.assertIn('every 2 days at 23:00', self.works('policy', 'list'))
        self.works('policy', 'delete', 'weekly')

    def _backups(self) -> None:
        # what is near the time of a scheduled run says so on stderr
        run = self.program('policy', 'run', '--wait', 'p', '-f', 'json')
        self.seen.add('policy run')
        self.assertEqual(0, run.code, run.err)
        (backup_id,) = run.json['backups'].values()
        self.run_counted('backup set', '--name', 'of-run', backup_id)
        made = self.json_counted(
            'backup create',
            '--vault',
            'v',
            '--name',
            'before',
            '--wait',
            'web',
        )
        self.assertEqual('incremental', made['kind'])
        rows = self.json_counted('backup list', '--sort', 'created_at:asc')
        self.assertEqual(['of-run', 'before'], [row['Name'] for row in rows])
        (row,) = self.json('backup', 'list', '--policy', 'p')
        self.assertEqual('of-run', row['Name'])
        (row,) = self.json(
            'backup', 'list', '--limit', '1', '--sort', 'name', '--long'
        )
        self.assertEqual(
            ('before', 'pause'), (row['Name'], row['Snapshot Method'])
        )
        shown = self.json_counted('backup show', 'before')
        self.assertEqual(2 * MIB, shown['size_bytes'])
        self.assertRegex(
            self.works('backup', 'show', 'before'),
            r'\| size_bytes +\| 2\.0 MB +\|',
        )
        (item,) = self.json_counted('backup item list', 'before')
        self.assertEqual(1, item['Size'])
        for command, word in (
            ('backup verify', 'before'),
            ('vault verify', 'v'),
        ):
            found = self.json_counted(command, '--wait', '--deep', word)
            self.assertEqual('succeeded', found['status'])
            self.assertEqual('deep', found['mode'])
            self.assertEqual(0, found['problem_count'])
            table = self.works(*command.split(), '--wait', word)
            self.assertRegex(table, r'\| problem_count +\| 0 +\|')
        started = self.json('vault', 'verify', '--percent', '10', 'v')
        self.works('task', 'watch', started['task_id'])
        restored = self.json_counted('backup restore', '--wait', 'before')
        self.assertEqual('available', restored['status'])
        made = self.json_counted(
            'server create', '--backup', 'before', '--wait', 'web-2'
        )
        self.assertIsNotNone(made['server_id'])

    def _tasks(self) -> None:
        rows = self.json_counted('task list', '--kind', 'policy_run')
        (run,) = rows
        parts = self.json('task', 'list', '--run', run['ID'])
        self.assertEqual(['backup'], [part['Kind'] for part in parts])
        self.assertEqual(
            'run_now', self.json_counted('task show', run['ID'])['trigger']
        )
        self.run_counted('task watch', run['ID'])
        error = self.fails('task', 'cancel', run['ID'], 'none')
        self.seen.add('task cancel')
        self.assertIn('(csbs.task.', error)
        self.assertIn('2 of 2 tasks failed to cancel.', error)

    def _quotas(self) -> None:
        self.run_counted('quota set', '--vaults', '-1', 'local')
        quota = self.json_counted('quota show')
        self.assertEqual((-1, ['vaults']), (quota['vaults'], quota['own']))
        self.assertEqual(1, quota['vaults_in_use'])
        self.assertRegex(
            self.works('quota', 'show', 'local'), r'vaults +\| unlimited '
        )
        (row,) = self.json_counted('quota list', '--long')
        self.assertEqual(
            ('local', -1, 200),
            (row['Project'], row['Vaults'], row['Capacity']),
        )
        self.run_counted('quota unset', 'local')
        self.assertEqual(10, self.json('quota', 'show')['vaults'])
        self.assertIn(
            'csbs.request.invalid',
            self.fails('quota', 'set', '--servers-per-policy', '65', 'local'),
        )
        figures = self.json_counted('statistics show')
        self.assertEqual(2, figures['backups']['available'])
        self.assertEqual(1, figures['protected_servers'])
        table = self.works('statistics', 'show', '--all-projects')
        self.assertIn('available: 2', table)
        self.assertTrue(self.json_counted('service list')[0]['Alive'])
        rows = self.json_counted('server list', '--policy', 'p')
        self.assertEqual(['web'], [row['Name'] for row in rows])
        self.assertTrue(self.json_counted('server show', 'db')['protectable'])

    def _ends(self) -> None:
        self.run_counted('vault remove policy', 'v', 'p')
        self.run_counted('policy delete', 'p')
        self.run_counted('backup delete', '--wait', 'before', 'of-run')
        self.run_counted('vault delete', '--wait', 'v')
        self.assertEqual([], self.json('vault', 'list'))

    def test_errors(self) -> None:
        self.add_server('web', b'x' * 512)
        for _ in range(2):
            self.works('vault', 'create', '--capacity', '100', 'twice')
        ids = {row['ID'] for row in self.json('vault', 'list')}
        error = self.fails('vault', 'show', 'twice')
        self.assertIn("There are 2 vaults named 'twice'", error)
        for vault_id in ids:
            self.assertIn(vault_id, error)
        self.assertIn(
            "no policy with the name or ID 'none'",
            self.fails('policy', 'run', 'none'),
        )
        error = self.fails('vault', 'delete', 'none', *ids)
        self.assertIn('1 of 3 vaults failed to delete.', error)
        self.assertIn(
            'csbs.request.invalid',
            self.fails('policy', 'create', '--at', '25:00', 'odd'),
        )
        for words in (
            ('policy', 'create', 'no-time'),
            ('policy', 'create', '--at', '02:00', '--on', 'someday', 'p'),
            (
                *('policy', 'create', '--at', '02:00'),
                *('--keep-days', '1', '--keep-forever', 'p'),
            ),
        ):
            self.fails(*words, code=2)
