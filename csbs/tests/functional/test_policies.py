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

"""Policies: schedules that fire, runs by hand, what is kept."""

import datetime
import json
from typing import Any
import uuid

from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.scheduler import pruner
from csbs.scheduler import timetable
from csbs.tests.functional import stack

_SCHEDULE = {'times': ['02:00'], 'every_days': 1}
_DAY = datetime.timedelta(days=1)


class PoliciesTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack()
        self.servers = [
            self.stack.make_server(name, {'vda': stack.pattern(65536, seed)})
            for seed, name in enumerate(('db', 'web'))
        ]
        self.vault_id = self.make_vault()

    def make_policy(self, **fields: Any) -> dict[str, Any]:
        body = {'policy': {'schedule': _SCHEDULE, **fields}}
        policy: dict[str, Any] = self.call(
            'POST', '/v1/policies', body, expect=201
        )['policy']
        return policy

    def bind(self, policy: dict[str, Any]) -> str:
        """Bind a policy to the vault and all servers; return its path."""
        path = f'/v1/policies/{policy["id"]}'
        for server in self.servers:
            self.call('PUT', f'{path}/servers/{server.id}', expect=200)
        vault = f'/v1/vaults/{self.vault_id}/policies/{policy["id"]}'
        self.call('PUT', vault, expect=200)
        return path

    def run_now(self, path: str) -> list[dict[str, Any]]:
        asked = self.call('POST', f'{path}/run', {}, expect=202)['policy']
        task = self.finish(asked)
        self.assertEqual({}, task['result']['faults'])
        backups = [
            self.get_backup(backup_id)
            for backup_id in task['result']['backups'].values()
        ]
        for backup in backups:
            self.finish(backup)
        return backups

    def test_defaults(self) -> None:
        policy = self.make_policy()
        self.assertRegex(policy['name'], r'^Policy-\d{4}$')
        self.assertFalse(policy['enabled'])
        self.assertIsNone(policy['next_run_at'])
        self.assertEqual(
            {'kind': 'forever', 'value': None}, policy['retention']
        )

    def test_bad_schedules(self) -> None:
        for schedule, word in (
            ({'times': ['2:00'], 'every_days': 1}, 'times'),
            ({'times': [], 'every_days': 1}, 'times'),
            ({'times': ['02:00']}, 'weekdays'),
            ({'times': ['02:00'], 'every_days': 31}, 'every_days'),
            (
                {'times': ['02:00'], 'every_days': 1, 'timezone': 'X/Y'},
                'timezone',
            ),
        ):
            error = self.error(
                'POST',
                '/v1/policies',
                {'policy': {'schedule': schedule}},
                expect=400,
            )
            self.assertIn(word, error['detail'])

    def test_what_was_shown_can_be_given_back(self) -> None:
        for schedule in (
            {'times': ['02:00'], 'weekdays': ['mon']},
            {'times': ['02:00'], 'every_days': 3},
        ):
            policy = self.make_policy(schedule=schedule)
            names = ('schedule', 'retention')
            changed = self.call(
                'PATCH',
                f'/v1/policies/{policy["id"]}',
                {'policy': {name: policy[name] for name in names}},
                expect=200,
            )['policy']
            for name in names:
                self.assertEqual(policy[name], changed[name])

    def test_run_now(self) -> None:
        path = self.bind(self.make_policy())
        backups = self.run_now(path)
        self.assertEqual(
            sorted(server.id for server in self.servers),
            sorted(backup['server_id'] for backup in backups),
        )
        for backup in backups:
            self.assertEqual('run_now', backup['trigger'])
            self.assertRegex(backup['name'], r'^autobk_\d{4}$')

    def test_run_now_is_refused(self) -> None:
        policy = self.make_policy()
        run = f'/v1/policies/{policy["id"]}/run'
        error = self.error('POST', run, {}, expect=409)
        self.assertEqual('csbs.policy.not_ready', error['code'])
        self.bind(policy)
        self.stack.protection.stop()
        self.start_backup(self.servers[0].id, self.vault_id)
        error = self.error('POST', run, {}, expect=409)
        self.assertEqual('csbs.server.busy', error['code'])
        self.assertIn(self.servers[0].id, error['detail'])
        self.assertNotIn(self.servers[1].id, error['detail'])
        self.stack.restart_protection()

    def test_a_due_policy_fires_once(self) -> None:
        policy = self.make_policy(enabled=True)
        path = self.bind(policy)
        self.stack.scheduler.stop()
        planned = self.call('GET', path, expect=200)['policy']['next_run_at']
        due = datetime.datetime.fromisoformat(planned)
        # Four days without a scheduler are one run.
        for _ in range(2):
            timetable.run(self.stack.rt, due + 4 * _DAY)
        runs = self.call('GET', '/v1/tasks?kind=policy_run', expect=200)
        (run,) = runs['tasks']
        self.stack.wait_for_task(run['id'])
        backups = self.call('GET', '/v1/backups', expect=200)['backups']
        self.assertEqual(
            ['scheduled', 'scheduled'], [one['trigger'] for one in backups]
        )
        later = self.call('GET', path, expect=200)['policy']['next_run_at']
        self.assertEqual(
            due + 5 * _DAY, datetime.datetime.fromisoformat(later)
        )

    def test_retention_counts_what_the_schedule_made(self) -> None:
        policy = self.make_policy(retention={'kind': 'count', 'value': 1})
        path = self.bind(policy)
        for _ in range(2):
            self.run_now(path)
        made = []
        for trigger in ('scheduled', 'scheduled', 'run_now'):
            for backup in self.run_now(path):
                db_backups.update(
                    self.stack.rt.db, backup['id'], {'trigger': trigger}
                )
                made.append(backup['id'])
        self.stack.scheduler.stop()
        pruner.run(self.stack.rt, paging.utcnow() + 2 * _DAY)
        stack.wait_for(
            lambda: len(self.backups()) == 8, 'the oldest to be deleted'
        )
        left = {backup['id'] for backup in self.backups()}
        self.assertEqual(set(made[2:]), left & set(made))

    def backups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(
            'GET', '/v1/backups', expect=200
        )['backups']
        return found

    def test_binding(self) -> None:
        one, other = self.make_policy(), self.make_policy()
        path = self.bind(one)
        server_id = self.servers[0].id
        self.call(
            'PUT',
            f'/v1/policies/{other["id"]}/servers/{server_id}',
            expect=200,
        )
        found = self.call('GET', path, expect=200)['policy']
        self.assertEqual([self.servers[1].id], found['server_ids'])
        server = self.call('GET', f'/v1/servers/{server_id}', expect=200)
        self.assertEqual(other['id'], server['server']['policy_id'])

        second = self.make_vault()
        error = self.error(
            'PUT', f'/v1/vaults/{second}/policies/{one["id"]}', expect=409
        )
        self.assertEqual('csbs.policy.bound', error['code'])
        gone = self.call('DELETE', f'/v1/vaults/{self.vault_id}', expect=202)
        self.finish(gone['vault'])
        found = self.call('GET', path, expect=200)['policy']
        self.assertIsNone(found['vault_id'])

    def test_only_servers_that_run_or_are_shut_off(self) -> None:
        policy = self.make_policy()
        description = self.stack.servers / 'db' / 'server.json'
        path = f'/v1/policies/{policy["id"]}/servers/{self.servers[0].id}'
        for status, expect in (
            ('SUSPENDED', 409),
            ('ERROR', 409),
            ('SHUTOFF', 200),
            ('ACTIVE', 200),
        ):
            description.write_text(
                json.dumps({'id': self.servers[0].id, 'status': status})
            )
            answer = self.call('PUT', path, expect=expect)
            if expect == 409:
                (error,) = answer['errors']
                self.assertEqual('csbs.server.wrong_state', error['code'])
                self.assertIn(status, error['detail'])

    def test_unbinding_servers(self) -> None:
        path = self.bind(self.make_policy())
        first, second = (server.id for server in self.servers)
        left = self.call('DELETE', f'{path}/servers/{first}', expect=200)
        self.assertEqual([second], left['policy']['server_ids'])
        server = self.call('GET', f'/v1/servers/{first}', expect=200)
        self.assertIsNone(server['server']['policy_id'])
        # Unbinding one that is not bound changes nothing.
        left = self.call('DELETE', f'{path}/servers/{first}', expect=200)
        self.assertEqual([second], left['policy']['server_ids'])

    def test_a_deleted_policy_leaves_its_backups(self) -> None:
        path = self.bind(self.make_policy())
        backups = self.run_now(path)
        self.call('DELETE', path, expect=200)
        self.error('GET', path, expect=404)
        for backup in backups:
            self.restore(backup['id'])

    def test_quotas(self) -> None:
        self.stack.conf.set_override('policies', 1, 'quota')
        self.stack.conf.set_override('servers_per_policy', 1, 'quota')
        policy = self.make_policy()
        error = self.error(
            'POST',
            '/v1/policies',
            {'policy': {'schedule': _SCHEDULE}},
            expect=403,
        )
        self.assertEqual('csbs.quota.exceeded', error['code'])
        path = f'/v1/policies/{policy["id"]}/servers'
        self.call('PUT', f'{path}/{self.servers[0].id}', expect=200)
        self.call('PUT', f'{path}/{self.servers[0].id}', expect=200)
        self.error('PUT', f'{path}/{self.servers[1].id}', expect=403)
        self.error('PUT', f'{path}/{uuid.uuid4()}', expect=404)
