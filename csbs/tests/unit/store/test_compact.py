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

"""Compaction: little waste is left, and nobody loses a byte to it."""

import os
import random
import uuid

import hypothesis
from hypothesis import strategies as st

from csbs.store import errors
from csbs.store import repository
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK

_NIGHTLY = os.environ.get('CSBS_HYPOTHESIS_PROFILE') == 'nightly'


class TestCompact(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make()

    def make(self) -> None:
        """Make a vault of which a half is waste."""
        self.vault = vaults.Vault()
        self.repository = self.vault.repository
        self.data = vaults.noise(2 * vaults.LEAF)
        self.first = self.vault.backup(self.data)
        # Every second chunk changes: half of every pack is waste later.
        for place in range(0, len(self.data), 2 * CHUNK):
            self.data[place] ^= 1
        self.second = self.vault.backup(self.data, self.first)
        self.third = self.vault.backup(self.data, self.second)
        self.repository.forget(self.first)

    def check(self) -> None:
        for backup in (self.second, self.third):
            self.assertEqual(self.data, self.vault.content(backup))
            report = self.repository.verify(backup, deep=True)
            self.assertEqual((), report.problems)

    def test_takes_what_is_needed_out_of_packs(self) -> None:
        before = self.repository.stored_bytes()
        stats = self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertGreater(stats.moved_bytes, vaults.LEAF * 3 // 4)
        self.assertLess(stats.waste_bytes, stats.live_bytes // 10)
        self.assertLess(self.repository.stored_bytes(), before * 3 // 4)
        self.assertLess(vaults.dead_share(self.vault), 0.08)
        self.check()
        again = self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual((0, 0), (again.moved_bytes, again.deleted))

    def test_incrementals_go_on_after_it(self) -> None:
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.vault.backup(self.data, self.third)
        self.assertEqual(0, self.vault.stats.transferred_bytes)
        self.assertEqual(0, self.vault.stats.changed_bytes)
        items = [self.vault.item(each) for each in (self.second, self.third)]
        self.assertEqual(0, self.repository.changed_bytes(*items))

    def test_moved_chunks_are_found(self) -> None:
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.vault.backup(self.data)
        self.assertEqual(0, self.vault.stats.transferred_bytes)

    def test_dies_anywhere(self) -> None:
        for calls in range(1, 70, 3):
            failing = self.vault.hooked(vaults.Countdown(calls, vaults.fail))
            try:
                failing.collect(grace=vaults.NOW)
                break
            except errors.StoreError:
                pass
            self.check()
        self.check()

    def test_a_restore_goes_on_while_chunks_are_moved(self) -> None:
        for call in range(1, 30, 2):
            self.make()

            def collect(_method: str) -> None:
                for _turn in range(3):
                    self.repository.collect(grace=vaults.NOW)

            opened = self.vault.hooked(
                vaults.Countdown(call, collect, once=True)
            )
            (item,) = opened.manifest(self.second).items
            target = volumes.blank(item.size)
            opened.restore_item(item, target)
            self.assertEqual(self.data, target.data)

    def test_deleted_while_its_manifest_is_read(self) -> None:
        """It is gone then; nobody is sent to where its maps were."""
        for call in (1, 2):
            self.make()
            self.repository.collect(grace=vaults.NOW, exclusive=True)
            opened = self.vault.hooked(
                vaults.Countdown(
                    call,
                    lambda _method: self.repository.forget(self.second),
                    once=True,
                )
            )
            self.assertRaises(
                errors.BackupMissing, opened.manifest, self.second
            )

    def die_at(self, prefix: str) -> repository.Repository:
        """Open a vault that is away once an object is written.

        Before that the maps move, and what they were moved from is deleted.
        """
        self.dead = False

        def hook(method: str, name: str) -> None:
            if self.dead:
                vaults.fail(method)
            if method == 'put' and name.startswith(prefix):
                for _turn in range(3):
                    self.repository.collect(grace=vaults.NOW)
                self.dead = True

        return self.vault.hooked(hook)

    def test_a_writer_dies_before_it_looks_at_its_parent_again(self) -> None:
        writer = self.die_at('leases/').writer(uuid.uuid4(), self.third)
        self.assertRaises(errors.StoreError, writer.__enter__)
        self.assertTrue(self.dead)
        self.repository.collect(grace=vaults.NOW)
        self.check()

    def test_a_reader_dies_before_it_looks_again(self) -> None:
        opened = self.die_at('pins/')
        item = self.vault.item(self.second)
        target = volumes.blank(item.size)
        self.assertRaises(errors.StoreError, opened.restore_item, item, target)
        self.assertTrue(self.dead)
        self.repository.collect(grace=vaults.NOW)
        self.check()

    def test_an_item_that_was_read_before_is_restored(self) -> None:
        item = self.vault.item(self.second)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        target = volumes.blank(item.size)
        self.repository.restore_item(item, target)
        self.assertEqual(self.data, target.data)

    def test_items_that_were_read_before_are_compared(self) -> None:
        self.data[0] ^= 2
        last = self.vault.backup(self.data, self.third)
        one, two = self.vault.item(self.second), self.vault.item(last)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual(CHUNK, self.repository.changed_bytes(one, two))
        self.repository.forget(self.second)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertRaises(
            errors.BackupMissing, self.repository.changed_bytes, one, two
        )

    def test_restoring_a_deleted_backup(self) -> None:
        item = self.vault.item(self.second)
        self.repository.forget(self.second)
        self.assertRaises(
            errors.BackupMissing,
            self.repository.restore_item,
            item,
            volumes.blank(item.size),
        )
        self.assertEqual([], self.vault.names('pins/'))

    def test_a_backup_goes_on_while_chunks_are_moved(self) -> None:
        self.data[5] ^= 1
        for call in range(1, 40, 3):

            def collect(_method: str) -> None:
                for _turn in range(3):
                    self.repository.collect(grace=vaults.NOW)

            opened = self.vault.hooked(
                vaults.Countdown(call, collect, once=True)
            )
            backup = uuid.uuid4()
            item = self.vault.item(self.third).id
            with opened.writer(backup, self.third) as writer:
                writer.write_item(
                    uuid.uuid4(), volumes.Volume(self.data), item
                )
                writer.commit({})
            for _turn in range(3):
                self.repository.collect(grace=vaults.NOW)
            self.assertEqual(self.data, self.vault.content(backup))

    def test_a_backup_that_is_deleted_meanwhile_stays_deleted(self) -> None:
        def hook(method: str, name: str) -> None:
            if method == 'put' and name.startswith('roots/'):
                self.repository.forget(self.second)

        self.vault.hooked(hook).collect(grace=vaults.NOW)
        self.assertEqual([self.third], list(self.repository.backups()))
        self.assertEqual(self.data, self.vault.content(self.third))
        for _turn in range(3):
            self.repository.collect(grace=vaults.NOW)
        self.assertNotIn(f'roots/{self.second}', self.vault.names())

    def test_what_somebody_uses_stays_where_it_is(self) -> None:
        item = self.vault.item(self.third).id
        with self.repository.writer(uuid.uuid4(), self.third) as writer:
            before = self.vault.names('packs/')
            stats = self.repository.collect(grace=vaults.NOW)
            self.assertEqual(0, stats.moved_bytes)
            self.assertEqual(before, self.vault.names('packs/'))
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data), item)
            writer.commit({})
        stats = self.repository.collect(grace=vaults.NOW)
        self.assertGreater(stats.moved_bytes, 0)

    def test_damage_is_left_alone(self) -> None:
        name = max(self.vault.names('packs/'), key=self.vault.objects.size)
        data = bytearray(self.vault.objects.get(name))
        data[100] ^= 1
        self.vault.objects.put(name, data)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        if name in self.vault.names():
            self.assertEqual(data, self.vault.objects.get(name))
        self.assertEqual(
            {self.second, self.third}, set(self.repository.backups())
        )


class TestDeadBytes(base.TestCase):
    @hypothesis.settings(
        max_examples=200 if _NIGHTLY else 6,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        seed=st.integers(0, 1 << 32),
        deletes=st.lists(st.integers(0, 50), min_size=1, max_size=7),
    )
    def test_under_a_fifth_after_any_deletes(
        self, seed: int, deletes: list[int]
    ) -> None:
        vault = vaults.Vault()
        chosen = random.Random(seed)
        data = vaults.noise(vaults.LEAF, seed)
        there: list[uuid.UUID] = []
        held: dict[uuid.UUID, bytes] = {}
        for _turn in range(8):
            backup = vault.backup(data, there[-1] if there else None)
            there.append(backup)
            held[backup] = bytes(data)
            for _edit in range(chosen.randrange(60)):
                place = chosen.randrange(len(data) - 2 * CHUNK)
                data[place : place + CHUNK] = chosen.randbytes(CHUNK)
        for number in deletes:
            backup = there.pop(number % len(there))
            vault.repository.forget(backup)
            vault.repository.collect(grace=vaults.NOW, exclusive=True)
            self.assertLess(vaults.dead_share(vault), 0.2)
            for left in there:
                self.assertEqual(held[left], vault.content(left))
