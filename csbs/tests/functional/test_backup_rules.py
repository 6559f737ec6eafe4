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

"""What the product promises of backups and restores, by HTTP."""

from typing import Any
from unittest import mock

from csbs.cloud import local
from csbs.db import backups as db_backups
from csbs.tests.functional import stack

_SIZE = 65536
_SECRET = b'this line is in no object of the store'


class BackupRulesTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.server = self.stack.make_server(
            'web',
            {
                'vda': stack.pattern(_SIZE, 1),
                'vdb': _SECRET * 1000 + stack.pattern(_SIZE, 2),
            },
        )
        self.vault_id = self.make_vault()

    def disks(self) -> dict[str, bytes]:
        folder = self.stack.servers / 'web'
        return {path.stem: path.read_bytes() for path in folder.glob('*.raw')}

    def back_up(
        self, server_id: str = '', vault_id: str = ''
    ) -> dict[str, Any]:
        backup = self.start_backup(
            server_id or self.server.id, vault_id or self.vault_id
        )
        self.stack.run_queue()
        return self.get_backup(backup['id'])

    def watch(self) -> list[str]:
        """Return a list that the statuses of backups go into."""
        seen: list[str] = []
        move = db_backups.move

        def watched(db: Any, backup_id: str, status: Any, **more: Any) -> None:
            move(db, backup_id, status, **more)
            seen.append(str(status))

        patch = mock.patch.object(db_backups, 'move', watched)
        patch.start()
        self.addCleanup(patch.stop)
        return seen

    def test_the_way_of_a_backup(self) -> None:
        seen = self.watch()
        backup = self.start_backup(self.server.id, self.vault_id)
        self.assertEqual('creating', backup['status'])
        self.stack.run_queue()
        self.assertEqual(
            [
                'preparing_snapshot',
                'snapshotting_consistent',
                'backing_up',
                'available',
            ],
            seen,
        )
        found = self.get_backup(backup['id'])
        self.assertEqual('crash_consistent', found['consistency'])

    def test_the_way_of_one_that_is_not_consistent(self) -> None:
        seen = self.watch()
        self.stack.rt.cloud._freeze_timeout = 0.02
        with local.writing(self.stack.servers / 'web'):
            backup = self.back_up()
        self.assertEqual(
            [
                'preparing_snapshot',
                'snapshotting_consistent',
                'snapshotting_inconsistent',
                'backing_up',
                'available',
            ],
            seen,
        )
        self.assertEqual('none', backup['consistency'])

    def test_the_way_of_a_restore_and_a_deletion(self) -> None:
        backup = self.back_up()
        seen = self.watch()
        path = f'/v1/backups/{backup["id"]}'
        asked = self.call(
            'POST', f'{path}/restore', {'restore': {}}, expect=202
        )
        self.assertEqual('restoring', asked['backup']['status'])
        self.error('DELETE', path, expect=409)
        self.error('POST', f'{path}/restore', {'restore': {}}, expect=409)
        self.stack.run_queue()
        asked = self.call('DELETE', path, expect=202)
        self.assertEqual('deleting', asked['backup']['status'])
        self.error('POST', f'{path}/restore', {'restore': {}}, expect=409)
        with mock.patch(
            'csbs.store.repository.Repository.forget', side_effect=OSError
        ):
            self.stack.run_queue()
        self.assertEqual(
            ['restoring', 'available', 'deleting', 'error_deleting'], seen
        )
        self.call('DELETE', path, expect=202)
        self.stack.run_queue()
        self.error('GET', path, expect=404)

    def test_one_that_failed_is_deleted_and_made_again(self) -> None:
        with mock.patch('os.preadv', side_effect=OSError(5, 'broken')):
            backup = self.back_up()
        self.assertEqual('error', backup['status'])
        self.assertEqual('csbs.volume.unreadable', backup['fault']['code'])
        self.call('DELETE', f'/v1/backups/{backup["id"]}', expect=202)
        self.stack.run_queue()
        again = self.back_up()
        self.assertEqual(
            ('available', 'full'), (again['status'], again['kind'])
        )

    def test_full_once_then_incremental_for_ever(self) -> None:
        made = [self.back_up() for _ in range(4)]
        self.assertEqual(
            ['full'] + ['incremental'] * 3, [one['kind'] for one in made]
        )
        # Whatever is deleted: each restores alone.
        before = self.disks()
        for backup in made[:3]:
            self.call('DELETE', f'/v1/backups/{backup["id"]}', expect=202)
        self.stack.run_queue()
        for name in before:
            path = self.stack.servers / 'web' / f'{name}.raw'
            path.write_bytes(bytes(len(before[name])))
        self.call(
            'POST',
            f'/v1/backups/{made[3]["id"]}/restore',
            {'restore': {}},
            expect=202,
        )
        self.stack.run_queue()
        self.assertEqual(before, self.disks())

    def test_all_volumes_and_each_to_its_own_place(self) -> None:
        backup = self.back_up()
        self.assertEqual(
            ['vda', 'vdb'],
            [item['device'].rpartition('/')[2] for item in backup['items']],
        )
        before = self.disks()
        (self.stack.servers / 'web' / 'vda.raw').write_bytes(bytes(_SIZE))
        self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/restore',
            {'restore': {}},
            expect=202,
        )
        self.stack.run_queue()
        # There is no way to say that another volume should get the data.
        self.assertEqual(before, self.disks())
        body = {'restore': {'volumes': {}}}
        path = f'/v1/backups/{backup["id"]}/restore'
        self.error('POST', path, body, expect=400)

    def test_nothing_is_stored_in_the_clear(self) -> None:
        self.back_up()
        objects = [
            path
            for path in (self.stack.state / 'store').rglob('*')
            if path.is_file()
        ]
        self.assertGreater(len(objects), 2)
        for path in objects:
            self.assertNotIn(_SECRET, path.read_bytes(), path)

    def test_larger_than_four_terabytes(self) -> None:
        with (self.stack.servers / 'web' / 'vdb.raw').open('r+b') as disk:
            disk.truncate(5 << 40)
        server = self.call('GET', f'/v1/servers/{self.server.id}', expect=200)[
            'server'
        ]
        self.assertTrue(server['protectable'])
        self.assertIn('larger than 4 TB', server['notice'])
        backup = self.back_up(vault_id=self.make_vault(6000))
        self.assertEqual('available', backup['status'])
        self.assertEqual(5121, backup['size_gb'])
        self.assertLess(backup['stored_bytes'], 1 << 20)

    def test_names(self) -> None:
        by_hand = self.start_backup(self.server.id, self.vault_id)
        self.assertRegex(by_hand['name'], r'^manualbk_[0-9]{4}$')
        self.stack.run_queue()
        named = self.start_backup(
            self.server.id, self.vault_id, name='升级前_1-a'
        )
        self.assertEqual('升级前_1-a', named['name'])
        self.stack.run_queue()
        policy = self.call(
            'POST',
            '/v1/policies',
            {
                'policy': {
                    'schedule': {'times': ['02:00'], 'every_days': 1},
                    'vault_id': self.vault_id,
                    'server_ids': [self.server.id],
                }
            },
            expect=201,
        )['policy']
        self.assertRegex(policy['name'], r'^Policy-[0-9]{4}$')
        names = set()
        for _ in range(4):
            path = f'/v1/policies/{policy["id"]}/run'
            self.call('POST', path, {}, expect=202)
            self.stack.run_queue()
        for backup in self.call('GET', '/v1/backups', expect=200)['backups']:
            if backup['trigger'] == 'run_now':
                self.assertRegex(backup['name'], r'^autobk_[0-9]{4}$')
                names.add(backup['name'])
        self.assertEqual(4, len(names))
