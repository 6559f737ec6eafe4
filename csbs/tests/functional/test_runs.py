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

"""Runs of policies: the tasks below them, their end, their cancellation."""

import collections
import datetime
import shutil
import threading
from typing import Any
from unittest import mock

from csbs.actions import backups
from csbs.cloud import local
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.scheduler import timetable
from csbs.tests.functional import stack

_DAY = datetime.timedelta(days=1)
_SIZE = 65536


class RunTestCase(stack.StackTestCase):
    """A policy with servers in a process whose queue the test runs."""

    servers = 3

    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.made = [
            self.stack.make_server(
                f'server-{number}', {'vda': stack.pattern(_SIZE, number)}
            )
            for number in range(self.servers)
        ]
        self.ids = [server.id for server in self.made]
        self.vault_id = self.make_vault()

    def make_policy(self, **fields: Any) -> str:
        policy = {
            'schedule': {'times': ['02:00'], 'every_days': 1},
            'vault_id': self.vault_id,
            'server_ids': self.ids,
            **fields,
        }
        made = self.call(
            'POST', '/v1/policies', {'policy': policy}, expect=201
        )['policy']
        self.assertEqual(self.ids, made['server_ids'])
        policy_id: str = made['id']
        return policy_id

    def start_run(self, policy_id: str) -> str:
        answer = self.call(
            'POST', f'/v1/policies/{policy_id}/run', {}, expect=202
        )
        run_id: str = answer['policy']['task_id']
        return run_id

    def fire(self, policy_id: str) -> dict[str, Any]:
        """Let the schedule's next run be due, and return the newest run."""
        policy = db_policies.get(self.stack.rt.db, policy_id)
        assert policy.fire_at is not None
        timetable.run(self.stack.rt, policy.fire_at)
        return self.tasks(f'policy_id={policy_id}&kind=policy_run')[0]

    def tasks(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(
            'GET', f'/v1/tasks?{query}', expect=200
        )['tasks']
        return found

    def parts(self, run_id: str) -> list[dict[str, Any]]:
        """Return the tasks below a run, the oldest first."""
        return self.tasks(f'parent_id={run_id}&sort=created_at')

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call(
            'GET', f'/v1/tasks/{task_id}', expect=200
        )['task']
        return found

    def claim(self, owner: str = 'worker') -> Run | None:
        """Take the next task as a worker does."""
        task = db_tasks.claim(self.stack.rt.db, owner)
        return None if task is None else Run(self.stack.rt, task, owner)


class TreeTest(RunTestCase):
    def test_a_run_with_the_tasks_of_its_servers_below_it(self) -> None:
        policy_id = self.make_policy()
        run_id = self.start_run(policy_id)
        self.stack.run_queue(1)
        run = self.task(run_id)
        self.assertEqual('running', run['status'])
        self.assertEqual('waiting_for_backups', run['step'])
        self.assertEqual(policy_id, run['policy_id'])
        self.assertEqual('run_now', run['trigger'])
        self.assertIsNone(run['planned_at'])
        self.assertIsNone(run['parent_id'])
        parts = self.parts(run_id)
        self.assertEqual(self.ids, [part['server_id'] for part in parts])
        for part in parts:
            self.assertEqual('backup', part['kind'])
            self.assertEqual('queued', part['status'])
            self.assertEqual(policy_id, part['policy_id'])
        self.assertEqual(
            self.ids,
            [
                self.get_backup(part['backup_id'])['server_id']
                for part in parts
            ],
        )

    def test_its_progress_is_theirs(self) -> None:
        run_id = self.start_run(self.make_policy())
        self.stack.run_queue(2)
        run = self.task(run_id)
        self.assertEqual(self.servers * _SIZE, run['bytes_total'])
        self.assertEqual(_SIZE, run['bytes_done'])
        self.assertEqual(100 // self.servers, run['progress'])
        self.assertGreater(run['rate'], 0)
        self.assertGreaterEqual(run['eta_seconds'], 0)

    def test_it_ends_when_they_have_ended(self) -> None:
        run_id = self.start_run(self.make_policy())
        self.stack.run_queue(self.servers)
        self.assertIsNone(self.task(run_id)['finished_at'])
        self.stack.run_queue(1)
        run = self.task(run_id)
        self.assertEqual('succeeded', run['status'])
        self.assertEqual(100, run['progress'])
        self.assertEqual(self.servers * _SIZE, run['bytes_done'])
        self.assertIsNotNone(run['finished_at'])
        self.assertEqual(set(self.ids), set(run['result']['backups']))
        self.assertEqual({}, run['result']['faults'])
        self.assertEqual(0, self.stack.run_queue())
        self.assert_nothing_temporary()

    def test_at_most_so_many_at_a_time(self) -> None:
        run_id = self.start_run(self.make_policy(max_parallel=2))
        self.stack.run_queue(1)
        at_work = [self.claim(f'worker-{number}') for number in range(3)]
        self.assertIsNone(at_work.pop())
        for run in at_work:
            assert run is not None
            runner.execute(run)
        # Both places are free by now, and one server is left.
        self.assertEqual(1, self.stack.run_queue())
        self.assertEqual('succeeded', self.task(run_id)['status'])

    def test_so_many_as_the_operator_says(self) -> None:
        self.stack.conf.set_override('max_parallel', 1, 'protection')
        policy_id = self.make_policy()
        self.start_run(policy_id)
        self.stack.run_queue(1)
        self.assertIsNotNone(self.claim())
        self.assertIsNone(self.claim())
        path = f'/v1/policies/{policy_id}'
        body = {'policy': {'max_parallel': 64}}
        changed = self.call('PATCH', path, body, expect=200)['policy']
        self.assertEqual(64, changed['max_parallel'])
        for wrong in (0, 65):
            body = {'policy': {'max_parallel': wrong}}
            self.error('PATCH', path, body, expect=400)

    def test_at_most_so_many_at_a_time_in_a_worker(self) -> None:
        gate = threading.Event()
        self.addCleanup(gate.set)
        real = local.LocalCloud.snapshot

        def held(*args: Any, **kwargs: Any) -> Any:
            gate.wait(stack.DEADLINE)
            return real(*args, **kwargs)

        self.stack.conf.set_override('slots', 2, 'protection')
        run_id = self.start_run(self.make_policy(max_parallel=3))
        with mock.patch.object(local.LocalCloud, 'snapshot', held):
            self.stack.restart_protection()
            stack.wait_for(
                lambda: self.counts(run_id) == {'running': 2, 'queued': 1},
                'both slots to be taken',
            )
            # The run itself takes none of them while it waits.
            self.assertEqual('running', self.task(run_id)['status'])
            gate.set()
            self.finish({'task_id': run_id})
        self.assertEqual({'succeeded': 3}, self.counts(run_id))

    def counts(self, run_id: str) -> dict[str, int]:
        return dict(
            collections.Counter(part['status'] for part in self.parts(run_id))
        )

    def test_a_worker_that_dies_while_it_starts_the_backups(self) -> None:
        run_id = self.start_run(self.make_policy())
        run = self.claim('dying')
        assert run is not None
        with mock.patch('csbs.actions.backups.put_failed', side_effect=_Death):
            # The second server makes it die, the first one is started.
            (self.stack.servers / 'server-1' / 'vda.raw').unlink()
            self.assertRaises(_Death, runner.KINDS[run.task.kind].work, run)
        db_tasks.put_back(
            self.stack.rt.db, run_id, 'dying', paging.utcnow() + _DAY
        )
        # What was started may end before the run goes on.
        part = next(part for part in self.parts(run_id) if part['server_id'])
        self.stack.run_queue()
        parts = self.parts(run_id)
        self.assertEqual(part['id'], parts[0]['id'])
        self.assertEqual(self.ids, [one['server_id'] for one in parts])
        self.assertEqual(
            ['succeeded', 'failed', 'succeeded'],
            [one['status'] for one in parts],
        )
        self.assertEqual('failed', self.task(run_id)['status'])


class TroubleTest(RunTestCase):
    def test_a_server_in_trouble_does_not_stop_the_others(self) -> None:
        policy_id = self.make_policy(enabled=True)
        (self.stack.servers / 'server-1' / 'vda.raw').unlink()
        run_id = self.fire(policy_id)['id']
        self.stack.run_queue()
        run = self.task(run_id)
        self.assertEqual('failed', run['status'])
        self.assertEqual('csbs.policy.run_incomplete', run['fault']['code'])
        self.assertIn('1 of 3', run['fault']['message'])
        self.assertEqual(
            {self.ids[0], self.ids[2]}, set(run['result']['backups'])
        )
        fault = run['result']['faults'][self.ids[1]]
        self.assertEqual('csbs.server.unprotectable', fault['code'])
        # It failed as a periodic backup does, and is listed as one.
        failed = self.parts(run_id)[1]
        self.assertEqual(fault, failed['fault'])
        backup = self.get_backup(failed['backup_id'])
        self.assertEqual('error', backup['status'])
        self.assertEqual('scheduled', backup['trigger'])
        self.assertEqual(fault, backup['fault'])
        self.assertEqual(
            {self.ids[1]}, db_policies.failing(self.stack.rt.db, policy_id)
        )
        gone = self.call('DELETE', f'/v1/backups/{backup["id"]}', expect=202)
        self.stack.run_queue()
        self.finish(gone['backup'])

    def test_a_server_that_is_gone(self) -> None:
        policy_id = self.make_policy()
        self.start_run(policy_id)
        self.stack.run_queue()
        shutil.rmtree(self.stack.servers / 'server-0')
        run_id = self.start_run(policy_id)
        self.stack.run_queue()
        failed = self.parts(run_id)[0]
        self.assertEqual('csbs.server.not_found', failed['fault']['code'])
        backup = self.get_backup(failed['backup_id'])
        self.assertEqual('server-0', backup['server_name'])

    def test_a_server_that_is_busy_is_left_out(self) -> None:
        policy_id = self.make_policy(enabled=True)
        busy = self.start_backup(self.ids[1], self.vault_id)
        run_id = self.fire(policy_id)['id']
        self.stack.run_queue()
        self.assertEqual('succeeded', self.task(busy['task_id'])['status'])
        # By then the one by hand was through.
        self.assertEqual('succeeded', self.task(run_id)['status'])
        busy = self.start_backup(self.ids[1], self.vault_id)
        by_hand = self.claim('by-hand')
        assert by_hand is not None
        run_id = self.fire(policy_id)['id']
        self.stack.run_queue()
        skipped = self.parts(run_id)[1]
        self.assertEqual('skipped', skipped['status'])
        self.assertEqual('csbs.server.busy', skipped['fault']['code'])
        self.assertIsNone(skipped['backup_id'])
        self.assertEqual('failed', self.task(run_id)['status'])
        runner.execute(by_hand)

    def test_a_vault_that_is_full(self) -> None:
        with (self.stack.servers / 'server-0' / 'vda.raw').open('r+b') as disk:
            disk.truncate(200 << 30)
        run_id = self.start_run(self.make_policy())
        self.stack.run_queue()
        self.assertEqual(
            ['csbs.vault.capacity_exceeded', None, None],
            [
                part['fault'] and part['fault']['code']
                for part in self.parts(run_id)
            ],
        )

    def test_an_expired_vault_is_not_run_into(self) -> None:
        policy_id = self.make_policy(enabled=True)
        policy = db_policies.get(self.stack.rt.db, policy_id)
        assert policy.next_run_at is not None
        db_vaults.update(
            self.stack.rt.db, self.vault_id, {'expires_at': paging.utcnow()}
        )
        error = self.error(
            'POST', f'/v1/policies/{policy_id}/run', {}, expect=409
        )
        self.assertEqual('csbs.vault.expired', error['code'])
        run = self.fire(policy_id)
        self.assertEqual('skipped', run['status'])
        self.assertEqual('csbs.vault.expired', run['fault']['code'])
        self.assertEqual(
            set(self.ids), db_policies.failing(self.stack.rt.db, policy_id)
        )


class OverlapTest(RunTestCase):
    def test_run_now_names_the_servers_that_are_busy(self) -> None:
        policy_id = self.make_policy()
        self.start_backup(self.ids[1], self.vault_id)
        path = f'/v1/policies/{policy_id}/run'
        error = self.error('POST', path, {}, expect=409)
        self.assertEqual('csbs.server.busy', error['code'])
        self.assertIn(f'server-1 ({self.ids[1]})', error['detail'])
        for other in (0, 2):
            self.assertNotIn(self.ids[other], error['detail'])
        self.stack.run_queue()
        self.start_run(policy_id)

    def test_run_now_beside_a_run(self) -> None:
        policy_id = self.make_policy(enabled=True)
        run_id = self.fire(policy_id)['id']
        path = f'/v1/policies/{policy_id}/run'
        error = self.error('POST', path, {}, expect=409)
        self.assertEqual('csbs.policy.running', error['code'])
        self.assertIn(run_id, error['detail'])
        self.stack.run_queue(1)
        error = self.error('POST', path, {}, expect=409)
        self.assertEqual('csbs.server.busy', error['code'])
        for server_id in self.ids:
            self.assertIn(server_id, error['detail'])

    def test_a_due_run_gives_way_to_one_by_hand(self) -> None:
        policy_id = self.make_policy(enabled=True)
        planned = db_policies.get(self.stack.rt.db, policy_id).next_run_at
        assert planned is not None
        run_id = self.start_run(policy_id)
        # Whether it waits, or backs up, or has one server left to do.
        for _ in range(self.servers):
            skipped = self.fire(policy_id)
            self.assertEqual('skipped', skipped['status'])
            self.assertEqual('scheduled', skipped['trigger'])
            self.assertEqual('csbs.policy.running', skipped['fault']['code'])
            self.assertIn(run_id, skipped['fault']['message'])
            self.assertEqual(
                planned, datetime.datetime.fromisoformat(skipped['planned_at'])
            )
            planned += _DAY
            self.stack.run_queue(1)
        self.stack.run_queue()
        self.assertEqual('queued', self.fire(policy_id)['status'])
        self.assertEqual(
            self.servers, len(self.tasks('kind=policy_run&status=skipped'))
        )

    def test_clients_can_tell_how_near_the_next_run_is(self) -> None:
        soon = paging.utcnow() + datetime.timedelta(hours=1)
        policy_id = self.make_policy(
            enabled=True,
            schedule={'times': [f'{soon:%H:%M}'], 'every_days': 1},
        )
        answer = self.call(
            'POST', f'/v1/policies/{policy_id}/run', {}, expect=202
        )['policy']
        task = self.task(answer['task_id'])
        near = datetime.datetime.fromisoformat(
            answer['next_run_at']
        ) - datetime.datetime.fromisoformat(task['created_at'])
        self.assertLess(near, datetime.timedelta(hours=3))
        # And of the last one, by the list of tasks.
        self.stack.run_queue()
        (last,) = self.tasks(f'policy_id={policy_id}&kind=policy_run&limit=1')
        self.assertEqual(answer['task_id'], last['id'])


class CancelTest(RunTestCase):
    def cancel(self, task_id: str) -> None:
        self.call('POST', f'/v1/tasks/{task_id}/cancel', {}, expect=202)

    def test_a_run_is_cancelled_with_its_backups(self) -> None:
        run_id = self.start_run(self.make_policy(max_parallel=1))
        self.stack.run_queue(2)
        self.cancel(run_id)
        self.stack.run_queue()
        run = self.task(run_id)
        self.assertEqual('cancelled', run['status'])
        self.assertEqual('csbs.task.cancelled', run['fault']['code'])
        self.assertEqual(
            ['succeeded', 'cancelled', 'cancelled'],
            [part['status'] for part in self.parts(run_id)],
        )
        self.assertEqual([self.ids[0]], list(run['result']['backups']))
        self.assert_nothing_temporary()
        vault = self.get_vault(self.vault_id)
        self.assertEqual(_SIZE, vault['used_bytes'])
        self.error('POST', f'/v1/tasks/{run_id}/cancel', {}, expect=409)

    def test_before_it_has_begun(self) -> None:
        run_id = self.start_run(self.make_policy())
        self.cancel(run_id)
        self.stack.run_queue()
        self.assertEqual('cancelled', self.task(run_id)['status'])
        self.assertEqual([], self.parts(run_id))

    def test_while_it_starts_its_backups(self) -> None:
        run_id = self.start_run(self.make_policy())
        run = self.claim()
        assert run is not None
        real = backups.look

        def cancelling(*args: Any) -> Any:
            self.cancel(run_id)
            return real(*args)

        with mock.patch.object(backups, 'look', cancelling):
            runner.execute(run)
        self.stack.run_queue()
        self.assertEqual('cancelled', self.task(run_id)['status'])
        self.assertEqual([], self.parts(run_id))
        self.assert_nothing_temporary()

    def test_one_backup_of_a_run(self) -> None:
        run_id = self.start_run(self.make_policy(max_parallel=1))
        self.stack.run_queue(1)
        self.cancel(self.parts(run_id)[2]['id'])
        self.stack.run_queue()
        self.assertEqual(
            ['succeeded', 'succeeded', 'cancelled'],
            [part['status'] for part in self.parts(run_id)],
        )
        self.assertEqual('failed', self.task(run_id)['status'])


class _Death(BaseException):
    """What no handler of errors sees."""
