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


"""Tests of taking back what tasks that are over left in the cloud."""

import datetime
from typing import Any
from unittest import mock
import uuid

from csbs import exception
from csbs.db import paging
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection import sweeper
from csbs.tests import base
from csbs.tests.functional import stack
from csbs.tests.unit.db import suite

_KIND = model.ResourceKind.VOLUME


class SweeperTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.rt = self.useFixture(stack.StackFixture(start=False)).rt
        self.sweeper = sweeper.Sweeper(self.rt)
        self.discard = mock.Mock()
        for name, replacement in (
            ('discard', self.discard),
            ('leftovers', lambda: list(self.found)),
        ):
            patch = mock.patch.object(self.rt.cloud, name, replacement)
            patch.start()
            self.addCleanup(patch.stop)
        self.found: list[model.Resource] = []

    def task(self, *, over: bool = True) -> model.Task:
        db_tasks.create(self.rt.db, suite.make_task(), cancellable=True)
        task = db_tasks.claim(self.rt.db, 'me')
        assert task is not None
        if over:
            status = model.TaskStatus.SUCCEEDED
            db_tasks.finish(self.rt.db, task.id, 'me', status, None, {})
        return task

    def entry(self, task_id: str, **data: Any) -> model.Resource:
        return db_resources.create(self.rt.db, task_id, _KIND, data)

    def leave(self, task_id: str) -> str:
        """Leave something in the cloud; return its mark."""
        mark = f'csbs-{task_id}-0123456789ab'
        self.found.append(
            model.Resource(
                id=str(uuid.uuid4()),
                task_id=task_id,
                kind=_KIND,
                data={'mark': mark, 'volume_id': 'v'},
                created_at=paging.utcnow() - datetime.timedelta(days=1),
            )
        )
        return mark

    def test_sweep(self) -> None:
        task, busy = self.task(), self.task(over=False)
        self.entry(task.id, volume_id='v')
        self.entry(busy.id, volume_id='w')
        for error, left in (
            (exception.CloudUnavailable(), 1),
            (exception.CloudUnsettled(kind='volume'), 1),
            (None, 0),
        ):
            self.discard.side_effect = error
            self.sweeper.sweep()
            entries = db_resources.of_task(self.rt.db, task.id)
            self.assertEqual(left, len(entries))
        self.assertEqual(3, self.discard.call_count)
        self.assertEqual(1, len(db_resources.of_task(self.rt.db, busy.id)))

    def test_search(self) -> None:
        self.leave(self.task().id)
        self.leave(self.task().id)
        self.discard.side_effect = exception.CloudUnavailable()
        self.sweeper.search()
        # One that cannot go keeps no other.
        self.assertEqual(
            [mock.call(mock.ANY, it) for it in self.found],
            self.discard.call_args_list,
        )

    def test_search_lets_alone(self) -> None:
        """What another csbs has made, a task works with, or an entry has."""
        self.leave(str(uuid.uuid4()))
        self.leave(self.task(over=False).id)
        task = self.task()
        self.entry(task.id, mark=self.leave(task.id))
        self.sweeper.search()
        self.sweeper.search()
        self.discard.assert_not_called()
