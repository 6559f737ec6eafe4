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

"""What policies keep, with real backups and a clock of the test's."""

import datetime
from typing import Any
from unittest import mock

from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.scheduler import pruner
from csbs.tests.functional import test_runs
from csbs.tests.unit.db import suite

_DAY = datetime.timedelta(days=1)


class RetentionTestCase(test_runs.RunTestCase):
    servers = 1

    def run_by_schedule(self, policy_id: str) -> str:
        """Let a due run come to its end; return the backup's id."""
        run_id = self.fire(policy_id)['id']
        self.stack.run_queue()
        run = self.task(run_id)
        (part,) = self.parts(run_id)
        self.assertIn(run['status'], ('succeeded', 'failed'))
        backup_id: str = part['backup_id']
        return backup_id

    def run_by_hand(self, policy_id: str) -> str:
        run_id = self.start_run(policy_id)
        self.stack.run_queue()
        (part,) = self.parts(run_id)
        backup_id: str = part['backup_id']
        return backup_id

    def prune(self, now: datetime.datetime | None = None) -> None:
        """Let a scheduler look, and a worker delete."""
        pruner.run(self.stack.rt, now or paging.utcnow())
        self.stack.run_queue()

    def left(self) -> list[str]:
        """Return the backups that are there, the oldest first."""
        found = self.call('GET', '/v1/backups?sort=created_at', expect=200)
        return [backup['id'] for backup in found['backups']]

    def age(self, backup_id: str, days: float) -> None:
        db_backups.update(
            self.stack.rt.db,
            backup_id,
            {'created_at': paging.utcnow() - days * _DAY},
        )


class CleanupTest(RetentionTestCase):
    def test_at_every_run(self) -> None:
        policy_id = self.make_policy(
            enabled=True, retention={'kind': 'count', 'value': 2}
        )
        made = [self.run_by_schedule(policy_id) for _ in range(3)]
        self.assertEqual(made, self.left())
        self.prune()
        self.assertEqual(made[1:], self.left())
        # Also by hand; what comes of that does not count, and stays.
        by_hand = self.run_by_hand(policy_id)
        for days, backup_id in ((9, by_hand), (8, made[1]), (7, made[2])):
            self.age(backup_id, days)
        self.call(
            'PATCH',
            f'/v1/policies/{policy_id}',
            {'policy': {'retention': {'kind': 'count', 'value': 1}}},
            expect=200,
        )
        self.prune()
        self.assertEqual([by_hand, made[2]], self.left())

    def test_once_a_day_on_the_policy_s_clock(self) -> None:
        policy_id = self.make_policy(
            enabled=True,
            schedule={
                'times': ['12:00'],
                'every_days': 1,
                'timezone': 'Asia/Shanghai',
            },
            retention={'kind': 'days', 'value': 3},
        )
        policy = db_policies.get(self.stack.rt.db, policy_id)
        assert policy.prune_at is not None
        # 00:00 in Shanghai.
        self.assertEqual('16:00', f'{policy.prune_at:%H:%M}')
        old, young = (self.run_by_schedule(policy_id) for _ in range(2))
        self.prune()
        self.age(old, 3.1)
        self.age(young, 2.9)
        midnight = db_policies.get(self.stack.rt.db, policy_id).prune_at
        assert midnight is not None
        self.assertEqual('16:00', f'{midnight:%H:%M}')
        self.prune(midnight - datetime.timedelta(seconds=1))
        self.assertEqual([old, young], self.left())
        self.prune(midnight)
        self.assertNotIn(old, self.left())
        again = db_policies.get(self.stack.rt.db, policy_id).prune_at
        self.assertEqual(midnight + _DAY, again)

    def test_at_another_time_if_the_operator_says_so(self) -> None:
        self.stack.conf.set_override('prune_time', '04:30', 'scheduler')
        policy_id = self.make_policy(enabled=True)
        policy = db_policies.get(self.stack.rt.db, policy_id)
        self.assertEqual('04:30', f'{policy.prune_at:%H:%M}')

    def test_a_policy_that_is_off_keeps_what_it_has(self) -> None:
        policy_id = self.make_policy(
            enabled=True, retention={'kind': 'days', 'value': 3}
        )
        old = self.run_by_schedule(policy_id)
        self.prune()
        self.age(old, 9)
        path = f'/v1/policies/{policy_id}'
        body = {'policy': {'enabled': False}}
        self.call('PATCH', path, body, expect=200)
        self.prune(paging.utcnow() + 5 * _DAY)
        self.assertEqual([old], self.left())
        # Until it is run by hand.
        by_hand = self.run_by_hand(policy_id)
        self.prune()
        self.assertEqual([by_hand], self.left())

    def test_for_ever(self) -> None:
        policy_id = self.make_policy(enabled=True)
        made = [self.run_by_schedule(policy_id) for _ in range(2)]
        self.age(made[0], 99999)
        self.prune(paging.utcnow() + 900 * _DAY)
        self.assertEqual(made, self.left())

    def test_months_and_years_as_days(self) -> None:
        path = '/v1/policies'
        for kind, value, expect in (
            ('days', 30, 201),
            ('days', 365, 201),
            ('days', 99999, 201),
            ('days', 100000, 400),
            ('days', 0, 400),
            ('count', 99999, 201),
            ('count', 0, 400),
            ('forever', None, 201),
        ):
            retention = {'kind': kind}
            if value is not None:
                retention['value'] = value
            policy = {
                'schedule': {'times': ['02:00'], 'every_days': 1},
                'retention': retention,
            }
            self.call('POST', path, {'policy': policy}, expect=expect)


class ReaderTest(RetentionTestCase):
    """What is being read is not deleted under the reader's feet."""

    def setUp(self) -> None:
        super().setUp()
        self.policy_id = self.make_policy(
            enabled=True, retention={'kind': 'count', 'value': 1}
        )
        self.old, self.young = (
            self.run_by_schedule(self.policy_id) for _ in range(2)
        )

    def read_while_pruned(self, action: str, body: dict[str, Any]) -> None:
        asked = self.call(
            'POST', f'/v1/backups/{self.old}/{action}', body, expect=202
        )['backup']
        task = db_tasks.claim(self.stack.rt.db, 'reader')
        assert task is not None and task.id == asked['task_id']
        self.prune()
        self.assertEqual([self.old, self.young], self.left())
        runner.execute(Run(self.stack.rt, task, 'reader'))
        self.finish(asked)
        self.prune(paging.utcnow() + _DAY)
        self.assertEqual([self.young], self.left())

    def test_restored_in_place(self) -> None:
        self.read_while_pruned('restore', {'restore': {}})

    def test_made_into_a_new_server(self) -> None:
        self.read_while_pruned('servers', {'server': {'name': 'copy'}})

    def test_locked_by_the_vault(self) -> None:
        path = f'/v1/vaults/{self.vault_id}'
        body = {'vault': {'lock_days': 5}}
        self.call('PATCH', path, body, expect=200)
        self.prune()
        self.assertEqual([self.old, self.young], self.left())
        self.age(self.old, 4.9)
        self.prune(paging.utcnow() + _DAY)
        self.assertEqual([self.old, self.young], self.left())
        self.age(self.old, 5.1)
        self.prune(paging.utcnow() + 2 * _DAY)
        self.assertEqual([self.young], self.left())

    def test_that_could_not_be_deleted(self) -> None:
        with mock.patch(
            'csbs.store.repository.Repository.forget', side_effect=OSError
        ):
            self.prune()
        self.assertEqual('error_deleting', self.get_backup(self.old)['status'])
        self.prune(paging.utcnow() + _DAY)
        self.assertEqual([self.young], self.left())


class FailedTest(RetentionTestCase):
    def add_failed(self, policy_id: str, days: float) -> str:
        backup = suite.make_backup(
            self.vault_id,
            project_id='local',
            policy_id=policy_id,
            trigger=model.Trigger.SCHEDULED,
            status=model.BackupStatus.ERROR,
            created_at=paging.utcnow() - days * _DAY,
        )
        db = self.stack.rt.db
        db.run(lambda: db_backups.create(db, backup))
        return backup.id

    def test_ten_are_kept_for_a_month(self) -> None:
        policy_id = self.make_policy(enabled=True)
        made = [self.add_failed(policy_id, days) for days in range(12)]
        self.prune(paging.utcnow() + _DAY)
        self.assertEqual(set(made[:10]), set(self.left()))
        for backup_id in made[:3]:
            self.age(backup_id, 30.1)
        self.prune(paging.utcnow() + 2 * _DAY)
        self.assertEqual(set(made[3:10]), set(self.left()))
        # The user may delete them before.
        self.call('DELETE', f'/v1/backups/{made[3]}', expect=202)
        self.stack.run_queue()
        self.assertNotIn(made[3], self.left())

    def test_the_only_good_one_outlives_what_fails_behind_it(self) -> None:
        policy_id = self.make_policy(
            enabled=True, retention={'kind': 'days', 'value': 7}
        )
        good = self.run_by_schedule(policy_id)
        disk = self.stack.servers / 'server-0' / 'vda.raw'
        content = disk.read_bytes()
        disk.unlink()
        failed = [self.run_by_schedule(policy_id) for _ in range(2)]
        for backup_id in failed:
            self.assertEqual('error', self.get_backup(backup_id)['status'])
            self.age(backup_id, 40)
        self.age(good, 99)
        # Neither now nor when what failed is long forgotten.
        for days in (1, 2):
            self.prune(paging.utcnow() + days * _DAY)
            self.assertEqual([good], self.left())
        disk.write_bytes(content)
        better = self.run_by_schedule(policy_id)
        self.prune()
        self.assertEqual([better], self.left())

    def test_a_backup_that_fails_on_the_way_counts_as_failing(self) -> None:
        policy_id = self.make_policy(enabled=True)
        with mock.patch('os.preadv', side_effect=OSError(5, 'broken')):
            failed = self.run_by_schedule(policy_id)
        self.assertEqual('error', self.get_backup(failed)['status'])
        db = self.stack.rt.db
        self.assertEqual({self.ids[0]}, db_policies.failing(db, policy_id))
        self.run_by_schedule(policy_id)
        self.assertEqual(set(), db_policies.failing(db, policy_id))

    def test_more_than_one_look_has_time_for(self) -> None:
        policy_id = self.make_policy(enabled=True)
        for _ in range(14):
            self.add_failed(policy_id, 40)
        with mock.patch.object(pruner, '_OF_EACH', 5):
            now = paging.utcnow() + _DAY
            for left in (9, 4, 0):
                self.prune(now)
                self.assertEqual(left, len(self.left()))
        vault = db_vaults.get(self.stack.rt.db, self.vault_id)
        self.assertEqual(0, vault.backup_count)
