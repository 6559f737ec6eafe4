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

"""A vault and its key come to be together, or not at all."""

from typing import Any
from unittest import mock

from csbs import exception
from csbs.actions import vaults
from csbs.db import paging
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.tests import base
from csbs.tests.functional import stack


class Broken(Exception):
    """The database fails."""


class CreateTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack = self.useFixture(stack.StackFixture(start=False))
        self.rt = self.stack.rt

    def create(self) -> model.Vault:
        wish = vaults.Wish(capacity_gb=100, name='v1')
        return vaults.create(self.rt, self.stack.context, wish)[0]

    def keys(self) -> str:
        path = self.stack.state / 'keys.json'
        return path.read_text() if path.exists() else '{}'

    def rows(self) -> list[model.Vault]:
        return db_vaults.find(
            self.rt.db, self.stack.context.project_id, {}, paging.Page(limit=9)
        )

    def test_a_vault_has_a_key(self) -> None:
        vault = self.create()
        self.assertEqual(32, len(self.rt.keys.get(vault.key_ref)))
        self.assertIn(vault.id, self.keys())

    def test_no_key_no_vault(self) -> None:
        away = exception.KeyUnavailable(reason='it does not answer')
        with mock.patch.object(self.rt.keys, 'create', side_effect=away):
            error = self.assertRaises(exception.KeyUnavailable, self.create)
        self.assertEqual(503, error.status)
        self.assertEqual([], self.rows())

    def test_no_vault_no_key(self) -> None:
        with mock.patch.object(db_vaults, 'create', side_effect=Broken):
            self.assertRaises(Broken, self.create)
        self.assertEqual('{}', self.keys())

    def test_the_first_error_is_the_one_that_is_seen(self) -> None:
        away = exception.KeyUnavailable(reason='it does not answer')
        with (
            mock.patch.object(db_vaults, 'create', side_effect=Broken),
            mock.patch.object(self.rt.keys, 'delete', side_effect=away),
        ):
            self.assertRaises(Broken, self.create)

    def test_a_vault_that_was_made_keeps_its_key(self) -> None:
        # As when the connection breaks just behind the commit.
        real = self.rt.db.run

        def run(work: Any) -> None:
            real(work)
            raise Broken

        with mock.patch.object(self.rt.db, 'run', run):
            self.assertRaises(Broken, self.create)
        (vault,) = self.rows()
        self.rt.keys.get(vault.key_ref)

    def test_a_key_stays_when_nobody_knows(self) -> None:
        with (
            mock.patch.object(db_vaults, 'create', side_effect=Broken),
            mock.patch.object(db_vaults, 'get', side_effect=OSError),
        ):
            self.assertRaises(Broken, self.create)
        self.assertNotEqual('{}', self.keys())
