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

"""A collection knows from the database who is at work, whatever lists say."""

import dataclasses
from typing import Any
import uuid

from csbs.actions import queue
from csbs.actions import vaults
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection import repositories
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.store import lease as store_lease
from csbs.tests import base
from csbs.tests.functional import stack
from csbs.tests.unit.store import vaults as store_vaults
from csbs.tests.unit.store import volumes

_KIND = model.TaskKind


class CollectTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack = self.useFixture(stack.StackFixture(start=False))
        self.rt = self.stack.rt
        self.rt.conf.set_override('collect_grace', 0, 'store')
        self.vault = vaults.create(
            self.rt, self.stack.context, vaults.Wish(capacity_gb=100)
        )[0]
        self.backup = uuid.uuid4()
        with repositories.opened(self.rt, self.vault) as repo:
            self.core = repo._core
            with repo.writer(self.backup) as writer:
                volume = volumes.Volume(store_vaults.noise(100_000))
                writer.write_item(uuid.uuid4(), volume)
                writer.commit({})

    def put(self, kind: model.TaskKind) -> str:
        return queue.put(
            self.rt,
            self.stack.context,
            kind,
            project_id=self.vault.project_id,
            vault_id=self.vault.id,
        )

    def collect(self) -> None:
        """Run two collections over lists that never tell of a pin."""
        opened = self.rt.objects

        def late(container: str) -> Any:
            store = store_vaults.Late(opened(container), 'pins/')
            store.listed.clear()
            return store

        rt = dataclasses.replace(self.rt, objects=late)
        for _turn in range(2):
            task_id = self.put(_KIND.COLLECT)
            task = db_tasks.claim(self.rt.db, 'me')
            assert task is not None and task.id == task_id
            runner.execute(Run(rt, task, 'me'))
            done = db_tasks.get(self.rt.db, task_id)
            self.assertEqual(model.TaskStatus.SUCCEEDED, done.status)

    def packs(self) -> list[str]:
        return [name for name, _size in self.core.objects.list('packs/')]

    def test_what_a_task_reads_stays_as_long_as_the_task_runs(self) -> None:
        reading = self.put(_KIND.RESTORE)
        task = db_tasks.claim(self.rt.db, 'you')
        assert task is not None and task.id == reading
        store_lease.Pin(self.core, uuid.UUID(reading), [self.backup])
        self.core.objects.delete(f'manifests/{self.backup}')
        self.collect()
        self.assertNotEqual([], self.packs())

        db_tasks.finish(self.rt.db, reading, 'you', model.TaskStatus.SUCCEEDED)
        self.collect()
        self.assertEqual([], self.packs())
