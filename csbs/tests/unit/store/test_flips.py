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

"""Random bit flips and truncations: every one is found, none does harm.

A million of them: ``CSBS_HYPOTHESIS_PROFILE=nightly``.
"""

import dataclasses
import datetime
import os
import random
import uuid

from csbs.store import condemned
from csbs.store import errors
from csbs.store import names
from csbs.store import verify
from csbs.store.objects import memory
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK

_NIGHTLY = os.environ.get('CSBS_HYPOTHESIS_PROFILE') == 'nightly'
_COUNT = int(os.environ.get('CSBS_FLIPS', 1_000_000 if _NIGHTLY else 1500))
_SEED = int(os.environ.get('CSBS_FLIPS_SEED', '1'))

#: what a vault holds
_KINDS = (
    names.HEADER,
    names.PACKS,
    names.MANIFESTS,
    names.ROOTS,
    names.LEASES,
    names.PINS,
    names.CONDEMNED,
    names.DOOMED,
    names.LOOKUP,
    names.DAMAGED,
)


class TestFlips(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault(
            dataclasses.replace(vaults.OPTIONS, threads=1, waste_share=0.0)
        )
        self.data = bytearray(7 * CHUNK + 9)
        self.data[: 2 * CHUNK] = vaults.noise(2 * CHUNK)
        self.data[4 * CHUNK :] = b'compress' * 1537
        self.expected: dict[uuid.UUID, bytes] = {}
        with_more = self.data + vaults.noise(9 * CHUNK, 3)
        parent = self.vault.backup(with_more)
        for _turn in range(2):
            self.data[0] ^= 1
            backup = self.vault.backup(self.data, parent)
            self.expected[backup] = bytes(self.data)
            parent, old = backup, parent
            if old not in self.expected:
                self.vault.repository.forget(old)
        # Moves chunks, so that there are roots, and leaves dead packs.
        self.vault.repository.collect()
        self.vault.repository.collect()
        with self.vault.repository.writer(uuid.uuid4(), parent) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
        self.pin()
        (pack, *_more) = self.vault.repository._core.objects.list('packs/')
        reference = names.pack_reference(pack[0])
        assert reference
        verify.damage.note(self.vault.repository._core, {(reference, 1 << 20)})
        condemned.doom(self.vault.repository._core, [reference])
        self.sound = self.objects._objects.copy()

    @property
    def objects(self) -> memory.MemoryStore:
        return self.vault.objects

    def pin(self) -> None:
        verify.store_lease.Pin(
            self.vault.repository._core, uuid.uuid4(), self.expected
        )

    def altered(self, chosen: random.Random, data: bytes) -> bytes:
        if data and chosen.random() < 0.8:
            changed = bytearray(data)
            place = chosen.randrange(len(data))
            changed[place] ^= 1 << chosen.randrange(8)
            return bytes(changed)
        return data[: chosen.randrange(len(data))]

    def use(self, name: str) -> bool:
        """Use the vault in every way; return whether damage was told."""
        told = False
        now = datetime.datetime.now(datetime.UTC)
        try:
            vault = self.vault.over(self.objects)
            if not name.startswith((names.PACKS, names.MANIFESTS)):
                vault.collect(
                    now=now + datetime.timedelta(hours=2),
                    grace=datetime.timedelta(hours=1),
                )
        except (errors.Damaged, errors.UnsupportedFormat):
            told = True
        for backup, expected in self.expected.items():
            try:
                vault = self.vault.over(self.objects)
                (item,) = vault.manifest(backup).items
                target = volumes.blank(item.size)
                vault.restore_item(item, target)
            except (errors.Damaged, errors.UnsupportedFormat):
                told = True
            else:
                self.assertEqual(expected, target.data)
        return told

    def test_every_one_is_found(self) -> None:
        chosen = random.Random(_SEED)
        kinds: dict[str, list[str]] = {
            kind: [name for name in self.sound if name.startswith(kind)]
            for kind in _KINDS
        }
        for found in kinds.values():
            self.assertNotEqual([], found)
        harmless = (
            names.CONDEMNED,
            names.DOOMED,
            names.LOOKUP,
            names.DAMAGED,
        )
        for _turn in range(_COUNT):
            kind = chosen.choice(_KINDS)
            name = chosen.choice(kinds[kind])
            bad = self.altered(chosen, self.sound[name])
            self.objects._objects.clear()
            self.objects._objects.update(self.sound)
            self.objects._objects[name] = bad
            problems = verify.scrub(self.objects)
            self.assertEqual([name], [each.name for each in problems])
            told = self.use(name)
            # A pack may be one that nobody needs.
            if kind not in harmless and kind != names.PACKS:
                self.assertTrue(told, name)
