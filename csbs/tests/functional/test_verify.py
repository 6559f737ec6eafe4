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

"""Tests of the proof that backups could be restored, over HTTP."""

import threading
from typing import Any
from unittest import mock
import uuid

from csbs.store import repository
from csbs.tests.functional import stack

MIB = 1 << 20


class VerifyTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack()
        self.vault_id = self.make_vault()
        self.server = self.stack.make_server(
            'web', {'vda': stack.pattern(4 * MIB, 1)}
        )
        self.first = self.back_up(self.server.id, self.vault_id)

    def verify(
        self, path: str, status: str = 'succeeded', **wish: Any
    ) -> dict[str, Any]:
        body = {'verify': wish}
        task = self.call('POST', f'{path}/verify', body, expect=202)['task']
        self.assertEqual('verify', task['kind'])
        return self.finish({'task_id': task['id']}, status)

    @property
    def backup_path(self) -> str:
        return f'/v1/backups/{self.first["id"]}'

    def damage(self) -> str:
        """Flip a bit in the middle of the largest pack; return its name."""
        path = max(
            (
                path
                for path in (self.stack.state / 'store').rglob('*')
                if path.is_file() and 'packs' in path.parts
            ),
            key=lambda path: path.stat().st_size,
        )
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
        return path.name

    def test_backup(self) -> None:
        for mode in ('quick', 'deep'):
            task = self.verify(self.backup_path, mode=mode)
            self.assertEqual(self.first['id'], task['backup_id'])
            self.assertEqual(100, task['progress'])
            self.assertGreater(task['bytes_total'], 0)
            self.assertEqual(task['bytes_total'], task['bytes_done'])
            result = task['result']
            self.assertEqual(mode, result['mode'])
            self.assertEqual(100, result['percent'])
            self.assertEqual(1, result['backup_count'])
            self.assertGreater(result['packs'], 0)
            self.assertGreater(result['chunks'], 0)
            self.assertEqual([], result['problems'])
        backup = self.get_backup(self.first['id'])
        self.assertEqual('available', backup['status'])

    def test_vault(self) -> None:
        self.back_up(self.server.id, self.vault_id)
        task = self.verify(f'/v1/vaults/{self.vault_id}', percent=50)
        self.assertEqual(self.vault_id, task['vault_id'])
        self.assertIsNone(task['backup_id'])
        self.assertEqual(2, task['result']['backup_count'])
        self.assertEqual('quick', task['result']['mode'])
        self.assertEqual(50, task['result']['percent'])

    def test_empty_vault(self) -> None:
        task = self.verify(f'/v1/vaults/{self.make_vault()}')
        self.assertEqual(0, task['result']['backup_count'])
        self.assertEqual(100, task['progress'])

    def test_damage_is_told_and_healed(self) -> None:
        name = self.damage()
        for path in (self.backup_path, f'/v1/vaults/{self.vault_id}'):
            task = self.verify(path, 'failed')
            self.assertEqual('csbs.store.damaged', task['fault']['code'])
            result = task['result']
            self.assertEqual([self.first['id']], result['damaged_backup_ids'])
            self.assertEqual(len(result['problems']), result['problem_count'])
            self.assertIn(name, result['problems'][0]['object'])
        # The next backup of the same data does not rely on what is damaged.
        second = self.back_up(self.server.id, self.vault_id)
        self.verify(f'/v1/backups/{second["id"]}', mode='deep')
        self.verify(self.backup_path, 'failed')

    def test_bad_requests(self) -> None:
        wishes: tuple[dict[str, Any], ...] = (
            {'mode': 'no'},
            {'percent': 0},
            {'percent': 101},
            {'other': 1},
        )
        for wish in wishes:
            error = self.error(
                'POST',
                f'{self.backup_path}/verify',
                {'verify': wish},
                expect=400,
            )
            self.assertEqual('csbs.request.invalid', error['code'])
        nobody = uuid.uuid4()
        for kind in ('backup', 'vault'):
            error = self.error(
                'POST',
                f'/v1/{kind}s/{nobody}/verify',
                {'verify': {}},
                expect=404,
            )
            self.assertEqual(f'csbs.{kind}.not_found', error['code'])

    def test_not_deleted_meanwhile(self) -> None:
        go_on = threading.Event()
        verify = repository.Repository.verify

        def wait_and_verify(*args: Any, **kwargs: Any) -> Any:
            self.assertTrue(go_on.wait(stack.DEADLINE))
            return verify(*args, **kwargs)

        with mock.patch.object(
            repository.Repository, 'verify', wait_and_verify
        ):
            path = f'{self.backup_path}/verify'
            task = self.call('POST', path, {'verify': {}}, expect=202)['task']
            error = self.error('DELETE', self.backup_path, expect=409)
            self.assertEqual('csbs.backup.wrong_status', error['code'])
            self.assertIn(task['id'], error['detail'])
            go_on.set()
            self.finish({'task_id': task['id']})
        self.delete_backup(self.first['id'])
