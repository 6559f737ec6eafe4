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

"""Verification: what is wrong, whom it hurts, and how it heals."""

import dataclasses
import uuid

from csbs.store import errors
from csbs.store import names
from csbs.store import verify
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK


class TestVerify(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault(
            dataclasses.replace(vaults.OPTIONS, threads=1)
        )
        self.repository = self.vault.repository
        self.data = vaults.noise(vaults.LEAF)
        self.first = self.vault.backup(self.data)
        self.data[0] ^= 1
        self.second = self.vault.backup(self.data, self.first)
        self.other = self.vault.backup(vaults.noise(9 * CHUNK, 5))

    def entry(self, backup: uuid.UUID, chunk: int) -> tuple[str, int]:
        """Return the pack and the offset of a chunk."""
        item = self.vault.item(backup)
        assert item.root
        nodes = verify.maps.NodeReader(self.repository._core)
        entry = nodes.load(item.root, item.depth)[chunk]
        return names.pack(entry.pack), entry.offset

    def damage(self, backup: uuid.UUID, chunk: int) -> str:
        name, offset = self.entry(backup, chunk)
        data = bytearray(self.vault.objects.get(name))
        data[offset + 7] ^= 16
        self.vault.objects.put(name, data)
        return name

    def test_a_sound_vault(self) -> None:
        for deep in (False, True):
            report = self.repository.verify(deep=deep)
            self.assertTrue(report.ok)
            self.assertEqual(
                {self.first, self.second, self.other}, set(report.backups)
            )
            self.assertEqual(len(self.vault.names('packs/')), report.packs)
        self.assertEqual([], self.vault.names('damaged/'))
        self.assertEqual([], self.vault.names('pins/'))

    def test_deep_names_whom_a_chunk_hurts(self) -> None:
        name = self.damage(self.first, 0)
        report = self.repository.verify(self.first, deep=False)
        (problem,) = report.problems
        self.assertEqual(name, problem.name)
        self.assertIn(self.first, problem.backups)
        self.assertNotIn(self.other, problem.backups)

    def test_a_shared_chunk_hurts_both(self) -> None:
        self.damage(self.first, 9)
        for deep in (False, True):
            report = self.repository.verify(deep=deep)
            hurt = {each for one in report.problems for each in one.backups}
            self.assertEqual({self.first, self.second}, hurt)

    def test_a_lost_pack_hurts_whom_it_was_for(self) -> None:
        name, _offset = self.entry(self.second, 0)
        self.vault.objects.delete(name)
        (problem,) = self.repository.verify(deep=False).problems
        self.assertEqual((self.second,), problem.backups)

    def test_a_damaged_map_hurts_its_backup(self) -> None:
        root = self.vault.item(self.second).root
        assert root
        name = names.pack(root.pack)
        data = bytearray(self.vault.objects.get(name))
        data[root.offset + 3] ^= 1
        self.vault.objects.put(name, data)
        report = self.repository.verify(deep=False)
        hurt = {each for one in report.problems for each in one.backups}
        self.assertEqual({self.second}, hurt)

    def test_a_damaged_manifest_hurts_its_backup(self) -> None:
        name = names.manifest(self.second)
        data = self.vault.objects.get(name)
        self.vault.objects.put(name, data[:-1])
        (problem,) = self.repository.verify(deep=False).problems
        self.assertEqual((self.second,), problem.backups)

    def test_a_sample_reads_a_part(self) -> None:
        vault = vaults.Vault(
            dataclasses.replace(vaults.OPTIONS, pack_size=20 * CHUNK)
        )
        vault.backup(vaults.noise(8 * vaults.LEAF))
        packs = len(vault.names('packs/'))
        read = [
            vault.repository.verify(deep=True, percent=20).packs
            for _turn in range(4)
        ]
        self.assertLess(sum(read), 2 * packs)
        self.assertGreater(sum(read), packs // 4)
        self.assertEqual(
            0, vault.repository.verify(deep=True, percent=0).packs
        )

    def test_a_sample_misses_no_lost_pack(self) -> None:
        name, _offset = self.entry(self.second, 0)
        self.vault.objects.delete(name)
        report = self.repository.verify(deep=False, percent=0)
        self.assertFalse(report.ok)

    def test_check_stops_it(self) -> None:
        def check() -> None:
            raise KeyError('stop')

        self.assertRaises(
            KeyError, self.repository.verify, deep=True, check=check
        )
        self.assertEqual([], self.vault.names('pins/'))

    def heals(self, volume: volumes.Volume) -> None:
        self.assertFalse(self.repository.verify(deep=True).ok)
        healed = self.vault.backup(volume, self.second)
        self.assertGreater(self.vault.stats.transferred_bytes, 0)
        self.assertEqual(self.data, self.vault.content(healed))
        self.assertTrue(self.repository.verify(healed, deep=True).ok)
        for backup in (self.first, self.second):
            self.repository.forget(backup)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertTrue(self.repository.verify(deep=True).ok)
        self.repository.collect(grace=vaults.NOW, exclusive=True)
        self.assertEqual([], self.vault.names('damaged/'))

    def test_the_next_backup_heals_a_chunk(self) -> None:
        self.damage(self.first, 9)
        self.heals(volumes.Volume(self.data))

    def test_a_backup_that_knows_what_changed_heals_it_too(self) -> None:
        self.damage(self.first, 9)
        self.heals(volumes.Volume(self.data, changes={self.second: []}))

    def test_a_lost_pack_heals(self) -> None:
        name, _offset = self.entry(self.first, 9)
        self.vault.objects.delete(name)
        self.heals(volumes.Volume(self.data))

    def test_only_what_is_damaged_is_stored_again(self) -> None:
        self.damage(self.first, 9)
        self.repository.verify(deep=True)
        self.vault.backup(volumes.Volume(self.data), self.second)
        pack = self.vault.options.pack_size
        self.assertLess(self.vault.stats.transferred_bytes, pack)

    def test_damage_is_not_borrowed(self) -> None:
        self.damage(self.first, 9)
        self.repository.verify(deep=True)
        backup = self.vault.backup(self.data)
        self.assertEqual(self.data, self.vault.content(backup))

    def test_scrub_needs_no_key(self) -> None:
        self.assertEqual([], verify.scrub(self.vault.objects))
        for name in self.vault.names():
            sound = self.vault.objects.get(name)
            altered = bytearray(sound)
            altered[len(sound) // 2] ^= 2
            self.vault.objects.put(name, altered)
            (problem,) = verify.scrub(self.vault.objects)
            self.assertEqual(name, problem.name)
            self.vault.objects.put(name, sound)

    def test_a_store_that_is_away_is_no_damage(self) -> None:
        opened = self.vault.hooked(vaults.Countdown(4, vaults.fail))
        self.assertRaises(errors.StoreError, opened.verify, deep=True)
