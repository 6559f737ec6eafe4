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

"""Runs with their parts, and the history of tasks, on whatever database."""

import concurrent.futures
import datetime
import threading
from typing import Any

import testtools

from csbs.db import paging
from csbs.db import resources
from csbs.db import runs
from csbs.db import session
from csbs.db import tasks
from csbs.domain import model

_DAY = datetime.timedelta(days=1)
_STATUS = model.TaskStatus


class RunSuite(testtools.TestCase):
    """Mixed into :class:`suite.DatabaseSuite`, which opens the database."""

    db: session.Database
    add_backup: Any
    add_task: Any
    add_vault: Any

    def add_run(self, parts: int, free: int) -> tuple[str, list[str]]:
        """Put a run on record with parts, of which some can be claimed."""
        run = self.add_task(
            kind=model.TaskKind.POLICY_RUN,
            status=_STATUS.RUNNING,
            policy_id='policy',
        )
        return run.id, [
            self.add_task(
                parent_id=run.id,
                bytes_done=number,
                bytes_total=10,
                held=number >= free,
            ).id
            for number in range(parts)
        ]

    def claim_all(self) -> list[str]:
        claimed = []
        while task := tasks.claim(self.db, 'worker'):
            claimed.append(task.id)
        return claimed

    def test_what_is_held_is_not_claimed(self) -> None:
        run_id, parts = self.add_run(4, free=2)
        self.assertEqual(parts[:2], self.claim_all())
        self.assertEqual(0, runs.release(self.db, run_id, 2))
        self.assertEqual(1, runs.release(self.db, run_id, 3))
        self.assertEqual(parts[2:3], self.claim_all())
        self.assertEqual(3, runs.claimable(self.db, run_id))
        self.assertEqual(
            parts, [one.id for one in runs.parts(self.db, run_id)]
        )

    def test_never_more_than_so_many_are_let_go(self) -> None:
        run_id, parts = self.add_run(12, free=3)
        most: list[int] = []
        start = threading.Barrier(4)

        def work(number: int) -> None:
            start.wait(10)
            owner = f'worker{number}'
            while task := tasks.claim(self.db, owner):
                most.append(runs.claimable(self.db, run_id))

                def end(task: model.Task = task) -> None:
                    tasks.finish(self.db, task.id, owner, _STATUS.SUCCEEDED)
                    tasks.lock(self.db, run_id)
                    runs.release(self.db, run_id, 3)

                self.db.run(end)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4), timeout=60))
        while self.claim_all():
            self.fail('a worker left something behind')
        self.assertEqual(
            {_STATUS.SUCCEEDED},
            {one.status for one in runs.parts(self.db, run_id)},
        )
        self.assertLessEqual(max(most), 3)
        self.assertEqual(len(parts), len(most))

    def test_a_run_shows_what_its_parts_have_done(self) -> None:
        run_id, _parts = self.add_run(4, free=4)
        self.add_task()
        found = tasks.get(self.db, run_id)
        self.assertEqual((6, 40), (found.bytes_done, found.bytes_total))
        listed = tasks.find(
            self.db, 'project', {'policy_id': 'policy'}, paging.Page()
        )
        self.assertEqual([found], listed)
        self.assertEqual({run_id: found}, tasks.get_many(self.db, [run_id]))

    def test_one_unfinished_run_of_a_policy(self) -> None:
        run_id, _parts = self.add_run(1, free=1)
        found = runs.unfinished(self.db, 'policy')
        self.assertEqual(run_id, found.id if found else None)
        self.assertIsNone(runs.unfinished(self.db, 'other'))
        self.db.run(
            lambda: tasks.finish(self.db, run_id, None, _STATUS.FAILED)
        )
        self.assertIsNone(runs.unfinished(self.db, 'policy'))

    def test_a_run_is_left_without_a_worker(self) -> None:
        task = self.add_task(kind=model.TaskKind.POLICY_RUN)
        tasks.claim(self.db, 'me')
        self.db.run(lambda: tasks.leave(self.db, task.id, 'me', 'waiting'))
        found = tasks.get(self.db, task.id)
        self.assertEqual(
            (_STATUS.RUNNING, None, 'waiting'),
            (found.status, found.owner, found.step),
        )
        # Nobody takes it for a dead worker's.
        self.assertEqual([], tasks.dead(self.db, paging.utcnow() + _DAY))

    def test_one_that_is_held_can_be_cancelled(self) -> None:
        _run_id, parts = self.add_run(2, free=0)
        self.assertEqual([], self.claim_all())
        tasks.request_cancel(self.db, parts[1])
        self.assertEqual(parts[1:], self.claim_all())

    def test_old_tasks_are_forgotten(self) -> None:
        now = paging.utcnow()
        old = {'status': _STATUS.SUCCEEDED, 'finished_at': now - 2 * _DAY}
        gone = self.add_task(**old)
        run = self.add_task(kind=model.TaskKind.POLICY_RUN, **old)
        part = self.add_task(parent_id=run.id, **old)
        kept = [
            self.add_task(),
            self.add_task(status=_STATUS.FAILED, finished_at=now),
            self.add_task(**old),
        ]
        # Its ledger is not empty: the sweep still needs it.
        self.db.run(
            lambda: resources.create(
                self.db, kept[2].id, model.ResourceKind.SNAPSHOT, {}
            )
        )
        unfinished, _parts = self.add_run(1, free=1)
        old_part = self.add_task(parent_id=unfinished, **old)
        self.assertEqual(
            3, self.db.run(lambda: runs.forget(self.db, now - _DAY, 10))
        )
        left = tasks.get_many(
            self.db,
            [gone.id, run.id, part.id, old_part.id]
            + [task.id for task in kept],
        )
        self.assertEqual({task.id for task in (*kept, old_part)}, set(left))
        self.assertEqual(
            0, self.db.run(lambda: runs.forget(self.db, now - _DAY, 10))
        )

    def test_names_of_the_servers_that_tasks_work_on(self) -> None:
        backup = self.add_backup(self.add_vault())
        task = self.add_task(backup_id=backup.id, server_id='server')
        other = self.add_task(backup_id=backup.id, server_id='another')
        self.assertEqual(
            {task.id: 'web'},
            tasks.server_names(self.db, [task.id, other.id]),
        )
