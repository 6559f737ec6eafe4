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

import datetime
from unittest import mock

from csbs import exception
from csbs.db import paging
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.scheduler import collector
from csbs.scheduler import watchdog
from csbs.tests import base
from csbs.tests.functional import stack
from csbs.tests.unit.db import suite


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
