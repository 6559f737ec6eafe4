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

"""Tests of ``openstack csbs policy ...``, and of policies of vaults."""

import datetime
import uuid

from csbs.tests.unit.cli import base


class TestPolicy(base.CliTestCase):
    def test_create_in_words(self) -> None:
        vault = self.service.add_vault('v')
        servers = [self.service.add_server(name)['id'] for name in 'ab']

        shown = self.run_json(
            *('csbs', 'policy', 'create', '--every-days', '3'),
            *('--at', '02:00', '--at', '14:30'),
            *('--time-zone', 'Europe/Berlin', '--keep-count', '7'),
            *('--enable', '--no-allow-pause', '--max-parallel', '2'),
            *('--vault', 'v', '--server', 'a', '--server', 'b', 'p'),
        )

        wanted = {
            'name': 'p',
            'schedule': {
                'times': ['02:00', '14:30'],
                'timezone': 'Europe/Berlin',
                'weekdays': [],
                'every_days': 3,
            },
            'retention': {'kind': 'count', 'value': 7},
            'enabled': True,
            'allow_pause': False,
            'max_parallel': 2,
            'vault_id': vault['id'],
            'server_ids': servers,
        }
        self.assertEqual(
            [{'policy': wanted}], self.bodies('POST', '/v1/policies')
        )
        self.assertEqual(wanted, {name: shown[name] for name in wanted})

    def test_create_on_days_of_the_week(self) -> None:
        words = ('csbs', 'policy', 'create', '--at', '23:00')
        self.run_json(*words, '--on', 'mon', '--on', 'thu', 'p')
        self.run_json(*words, '--keep-days', '30', 'q')
        self.run_json(*words, '--keep-forever', 'r')

        week, daily, forever = self.bodies('POST', '/v1/policies')
        schedule = {
            'times': ['23:00'],
            'weekdays': ['mon', 'thu'],
            'every_days': None,
        }
        self.assertEqual({'policy': {'name': 'p', 'schedule': schedule}}, week)
        self.assertEqual(
            {'times': ['23:00'], 'every_days': 1}, daily['policy']['schedule']
        )
        self.assertEqual(
            {'kind': 'days', 'value': 30}, daily['policy']['retention']
        )
        self.assertEqual({'kind': 'forever'}, forever['policy']['retention'])

    def test_what_contradicts_itself(self) -> None:
        at = ('--at', '02:00')
        for words, reason in (
            ((), '--at'),
            ((*at, '--on', 'someday'), "invalid choice: 'someday'"),
            ((*at, '--on', 'mon', '--every-days', '2'), 'not allowed with'),
            ((*at, '--keep-days', '1', '--keep-forever'), 'not allowed with'),
            ((*at, '--keep-count', '0'), "'0' is not a whole number above 0"),
        ):
            result = self.openstack('csbs', 'policy', 'create', *words, 'p')

            self.assertEqual(2, result.code, words)
            self.assertIn(reason, result.err)
        self.assertEqual([], self.bodies('POST', '/v1/policies'))

    def test_set_keeps_the_rest_of_the_schedule(self) -> None:
        self.service.add_policy('p')

        for words in (
            ('--at', '04:00'),
            ('--on', 'sun'),
            ('--time-zone', 'Asia/Shanghai'),
            ('--disable', '--name', 'q'),
        ):
            result = self.openstack('csbs', 'policy', 'set', *words, 'p')
            self.assertEqual((0, ''), (result.code, result.err))

        (policy,) = self.service.tables['policies'].values()
        self.assertEqual(
            {
                'times': ['04:00'],
                'timezone': 'Asia/Shanghai',
                'weekdays': ['sun'],
                'every_days': None,
            },
            policy['schedule'],
        )
        self.assertEqual(('q', False), (policy['name'], policy['enabled']))

    def test_set_nothing(self) -> None:
        self.service.add_policy('p')

        result = self.openstack('csbs', 'policy', 'set', 'p')

        self.assertEqual(
            (1, 'Nothing to set: give an option with something new.\n'),
            (result.code, result.err),
        )

    def test_list(self) -> None:
        marker = self.service.add_policy('a')
        policy = self.service.add_policy('b', server_ids=['s1', 's2'])

        (row,) = self.run_json(
            *('csbs', 'policy', 'list', '--long', '--marker', 'a'),
            *('--sort', 'name:asc', '--limit', '5'),
        )
        table = self.openstack('csbs', 'policy', 'list', '--long').out

        self.assertEqual(policy['schedule'], row['Schedule'])
        self.assertEqual(['s1', 's2'], row['Server IDs'])
        self.assertEqual(
            {'marker': marker['id'], 'sort': 'name:asc', 'limit': '5'},
            self.queries('/v1/policies')[1],
        )
        self.assertIn('| every day at 02:00 UTC | for ever |', table)
        self.assertIn('| s1, s2 ', table)

    def test_list_filters(self) -> None:
        vault = self.service.add_vault('v')
        for words in (('--enabled',), ('--disabled', '--name', 'p')):
            self.run_json('csbs', 'policy', 'list', '--vault', 'v', *words)

        self.assertEqual(
            [
                {'vault_id': vault['id'], 'enabled': 'true'},
                {'vault_id': vault['id'], 'enabled': 'false', 'name': 'p'},
            ],
            self.queries('/v1/policies'),
        )

    def test_show_prints_the_next_runs(self) -> None:
        runs = [f'2026-12-0{day}T02:00:00Z' for day in range(1, 6)]
        self.service.add_policy('p', next_runs=runs)

        self.assertEqual(
            runs, self.run_json('csbs', 'policy', 'show', 'p')['next_runs']
        )
        table = self.openstack('csbs', 'policy', 'show', 'p').out
        for day in range(1, 6):
            self.assertIn(f'| 2026-12-0{day} 02:00:00 UTC ', table)

    def test_an_ambiguous_name(self) -> None:
        ids = [self.service.add_policy('p')['id'] for _ in range(2)]

        for words in (
            ('policy', 'show', 'p'),
            ('policy', 'run', 'p'),
            ('policy', 'add', 'server', 'p', 's'),
        ):
            result = self.openstack('csbs', *words)

            self.assertEqual(1, result.code)
            self.assertIn("There are 2 policies named 'p'", result.err)
            for policy_id in ids:
                self.assertIn(policy_id, result.err)

    def test_delete_goes_on_after_an_error(self) -> None:
        self.service.add_policy('a')
        self.service.add_policy('c')

        result = self.openstack('csbs', 'policy', 'delete', 'a', 'b', 'c')

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            "Failed to delete policy 'b': There is no policy with the name or "
            "ID 'b'.\n1 of 3 policies failed to delete.\n",
            result.err,
        )
        self.assertEqual({}, self.service.tables['policies'])

    def test_run(self) -> None:
        policy = self.service.add_policy('p')

        shown = self.run_json('csbs', 'policy', 'run', 'p')
        waited = self.run_json('csbs', 'policy', 'run', '--wait', 'p')

        first, second = self.service.tables['tasks'].values()
        self.assertEqual('queued', first['status'])
        self.assertEqual('succeeded', second['status'])
        for task, answer in ((first, shown), (second, waited)):
            self.assertEqual(
                {
                    'policy_id': policy['id'],
                    'name': 'p',
                    'task_id': task['id'],
                    'backups': {},
                },
                answer,
            )

    def test_run_that_fails_says_why_of_each_server(self) -> None:
        self.service.halted = True
        server = self.service.add_server('web')
        fault = {'code': 'csbs.policy.run_incomplete', 'message': '2 of 3.'}
        run = self.service.add_task('policy_run', status='failed', fault=fault)
        gone = {'code': 'csbs.server.not_found', 'message': 'It is gone.'}
        for status, changes in (
            ('succeeded', {}),
            ('failed', {'server_id': server['id'], 'fault': gone}),
            ('cancelled', {'server_id': 's-2'}),
        ):
            self.service.add_task(
                'backup', parent_id=run['id'], status=status, **changes
            )
        last = list(self.service.tables['tasks'])[-1]

        result = self.openstack('csbs', 'task', 'watch', run['id'])

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            f'2 of 3. (csbs.policy.run_incomplete)\n'
            f'  web: It is gone. (csbs.server.not_found)\n'
            f'  s-2: Task {last} ended as cancelled.\n'
            f'See also: openstack csbs task list --long --run {run["id"]}\n',
            result.err,
        )

    def test_run_warns_of_a_scheduled_one_that_is_near(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        for minutes, near in ((170, True), (190, False)):
            run = now + datetime.timedelta(minutes=minutes)
            policy = self.service.add_policy(
                'p', next_run_at=f'{run:%Y-%m-%dT%H:%M:%SZ}'
            )

            result = self.openstack('csbs', 'policy', 'run', policy['id'])

            self.assertEqual(0, result.code)
            said = 'The next scheduled run is in 2 h' in result.err
            self.assertEqual(near, said, result.err)

    def test_servers(self) -> None:
        policy = self.service.add_policy('p')
        server = self.service.add_server('web')
        gone = str(uuid.uuid4())
        words = ('csbs', 'policy')

        result = self.openstack(*words, 'add', 'server', 'p', 'none', 'web')
        self.assertEqual(1, result.code)
        self.assertIn('1 of 2 servers failed to add.', result.err)
        self.assertEqual([server['id']], policy['server_ids'])

        # one that is gone by now can be freed by its id
        policy['server_ids'].append(gone)
        result = self.openstack(*words, 'remove', 'server', 'p', gone, 'web')
        self.assertEqual((0, ''), (result.code, result.err))
        self.assertEqual([], policy['server_ids'])

    def test_vaults(self) -> None:
        vault = self.service.add_vault('v')
        policy = self.service.add_policy('p')

        shown = self.run_json('csbs', 'vault', 'add', 'policy', 'v', 'p')
        self.assertEqual(vault['id'], shown['vault_id'])

        result = self.openstack('csbs', 'vault', 'remove', 'policy', 'v', 'p')
        self.assertEqual((0, ''), (result.code, result.err))
        self.assertIsNone(policy['vault_id'])
