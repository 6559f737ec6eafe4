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

"""Opening vaults, and the life of backups in them."""

import datetime
import json
import os
import uuid

from csbs.store import errors
from csbs.store import options as store_options
from csbs.store import repository
from csbs.store.objects import memory
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes


class TestHeader(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()

    def test_create_again_is_fine(self) -> None:
        before = self.vault.objects.get('vault')
        again = repository.Repository.create(
            self.vault.objects,
            self.vault.id,
            self.vault.key,
            store_options.Options(),
        )
        self.assertEqual(vaults.CHUNK, again.chunk_size)
        self.assertEqual(before, self.vault.objects.get('vault'))

    def test_wrong_key(self) -> None:
        for method in (
            repository.Repository.open,
            repository.Repository.create,
        ):
            self.assertRaises(
                errors.WrongKey,
                method,
                self.vault.objects,
                self.vault.id,
                os.urandom(32),
            )

    def test_key_of_wrong_length(self) -> None:
        self.assertRaises(
            ValueError,
            repository.Repository.open,
            self.vault.objects,
            self.vault.id,
            b'short',
        )

    def test_no_vault(self) -> None:
        empty = memory.MemoryStore(uuid.uuid4().hex)
        self.assertRaises(
            errors.ObjectMissing,
            repository.Repository.open,
            empty,
            uuid.uuid4(),
            vaults.KEY,
        )

    def test_another_vault(self) -> None:
        self.assertRaises(
            errors.Damaged,
            repository.Repository.open,
            self.vault.objects,
            uuid.uuid4(),
            vaults.KEY,
        )

    def test_newer_format(self) -> None:
        header = json.loads(self.vault.objects.get('vault'))
        header['format'] = 2
        self.vault.objects.put('vault', json.dumps(header).encode())
        self.assertRaises(
            errors.UnsupportedFormat, self.vault.over, self.vault.objects
        )

    def test_options_are_checked(self) -> None:
        for values in (
            {'chunk_size': 5000},
            {'chunk_size': 8 << 20},
            {'pack_size': 0},
            {'threads': 0},
            {'lease_ttl': datetime.timedelta(0)},
        ):
            self.assertRaises(
                ValueError,
                store_options.Options,
                **values,
            )


class TestRepository(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.repository = self.vault.repository

    def test_backups_and_manifest(self) -> None:
        self.assertEqual([], list(self.repository.backups()))
        parent = self.vault.backup(b'one')
        child_id = uuid.uuid4()
        items = [uuid.uuid4(), uuid.uuid4()]
        with self.repository.writer(child_id, parent) as writer:
            self.assertEqual(parent, writer.parent)
            for item in items:
                writer.write_item(item, volumes.Volume(b'two'))
            written = writer.commit({'name': '名', 'list': [1, None]})
        read = self.repository.manifest(child_id)
        self.assertEqual(written, read)
        self.assertEqual({'name': '名', 'list': [1, None]}, read.meta)
        self.assertEqual(parent, read.parent)
        self.assertEqual(items, [item.id for item in read.items])
        self.assertEqual({parent, child_id}, set(self.repository.backups()))
        self.assertEqual([], self.vault.names('leases/'))

    def test_missing_backup(self) -> None:
        self.assertRaises(
            errors.BackupMissing, self.repository.manifest, uuid.uuid4()
        )

    def test_forget_is_idempotent(self) -> None:
        backup = self.vault.backup(b'one')
        self.repository.forget(backup)
        self.repository.forget(backup)
        self.assertEqual([], list(self.repository.backups()))
        self.assertRaises(
            errors.BackupMissing, self.repository.manifest, backup
        )

    def test_abandon_removes_packs_and_lease(self) -> None:
        backup = uuid.uuid4()
        with self.repository.writer(backup) as writer:
            writer.write_item(
                uuid.uuid4(), volumes.Volume(vaults.noise(1 << 20))
            )
        self.assertIn(f'leases/{backup}', self.vault.names())
        self.assertNotEqual([], self.vault.names('packs/'))
        self.repository.abandon(backup)
        self.repository.abandon(backup)
        self.assertEqual(['vault'], self.vault.names())

    def test_abandon_spares_a_finished_backup(self) -> None:
        data = vaults.noise(100_000)
        backup = self.vault.backup(data)
        self.repository.abandon(backup)
        self.assertEqual(data, self.vault.content(backup))

    def test_abandon_spares_packs_that_later_backups_use(self) -> None:
        data = vaults.noise(100_000)
        parent = self.vault.backup(data)
        child = self.vault.backup(data, parent)
        self.repository.forget(parent)
        self.repository.abandon(parent)
        self.assertEqual(data, self.vault.content(child))

    def test_stored_bytes(self) -> None:
        self.vault.backup(vaults.noise(100_000))
        total = sum(size for _name, size in self.vault.objects.list(''))
        self.assertEqual(total, self.repository.stored_bytes())
        self.assertGreater(total, 100_000)

    def test_changed_bytes(self) -> None:
        chunk = vaults.CHUNK
        data = vaults.noise(600 * chunk + 7)
        first = self.vault.backup(data)
        data[5 * chunk : 6 * chunk] = bytes(chunk)
        data[-1] ^= 1
        second = self.vault.backup(data, first)
        one, two = self.vault.item(first), self.vault.item(second)
        self.assertEqual(len(data), self.repository.changed_bytes(None, two))
        self.assertEqual(chunk + 7, self.repository.changed_bytes(one, two))
        self.assertEqual(0, self.repository.changed_bytes(two, two))

    def test_destroy(self) -> None:
        self.vault.backup(vaults.noise(100_000))
        self.vault.objects.put('something/else', b'x')
        repository.destroy(self.vault.objects)
        repository.destroy(self.vault.objects)
        self.assertEqual([], self.vault.names())
