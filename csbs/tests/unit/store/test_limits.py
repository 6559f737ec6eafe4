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

"""Limits: no faster and no larger than allowed."""

import dataclasses
import uuid

from csbs.store import options as store_options
from csbs.store.objects import limited
from csbs.store.objects import memory
from csbs.tests import base
from csbs.tests.unit.store import suite
from csbs.tests.unit.store import vaults

MIB = 1 << 20


class TestContract(suite.ObjectStoreSuite, base.TestCase):
    """A limited store is an object store like any other."""

    def open_store(self, container: str) -> limited.LimitedStore:
        inner = memory.MemoryStore(f'{self.prefix}{container}')
        return limited.LimitedStore(inner, 1 << 30)

    def setUp(self) -> None:
        self.prefix = uuid.uuid4().hex
        super().setUp()


class TestBandwidth(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = 5.0
        self.store = limited.LimitedStore(
            memory.MemoryStore(uuid.uuid4().hex),
            4 * MIB,
            lambda: self.now,
            self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def test_takes_its_time(self) -> None:
        for _turn in range(6):
            self.store.put('a', bytes(MIB))
            self.store.get('a')
        # One second is free, and the last one is not waited for.
        self.assertEqual(5 + 11 / 4 - 1, self.now)

    def test_what_was_not_used_is_not_saved_up(self) -> None:
        self.now += 1000
        for _turn in range(9):
            self.store.put('a', bytes(MIB))
        self.assertEqual(1005 + 8 / 4 - 1, self.now)

    def test_a_task_is_limited(self) -> None:
        vault = vaults.Vault(
            dataclasses.replace(vaults.OPTIONS, bandwidth=1 << 40)
        )
        data = vaults.noise(MIB)
        self.assertEqual(data, vault.content(vault.backup(data)))
        self.assertIsInstance(
            vault.repository._core.objects, limited.LimitedStore
        )


class TestMemory(base.TestCase):
    def test_no_limit_changes_nothing(self) -> None:
        options = store_options.Options()
        self.assertEqual(options, options.fitted())
        self.assertLess(options.buffers, 320 * MIB)

    def test_buffers_fit(self) -> None:
        for limit in (96, 128, 200, 256, 400):
            options = store_options.Options(memory=limit * MIB).fitted()
            room = (limit - 48) * MIB
            self.assertLessEqual(options.buffers, room, limit)

    def test_the_least_that_works(self) -> None:
        options = store_options.Options(memory=1).fitted()
        self.assertEqual(1, options.threads)
        self.assertLess(options.buffers, 48 * MIB)

    def test_a_small_limit_still_works(self) -> None:
        vault = vaults.Vault(dataclasses.replace(vaults.OPTIONS, memory=1))
        data = vaults.noise(vaults.LEAF)
        backup = vault.backup(data)
        self.assertEqual(data, vault.content(backup))

    def test_options_are_checked(self) -> None:
        for values in (
            {'bandwidth': -1},
            {'memory': -1},
            {'waste_share': 1.5},
            {'borrow_ahead': -1},
        ):
            self.assertRaises(ValueError, store_options.Options, **values)
