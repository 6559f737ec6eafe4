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

"""Garbage collection: takes what is dead, spares what is not."""

import contextlib
import datetime
import uuid

from csbs.store import errors
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

HOUR = datetime.timedelta(hours=1)


class TestCollect(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.repository = self.vault.repository
        self.now = datetime.datetime.now(datetime.UTC)

    def test_spares_what_is_needed(self) -> None:
        data = vaults.noise(vaults.LEAF)
        backup = self.vault.backup(data)
        before = self.vault.names()
        for _turn in range(3):
            stats = self.repository.collect(grace=vaults.NOW, exclusive=True)
            self.assertEqual(0, stats.condemned)
        self.assertEqual(before, self.vault.names())
        self.assertEqual(stats.live_packs, len(self.vault.names('packs/')))
        self.assertEqual(data, self.vault.content(backup))

    def test_condemns_then_deletes(self) -> None:
        self.repository.forget(self.vault.backup(vaults.noise(100_000)))
        packs = self.vault.names('packs/')
        first = self.repository.collect(now=self.now)
        self.assertEqual(len(packs), first.condemned)
        self.assertEqual(0, first.deleted)
        self.assertGreater(first.dead_bytes, 100_000)
        early = self.repository.collect(now=self.now + HOUR / 2)
        self.assertEqual((0, 0), (early.condemned, early.deleted))
        self.assertEqual(packs, self.vault.names('packs/'))
        second = self.repository.collect(now=self.now + HOUR)
        self.assertEqual(len(packs), second.deleted)
        self.assertEqual(first.dead_bytes, second.freed_bytes)
        self.assertEqual(0, second.dead_bytes)
        self.assertEqual(['vault'], self.vault.names())

    def test_no_grace_still_takes_two_turns(self) -> None:
        self.repository.forget(self.vault.backup(vaults.noise(100_000)))
        stats = self.repository.collect(grace=vaults.NOW)
        self.assertEqual(0, stats.deleted)
        stats = self.repository.collect(grace=vaults.NOW)
        self.assertEqual(['vault'], self.vault.names())

    def test_exclusive_takes_one_turn(self) -> None:
        self.repository.forget(self.vault.backup(vaults.noise(100_000)))
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual(['vault'], self.vault.names())

    def test_children_keep_what_they_share(self) -> None:
        data = vaults.noise(2 * vaults.LEAF)
        parent = self.vault.backup(data)
        data[5] ^= 1
        child = self.vault.backup(data, parent)
        self.repository.forget(parent)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual(data, self.vault.content(child))
        self.repository.forget(child)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual(['vault'], self.vault.names())

    def test_spares_a_backup_that_is_being_written(self) -> None:
        data = vaults.noise(vaults.LEAF)
        backup = uuid.uuid4()
        with self.repository.writer(backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(data))
            for _turn in range(2):
                self.repository.collect(grace=vaults.NOW)
            writer.commit({})
        self.assertEqual(data, self.vault.content(backup))

    def test_a_parent_deleted_meanwhile_keeps_its_packs(self) -> None:
        data = vaults.noise(vaults.LEAF)
        parent = self.vault.backup(data)
        item = self.vault.item(parent).id
        backup = uuid.uuid4()
        with self.repository.writer(backup, parent) as writer:
            self.repository.forget(parent)
            for _turn in range(2):
                self.repository.collect(grace=vaults.NOW)
            stats = writer.write_item(uuid.uuid4(), volumes.Volume(data), item)
            writer.commit({})
        self.assertEqual(0, stats.transferred_bytes)
        for _turn in range(2):
            self.repository.collect(grace=vaults.NOW)
        self.assertEqual(data, self.vault.content(backup))

    def test_a_collection_that_missed_the_lease(self) -> None:
        """The lease is taken, and the parent deleted, under its eyes."""
        data = vaults.noise(vaults.LEAF)
        parent = self.vault.backup(data)
        item = self.vault.item(parent).id
        backup = uuid.uuid4()
        writer = self.repository.writer(backup, parent)
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)

        def hook(method: str, name: str) -> None:
            if (method, name) == ('list', 'manifests/'):
                stack.enter_context(writer)
                self.repository.forget(parent)

        stats = self.vault.hooked(hook).collect(grace=vaults.NOW)
        self.assertGreater(stats.condemned, 0)
        self.assertEqual(0, stats.deleted)
        writer_stats = writer.write_item(
            uuid.uuid4(), volumes.Volume(data), item
        )
        self.repository.collect(grace=vaults.NOW)
        writer.commit({})
        self.assertEqual(0, writer_stats.transferred_bytes)
        self.assertEqual(data, self.vault.content(backup))

    def test_stale_leases_go_with_their_packs(self) -> None:
        backup = uuid.uuid4()
        with self.repository.writer(backup) as writer:
            writer.write_item(
                uuid.uuid4(), volumes.Volume(vaults.noise(vaults.LEAF))
            )
        late = self.now + datetime.timedelta(days=2)
        self.repository.collect(now=late)
        self.assertIn(f'leases/{backup}', self.vault.names())
        self.repository.collect(now=late + HOUR)
        self.assertEqual(['vault'], self.vault.names())

    def test_dies_anywhere(self) -> None:
        for calls in range(1, 60):
            data = vaults.noise(60 * vaults.CHUNK)
            parent = self.vault.backup(data)
            data[0] ^= 1
            child = self.vault.backup(data, parent)
            self.repository.forget(parent)
            self.repository.forget(self.vault.backup(vaults.noise(9999)))
            self.repository.collect(now=self.now)
            failing = self.vault.hooked(vaults.Countdown(calls, vaults.fail))
            try:
                failing.collect(now=self.now + 2 * HOUR)
            except errors.StoreError:
                pass
            self.assertEqual(data, self.vault.content(child))
            self.repository.forget(child)
            self.repository.collect(grace=vaults.NOW, exclusive=True)
            self.assertEqual(['vault'], self.vault.names())

    def test_does_nothing_when_it_cannot_know(self) -> None:
        data = vaults.noise(100_000)
        self.vault.backup(data)
        gone = self.vault.backup(vaults.noise(100_000, 1))
        with self.repository.writer(uuid.uuid4()):
            pass
        self.repository.forget(gone)
        for prefix in ('manifests/', 'leases/'):
            (name,) = self.vault.names(prefix)
            sound = self.vault.objects.get(name)
            self.vault.objects.put(name, sound[:-1])
            before = self.vault.names()
            self.assertRaises(
                errors.Damaged,
                self.repository.collect,
                grace=vaults.NOW,
                exclusive=True,
            )
            self.assertEqual(before, self.vault.names())
            self.vault.objects.put(name, sound)

    def test_a_damaged_list_only_delays(self) -> None:
        self.repository.forget(self.vault.backup(vaults.noise(100_000)))
        self.repository.collect(now=self.now)
        (name,) = self.vault.names('condemned/')
        self.vault.objects.put(name, b'rubbish')
        stats = self.repository.collect(now=self.now + HOUR)
        self.assertEqual(0, stats.deleted)
        stats = self.repository.collect(now=self.now + 2 * HOUR)
        self.assertGreater(stats.deleted, 0)
        self.assertEqual(['vault'], self.vault.names())
