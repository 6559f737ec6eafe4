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

"""What bad input and bad luck get: a fault with a code, and no harm."""

import os
import pathlib
import shutil
import threading
from typing import Any
from unittest import mock
import uuid

from csbs.actions import queue
from csbs.cloud import local
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.store import repository
from csbs.tests.functional import stack

MIB = 1 << 20


class FailureTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack()
        self.content = {'vda': stack.pattern(2 * MIB, 1)}
        self.server = self.stack.make_server('web', self.content)
        self.vault_id = self.make_vault()

    @property
    def disk(self) -> pathlib.Path:
        return self.stack.servers / 'web' / 'vda.raw'

    def objects(self, kind: str) -> list[pathlib.Path]:
        root = self.stack.state / 'store'
        return [
            path
            for path in sorted(root.rglob('*'))
            if path.is_file() and kind in path.parts
        ]

    def failed(self, resource: dict[str, Any], code: str) -> None:
        task = self.finish(resource, 'failed')
        self.assertEqual(code, task['fault']['code'])
        self.assertTrue(task['fault']['message'].endswith('.'))

    def test_bad_requests(self) -> None:
        for body, word in (
            ({}, 'backup'),
            ({'backup': {}}, 'server_id'),
            ({'backup': {'server_id': 5, 'vault_id': 'x'}}, 'server_id'),
        ):
            error = self.error('POST', '/v1/backups', body, expect=400)
            self.assertEqual('csbs.request.invalid', error['code'])
            self.assertIn(word, error['detail'])
        body = {'vault': {'name': 'a b', 'capacity_gb': 100}}
        error = self.error('POST', '/v1/vaults', body, expect=400)
        self.assertIn('name', error['detail'])
        body = {'vault': {'name': 'ab', 'capacity_gb': 99}}
        error = self.error('POST', '/v1/vaults', body, expect=400)
        self.assertIn('capacity_gb', error['detail'])

    def test_what_is_not_there(self) -> None:
        nobody = str(uuid.uuid4())
        for path in ('vaults', 'backups', 'tasks', 'servers'):
            error = self.error('GET', f'/v1/{path}/{nobody}', expect=404)
            self.assertEqual(f'csbs.{path[:-1]}.not_found', error['code'])
        body = {'backup': {'server_id': nobody, 'vault_id': self.vault_id}}
        error = self.error('POST', '/v1/backups', body, expect=404)
        self.assertEqual('csbs.server.not_found', error['code'])
        body = {'backup': {'server_id': self.server.id, 'vault_id': nobody}}
        error = self.error('POST', '/v1/backups', body, expect=404)
        self.assertEqual('csbs.vault.not_found', error['code'])

    def test_vault_full(self) -> None:
        with self.disk.open('r+b') as disk:
            disk.truncate(101 << 30)
        body = {
            'backup': {
                'server_id': self.server.id,
                'vault_id': self.vault_id,
            }
        }
        error = self.error('POST', '/v1/backups', body, expect=409)
        self.assertEqual('csbs.vault.capacity_exceeded', error['code'])
        self.assertEqual(
            [], self.call('GET', '/v1/backups', expect=200)['backups']
        )

    def test_disk_that_cannot_be_read(self) -> None:
        good = self.back_up(self.server.id, self.vault_id)
        with mock.patch.object(
            os, 'preadv', side_effect=OSError(5, 'Input/output error')
        ):
            backup = self.start_backup(self.server.id, self.vault_id)
            self.failed(backup, 'csbs.volume.unreadable')
        self.assertEqual('error', self.get_backup(backup['id'])['status'])
        self.assert_nothing_temporary()
        self.restore(good['id'])
        self.delete_backup(backup['id'])

    def test_disk_that_grows_between_two_looks(self) -> None:
        """The rows would say another size than the data has."""
        freeze = local.LocalCloud.snapshot

        def grow_and_freeze(*args: Any, **kwargs: Any) -> Any:
            with self.disk.open('r+b') as disk:
                disk.truncate(3 * MIB)
            return freeze(*args, **kwargs)

        with mock.patch.object(local.LocalCloud, 'snapshot', grow_and_freeze):
            backup = self.start_backup(self.server.id, self.vault_id)
            self.failed(backup, 'csbs.volume.unreadable')
        self.assert_nothing_temporary()
        self.back_up(self.server.id, self.vault_id)

    def test_store_that_cannot_be_written(self) -> None:
        good = self.back_up(self.server.id, self.vault_id)
        self.disk.write_bytes(stack.pattern(2 * MIB, 7))
        with mock.patch(
            'csbs.store.objects.file.FileStore.put',
            side_effect=_no_room,
        ):
            backup = self.start_backup(self.server.id, self.vault_id)
            self.failed(backup, 'csbs.store.unwritable')
        self.assert_nothing_temporary()
        vault = self.get_vault(self.vault_id)
        self.assertEqual(2 * MIB, vault['used_bytes'])
        self.restore(good['id'])
        self.assertEqual(self.content['vda'], self.disk.read_bytes())
        again = self.back_up(self.server.id, self.vault_id)
        self.assertEqual('incremental', again['kind'])

    def test_missing_object(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        for path in self.objects('packs'):
            path.unlink()
        before = stack.pattern(2 * MIB, 3)
        self.disk.write_bytes(before)
        asked = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/restore',
            {'restore': {}},
            expect=202,
        )['backup']
        self.failed(asked, 'csbs.store.damaged')
        self.assertEqual('available', self.get_backup(backup['id'])['status'])

    def test_flipped_bits_are_never_restored(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        for path in self.objects('packs'):
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        self.disk.write_bytes(bytes(2 * MIB))
        asked = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/restore',
            {'restore': {}},
            expect=202,
        )['backup']
        self.failed(asked, 'csbs.store.damaged')
        original = self.content['vda']
        found = self.disk.read_bytes()
        for at in range(0, 2 * MIB, 256 * 1024):
            chunk = found[at : at + 256 * 1024]
            self.assertIn(
                chunk, (bytes(len(chunk)), original[at : at + len(chunk)])
            )
        server = self.stack.rt.cloud.server(self.stack.context, self.server.id)
        self.assertTrue(server.locked)
        self.assertIs(model.ServerStatus.SHUTOFF, server.status)
        error = self.error(
            'POST',
            '/v1/backups',
            {
                'backup': {
                    'server_id': self.server.id,
                    'vault_id': self.vault_id,
                }
            },
            expect=409,
        )
        self.assertEqual('csbs.server.wrong_state', error['code'])

    def test_wrong_key(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        with mock.patch.object(
            type(self.stack.rt.keys), 'get', return_value=bytes(32)
        ):
            asked = self.call(
                'POST',
                f'/v1/backups/{backup["id"]}/restore',
                {'restore': {}},
                expect=202,
            )['backup']
            self.failed(asked, 'csbs.key.wrong')
        self.assertEqual(self.content['vda'], self.disk.read_bytes())
        self.restore(backup['id'])

    def test_server_in_use(self) -> None:
        gate = threading.Event()
        self.addCleanup(gate.set)
        snapshot = local.LocalCloud.snapshot

        def slow(*args: Any, **kwargs: Any) -> Any:
            gate.wait(stack.DEADLINE)
            return snapshot(*args, **kwargs)

        with mock.patch.object(local.LocalCloud, 'snapshot', slow):
            backup = self.start_backup(self.server.id, self.vault_id)
            body = {
                'backup': {
                    'server_id': self.server.id,
                    'vault_id': self.vault_id,
                }
            }
            error = self.error('POST', '/v1/backups', body, expect=409)
            self.assertEqual('csbs.server.busy', error['code'])
            self.assertIn(backup['task_id'], error['detail'])
            for method, path in (
                ('DELETE', f'/v1/backups/{backup["id"]}'),
                ('POST', f'/v1/backups/{backup["id"]}/restore'),
            ):
                error = self.error(
                    method,
                    path,
                    {'restore': {}} if method == 'POST' else None,
                    expect=409,
                )
                self.assertEqual('csbs.backup.wrong_status', error['code'])
            gate.set()
            self.finish(backup)

    def test_volumes_that_went_away_or_shrank(self) -> None:
        backup = self.back_up(self.server.id, self.vault_id)
        path = f'/v1/backups/{backup["id"]}/restore'
        with self.disk.open('r+b') as disk:
            disk.truncate(MIB)
        error = self.error('POST', path, {'restore': {}}, expect=409)
        self.assertEqual('csbs.volume.too_small', error['code'])
        shutil.move(self.disk, self.disk.with_name('other.raw'))
        error = self.error('POST', path, {'restore': {}}, expect=409)
        self.assertIn(
            error['code'], ('csbs.volume.missing', 'csbs.server.unprotectable')
        )
        self.assertEqual('available', self.get_backup(backup['id'])['status'])

    def test_cancel(self) -> None:
        reached = threading.Event()
        write_item = repository.BackupWriter.write_item

        def held(writer: Any, *args: Any, **kwargs: Any) -> Any:
            reached.set()
            check = kwargs['check']
            stack.wait_for(lambda: _raises(check), 'the wish to cancel')
            return write_item(writer, *args, **kwargs)

        with mock.patch.object(repository.BackupWriter, 'write_item', held):
            backup = self.start_backup(self.server.id, self.vault_id)
            self.assertTrue(reached.wait(stack.DEADLINE))
            path = f'/v1/tasks/{backup["task_id"]}/cancel'
            self.call('POST', path, {}, expect=202)
            task = self.finish(backup, 'cancelled')
        self.assertEqual('csbs.task.cancelled', task['fault']['code'])
        self.assertEqual('error', self.get_backup(backup['id'])['status'])
        self.assert_nothing_temporary()
        self.assertEqual([], self.objects('packs'))
        error = self.error('POST', path, {}, expect=409)
        self.assertEqual('csbs.task.not_cancellable', error['code'])
        self.back_up(self.server.id, self.vault_id)


class DeadWorkerTest(stack.StackTestCase):
    """A worker that dies is a run that stops where it is."""

    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.content = {
            'vda': stack.pattern(2 * MIB, 1),
            'vdb': stack.pattern(MIB, 2),
        }
        self.server = self.stack.make_server('web', self.content)
        self.vault_id = self.make_vault()

    def run_queue(self) -> None:
        """Do what a protection process does until the queue is empty."""
        while task := db_tasks.claim(self.stack.rt.db, 'living'):
            runner.execute(Run(self.stack.rt, task, 'living'))

    def die(self, where: str) -> None:
        """Claim the next task and die when ``where`` is called."""
        task = db_tasks.claim(self.stack.rt.db, 'dying')
        assert task is not None
        run = Run(self.stack.rt, task, 'dying')
        with mock.patch(where, side_effect=_Death):
            self.assertRaises(_Death, runner.KINDS[task.kind].work, run)
        db_tasks.put_back(
            self.stack.rt.db,
            task.id,
            'dying',
            run.task.created_at.replace(year=9999),
        )

    def attempt_backup(self) -> dict[str, Any]:
        return self.start_backup(self.server.id, self.vault_id)

    def test_backup_goes_on(self) -> None:
        for where in (
            'csbs.protection.backup._refresh_items',
            'csbs.cloud.local.LocalCloud.open_snapshot',
            'csbs.protection.charges.charge_new',
            'csbs.store.writer.BackupWriter.commit',
        ):
            with self.subTest(where):
                backup = self.attempt_backup()
                self.die(where)
                self.run_queue()
                self.finish(backup)
                self.assert_nothing_temporary()
                self.check_restores(backup['id'])

    def check_restores(self, backup_id: str) -> None:
        for disk in self.content:
            path = self.stack.servers / 'web' / f'{disk}.raw'
            path.write_bytes(bytes(path.stat().st_size))
        asked = self.call(
            'POST',
            f'/v1/backups/{backup_id}/restore',
            {'restore': {}},
            expect=202,
        )['backup']
        self.run_queue()
        self.finish(asked)
        for disk, content in self.content.items():
            path = self.stack.servers / 'web' / f'{disk}.raw'
            self.assertEqual(content, path.read_bytes())

    def test_finished_behind_the_manifest(self) -> None:
        backup = self.attempt_backup()
        task = db_tasks.claim(self.stack.rt.db, 'dying')
        assert task is not None
        runner.KINDS[task.kind].work(Run(self.stack.rt, task, 'dying'))
        db_tasks.put_back(
            self.stack.rt.db,
            task.id,
            'dying',
            task.created_at.replace(year=9999),
        )
        with mock.patch(
            'csbs.cloud.local.LocalCloud.snapshot', side_effect=_Death
        ):
            self.run_queue()
        self.finish(backup)
        self.assert_nothing_temporary()
        self.check_restores(backup['id'])

    def test_restore_goes_on(self) -> None:
        backup = self.attempt_backup()
        self.run_queue()
        path = self.stack.servers / 'web' / 'vda.raw'
        for where, held in (
            # It is in the ledger, but not so in the cloud.
            ('csbs.cloud.local_hold.stop', False),
            ('csbs.store.repository.Repository.restore_item', True),
        ):
            with self.subTest(where):
                asked = self.call(
                    'POST',
                    f'/v1/backups/{backup["id"]}/restore',
                    {'restore': {}},
                    expect=202,
                )['backup']
                path.write_bytes(bytes(2 * MIB))
                self.die(where)
                self.assertEqual(held, self.get_server().locked)
                self.run_queue()
                self.finish(asked)
                self.assertEqual(self.content['vda'], path.read_bytes())
                server = self.get_server()
                self.assertFalse(server.locked)
                self.assertIs(model.ServerStatus.ACTIVE, server.status)
                self.assert_nothing_temporary()

    def get_server(self) -> model.Server:
        return self.stack.rt.cloud.server(self.stack.context, self.server.id)

    def test_new_server_leaves_nothing(self) -> None:
        backup = self.attempt_backup()
        self.run_queue()
        before = sorted(os.listdir(self.stack.servers))
        body = {'server': {'name': 'copy'}}
        for number, where in enumerate(
            (
                'csbs.store.repository.Repository.restore_item',
                'csbs.cloud.local.LocalCloud.create_server',
            ),
            1,
        ):
            asked = self.call(
                'POST',
                f'/v1/backups/{backup["id"]}/servers',
                body,
                expect=202,
            )['backup']
            self.die(where)
            self.run_queue()
            self.finish(asked)
            self.assert_nothing_temporary()
            self.assertEqual(
                len(before) + number, len(os.listdir(self.stack.servers))
            )

    def test_a_collection_that_outlives_its_vault(self) -> None:
        backup = self.attempt_backup()
        self.run_queue()
        gone = self.call('DELETE', f'/v1/backups/{backup["id"]}', expect=202)
        self.run_queue()
        self.finish(gone['backup'])
        given_up = self.call(
            'DELETE', f'/v1/vaults/{self.vault_id}', expect=202
        )['vault']
        # The vault goes first, then the collection finds it gone.
        task = db_tasks.claim(self.stack.rt.db, 'living')
        assert task is not None
        runner.execute(Run(self.stack.rt, task, 'living'))
        self.finish(given_up)
        queue.put(
            self.stack.rt,
            self.stack.context,
            model.TaskKind.COLLECT,
            project_id='local',
            vault_id=self.vault_id,
        )
        self.run_queue()
        (collection,) = self.call('GET', '/v1/tasks?kind=collect', expect=200)[
            'tasks'
        ]
        self.assertEqual('failed', collection['status'])
        self.assertEqual('csbs.vault.not_found', collection['fault']['code'])

    def test_too_many_deaths(self) -> None:
        backup = self.attempt_backup()
        for _ in range(3):
            self.die('csbs.cloud.local.LocalCloud.open_snapshot')
        self.run_queue()
        task = self.finish(backup, 'failed')
        self.assertEqual('csbs.task.worker_died', task['fault']['code'])
        self.assertEqual('error', self.get_backup(backup['id'])['status'])
        self.assert_nothing_temporary()


class _Death(BaseException):
    """What no handler of errors sees."""


def _no_room(*args: Any, **kwargs: Any) -> None:
    from csbs.store import errors

    raise errors.StoreUnwritable('No space left on device')


def _raises(check: Any) -> bool:
    try:
        check()
    except Exception:
        return True
    return False
