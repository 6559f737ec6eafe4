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

"""Chunks of the whole vault are stored once; what finds them may be lost."""

import dataclasses
import datetime
import uuid

from csbs.store import codec
from csbs.store import condemned
from csbs.store import errors
from csbs.store import lookup
from csbs.store import names
from csbs.store import survey as store_survey
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK


class TestBorrowing(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.image = vaults.noise(2 * vaults.LEAF)
        self.first = self.vault.backup(self.image)

    def test_two_servers_of_one_image_share_it(self) -> None:
        second = self.vault.backup(self.image)
        self.assertEqual(0, self.vault.stats.transferred_bytes)
        self.assertEqual(self.image, self.vault.content(second))

    def test_a_copy_at_another_place(self) -> None:
        moved = bytearray(5 * CHUNK) + self.image
        backup = self.vault.backup(moved)
        self.assertEqual(0, self.vault.stats.transferred_bytes)
        self.assertEqual(moved, self.vault.content(backup))

    def test_it_is_found_after_its_first_backup_is_deleted(self) -> None:
        self.vault.backup(self.image, self.first)
        self.vault.repository.forget(self.first)
        self.vault.repository.collect(grace=vaults.NOW, exclusive=True)
        self.vault.backup(self.image)
        self.assertEqual(0, self.vault.stats.transferred_bytes)

    def test_lost_lists_cost_space_only(self) -> None:
        for name in self.vault.names('lookup/'):
            self.vault.objects.delete(name)
        self.copy_is_stored_anew()

    def test_damaged_lists_cost_space_only(self) -> None:
        for name in self.vault.names('lookup/'):
            data = bytearray(self.vault.objects.get(name))
            data[len(data) // 2] ^= 4
            self.vault.objects.put(name, data)
        self.copy_is_stored_anew()

    def test_lists_of_packs_that_are_gone_cost_space_only(self) -> None:
        for name in self.vault.names('packs/'):
            self.vault.objects.delete(name)
        self.copy_is_stored_anew()

    def copy_is_stored_anew(self) -> None:
        backup = self.vault.backup(self.image)
        stored = self.vault.stats.transferred_bytes
        self.assertEqual(len(self.image), stored)
        self.assertEqual(self.image, self.vault.content(backup))

    def test_condemned_packs_come_back_to_use(self) -> None:
        self.vault.repository.forget(self.first)
        self.vault.repository.collect(grace=vaults.NOW)
        backup = self.vault.backup(self.image)
        self.assertEqual(0, self.vault.stats.transferred_bytes)
        stats = self.vault.repository.collect(grace=vaults.NOW)
        self.assertEqual(0, stats.dead_bytes)
        self.assertEqual(self.image, self.vault.content(backup))

    def test_doomed_packs_are_not_borrowed(self) -> None:
        """A collection may delete them, whatever the writer does now."""
        core = self.vault.repository._core
        condemned.doom(core, store_survey.pack_sizes(core))
        self.copy_is_stored_anew()

    def test_doomed_packs_that_were_spared_are_borrowed_again(self) -> None:
        core = self.vault.repository._core
        condemned.doom(core, store_survey.pack_sizes(core))
        now = datetime.datetime.now(datetime.UTC)
        self.vault.repository.collect(now=now)
        self.copy_is_stored_anew()
        self.vault.repository.collect(now=now + 2 * core.options.lease_ttl)
        self.assertEqual([], self.vault.names('doomed/'))
        self.vault.backup(self.image)
        self.assertEqual(0, self.vault.stats.transferred_bytes)

    def test_marks_of_packs_that_are_gone_go(self) -> None:
        core = self.vault.repository._core
        condemned.doom(core, [names.new_pack(self.first)])
        self.vault.repository.collect()
        self.assertEqual([], self.vault.names('doomed/'))

    def test_a_borrowed_pack_is_spared(self) -> None:
        """Its owner goes, and collections run, while it is borrowed."""
        backup = uuid.uuid4()
        with self.vault.repository.writer(backup) as writer:
            stats = writer.write_item(uuid.uuid4(), volumes.Volume(self.image))
            self.vault.repository.forget(self.first)
            for _turn in range(3):
                self.vault.repository.collect(grace=vaults.NOW)
            writer.commit({})
        self.assertEqual(0, stats.transferred_bytes)
        for _turn in range(3):
            self.vault.repository.collect(grace=vaults.NOW)
        self.assertEqual(self.image, self.vault.content(backup))

    def test_a_collection_at_any_moment(self) -> None:
        """It condemns and deletes while the writer is about to borrow."""
        for call in range(1, 40, 2):
            vault = vaults.Vault()
            first = vault.backup(self.image)
            vault.repository.forget(first)

            def collect(_method: str, vault: vaults.Vault = vault) -> None:
                for _turn in range(3):
                    vault.repository.collect(grace=vaults.NOW)

            opened = vault.hooked(vaults.Countdown(call, collect, once=True))
            backup = uuid.uuid4()
            with opened.writer(backup) as writer:
                writer.write_item(uuid.uuid4(), volumes.Volume(self.image))
                writer.commit({})
            for _turn in range(2):
                vault.repository.collect(grace=vaults.NOW)
            self.assertEqual(self.image, vault.content(backup))

    def test_a_backup_at_any_moment_of_a_collection(self) -> None:
        for call in range(1, 40, 2):
            vault = vaults.Vault()
            first = vault.backup(self.image)
            vault.repository.forget(first)
            vault.repository.collect(grace=vaults.NOW)
            stack = []

            def borrow(
                _method: str,
                vault: vaults.Vault = vault,
                stack: list[uuid.UUID] = stack,
            ) -> None:
                stack.append(vault.backup(self.image))

            vault.hooked(vaults.Countdown(call, borrow, once=True)).collect(
                grace=vaults.NOW
            )
            for _turn in range(2):
                vault.repository.collect(grace=vaults.NOW)
            for backup in stack:
                self.assertEqual(self.image, vault.content(backup))

    def test_switched_off(self) -> None:
        options = dataclasses.replace(vaults.OPTIONS, borrow_ahead=0)
        self.vault = vaults.Vault(options)
        self.vault.backup(self.image)
        self.copy_is_stored_anew()

    def test_no_more_packs_than_allowed(self) -> None:
        options = dataclasses.replace(vaults.OPTIONS, borrow_packs=2)
        self.vault = vaults.Vault(options)
        self.vault.backup(self.image)
        backup = self.vault.backup(self.image)
        stored = self.vault.stats.transferred_bytes
        self.assertGreater(stored, len(self.image) - 3 * (256 << 10))
        self.assertLess(stored, len(self.image))
        self.assertEqual(self.image, self.vault.content(backup))

    def test_fewer_hooks_still_find_whole_images(self) -> None:
        """Who finds one chunk of a pack finds those behind it."""
        options = dataclasses.replace(vaults.OPTIONS, lookup_hooks=128)
        self.vault = vaults.Vault(options)
        self.vault.backup(self.image)
        self.vault.backup(self.image)
        stored = self.vault.stats.transferred_bytes
        self.assertLess(stored, len(self.image) // 3)


class TestHooks(base.TestCase):
    def hooks(self, count: int, pack: int) -> lookup.Hooks:
        found = lookup.Hooks()
        found.add(
            codec.Entry(
                bytes(vaults.noise(32, pack * 1000 + number)),
                bytes([pack]) * 32,
                16,
                17,
                1,
                0,
            )
            for number in range(count)
        )
        return found

    def test_encoding(self) -> None:
        hooks = self.hooks(500, 1)
        hooks.join(self.hooks(300, 2), None)
        hooks.sort()
        again = lookup.Hooks.decode(hooks.encode())
        self.assertEqual(hooks.prefixes, again.prefixes)
        self.assertEqual(hooks.places, again.places)
        self.assertEqual(hooks.packs, again.packs)
        for prefix in self.hooks(300, 2).prefixes:
            self.assertEqual([1], again.find(prefix))
        self.assertEqual([], again.find(12345))

    def test_thin(self) -> None:
        hooks = self.hooks(4000, 1)
        hooks.thin(3)
        self.assertGreater(len(hooks.prefixes), 300)
        self.assertLess(len(hooks.prefixes), 700)
        self.assertTrue(all(not prefix % 8 for prefix in hooks.prefixes))

    def test_packs_that_are_gone_are_forgotten(self) -> None:
        hooks = lookup.Hooks()
        hooks.join(self.hooks(10, 1), set())
        hooks.join(self.hooks(10, 2), {bytes([2]) * 32})
        hooks.sort()
        self.assertEqual([bytes([2]) * 32], hooks.packs)
        self.assertEqual(10, len(hooks.prefixes))

    def test_rubbish(self) -> None:
        data = self.hooks(10, 1).encode()
        for bad in (b'', data[:5], data[:-1], data + b'x', b'\2' + data[1:]):
            self.assertRaises(ValueError, lookup.Hooks.decode, bad)

    def test_many_lists_become_one(self) -> None:
        vault = vaults.Vault()
        for number in range(40):
            vault.backup(vaults.noise(2 * CHUNK, number))
        self.assertLess(len(vault.names('lookup/')), 33)
        vault.repository.collect()
        self.assertLess(len(vault.names('lookup/')), 9)
        vault.backup(vaults.noise(2 * CHUNK, 3))
        self.assertEqual(0, vault.stats.transferred_bytes)

    def test_failing_to_publish_is_no_failure(self) -> None:
        vault = vaults.Vault()

        def hook(method: str, name: str) -> None:
            if method == 'put' and name.startswith('lookup/'):
                raise errors.StoreUnwritable('the store is full')

        backup = uuid.uuid4()
        with vault.hooked(hook).writer(backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(b'abc'))
            writer.commit({})
        self.assertEqual(b'abc', vault.content(backup))
