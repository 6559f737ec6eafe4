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

"""Restoring items: onto new volumes and onto old ones."""

import itertools

from csbs.store import errors
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK


class TestRestore(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.data = vaults.noise(2 * vaults.LEAF + 77)
        self.data[vaults.LEAF : vaults.LEAF + 9 * CHUNK] = bytes(9 * CHUNK)
        self.item = self.vault.item(self.vault.backup(self.data))

    def restore(self, target: volumes.Volume) -> None:
        done: list[int] = []
        self.stats = self.vault.repository.restore_item(
            self.item, target, progress=done.append
        )
        self.assertEqual(self.item.size, sum(done))
        self.assertEqual(self.data, target.data[: len(self.data)])

    def test_blank(self) -> None:
        target = volumes.blank(len(self.data))
        self.restore(target)
        self.assertEqual(0, target.read_bytes)
        self.assertEqual([], target.zeroed)
        self.assertEqual(len(self.data) - 9 * CHUNK, self.stats.written_bytes)
        self.assertEqual(1, target.flushed)

    def test_onto_itself_writes_nothing(self) -> None:
        target = volumes.Volume(self.data)
        self.restore(target)
        self.assertEqual([], target.written)
        self.assertEqual([], target.zeroed)
        self.assertEqual(0, self.stats.fetched_bytes)

    def test_onto_other_data(self) -> None:
        target = volumes.Volume(b'\xff' * len(self.data))
        self.restore(target)
        self.assertEqual(9 * CHUNK, self.stats.zeroed_bytes)
        self.assertEqual(9 * CHUNK, sum(n for _, n in target.zeroed))

    def test_writes_only_what_differs(self) -> None:
        target = volumes.Volume(self.data)
        target.data[3 * CHUNK + 5] ^= 1
        target.data[vaults.LEAF + CHUNK] = 1
        self.restore(target)
        self.assertEqual([(3 * CHUNK, CHUNK)], target.written)
        self.assertEqual([(vaults.LEAF + CHUNK, CHUNK)], target.zeroed)

    def test_reads_no_holes(self) -> None:
        size = len(self.data)
        target = volumes.Volume(
            bytes(size),
            extents=[
                (3 * CHUNK + 1, CHUNK),
                (vaults.LEAF + 2 * CHUNK, 5),
                (size - 7, 7),
            ],
        )
        target.data[3 * CHUNK : 5 * CHUNK] = self.data[3 * CHUNK : 5 * CHUNK]
        target.data[vaults.LEAF + 2 * CHUNK] = 1
        self.restore(target)
        self.assertEqual(3 * CHUNK + 77, target.read_bytes)
        self.assertNotIn((3 * CHUNK, CHUNK), target.written)
        self.assertEqual([(vaults.LEAF + 2 * CHUNK, CHUNK)], target.zeroed)

    def test_a_volume_that_is_one_hole(self) -> None:
        target = volumes.Volume(bytes(len(self.data)), extents=[])
        self.restore(target)
        self.assertEqual(0, target.read_bytes)

    def test_a_larger_volume_keeps_its_end(self) -> None:
        target = volumes.Volume(b'\xff' * (len(self.data) + 1000))
        self.restore(target)
        self.assertEqual(b'\xff' * 1000, target.data[len(self.data) :])

    def test_all_zero(self) -> None:
        self.data = bytearray(3 * vaults.LEAF + 5)
        self.item = self.vault.item(self.vault.backup(self.data))
        self.restore(volumes.blank(len(self.data)))
        target = volumes.Volume(self.data)
        self.restore(target)
        self.assertEqual([], target.zeroed)
        self.restore(volumes.Volume(b'\x01' * len(self.data)))
        self.assertEqual(len(self.data), self.stats.zeroed_bytes)

    def test_a_smaller_volume_is_refused(self) -> None:
        target = volumes.blank(len(self.data) - 1)
        self.assertRaises(
            errors.TargetTooSmall,
            self.vault.repository.restore_item,
            self.item,
            target,
        )
        self.assertEqual([], target.written)

    def test_neighbours_are_fetched_together(self) -> None:
        calls = []
        opened = self.vault.hooked(
            lambda method, name: calls.append((method, name))
        )
        opened.restore_item(self.item, volumes.blank(len(self.data)))
        # A run of 16 chunks each, some of them in two packs, and the maps.
        self.assertLess(len(calls), 2 * 2 * 512 // 16)

    def test_check_comes_out_unchanged(self) -> None:
        calls = itertools.count()
        stop = KeyError('stop')

        def check() -> None:
            if next(calls) == 5:
                raise stop

        error = self.assertRaises(
            KeyError,
            self.vault.repository.restore_item,
            self.item,
            volumes.blank(len(self.data)),
            check=check,
        )
        self.assertIs(stop, error)

    def test_write_error_comes_out_unchanged(self) -> None:
        class Broken(volumes.Volume):
            def write(self, offset: int, data: memoryview) -> None:
                raise broken

        broken = OSError(5, 'the disk is gone')
        error = self.assertRaises(
            OSError,
            self.vault.repository.restore_item,
            self.item,
            Broken(bytes(len(self.data)), blank=True),
        )
        self.assertIs(broken, error)
