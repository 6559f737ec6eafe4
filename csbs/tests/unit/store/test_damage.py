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

"""Bit flips, truncations, swaps and losses: all are found, none does harm."""

from collections.abc import Iterator
import itertools
import random
import uuid

from csbs.store import errors
from csbs.store import verify
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes


class TestDamage(base.TestCase):
    """Everything in a vault is altered, one object after another."""

    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.data = vaults.noise(70 * vaults.CHUNK + 9)
        self.data[: 30 * vaults.CHUNK] = b'compress' * 15 * 1024
        self.first = self.vault.backup(self.data)
        self.data[40 * vaults.CHUNK] ^= 1
        self.second = self.vault.backup(self.data, self.first)
        self.expected = {
            backup: bytes(self.vault.content(backup))
            for backup in (self.first, self.second)
        }

    def alterations(self, data: bytes) -> Iterator[bytes]:
        """Return altered versions of an object."""
        places = {0, 7, 8, 9, len(data) // 2, len(data) - 1}
        places |= {len(data) - back for back in (9, 40, 41, 44, 48, 49, 70)}
        chosen = random.Random(len(data))
        places |= {chosen.randrange(len(data)) for _ in range(20)}
        for place in sorted(place for place in places if 0 <= place):
            altered = bytearray(data)
            altered[place] ^= 1 << chosen.randrange(8)
            yield bytes(altered)
        for length in (0, 1, 8, len(data) // 2, len(data) - 1):
            yield data[:length]
        yield data + b'\0'
        yield bytes(len(data))

    def read_all(self) -> int:
        """Restore everything; return how often damage was found."""
        found = 0
        try:
            repository = self.vault.over(self.vault.objects)
        except errors.StoreError:
            return 1
        for backup, expected in self.expected.items():
            target = volumes.blank(len(expected))
            try:
                (item,) = repository.manifest(backup).items
                repository.restore_item(item, target)
            except errors.StoreError:
                found += 1
            else:
                self.assertEqual(expected, target.data)
            report = repository.verify(backup, deep=True)
            found += not report.ok
        return found + len(verify.scrub(self.vault.objects))

    def test_every_object_altered(self) -> None:
        for name in self.vault.names():
            sound = self.vault.objects.get(name)
            for altered in self.alterations(sound):
                self.vault.objects.put(name, altered)
                self.assertGreater(self.read_all(), 0, name)
            self.vault.objects.delete(name)
            if name.startswith('manifests/'):
                self.assertNotIn(
                    uuid.UUID(name.rpartition('/')[2]),
                    self.vault.repository.backups(),
                )
            elif name.startswith('packs/'):
                self.assertGreater(self.read_all(), 0, name)
            self.vault.objects.put(name, sound)
        self.assertEqual(0, self.read_all())

    def test_quick_verify_finds_every_altered_pack(self) -> None:
        for name in self.vault.names('packs/'):
            sound = self.vault.objects.get(name)
            for altered in self.alterations(sound):
                self.vault.objects.put(name, altered)
                reports = [
                    self.vault.repository.verify(backup, deep=False)
                    for backup in self.expected
                ]
                self.assertFalse(all(report.ok for report in reports))
            self.vault.objects.put(name, sound)

    def test_swapped_objects(self) -> None:
        for prefix in ('packs/', 'manifests/'):
            names = self.vault.names(prefix)
            for one, other in itertools.pairwise(names):
                left = self.vault.objects.get(one)
                right = self.vault.objects.get(other)
                self.vault.objects.put(one, right)
                self.vault.objects.put(other, left)
                self.assertGreater(self.read_all(), 0)
                self.vault.objects.put(one, left)
                self.vault.objects.put(other, right)
        self.assertEqual(0, self.read_all())

    def test_objects_of_another_vault(self) -> None:
        other = vaults.Vault()
        backup = other.backup(self.data)
        name = f'manifests/{backup}'
        self.vault.objects.put(name, other.objects.get(name))
        self.assertRaises(
            errors.Damaged, self.vault.repository.manifest, backup
        )

    def test_verify_counts(self) -> None:
        report = self.vault.repository.verify(self.second, deep=True)
        self.assertTrue(report.ok)
        self.assertEqual(len(self.data), report.bytes)
        self.assertEqual(71, report.chunks)

    def test_verify_of_a_missing_backup(self) -> None:
        self.assertRaises(
            errors.BackupMissing,
            self.vault.repository.verify,
            uuid.uuid4(),
            deep=False,
        )

    def test_verify_reports_progress_and_asks_to_go_on(self) -> None:
        total: list[int] = []
        done: list[int] = []
        asked: list[bool] = []
        self.vault.repository.verify(
            self.first,
            deep=True,
            begin=total.append,
            progress=done.append,
            check=lambda: asked.append(True),
        )
        self.assertEqual(total, [sum(done)])
        self.assertGreater(sum(done), 30 * vaults.CHUNK)
        self.assertNotEqual([], asked)
