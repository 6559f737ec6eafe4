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

"""The main job: protect a server, lose it, get it back."""

import os
import pathlib
from typing import Any
from unittest import mock

from csbs.cloud import local
from csbs.tests.functional import stack

MIB = 1 << 20
CHUNK = 256 * 1024


class MainJobTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack()
        self.first = {
            'vda': stack.pattern(3 * MIB, 1) + bytes(2 * MIB),
            'vdb': bytes(MIB) + stack.pattern(MIB + 4096, 2),
        }
        self.server = self.stack.make_server('web', self.first)
        self.vault_id = self.make_vault()

    def disks(self, name: str = 'web') -> dict[str, bytes]:
        folder = self.stack.servers / name
        return {path.stem: path.read_bytes() for path in folder.glob('*.raw')}

    def overwrite(self, disk: str, offset: int, data: bytes) -> None:
        path = self.stack.servers / 'web' / f'{disk}.raw'
        with path.open('r+b') as file:
            file.seek(offset)
            file.write(data)

    def test_whole_story(self) -> None:
        full = self.back_up(self.server.id, self.vault_id)
        self.assertEqual('full', full['kind'])
        self.assertEqual(
            sum(len(disk) for disk in self.first.values()),
            full['size_bytes'],
        )
        self.overwrite('vda', MIB, b'changed')
        second = self.disks()
        incremental = self.back_up(self.server.id, self.vault_id)
        self.assertEqual('incremental', incremental['kind'])
        self.assertEqual(full['id'], incremental['parent_id'])
        self.assertEqual(CHUNK, incremental['transferred_bytes'])
        self.assertEqual(CHUNK, incremental['changed_bytes'])

        for disk in ('vda', 'vdb'):
            size = len(self.first[disk])
            self.overwrite(disk, 0, stack.pattern(size, 9))
        self.restore(full['id'])
        self.assertEqual(self.first, self.disks())
        self.restore(incremental['id'])
        self.assertEqual(second, self.disks())

        self.delete_backup(full['id'])
        self.overwrite('vdb', 0, bytes(len(self.first['vdb'])))
        self.restore(incremental['id'])
        self.assertEqual(second, self.disks())
        self.assert_nothing_temporary()

    def test_new_server(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        asked = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/servers',
            {'server': {'name': 'web-2', 'networks': 'auto'}},
            expect=202,
        )['backup']
        task = self.finish(asked)
        found = self.call(
            'GET', f'/v1/servers/{task["result"]["server_id"]}', expect=200
        )['server']
        self.assertEqual('web-2', found['name'])
        self.assertEqual('ACTIVE', found['status'])
        self.assertTrue(found['protectable'])
        (folder,) = [
            path for path in self.stack.servers.iterdir() if path.name != 'web'
        ]
        made = sorted(path.read_bytes() for path in folder.glob('*.raw'))
        self.assertEqual(sorted(self.first.values()), made)
        self.assertEqual(self.first, self.disks())
        self.assert_nothing_temporary()

    def test_a_password_reaches_the_cloud_and_nothing_else(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        create_server = local.LocalCloud.create_server
        given: list[str] = []

        def watched(cloud: Any, context: Any, spec: Any, *more: Any) -> Any:
            given.append(spec.choices['admin_pass'])
            return create_server(cloud, context, spec, *more)

        with mock.patch.object(local.LocalCloud, 'create_server', watched):
            asked = self.call(
                'POST',
                f'/v1/backups/{backup["id"]}/servers',
                {'server': {'name': 'web-2', 'admin_pass': 'tell-nobody'}},
                expect=202,
            )['backup']
            self.finish(asked)
        self.assertEqual(['tell-nobody'], given)
        for path in self.stack.state.rglob('*'):
            if path.is_file() and path.suffix != '.raw':
                self.assertNotIn(b'tell-nobody', path.read_bytes(), path)

    def test_restore_puts_the_state_of_the_server_back(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        self.restore(backup['id'])
        self.assertEqual('ACTIVE', self.server_status())
        self.restore(backup['id'], power_on=False)
        self.assertEqual('SHUTOFF', self.server_status())
        self.restore(backup['id'])
        self.assertEqual('SHUTOFF', self.server_status())

    def server_status(self) -> str:
        return self.call('GET', f'/v1/servers/{self.server.id}', expect=200)[
            'server'
        ]['status']

    def test_a_grown_volume_keeps_its_size(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        self.overwrite('vda', 5 * MIB, b'tail' * 1024)
        self.overwrite('vda', 0, b'head')
        self.restore(backup['id'])
        self.assertEqual(
            self.first['vda'] + b'tail' * 1024, self.disks()['vda']
        )

    def test_an_added_volume_is_left_alone(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        added = stack.pattern(4096, 5)
        (self.stack.servers / 'web' / 'vdc.raw').write_bytes(added)
        self.overwrite('vda', 0, b'head')
        self.restore(backup['id'])
        self.assertEqual({**self.first, 'vdc': added}, self.disks())
        again = self.back_up(self.server.id, self.vault_id)
        self.assertEqual(3, len(again['items']))
        self.assertEqual(4096, again['transferred_bytes'])

    def test_deleted_backups_free_the_store(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        stored = self.get_vault(self.vault_id)['stored_bytes']
        self.assertGreater(stored, 4 * MIB)
        self.delete_backup(backup['id'])
        stack.wait_for(
            lambda: self.get_vault(self.vault_id)['stored_bytes'] < MIB,
            'the collection',
        )
        store = self.stack.state / 'store'
        self.assertLess(_size(store), MIB)

    def test_a_vault_is_given_up(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        error = self.error('DELETE', f'/v1/vaults/{self.vault_id}', expect=409)
        self.assertEqual('csbs.vault.not_empty', error['code'])
        self.delete_backup(backup['id'])
        vault = self.call('DELETE', f'/v1/vaults/{self.vault_id}', expect=202)[
            'vault'
        ]
        self.finish(vault)
        self.error('GET', f'/v1/vaults/{self.vault_id}', expect=404)
        self.assertEqual(0, _size(self.stack.state / 'store'))
        self.assertNotIn(
            self.vault_id, (self.stack.state / 'keys.json').read_text()
        )

    def test_charges_move_with_deletes(self) -> None:
        full = self.back_up(self.server.id, self.vault_id)
        self.overwrite('vda', 0, b'one')
        middle = self.back_up(self.server.id, self.vault_id)
        self.overwrite('vda', CHUNK, b'two')
        last = self.back_up(self.server.id, self.vault_id)
        size = full['size_bytes']

        def used() -> int:
            return self.get_vault(self.vault_id)['used_bytes']

        self.assertEqual(size + 2 * CHUNK, used())
        self.delete_backup(middle['id'])
        self.assertEqual(size + 2 * CHUNK, used())
        self.delete_backup(full['id'])
        self.assertEqual(size, used())
        self.delete_backup(last['id'])
        self.assertEqual(0, used())


def _size(folder: pathlib.Path) -> int:
    return sum(
        os.path.getsize(path) for path in folder.rglob('*') if path.is_file()
    )
