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

"""A worker's hold on a task, and the ledger."""

import datetime
from unittest import mock

from csbs import exception
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection.run import Run
from csbs.tests import base
from csbs.tests.functional import stack
from csbs.tests.unit.db import suite

_KIND = model.ResourceKind.SNAPSHOT


class RunTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rt = self.useFixture(stack.StackFixture(start=False)).rt
        db_tasks.create(self.rt.db, suite.make_task(), cancellable=True)
        task = db_tasks.claim(self.rt.db, 'me')
        assert task is not None
        self.task = task
        self.run_ = Run(self.rt, task, 'me')

    def steal(self) -> None:
        """Let another worker take the task."""
        db_tasks.put_back(
            self.rt.db,
            self.task.id,
            'me',
            self.task.created_at + datetime.timedelta(days=1),
        )
        db_tasks.claim(self.rt.db, 'other')

    def test_progress_reaches_the_row(self) -> None:
        self.run_.progress(5)
        self.run_.progress(7)
        self.run_.step('writing')
        task = db_tasks.get(self.rt.db, self.task.id)
        self.assertEqual((12, 'writing'), (task.bytes_done, task.step))

    def test_the_wish_to_cancel_is_heard(self) -> None:
        self.run_.check()
        db_tasks.request_cancel(self.rt.db, self.task.id)
        self.run_.check()
        self.run_.beat()
        self.assertRaises(exception.TaskCancelled, self.run_.check)

    def test_behind_the_point_nothing_cancels(self) -> None:
        self.run_.close_to_cancel()
        self.run_.cancel()
        self.run_.check()

    def test_a_stolen_task_is_let_go(self) -> None:
        self.steal()
        self.assertRaises(exception.TaskLost, self.run_.beat)
        self.assertRaises(exception.TaskLost, self.run_.check)

    def test_one_that_hears_nothing_lets_go(self) -> None:
        dead_after = self.rt.conf.scheduler.dead_after
        self.run_._last_beat -= dead_after + 1
        self.assertRaises(exception.TaskLost, self.run_.check)

    def test_the_heartbeat_finds_a_theft_by_itself(self) -> None:
        with self.run_.beating():
            self.steal()
            stack.wait_for(self.lost, 'the theft to be noticed')

    def lost(self) -> bool:
        try:
            self.run_.check()
        except exception.TaskLost:
            return True
        return False

    def test_ledger_undoes_newest_first(self) -> None:
        ledger = self.run_.ledger
        for number in range(3):
            ledger.plan(_KIND, number=number)
        undone: list[int] = []
        with mock.patch.object(
            self.rt.cloud,
            'discard',
            lambda _context, entry: undone.append(entry.data['number']),
        ):
            kept = ledger.entries()[1]
            ledger.clear(but=frozenset({kept.id}))
        self.assertEqual([2, 0], undone)
        self.assertEqual([kept], ledger.entries())

    def test_ledger_goes_on_after_an_error(self) -> None:
        ledger = self.run_.ledger
        for number in range(3):
            ledger.plan(_KIND, number=number)

        def discard(_context: object, entry: model.Resource) -> None:
            if entry.data['number'] == 1:
                raise exception.CloudError

        with mock.patch.object(self.rt.cloud, 'discard', discard):
            ledger.clear()
        (left,) = ledger.entries()
        self.assertEqual({'number': 1}, left.data)

    def test_what_is_added_to_an_entry_is_what_is_discarded(self) -> None:
        entry = self.run_.ledger.plan(_KIND, name='one')
        self.run_.ledger.update(entry, ref='two')
        with mock.patch.object(self.rt.cloud, 'discard') as discard:
            self.run_.ledger.discard(entry)
        _context, found = discard.call_args.args
        self.assertEqual({'name': 'one', 'ref': 'two'}, found.data)
        self.assertEqual([], self.run_.ledger.entries())
