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

"""The scheduler's duties, called with a clock of the test's."""

import dataclasses
import datetime
from typing import Any
from unittest import mock

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import policies
from csbs.actions import runs
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.domain import policy as domain
from csbs.scheduler import collector
from csbs.scheduler import expiry
from csbs.scheduler import history
from csbs.scheduler import timetable
from csbs.scheduler import watchdog
from csbs.tests import base
from csbs.tests.functional import stack
from csbs.tests.unit.db import suite
from csbs.tests.unit.domain import test_policy


class DutiesTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rt = self.useFixture(stack.StackFixture(start=False)).rt
        self.now = paging.utcnow()

    def later(self, seconds: float) -> datetime.datetime:
        return self.now + datetime.timedelta(seconds=seconds)

    def claimed_task(self) -> model.Task:
        task = suite.make_task()
        db_tasks.create(self.rt.db, task, cancellable=True)
        claimed = db_tasks.claim(self.rt.db, 'worker')
        assert claimed is not None
        return claimed

    def test_a_silent_worker_loses_its_task(self) -> None:
        task = self.claimed_task()
        dead_after = self.rt.conf.scheduler.dead_after
        self.assertEqual(0, watchdog.run(self.rt, self.later(0)))
        self.assertEqual(1, watchdog.run(self.rt, self.later(dead_after + 10)))
        found = db_tasks.get(self.rt.db, task.id)
        self.assertIs(model.TaskStatus.QUEUED, found.status)
        self.assertIsNone(found.owner)

    def test_a_server_left_paused_goes_on(self) -> None:
        """Again and again as long as it may still be paused."""
        task = self.claimed_task()
        until = self.later(30)
        db_resources.create(
            self.rt.db,
            task.id,
            model.ResourceKind.PAUSE,
            {'server_id': 's', 'until': until.isoformat()},
        )
        unsettled = exception.CloudUnsettled(kind='pause')
        for seconds, error, left in (
            (29, None, 1),
            (31, exception.CloudUnavailable(), 1),
            (32, unsettled, 1),
            (33, None, 0),
        ):
            with mock.patch.object(
                self.rt.cloud, 'discard', side_effect=error
            ) as discard:
                watchdog.run(self.rt, self.later(seconds))
            self.assertEqual(int(seconds > 30), discard.call_count)
            entries = db_resources.of_task(self.rt.db, task.id)
            self.assertEqual(left, len(entries))

    def test_a_vault_is_collected_when_it_is_due(self) -> None:
        vault = suite.make_vault()
        db_vaults.create(self.rt.db, vault)
        self.assertEqual(0, collector.run(self.rt, self.later(0)))
        db_vaults.update(
            self.rt.db, vault.id, {'collect_due_at': self.later(60)}
        )
        self.assertEqual(0, collector.run(self.rt, self.later(59)))
        self.assertEqual(1, collector.run(self.rt, self.later(61)))
        self.assertEqual(0, collector.run(self.rt, self.later(61)))
        (task,) = db_tasks.active(self.rt.db, vault_id=vault.id)
        self.assertIs(model.TaskKind.COLLECT, task.kind)
        self.assertEqual('project', task.project_id)

    def test_no_second_collection_beside_a_running_one(self) -> None:
        vault = suite.make_vault()
        db_vaults.create(self.rt.db, vault)
        for expected in (1, 0):
            db_vaults.update(
                self.rt.db, vault.id, {'collect_due_at': self.later(0)}
            )
            self.assertEqual(expected, collector.run(self.rt, self.later(1)))

    def test_a_vault_whose_term_has_ended(self) -> None:
        vault = suite.make_vault(expires_at=self.later(10))
        db_vaults.create(self.rt.db, vault)
        for seconds, status in (
            (9, model.VaultStatus.AVAILABLE),
            (11, model.VaultStatus.EXPIRED),
            (12, model.VaultStatus.EXPIRED),
        ):
            self.assertEqual(0, expiry.run(self.rt, self.later(seconds)))
            found = db_vaults.get(self.rt.db, vault.id)
            self.assertIs(status, found.status)
        # What it holds is still collected.
        db_vaults.update(
            self.rt.db, vault.id, {'collect_due_at': self.later(0)}
        )
        self.assertEqual(1, collector.run(self.rt, self.later(1)))

    def test_old_tasks(self) -> None:
        day = 24 * 3600
        self.rt.conf.set_override('task_history_days', 30, 'scheduler')
        task = suite.make_task(
            status=model.TaskStatus.FAILED, finished_at=self.now
        )
        db_tasks.create(self.rt.db, task, cancellable=True)
        history.run(self.rt, self.later(29 * day))
        db_tasks.get(self.rt.db, task.id)
        self.rt.conf.set_override('task_history_days', 0, 'scheduler')
        history.run(self.rt, self.later(99 * day))
        db_tasks.get(self.rt.db, task.id)
        self.rt.conf.set_override('task_history_days', 30, 'scheduler')
        history.run(self.rt, self.later(31 * day))
        self.assertEqual({}, db_tasks.get_many(self.rt.db, [task.id]))


class TimetableTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rt = self.useFixture(
            stack.StackFixture(start=False, scheduler__spread=600)
        ).rt
        self.vault = suite.make_vault()
        db_vaults.create(self.rt.db, self.vault)

    def put(self, **fields: Any) -> domain.Policy:
        policy = test_policy.make(vault_id=self.vault.id, **fields)
        plan = policy.plan(policy.created_at, datetime.timedelta(seconds=600))
        policy = dataclasses.replace(policy, **dataclasses.asdict(plan))
        db_policies.create(self.rt.db, policy)
        db_policies.add_server(self.rt.db, policy.id, policy.id)
        return policy

    def runs(self) -> list[model.Task]:
        return db_tasks.find(
            self.rt.db,
            'project',
            {'kind': model.TaskKind.POLICY_RUN},
            paging.Page(),
        )

    def test_each_at_its_place_in_the_window(self) -> None:
        made = [self.put() for _ in range(5)]
        made.sort(key=lambda policy: str(policy.fire_at))
        planned = made[0].next_run_at
        assert planned is not None
        self.assertEqual(0, timetable.run(self.rt, planned))
        for number, policy in enumerate(made, 1):
            assert policy.fire_at is not None
            self.assertEqual(1, timetable.run(self.rt, policy.fire_at))
            self.assertEqual(number, len(self.runs()))
            newest = self.runs()[0]
            self.assertEqual(policy.id, newest.policy_id)
            # What users see is the schedule's time.
            self.assertEqual(planned.isoformat(), newest.params['planned_at'])
            found = db_policies.get(self.rt.db, policy.id)
            self.assertEqual(
                planned + datetime.timedelta(days=1), found.next_run_at
            )

    def test_one_by_hand_begins_at_once(self) -> None:
        policy = self.put()
        _policy, run_id = runs.start_now(
            self.rt,
            csbs_context.RequestContext(project_id='project'),
            policy.id,
        )
        claimed = db_tasks.claim(self.rt.db, 'worker')
        self.assertEqual(run_id, claimed.id if claimed else None)

    def test_one_policy_s_trouble_is_not_the_others(self) -> None:
        made = [self.put() for _ in range(3)]
        fire = runs.fire

        def broken(rt: Any, ctx: Any, policy: Any, planned_at: Any) -> bool:
            if policy.id == made[1].id:
                raise ValueError('broken')
            return fire(rt, ctx, policy, planned_at)

        late = made[0].created_at + datetime.timedelta(days=1)
        with mock.patch.object(runs, 'fire', broken):
            self.assertEqual(2, timetable.run(self.rt, late))
        self.assertEqual(1, timetable.run(self.rt, late))

    def test_many_have_their_turn_one_batch_after_another(self) -> None:
        made = [self.put() for _ in range(5)]
        late = made[0].created_at + datetime.timedelta(days=1)
        with mock.patch.object(timetable, '_AT_ONCE', 2):
            self.assertEqual(
                [2, 2, 1, 0],
                [timetable.run(self.rt, late) for _ in range(4)],
            )

    def test_a_policy_without_servers_has_nothing_to_run(self) -> None:
        policy = self.put()
        db_policies.remove_server(self.rt.db, policy.id)
        late = policy.created_at + datetime.timedelta(days=1)
        self.assertEqual(0, timetable.run(self.rt, late))
        self.assertEqual([], self.runs())

    def test_a_new_name_does_not_lose_a_run_that_is_due(self) -> None:
        policy = self.put()
        ctx = csbs_context.RequestContext(project_id='project')
        # Between the schedule's time and the policy's place in the window.
        db_policies.save(
            self.rt.db,
            dataclasses.replace(
                policy,
                next_run_at=paging.utcnow() - datetime.timedelta(seconds=1),
            ),
        )
        due = db_policies.get(self.rt.db, policy.id)
        changed = policies.update(self.rt, ctx, policy.id, {'name': 'n'})
        self.assertEqual(due.next_run_at, changed.next_run_at)
        self.assertEqual(due.fire_at, changed.fire_at)
        changed = policies.update(
            self.rt,
            ctx,
            policy.id,
            {'schedule': {'times': ['03:00'], 'every_days': 1}},
        )
        assert changed.next_run_at is not None
        self.assertEqual(3, changed.next_run_at.hour)
