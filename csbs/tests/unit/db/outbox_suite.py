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

"""What changed is in the outbox, exactly, on whatever database."""

from collections.abc import Callable
import concurrent.futures
import dataclasses
import datetime
import threading
from typing import Any

import sqlalchemy as sa
import testtools

from csbs import context as csbs_context
from csbs import exception
from csbs.db import backups
from csbs.db import charges
from csbs.db import models
from csbs.db import outbox
from csbs.db import paging
from csbs.db import policies
from csbs.db import session
from csbs.db import tasks
from csbs.db import vaults
from csbs.domain import model
from csbs.domain import policy as domain_policy

_LATER = datetime.timedelta(minutes=2)


class OutboxSuite(testtools.TestCase):
    """Mixed into :class:`suite.DatabaseSuite`, which makes the rows."""

    db: session.Database
    add_vault: Callable[..., model.Vault]
    add_backup: Callable[..., model.Backup]
    add_task: Callable[..., model.Task]
    add_policy: Callable[..., domain_policy.Policy]

    def watch(self) -> list[outbox.Letter]:
        """Return where letters are put from now on."""
        letters: list[outbox.Letter] = []
        self.db.watch(outbox.Outbox(letters.extend))
        return letters

    def told(self, letters: list[outbox.Letter]) -> list[Any]:
        """Take letters; return type, and what of the state changed."""
        watched = ('status', 'name', 'used_bytes', 'lock_days', 'tags')
        found = []
        for letter in letters:
            data = letter.event.payload['data']
            before, after = data['before'] or {}, data['after'] or {}
            found.append(
                (
                    letter.event.type,
                    {
                        name: (before.get(name), after.get(name))
                        for name in watched
                        if before.get(name) != after.get(name)
                    },
                )
            )
        letters.clear()
        return found

    def test_nothing_is_written_unwatched(self) -> None:
        self.add_vault()
        self.assertIsNone(outbox.waiting_since(self.db))

    def test_events_of_a_backup(self) -> None:
        letters = self.watch()
        vault = self.add_vault()
        self.assertEqual('csbs.vault.created', letters[0].event.type)
        letters.clear()
        backup = self.add_backup(vault, charged=5)
        self.assertEqual(
            [
                (
                    'csbs.backup.created',
                    {'status': (None, 'creating'), 'name': (None, 'nightly')},
                ),
                ('csbs.vault.changed', {'used_bytes': (0, 5)}),
            ],
            self.told(letters),
        )
        move = {'db': self.db, 'backup_id': backup.id}
        self.db.run(
            lambda: backups.move(**move, status=model.BackupStatus.BACKING_UP)
        )
        self.db.run(
            lambda: backups.move(**move, status=model.BackupStatus.ERROR)
        )
        self.db.run(
            lambda: backups.update(self.db, backup.id, {'name': 'broken'})
        )
        self.assertEqual(
            [
                (
                    'csbs.backup.changed',
                    {'status': ('creating', 'backing_up')},
                ),
                ('csbs.backup.changed', {'status': ('backing_up', 'error')}),
                ('csbs.backup.changed', {'name': ('nightly', 'broken')}),
            ],
            self.told(letters),
        )
        self.db.run(lambda: backups.delete(self.db, backup.id))
        self.assertEqual(
            [
                (
                    'csbs.backup.deleted',
                    {'status': ('error', None), 'name': ('broken', None)},
                ),
                ('csbs.vault.changed', {'used_bytes': (5, 0)}),
            ],
            self.told(letters),
        )

    def test_events_of_policies(self) -> None:
        one, other = self.add_policy(), self.add_policy()
        policies.add_server(self.db, one.id, 'server')
        letters = self.watch()
        policies.add_server(self.db, other.id, 'server')
        found = {
            letter.event.payload['data']['after']['id']: (
                letter.event.payload['data']['before']['server_ids'],
                letter.event.payload['data']['after']['server_ids'],
            )
            for letter in letters
        }
        self.assertEqual(
            {one.id: (['server'], []), other.id: ([], ['server'])}, found
        )
        letters.clear()
        policies.unbind_vault(self.db, str(one.vault_id))
        policies.remove_server(self.db, 'server')
        policies.delete(self.db, one.id)
        self.db.run(lambda: policies.save(self.db, other))
        self.assertEqual(
            [
                'csbs.policy.changed',
                'csbs.policy.changed',
                'csbs.policy.deleted',
            ],
            [letter.event.type for letter in letters],
        )

    def test_events_of_locks_and_tags(self) -> None:
        vault = self.add_vault()
        letters = self.watch()
        self.db.run(lambda: vaults.set_lock_days(self.db, vault.id, 7))
        self.db.run(lambda: vaults.set_lock_days(self.db, vault.id, 3))
        for tags in (('gold', 'old'), ('gold', 'old'), ()):
            self.db.run(lambda: vaults.set_tags(self.db, vault.id, tags))
        self.assertEqual(
            [
                {'lock_days': (None, 7)},
                {'tags': ([], ['gold', 'old'])},
                {'tags': (['gold', 'old'], [])},
            ],
            [changes for _, changes in self.told(letters)],
        )

    def test_what_is_no_event(self) -> None:
        policy, vault = self.add_policy(), self.add_vault()
        backup = self.add_backup(vault, status=model.BackupStatus.AVAILABLE)
        task = self.add_task()
        claimed = tasks.claim(self.db, 'me')
        assert claimed is not None
        letters = self.watch()
        later = policy.prune_at + _LATER
        policies.take_run(self.db, policy, domain_policy.Plan(later, later))
        policies.set_failing(self.db, policy.id, True)
        policies.take_pruning(self.db, policy, later)
        tasks.beat(self.db, task.id, 'me', bytes_done=5, step='writing')
        backups.touch(self.db, backup.id, model.BackupStatus.AVAILABLE)
        charges.charge(self.db, backup.items[0].id, 0, None)
        self.assertRaises(
            exception.TaskLost, tasks.beat, self.db, task.id, 'other'
        )
        self.assertRaises(
            exception.BackupBusy,
            backups.move,
            self.db,
            backup.id,
            model.BackupStatus.ERROR,
        )
        with self.db.writer() as tx:
            tx.execute(sa.delete(models.Task).where(models.Task.id == task.id))
        self.assertEqual([], letters)
        self.assertIsNone(outbox.waiting_since(self.db))

    def test_what_is_rolled_back_is_not_told(self) -> None:
        vault = self.add_vault()
        letters = self.watch()

        def work() -> None:
            vaults.update(self.db, vault.id, {'name': 'other'})
            self.add_backup(vault, charged=5)
            raise ValueError()

        self.assertRaises(ValueError, self.db.run, work)
        self.assertEqual([], letters)
        self.assertIsNone(outbox.waiting_since(self.db))

    def test_a_transaction_is_one_change_of_each_thing(self) -> None:
        vault = self.add_vault()
        letters = self.watch()

        def work() -> None:
            vaults.update(self.db, vault.id, {'name': 'one'})
            vaults.lock(self.db, vault.id)
            vaults.update(self.db, vault.id, {'name': 'two'})
            found = vaults.get(self.db, vault.id)
            self.assertEqual('two', found.name)

        with csbs_context.acting('ann', 'req-1'):
            self.db.run(work)
        (letter,) = letters
        data = letter.event.payload['data']
        self.assertEqual(
            ('ann', 'req-1'), (data['user_id'], data['request_id'])
        )
        self.assertEqual(
            [('csbs.vault.changed', {'name': ('vault', 'two')})],
            self.told(letters),
        )

    def test_of_many_that_swap_one_is_told_of(self) -> None:
        for _ in range(3):
            self.add_task()
        letters = self.watch()
        start = threading.Barrier(4)

        def work(worker: int) -> None:
            start.wait(10)
            while tasks.claim(self.db, f'worker{worker}'):
                continue

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, number) for number in range(4)]:
                done.result(60)
        claimed = [
            letter.event.payload['data']['after']['id'] for letter in letters
        ]
        self.assertEqual(3, len(claimed))
        self.assertEqual(3, len(set(claimed)))
        self.assertEqual(
            [('csbs.task.changed', {'status': ('queued', 'running')})] * 3,
            self.told(letters),
        )

    def test_a_chain_without_gaps(self) -> None:
        vault = self.add_vault()
        letters = self.watch()
        start = threading.Barrier(3)

        def work(worker: int) -> None:
            start.wait(10)
            for number in range(8):
                name = f'{worker}-{number}'

                def change(name: str = name) -> None:
                    vaults.lock(self.db, vault.id)
                    vaults.update(self.db, vault.id, {'name': name})

                self.db.run(change)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(work, number) for number in range(3)]:
                done.result(60)
        letters.sort(key=lambda letter: letter.sequence)
        name = vault.name
        for letter in letters:
            data = letter.event.payload['data']
            self.assertEqual(name, data['before']['name'])
            name = data['after']['name']
        self.assertEqual(24, len(letters))
        self.assertEqual(name, vaults.get(self.db, vault.id).name)

    def test_what_was_not_sent_is_taken_once(self) -> None:
        sent = self.watch()
        made = [self.add_vault() for _ in range(6)]
        now = paging.utcnow()
        self.assertEqual([], outbox.take(self.db, now, 10))
        later = now + _LATER
        first = self.db.run(lambda: outbox.take(self.db, later, 4))
        rest = self.db.run(lambda: outbox.take(self.db, later, 4))
        none = self.db.run(lambda: outbox.take(self.db, later, 4))
        self.assertEqual((4, 2, 0), (len(first), len(rest), len(none)))
        self.assertEqual(sent, first + rest)
        self.assertEqual(
            [vault.id for vault in made],
            [
                letter.event.payload['data']['after']['id']
                for letter in first + rest
            ],
        )
        outbox.strike_out(self.db, [letter.sequence for letter in first])
        again = outbox.take(self.db, later + _LATER, 10)
        self.assertEqual(rest, again)
        outbox.strike_out(self.db, [letter.sequence for letter in rest])
        self.assertIsNone(outbox.waiting_since(self.db))
        self.add_vault()
        self.assertGreater(sent[-1].sequence, rest[-1].sequence)

    def test_no_secret_is_written_down(self) -> None:
        letters = self.watch()
        vault = self.add_vault(key_ref='secret-key')
        self.add_backup(vault, server_facts={'user_data': 'secret-facts'})
        self.add_task(params={tasks.SEALED: 'secret-token'})
        for letter in letters:
            self.assertNotIn('secret', str(dataclasses.asdict(letter)))
