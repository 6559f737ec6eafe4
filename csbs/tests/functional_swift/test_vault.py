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

"""Backups in Swift: the whole way, a Swift that goes away, lists that lag."""

import datetime
import threading
from typing import Any
import uuid

from csbs.store import errors
from csbs.store import repository
from csbs.store.objects import base as objects_base
from csbs.tests.functional import processes
from csbs.tests.functional import stack
from csbs.tests.functional import swift
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

KEY = bytes(range(32))
MIB = 1 << 20
CHUNK = 256 << 10
NOW = datetime.timedelta(0)

OPTIONS = repository.Options(pack_size=2 * MIB)


class Interrupting(volumes.Volume):
    """A volume that calls a function once half of it was read."""

    def __init__(self, data: bytes | bytearray, half: Any) -> None:
        super().__init__(data)
        self._half = half
        self._once = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        super().read_into(offset, buffer)
        if self.read_bytes >= self.size // 2 and self._once.acquire(False):
            self._half()


class VaultTestCase(swift.SwiftTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = uuid.uuid4()
        self.objects = self.open_store('vault')
        self.repo = self.over(self.objects)

    def over(self, objects: objects_base.ObjectStore) -> repository.Repository:
        return repository.Repository.create(objects, self.vault, KEY, OPTIONS)

    def backup(
        self,
        volume: volumes.Volume,
        parent: uuid.UUID | None = None,
        repo: repository.Repository | None = None,
    ) -> uuid.UUID:
        repo = repo or self.repo
        backup_id = uuid.uuid4()
        item = None
        if parent:
            item = repo.manifest(parent).items[0].id
        with repo.writer(backup_id, parent) as writer:
            self.stats = writer.write_item(uuid.uuid4(), volume, item)
            writer.commit({'name': 'b'})
        return backup_id

    def content(self, backup_id: uuid.UUID) -> bytearray:
        (item,) = self.repo.manifest(backup_id).items
        target = volumes.blank(item.size)
        self.repo.restore_item(item, target)
        return target.data

    def packs(self) -> list[str]:
        return [name for name, _size in self.objects.list('packs/')]


class TestVault(VaultTestCase):
    def test_from_the_first_backup_to_the_end(self) -> None:
        first = vaults.noise(12 * MIB)
        one = self.backup(volumes.Volume(first))
        second = bytearray(first)
        second[5 * MIB] ^= 1
        two = self.backup(volumes.Volume(second), one)
        self.assertEqual(1 << 18, self.stats.transferred_bytes)
        self.assertEqual(first, self.content(one))
        self.assertEqual(second, self.content(two))
        for backup in (one, two):
            report = self.repo.verify(backup, deep=True)
            self.assertEqual((), report.problems)
        self.repo.forget(one)
        for _turn in range(2):
            stats = self.repo.collect(grace=NOW)
        self.assertEqual(second, self.content(two))
        self.assertGreater(stats.live_packs, 4)
        self.repo.forget(two)
        for _turn in range(2):
            self.repo.collect(grace=NOW)
        self.assertEqual([('vault', 0)], self.names())
        three = self.backup(volumes.Volume(first))
        self.assertEqual([three], list(self.repo.backups()))
        repository.destroy(self.objects)
        error = self.assertRaises(
            errors.StoreUnreadable, list, self.objects.list('')
        )
        self.assertIn('there is no container', str(error))

    def names(self) -> list[tuple[str, int]]:
        return [(name, 0) for name, _size in self.objects.list('')]

    def test_swift_goes_away_and_comes_back(self) -> None:
        proxy = self.cluster.proxy
        back = threading.Timer(3, proxy.start)
        self.addCleanup(self.cluster.wait_until_ready)
        self.addCleanup(back.join, stack.DEADLINE)

        def away() -> None:
            proxy.stop()
            back.start()

        data = vaults.noise(40 * MIB)
        with self.assertLogs('csbs.store', 'WARNING') as logs:
            backup = self.backup(Interrupting(data, away))
        self.assertIn('trying again', ''.join(logs.output))
        self.assertEqual(data, self.content(backup))


class TestLateLists(VaultTestCase):
    """A container server that hears of nothing, as one that is overloaded.

    The object servers note down what it has to be told, for later.
    """

    def setUp(self) -> None:
        super().setUp()
        self.data = vaults.noise(6 * MIB)
        self.first = self.backup(volumes.Volume(self.data))
        self.data[MIB] ^= 1
        for method in ('PUT', 'DELETE'):
            self.cluster.updates.add(
                'answer', method, times=10_000, path=f'{self.prefix}vault/'
            )
        self.addCleanup(self.cluster.updates.clear)

    def test_a_backup_does_not_need_lists(self) -> None:
        listed = list(self.objects.list(''))
        second = self.backup(volumes.Volume(self.data), self.first)
        self.repo.forget(self.first)
        self.assertEqual(listed, list(self.objects.list('')))
        self.collect(second)
        self.assertEqual(self.data, self.content(second))

        self.tell()
        self.assertNotEqual(listed, list(self.objects.list('')))
        self.assertEqual([second], list(self.repo.backups()))

    def test_chunks_are_moved_found_and_verified(self) -> None:
        for place in range(0, len(self.data), 2 * CHUNK):
            self.data[place] ^= 3
        second = self.backup(volumes.Volume(self.data), self.first)
        self.repo.forget(self.first)
        moved = self.collect(second)
        self.assertGreater(moved, MIB)
        third = self.backup(volumes.Volume(self.data))
        self.assertLess(self.stats.transferred_bytes, len(self.data))
        self.collect(second, third)
        self.check(second, third)

        self.tell()
        self.collect()
        self.check(second, third)
        self.assertLess(self.repo.stored_bytes(), len(self.data) * 2.1)

    def test_a_restore_of_what_goes_meanwhile(self) -> None:
        owner = uuid.uuid4()

        def gone(method: str, name: str) -> None:
            if method == 'get' and name.startswith('packs/'):
                self.repo.forget(self.first)
                self.collect(owner)

        (item,) = self.repo.manifest(self.first).items
        target = volumes.blank(item.size)
        hooked = self.over(vaults.Hooked(self.objects, gone))
        hooked.restore_item(item, target, owner=owner)
        self.data[MIB] ^= 1
        self.assertEqual(self.data, target.data)

    def collect(self, *known: uuid.UUID) -> int:
        """Collect until nothing is left to do; return the bytes moved."""
        moved = 0
        for _turn in range(3):
            stats = self.repo.collect(
                grace=NOW, known=lambda: repository.Known(known, known)
            )
            moved += stats.moved_bytes
        return moved

    def check(self, *backups: uuid.UUID) -> None:
        for backup in backups:
            self.assertEqual(self.data, self.content(backup))
            report = self.repo.verify(backup, deep=True)
            self.assertEqual((), report.problems)

    def tell(self) -> None:
        """Let the container server hear of everything."""
        self.cluster.updates.clear()
        self.cluster.update_lists()


class TestService(processes.ProcessTestCase, swift.SwiftTestCase):
    """All of csbs in one process, with Swift as the object store."""

    def test_main_job(self) -> None:
        disks = self.make_disks(vda=8 * MIB, vdb=3 * MIB)
        section = self.cluster.section(container_prefix=self.prefix)
        config = self.state / 'csbs.conf'
        lines = [f'{name} = {value}' for name, value in section.items()]
        config.write_text(
            f'[DEFAULT]\nstate_path = {self.state}\n'
            + '\n'.join(['[store]', 'backend = swift', '[swift]', *lines, ''])
        )
        checks = ('--config-file', str(config), 'upgrade', 'check')
        self.start(
            'csbs-standalone',
            '--state-dir',
            str(self.state),
            '--port',
            str(self.port),
            '--config-file',
            str(config),
        )
        self.wait_until_ready()
        printed = self.start('csbs-status', *checks).communicate(timeout=60)
        self.assertIn('Object store answers', printed[0])
        self.assertNotIn('wrong', printed[0])
        vault_id = self.make_vault()
        backup = self.start_backup(vault_id)
        self.assertEqual('succeeded', self.finish(backup)['status'])
        store = self.stores(container_prefix=self.prefix)(vault_id)
        self.assertEqual(1, len(list(store.list('manifests/'))))
        for path in (self.state / 'cloud' / 'servers' / 'web').glob('*.raw'):
            path.write_bytes(bytes(path.stat().st_size))
        asked = self.call(
            'POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}
        )['backup']
        self.assertEqual('succeeded', self.finish(asked)['status'])
        self.assertEqual(disks, self.read_disks())
        gone = self.call('DELETE', f'/v1/backups/{backup["id"]}')['backup']
        self.assertEqual('succeeded', self.finish(gone)['status'])
        gone = self.call('DELETE', f'/v1/vaults/{vault_id}')['vault']
        self.assertEqual('succeeded', self.finish(gone)['status'])
        self.assertRaises(errors.StoreUnreadable, list, store.list(''))
