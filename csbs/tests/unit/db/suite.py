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

"""What the database layer must do, on whatever database.

Run on SQLite by the unit tests and on MariaDB and PostgreSQL by the
functional ones.
"""

import concurrent.futures
import dataclasses
import datetime
import threading
from typing import Any
import uuid

from alembic.autogenerate import api
from alembic.runtime import migration as alembic_migration

from csbs import exception
from csbs.db import backups
from csbs.db import charges
from csbs.db import models
from csbs.db import paging
from csbs.db import resources
from csbs.db import services
from csbs.db import session
from csbs.db import tasks
from csbs.db import vaults
from csbs.domain import model
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.unit.db import outbox_suite
from csbs.tests.unit.db import policy_suite
from csbs.tests.unit.db import run_suite
from csbs.tests.unit.db import usage_suite
from csbs.tests.unit.db import vault_suite

GIB = model.GIB


def new_id() -> str:
    return str(uuid.uuid4())


def make_vault(**changes: Any) -> model.Vault:
    return dataclasses.replace(
        model.Vault(
            id=new_id(),
            project_id='project',
            name='vault',
            description='',
            capacity_gb=100,
            months=1,
            status=model.VaultStatus.AVAILABLE,
            key_ref='key',
            created_at=paging.utcnow(),
            updated_at=None,
            expires_at=None,
        ),
        **changes,
    )


def make_item(backup_id: str, **changes: Any) -> model.Item:
    return dataclasses.replace(
        model.Item(
            id=new_id(),
            backup_id=backup_id,
            volume_id='volume',
            volume_name='disk',
            device='/dev/vda',
            bootable=True,
            size=10 * GIB,
        ),
        **changes,
    )


def make_backup(
    vault_id: str, charged: int = 0, **changes: Any
) -> model.Backup:
    backup_id = changes.pop('id', None) or new_id()
    return dataclasses.replace(
        model.Backup(
            id=backup_id,
            project_id='project',
            vault_id=vault_id,
            server_id='server',
            server_name='web',
            name='nightly',
            description='',
            status=model.BackupStatus.CREATING,
            kind=model.BackupKind.FULL,
            trigger=model.Trigger.MANUAL,
            consistency=None,
            policy_id=None,
            parent_id=None,
            server_facts={'flavor': {'name': 'm1'}},
            size=10 * GIB,
            changed_bytes=0,
            transferred_bytes=0,
            stored_bytes=0,
            fault=None,
            task_id=None,
            created_at=paging.utcnow(),
            updated_at=None,
            snapshot_at=None,
            items=(make_item(backup_id, charged_bytes=charged),),
        ),
        **changes,
    )


def make_task(**changes: Any) -> model.Task:
    return dataclasses.replace(
        model.Task(
            id=new_id(),
            project_id='project',
            kind=model.TaskKind.BACKUP,
            status=model.TaskStatus.QUEUED,
            backup_id=None,
            server_id=None,
            vault_id=None,
            params={'power_on': None},
            result={},
            step='',
            bytes_done=0,
            bytes_total=0,
            attempts=0,
            cancel_requested=False,
            owner=None,
            fault=None,
            request_id='req-1',
            user_id='user',
            created_at=paging.utcnow(),
            started_at=None,
            finished_at=None,
            heartbeat_at=None,
        ),
        **changes,
    )


class DatabaseSuite(
    outbox_suite.OutboxSuite,
    policy_suite.PolicySuite,
    run_suite.RunSuite,
    usage_suite.UsageSuite,
    vault_suite.VaultSuite,
):
    """Mixed with a ``url`` into a test case of one database."""

    url: str | None = None
    db: session.Database

    def setUp(self) -> None:
        super().setUp()
        self.db = self.useFixture(csbs_fixtures.DatabaseFixture(self.url)).db

    def add_vault(self, **changes: Any) -> model.Vault:
        vault = make_vault(**changes)
        self.db.run(lambda: vaults.create(self.db, vault))
        return vault

    def add_backup(
        self, vault: model.Vault, charged: int = 0, **changes: Any
    ) -> model.Backup:
        backup = make_backup(vault.id, charged, **changes)
        self.db.run(lambda: backups.create(self.db, backup))
        return backup

    def add_task(self, **changes: Any) -> model.Task:
        task = make_task(**changes)
        self.db.run(lambda: tasks.create(self.db, task, cancellable=True))
        return task

    def test_migrations_make_the_tables_of_the_models(self) -> None:
        with self.db.engine().connect() as connection:
            context = alembic_migration.MigrationContext.configure(
                connection, opts={'compare_type': True}
            )
            self.assertEqual(
                [], api.compare_metadata(context, models.Base.metadata)
            )

    def test_vault_round_trip(self) -> None:
        vault = self.add_vault(expires_at=paging.utcnow())
        self.assertEqual(vault, vaults.get(self.db, vault.id))
        self.assertRaises(
            exception.VaultNotFound, vaults.get, self.db, vault.id, 'other'
        )
        self.db.run(lambda: vaults.delete(self.db, vault.id))
        self.assertRaises(
            exception.VaultNotFound, vaults.get, self.db, vault.id
        )

    def test_backup_round_trip(self) -> None:
        backup = self.add_backup(self.add_vault())
        self.assertEqual(backup, backups.get(self.db, backup.id))
        self.assertRaises(
            exception.BackupNotFound,
            backups.get,
            self.db,
            backup.id,
            'other',
        )

    def test_backups_in_a_vault_are_all_of_them(self) -> None:
        vault = self.add_vault()
        self.add_backup(self.add_vault())
        ids = {
            self.add_backup(vault, status=status).id
            for status in model.BackupStatus
        }
        self.assertEqual(ids, set(backups.in_vault(self.db, vault.id)))

    def test_used_room_is_the_sum_of_charges(self) -> None:
        vault = self.add_vault()
        self.add_backup(vault, charged=10 * GIB)
        self.add_backup(vault, charged=GIB // 2)
        found = vaults.get(self.db, vault.id)
        self.assertEqual(10 * GIB + GIB // 2, found.used_bytes)
        self.assertEqual(11, found.used_gb)
        self.assertEqual(2, found.backup_count)

    def test_room_is_never_given_twice(self) -> None:
        vault = self.add_vault(capacity_gb=10)
        both = threading.Barrier(4)

        def take() -> bool:
            def work() -> None:
                vaults.take_room(self.db, vault.id, 6 * GIB)
                backups.create(self.db, make_backup(vault.id, charged=6 * GIB))

            both.wait(10)
            try:
                self.db.run(work)
            except exception.CapacityExceeded:
                return False
            return True

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            taken = [pool.submit(take) for _ in range(4)]
            self.assertEqual(1, sum(one.result(30) for one in taken))

    def test_moves_follow_the_table(self) -> None:
        backup = self.add_backup(self.add_vault())
        status = model.BackupStatus

        def move(to: model.BackupStatus, **changes: Any) -> None:
            self.db.run(
                lambda: backups.move(self.db, backup.id, to, **changes)
            )

        self.assertRaises(exception.BackupBusy, move, status.RESTORING)
        self.assertRaises(exception.BackupBusy, move, status.DELETING)
        move(status.BACKING_UP)
        move(status.ERROR, fault=model.Fault('csbs.x', 'Broken.'))
        found = backups.get(self.db, backup.id)
        self.assertEqual(model.Fault('csbs.x', 'Broken.'), found.fault)
        error = self.assertRaises(exception.BackupBusy, move, status.AVAILABLE)
        self.assertIn('is error', str(error))
        move(status.DELETING, fault=None)
        self.assertIsNone(backups.get(self.db, backup.id).fault)

    def test_chain_holds_complete_backups_only(self) -> None:
        vault = self.add_vault()
        first = self.add_backup(vault, status=model.BackupStatus.AVAILABLE)
        second = self.add_backup(vault, status=model.BackupStatus.RESTORING)
        self.add_backup(vault, status=model.BackupStatus.DELETING)
        self.add_backup(vault, status=model.BackupStatus.ERROR)
        chain = charges.chain(self.db, vault.id, 'volume')
        self.assertEqual(
            [first.items[0], second.items[0]], [one.item for one in chain]
        )
        latest = backups.latest(self.db, 'server', vault.id)
        self.assertEqual(second, latest)
        last = backups.Last(second.id, second.server_name, second.created_at)
        for project_id in ('project', None):
            self.assertEqual(
                {'server': last},
                backups.last_of_servers(self.db, project_id, ['server', 'x']),
            )
        self.assertEqual(
            {}, backups.last_of_servers(self.db, 'other', ['server'])
        )

    def test_pages(self) -> None:
        vault = self.add_vault()
        start = paging.utcnow()
        made = [
            self.add_backup(
                vault,
                name=f'n{number // 2}',
                created_at=start + datetime.timedelta(seconds=number % 3),
            )
            for number in range(7)
        ]
        for sort in (
            (('created_at', True),),
            (('name', False), ('created_at', True)),
            (('snapshot_at', False), ('id', True)),
        ):
            whole = backups.find(
                self.db, 'project', {}, paging.Page(sort=sort)
            )
            self.assertEqual({b.id for b in made}, {b.id for b in whole})
            parts: list[model.Backup] = []
            marker = None
            while True:
                page = paging.Page(limit=2, marker=marker, sort=sort)
                part = backups.find(self.db, 'project', {}, page)
                if not part:
                    break
                parts += part
                marker = part[-1].id
            self.assertEqual(whole, parts)

    def test_filters(self) -> None:
        vault = self.add_vault()
        backup = self.add_backup(vault, name='one')
        self.add_backup(vault, name='two')
        later = paging.utcnow() + datetime.timedelta(hours=1)

        def find(**filters: Any) -> list[model.Backup]:
            return backups.find(self.db, 'project', filters, paging.Page())

        self.assertEqual([backup], find(name='one', status='creating'))
        self.assertEqual([], find(created_since=later))
        self.assertEqual(2, len(find(created_before=later)))
        self.assertRaises(exception.Invalid, find, colour='red')
        self.assertRaises(
            exception.Invalid,
            backups.find,
            self.db,
            'project',
            {},
            paging.Page(marker=new_id()),
        )

    def test_every_task_is_claimed_once(self) -> None:
        made = {self.add_task().id for _ in range(12)}

        def claim(worker: int) -> list[str]:
            claimed = []
            while task := tasks.claim(self.db, f'worker{worker}'):
                claimed.append(task.id)
            return claimed

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            claimed = [
                task_id
                for one in pool.map(claim, range(4), timeout=30)
                for task_id in one
            ]
        self.assertEqual(sorted(made), sorted(claimed))

    def test_a_lost_task_is_noticed(self) -> None:
        self.add_task()
        task = tasks.claim(self.db, 'first')
        assert task is not None
        later = paging.utcnow() + datetime.timedelta(seconds=1)
        self.assertEqual([task.id], [t.id for t in tasks.dead(self.db, later)])
        self.assertTrue(tasks.put_back(self.db, task.id, 'first', later))
        self.assertFalse(tasks.put_back(self.db, task.id, 'first', later))
        again = tasks.claim(self.db, 'second')
        assert again is not None
        self.assertEqual((task.id, 2), (again.id, again.attempts))
        self.assertRaises(
            exception.TaskLost, tasks.beat, self.db, task.id, 'first'
        )
        self.assertRaises(
            exception.TaskLost,
            tasks.finish,
            self.db,
            task.id,
            'first',
            model.TaskStatus.SUCCEEDED,
        )
        beaten = tasks.beat(self.db, task.id, 'second', bytes_done=5)
        self.assertEqual(5, beaten.bytes_done)

    def test_a_living_task_is_not_put_back(self) -> None:
        self.add_task()
        task = tasks.claim(self.db, 'first')
        assert task is not None and task.heartbeat_at is not None
        self.assertEqual([], tasks.dead(self.db, task.heartbeat_at))
        self.assertFalse(
            tasks.put_back(self.db, task.id, 'first', task.heartbeat_at)
        )

    def test_cancel_and_the_point_behind_it(self) -> None:
        self.add_task()
        task = tasks.claim(self.db, 'me')
        assert task is not None
        tasks.close_to_cancel(self.db, task.id, 'me')
        self.assertRaises(
            exception.TaskNotCancellable,
            tasks.request_cancel,
            self.db,
            task.id,
        )
        other = self.add_task()
        tasks.request_cancel(self.db, other.id)
        self.assertEqual(other.id, getattr(tasks.claim(self.db, 'me'), 'id'))
        self.assertRaises(
            exception.TaskCancelled,
            tasks.close_to_cancel,
            self.db,
            other.id,
            'me',
        )
        self.db.run(
            lambda: tasks.finish(
                self.db, other.id, 'me', model.TaskStatus.CANCELLED
            )
        )
        self.assertRaises(
            exception.TaskNotCancellable,
            tasks.request_cancel,
            self.db,
            other.id,
        )

    def test_one_task_a_server(self) -> None:
        self.add_task()
        task = tasks.claim(self.db, 'me')
        assert task is not None
        self.db.run(lambda: tasks.lock_server(self.db, 'server', task.id))
        error = self.assertRaises(
            exception.ServerBusy,
            self.db.run,
            lambda: tasks.lock_server(self.db, 'server', 'other'),
        )
        self.assertIn(task.id, str(error))
        self.assertEqual({'server': task.id}, tasks.locks(self.db, ['server']))
        self.db.run(
            lambda: tasks.finish(
                self.db, task.id, 'me', model.TaskStatus.SUCCEEDED
            )
        )
        self.assertEqual({}, tasks.locks(self.db, ['server']))

    def test_ledger_keeps_the_order(self) -> None:
        task = self.add_task()
        kinds = [
            model.ResourceKind.SNAPSHOT,
            model.ResourceKind.VOLUME,
            model.ResourceKind.SERVER,
        ]
        for kind in kinds:
            self.db.run(
                lambda kind=kind: resources.create(
                    self.db, task.id, kind, {'name': kind}
                )
            )
        found = resources.of_task(self.db, task.id)
        self.assertEqual(kinds[::-1], [one.kind for one in found])
        self.assertEqual([], resources.orphans(self.db))
        claimed = tasks.claim(self.db, 'me')
        assert claimed is not None
        self.db.run(
            lambda: tasks.finish(
                self.db, task.id, 'me', model.TaskStatus.FAILED
            )
        )
        self.assertEqual(found, resources.orphans(self.db))

    def test_services(self) -> None:
        start = paging.utcnow()
        for _ in range(2):
            self.db.run(
                lambda: services.beat(self.db, 'csbs-x', 'host', start)
            )
        (found,) = services.find(self.db)
        self.assertTrue(found.alive)
        self.assertEqual(start, found.started_at)

    def test_a_transaction_is_whole(self) -> None:
        vault = make_vault()

        def work() -> None:
            vaults.create(self.db, vault)
            raise ValueError

        self.assertRaises(ValueError, self.db.run, work)
        self.assertRaises(
            exception.VaultNotFound, vaults.get, self.db, vault.id
        )
