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

"""A vault that is deleted takes its key with it, sooner or later."""

from unittest import mock

from csbs import exception
from csbs.actions import vaults
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import repositories
from csbs.protection import runner
from csbs.protection import sweeper
from csbs.protection.run import Run
from csbs.tests import base
from csbs.tests.functional import stack

_AWAY = exception.KeyUnavailable(reason='it does not answer')


class DeleteVaultTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack = self.useFixture(stack.StackFixture(start=False))
        self.rt = self.stack.rt
        self.vault = self.create('v1')

    def create(self, name: str) -> model.Vault:
        """Make a vault that has an object."""
        wish = vaults.Wish(capacity_gb=100, name=name)
        vault, _ = vaults.create(self.rt, self.stack.context, wish)
        with repositories.opened(self.rt, vault):
            pass
        return vault

    def delete(self, vault: model.Vault) -> model.Task:
        """Delete a vault and return the task that did it."""
        deleting = vaults.delete(self.rt, self.stack.context, vault.id)
        task = db_tasks.claim(self.rt.db, 'me')
        assert task is not None and task.id == deleting.task_id
        runner.execute(Run(self.rt, task, 'me'))
        return db_tasks.get(self.rt.db, task.id)

    def sweep(self) -> None:
        sweeper.Sweeper(self.stack.rt).sweep()

    def objects(self, vault: model.Vault) -> list[str]:
        folder = self.stack.state / 'store' / vault.id
        return [str(path) for path in folder.rglob('*') if path.is_file()]

    def assert_gone(self, vault: model.Vault) -> None:
        self.assertRaises(
            exception.VaultNotFound, db_vaults.get, self.rt.db, vault.id
        )
        self.assertEqual([], self.objects(vault))

    def test_nothing_is_left(self) -> None:
        self.assertNotEqual([], self.objects(self.vault))
        task = self.delete(self.vault)
        self.assertEqual(model.TaskStatus.SUCCEEDED, task.status)
        self.assert_gone(self.vault)
        self.assertRaises(
            exception.KeyMissing, self.rt.keys.get, self.vault.key_ref
        )
        self.assertEqual([], db_resources.orphans(self.rt.db))

    def test_the_key_goes_when_its_manager_is_back(self) -> None:
        other = self.create('v2')
        with mock.patch.object(
            self.rt.keys, 'delete', side_effect=_AWAY
        ) as delete:
            for vault in (self.vault, other):
                task = self.delete(vault)
                self.assertEqual(model.TaskStatus.SUCCEEDED, task.status)
                self.assert_gone(vault)
            delete.reset_mock()
            self.sweep()
            # One that is away is asked once in a round.
            delete.assert_called_once()
        self.rt.keys.get(self.vault.key_ref)
        self.assertEqual(
            {self.vault.key_ref, other.key_ref},
            {entry.data['ref'] for entry in db_resources.orphans(self.rt.db)},
        )
        self.sweep()
        for vault in (self.vault, other):
            self.assertRaises(
                exception.KeyMissing, self.rt.keys.get, vault.key_ref
            )
        self.assertEqual([], db_resources.orphans(self.rt.db))

    def test_a_vault_whose_key_is_lost_can_go(self) -> None:
        self.rt.keys.delete(self.vault.key_ref)
        task = self.delete(self.vault)
        self.assertEqual(model.TaskStatus.SUCCEEDED, task.status)
        self.assert_gone(self.vault)
        self.assertEqual([], db_resources.orphans(self.rt.db))

    def test_a_vault_that_stays_keeps_its_key(self) -> None:
        with mock.patch(
            'csbs.store.objects.file.FileStore.delete', side_effect=OSError
        ):
            task = self.delete(self.vault)
        self.assertEqual(model.TaskStatus.FAILED, task.status)
        vault = db_vaults.get(self.rt.db, self.vault.id)
        self.assertEqual(model.VaultStatus.AVAILABLE, vault.status)
        self.rt.keys.get(vault.key_ref)
        self.assertEqual([], db_resources.orphans(self.rt.db))
