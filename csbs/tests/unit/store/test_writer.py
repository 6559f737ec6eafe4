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

"""Writing backups: what is read, sent and kept; crashes and resuming."""

import datetime
import itertools
import threading
import uuid

from csbs.store import errors
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK


class Boom(BaseException):
    """Something that no except clause of the store may swallow."""


class TestWriteItem(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()

    def test_sizes_around_the_edges(self) -> None:
        for size in (
            0,
            1,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
            vaults.LEAF - 1,
            vaults.LEAF,
            vaults.LEAF + 1,
            3 * vaults.LEAF + 5,
        ):
            data = vaults.noise(size, size)
            backup = self.vault.backup(data)
            self.assertEqual(data, self.vault.content(backup))
            self.assertEqual(size, self.vault.stats.size)
            self.assertEqual(size, self.vault.stats.transferred_bytes)
            self.assertEqual(size, self.vault.stats.changed_bytes)

    def test_zeros_are_never_stored(self) -> None:
        backup = self.vault.backup(bytes(2 * vaults.LEAF + 100))
        self.assertEqual([], self.vault.names('packs/'))
        self.assertIsNone(self.vault.item(backup).root)
        self.assertEqual(0, self.vault.stats.stored_bytes)
        self.assertEqual(
            bytearray(2 * vaults.LEAF + 100), self.vault.content(backup)
        )

    def test_equal_chunks_are_stored_once(self) -> None:
        data = vaults.noise(CHUNK) * 200
        backup = self.vault.backup(data)
        self.assertLess(self.vault.stats.transferred_bytes, 10 * CHUNK)
        self.assertEqual(200 * CHUNK, self.vault.stats.changed_bytes)
        self.assertEqual(data, self.vault.content(backup))

    def test_compressible_data_shrinks(self) -> None:
        data = bytearray(b'csbs' * 100_000)
        backup = self.vault.backup(data)
        self.assertLess(self.vault.stats.stored_bytes, len(data) // 10)
        self.assertEqual(data, self.vault.content(backup))

    def test_incremental_sends_what_changed(self) -> None:
        data = vaults.noise(3 * vaults.LEAF)
        first = self.vault.backup(data)
        before = self.vault.repository.stored_bytes()
        data[10] ^= 1
        data[2 * vaults.LEAF + 5] ^= 1
        second = self.vault.backup(data, first)
        self.assertEqual(2 * CHUNK, self.vault.stats.changed_bytes)
        self.assertEqual(2 * CHUNK, self.vault.stats.transferred_bytes)
        grown = self.vault.repository.stored_bytes() - before
        self.assertLess(grown, 2 * CHUNK + 3 * 14_000)
        self.assertEqual(data, self.vault.content(second))

    def test_unchanged_sends_nothing(self) -> None:
        data = vaults.noise(3 * vaults.LEAF)
        first = self.vault.backup(data)
        second = self.vault.backup(data, first)
        self.assertEqual(0, self.vault.stats.transferred_bytes)
        self.assertEqual(0, self.vault.stats.stored_bytes)
        self.assertEqual(
            self.vault.item(first).root, self.vault.item(second).root
        )

    def test_grown_and_shrunk(self) -> None:
        sizes = [
            100,
            CHUNK,
            CHUNK + 100,
            vaults.LEAF,
            vaults.LEAF + 100,
            2 * vaults.LEAF + CHUNK,
        ]
        whole = vaults.noise(max(sizes))
        for one, other in itertools.permutations(sizes, 2):
            first = self.vault.backup(whole[:one])
            second = self.vault.backup(whole[:other], first)
            self.assertEqual(whole[:other], self.vault.content(second))
            self.assertEqual(
                self.vault.repository.changed_bytes(
                    self.vault.item(first), self.vault.item(second)
                ),
                self.vault.stats.changed_bytes,
            )

    def test_only_extents_are_read(self) -> None:
        data = bytearray(3 * vaults.LEAF)
        data[5000:5003] = b'abc'
        volume = volumes.Volume(data, extents=[(5000, 3)])
        backup = self.vault.backup(volume)
        self.assertEqual(CHUNK, volume.read_bytes)
        self.assertEqual(data, self.vault.content(backup))

    def test_only_changes_are_read(self) -> None:
        data = vaults.noise(3 * vaults.LEAF)
        first = self.vault.backup(data)
        data[-3:] = b'abc'
        volume = volumes.Volume(data, changes={first: [(len(data) - 3, 3)]})
        second = self.vault.backup(volume, first)
        self.assertEqual(CHUNK, volume.read_bytes)
        self.assertEqual(data, self.vault.content(second))

    def test_changes_of_another_backup_are_not_used(self) -> None:
        data = vaults.noise(2 * CHUNK)
        first = self.vault.backup(bytes(2 * CHUNK))
        volume = volumes.Volume(data, changes={uuid.uuid4(): []})
        second = self.vault.backup(volume, first)
        self.assertEqual(data, self.vault.content(second))

    def test_changes_and_a_new_size(self) -> None:
        whole = vaults.noise(2 * vaults.LEAF + 50)
        sizes = [10, CHUNK, 3 * CHUNK + 1, vaults.LEAF, len(whole)]
        for one, other in itertools.permutations(sizes, 2):
            first = self.vault.backup(whole[:one])
            volume = volumes.Volume(whole[:other], changes={first: []})
            second = self.vault.backup(volume, first)
            self.assertEqual(whole[:other], self.vault.content(second))

    def test_disordered_extents_are_refused(self) -> None:
        volume = volumes.Volume(bytes(100), extents=[(50, 1), (0, 1)])
        self.assertRaises(ValueError, self.vault.backup, volume)

    def test_progress_adds_up(self) -> None:
        data = vaults.noise(vaults.LEAF + 1234) + bytes(5 * vaults.LEAF)
        first = self.vault.backup(data)
        item = self.vault.item(first).id
        for extents in (None, [(0, vaults.LEAF + 1234)], []):
            told: list[dict[uuid.UUID, list[tuple[int, int]]]] = [
                {},
                {first: []},
                {first: [(0, 5)]},
            ]
            for changes in told:
                done: list[int] = []
                with self.vault.repository.writer(
                    uuid.uuid4(), first
                ) as writer:
                    writer.write_item(
                        uuid.uuid4(),
                        volumes.Volume(data, extents=extents, changes=changes),
                        item,
                        progress=done.append,
                    )
                self.assertEqual(len(data), sum(done))

    def test_check_stops_and_comes_out_unchanged(self) -> None:
        boom = Boom()
        calls = itertools.count()

        def check() -> None:
            if next(calls) == 5:
                raise boom

        with self.vault.repository.writer(uuid.uuid4()) as writer:
            try:
                writer.write_item(
                    uuid.uuid4(),
                    volumes.Volume(vaults.noise(vaults.LEAF)),
                    check=check,
                )
                self.fail('nothing was raised')
            except Boom as error:
                self.assertIs(boom, error)

    def test_read_error_comes_out_unchanged(self) -> None:
        class Broken(volumes.Volume):
            def read_into(self, offset: int, buffer: memoryview) -> None:
                raise broken

        broken = OSError(5, 'the disk is gone')
        with self.vault.repository.writer(uuid.uuid4()) as writer:
            error = self.assertRaises(
                OSError,
                writer.write_item,
                uuid.uuid4(),
                Broken(bytes(CHUNK)),
            )
        self.assertIs(broken, error)

    def test_an_item_is_written_once(self) -> None:
        item = uuid.uuid4()
        with self.vault.repository.writer(uuid.uuid4()) as writer:
            writer.write_item(item, volumes.Volume(b'a'))
            self.assertRaises(
                ValueError, writer.write_item, item, volumes.Volume(b'a')
            )

    def test_threads_end(self) -> None:
        self.vault.backup(vaults.noise(vaults.LEAF))
        alive = [
            thread.name
            for thread in threading.enumerate()
            if thread.name.startswith('csbs-')
        ]
        self.assertEqual([], alive)


class TestParent(base.TestCase):
    """A parent in any state is no reason to fail."""

    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.data = vaults.noise(2 * vaults.LEAF)
        self.parent = self.vault.backup(self.data)
        self.item = self.vault.item(self.parent)

    def write(self, volume: volumes.Volume) -> uuid.UUID:
        backup = uuid.uuid4()
        with self.vault.repository.writer(backup, self.parent) as writer:
            self.stats = writer.write_item(uuid.uuid4(), volume, self.item.id)
            writer.commit({})
        self.assertEqual(self.data, self.vault.content(backup))
        return backup

    def test_missing(self) -> None:
        self.vault.repository.forget(self.parent)
        backup = self.write(volumes.Volume(self.data))
        self.assertIsNone(self.vault.repository.manifest(backup).parent)

    def test_deleted_just_before_the_lease(self) -> None:
        def hook(method: str, name: str) -> None:
            if method == 'put' and name.startswith('leases/'):
                self.vault.objects.delete(f'manifests/{self.parent}')

        opened = self.vault.hooked(hook)
        with opened.writer(uuid.uuid4(), self.parent) as writer:
            self.assertIsNone(writer.parent)

    def test_damaged_manifest(self) -> None:
        self.vault.objects.put(f'manifests/{self.parent}', b'x' * 100)
        self.write(volumes.Volume(self.data))

    def test_lost_packs_are_stored_anew(self) -> None:
        for name in self.vault.names('packs/'):
            self.vault.objects.delete(name)
            self.write(volumes.Volume(self.data))

    def test_lost_maps_are_stored_anew(self) -> None:
        assert self.item.root
        lost = self.item.root.pack
        self.vault.objects.delete(f'packs/{lost[:16].hex()}/{lost[16:].hex()}')
        volume = volumes.Volume(self.data, changes={self.parent: []})
        self.write(volume)
        self.assertEqual(len(self.data), volume.read_bytes)

    def test_damaged_maps_are_stored_anew(self) -> None:
        assert self.item.root
        lost = self.item.root.pack
        name = f'packs/{lost[:16].hex()}/{lost[16:].hex()}'
        size = self.vault.objects.size(name)
        self.vault.objects.put(name, bytes(size))
        self.write(volumes.Volume(self.data, changes={self.parent: []}))


class TestResume(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.data = vaults.noise(2 * vaults.LEAF)
        self.backup = uuid.uuid4()

    def attempt(self, *, fail_after: int = 0) -> int:
        """Write as far as the store holds; return what was sent."""
        repository = self.vault.repository
        if fail_after:
            repository = self.vault.hooked(
                vaults.Countdown(fail_after, vaults.fail)
            )
        with repository.writer(self.backup) as writer:
            stats = writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            writer.commit({})
        return stats.transferred_bytes

    def test_sends_only_what_did_not_arrive(self) -> None:
        self.assertRaises(errors.StoreError, self.attempt, fail_after=10)
        arrived = self.vault.names('packs/')
        self.assertNotEqual([], arrived)
        sent = self.attempt()
        self.assertLess(sent, len(self.data) - (len(arrived) - 1) * 200 * 1024)
        self.assertEqual(self.data, self.vault.content(self.backup))

    def test_a_failure_at_any_call(self) -> None:
        for calls in range(1, 30):
            self.backup = uuid.uuid4()
            try:
                self.attempt(fail_after=calls)
            except errors.StoreError:
                if self.backup not in self.vault.repository.backups():
                    self.attempt()
            self.assertEqual(self.data, self.vault.content(self.backup))
            self.vault.repository.abandon(self.backup)
            self.vault.repository.forget(self.backup)
            self.vault.repository.collect(grace=vaults.NOW, exclusive=True)
            self.assertEqual(['vault'], self.vault.names())

    def test_packs_that_are_damaged_are_not_used(self) -> None:
        self.assertRaises(errors.StoreError, self.attempt, fail_after=12)
        for name in self.vault.names('packs/'):
            data = bytearray(self.vault.objects.get(name))
            data[-60] ^= 1
            self.vault.objects.put(name, data)
        self.assertEqual(len(self.data), self.attempt())
        self.assertEqual(self.data, self.vault.content(self.backup))

    def test_condemned_packs_are_not_used(self) -> None:
        self.assertRaises(errors.StoreError, self.attempt, fail_after=12)
        late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(2)
        stats = self.vault.repository.collect(now=late)
        self.assertGreater(stats.condemned, 0)
        self.assertEqual(len(self.data), self.attempt())

    def test_without_its_lease_nothing_is_relied_on(self) -> None:
        """Its packs may be condemned, and a late list not say so."""
        self.assertRaises(errors.StoreError, self.attempt, fail_after=12)
        self.assertNotEqual([], self.vault.names('packs/'))
        self.vault.objects.delete(f'leases/{self.backup}')
        self.assertEqual(len(self.data), self.attempt())
        self.assertEqual(self.data, self.vault.content(self.backup))

    def test_a_lease_that_is_damaged(self) -> None:
        self.assertRaises(errors.StoreError, self.attempt, fail_after=12)
        self.vault.objects.put(f'leases/{self.backup}', b'rubbish')
        self.assertEqual(len(self.data), self.attempt())

    def test_a_finished_backup_is_not_written_again(self) -> None:
        self.attempt()
        self.assertRaises(errors.BackupExists, self.attempt)

    def test_of_two_writers_the_later_wins(self) -> None:
        with self.vault.repository.writer(self.backup) as first:
            first.write_item(uuid.uuid4(), volumes.Volume(b'a'))
            with self.vault.repository.writer(self.backup) as second:
                self.assertRaises(errors.LeaseLost, first.commit, {})
                second.write_item(uuid.uuid4(), volumes.Volume(b'b'))
                second.commit({})
        self.assertEqual(b'b', self.vault.content(self.backup))

    def test_commit_after_being_abandoned(self) -> None:
        with self.vault.repository.writer(self.backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(b'a'))
            self.vault.repository.abandon(self.backup)
            self.assertRaises(errors.LeaseLost, writer.commit, {})
        self.assertEqual([], list(self.vault.repository.backups()))

    def test_commit_where_lists_are_late(self) -> None:
        repository = self.vault.late()
        with repository.writer(self.backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            writer.commit({})
        self.assertEqual(self.data, self.vault.content(self.backup))

    def test_packs_taken_away_that_are_listed_still(self) -> None:
        late = vaults.Late(self.vault.objects)
        with self.vault.over(late).writer(self.backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            late.listed = list(self.vault.objects.list(''))
            self.vault.objects.delete(self.vault.names('packs/')[0])
            self.assertRaises(errors.LeaseLost, writer.commit, {})

    def test_commit_after_packs_were_taken_away(self) -> None:
        with self.vault.repository.writer(self.backup) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            for name in self.vault.names('packs/'):
                self.vault.objects.delete(name)
            self.assertRaises(errors.LeaseLost, writer.commit, {})
