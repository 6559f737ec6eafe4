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

"""A vault of format 1, kept as it was written: it must open for ever."""

import pathlib
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import keys as store_keys
from csbs.store import lookup
from csbs.store import maps
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store import repository
from csbs.store.objects import memory
from csbs.tests import base
from csbs.tests.unit.store import volumes

GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'format-1'

VAULT_ID = uuid.UUID('c5b50000-0000-4000-8000-000000000001')
FULL = uuid.UUID('c5b50000-0000-4000-8000-00000000000a')
INCREMENTAL = uuid.UUID('c5b50000-0000-4000-8000-00000000000b')
KEY = bytes(range(32))
CHUNK = 4096


def content(backup_id: uuid.UUID) -> bytearray:
    """Return what the volume of a golden backup held."""
    data = bytearray(300 * CHUNK + 100)
    data[: 2 * CHUNK] = b'A golden file. ' * 546 + b'..'
    data[280 * CHUNK : 280 * CHUNK + 256] = bytes(range(256))
    data[-100:] = b'z' * 100
    if backup_id == INCREMENTAL:
        data[CHUNK : CHUNK + 5] = b'other'
    return data


class TestGolden(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.objects = memory.MemoryStore(uuid.uuid4().hex)
        for path in GOLDEN.rglob('*'):
            if path.is_file():
                name = str(path.relative_to(GOLDEN))
                self.objects.put(name, path.read_bytes())
        self.repository = repository.Repository.open(
            self.objects, VAULT_ID, KEY
        )
        self.core = store_core.Core(
            self.objects,
            VAULT_ID,
            store_keys.Keys(KEY, VAULT_ID),
            CHUNK,
            repository.DEFAULTS,
        )

    def test_restores(self) -> None:
        self.assertEqual({FULL, INCREMENTAL}, set(self.repository.backups()))
        for backup in (FULL, INCREMENTAL):
            manifest = self.repository.manifest(backup)
            self.assertEqual({'name': 'golden'}, manifest.meta)
            (item,) = manifest.items
            target = volumes.blank(item.size)
            self.repository.restore_item(item, target)
            self.assertEqual(content(backup), target.data)
            report = self.repository.verify(backup, deep=True)
            self.assertEqual((), report.problems)
        self.assertEqual(FULL, manifest.parent)

    def test_nothing_in_it_is_garbage(self) -> None:
        stats = self.repository.collect()
        self.assertEqual(0, stats.condemned)
        self.assertEqual(3, stats.live_packs)

    def test_header_is_still_written_so(self) -> None:
        self.assertEqual(
            (GOLDEN / 'vault').read_bytes(),
            store_core.encode_header(VAULT_ID, self.core.keys, CHUNK),
        )

    def test_hooks_are_still_written_so(self) -> None:
        for name, _size in self.objects.list(names.LOOKUP):
            data = self.core.get_bytes('lookup', name)
            hooks = lookup.Hooks.decode(data)
            self.assertEqual(data, hooks.encode())
            for pack in hooks.packs:
                self.objects.size(names.pack(pack))

    def test_maps_are_still_written_so(self) -> None:
        nodes = maps.NodeReader(self.core)
        for backup in (FULL, INCREMENTAL):
            (item,) = self.repository.manifest(backup).items
            assert item.root
            top = nodes.load(item.root, item.depth)
            data = maps.encode(item.depth, top)
            self.assertEqual(item.root.id, self.core.keys.map_id(data))
            for child in top.values():
                data = maps.encode(1, nodes.load(child, 1))
                self.assertEqual(child.id, self.core.keys.map_id(data))

    def test_packs_are_still_written_so(self) -> None:
        for name, size in self.objects.list('packs/'):
            reference = names.pack_reference(name)
            assert reference
            whole = self.objects.get(name)
            cipher = self.core.keys.pack_cipher(reference)
            buffer = store_pack.PackBuffer(len(whole))
            buffer.begin(reference, cipher, 0)
            index = store_pack.read_index(self.core, reference, size)
            for kind, entry in index:
                end = entry.offset + entry.stored
                part = whole[entry.offset : end]
                packed = cipher.decrypt(
                    codec.nonce(entry.offset),
                    part,
                    codec.blob_aad(
                        VAULT_ID.bytes, kind, entry.flags, entry.raw, entry.id
                    ),
                )
                again = buffer.reserve(
                    kind, entry.id, entry.raw, entry.flags, len(packed)
                )
                self.assertEqual(entry, again)
                buffer.fill(VAULT_ID.bytes, kind, again, packed)
            self.assertEqual(whole, buffer.seal(VAULT_ID.bytes))
