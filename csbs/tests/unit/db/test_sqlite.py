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

"""The database layer on SQLite."""

import datetime
import pathlib

import fixtures
import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import migration
from csbs.db import session
from csbs.db import vaults
from csbs.tests import base
from csbs.tests.unit.db import migration_suite
from csbs.tests.unit.db import suite

_NOW = datetime.datetime(2026, 1, 1)


class SqliteTest(suite.DatabaseSuite, base.TestCase):
    def test_sync_twice(self) -> None:
        migration.sync(self.db)
        self.assertEqual(migration.newest(), migration.version(self.db))

    def test_an_older_catalogue_gets_its_figures(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        db = session.Database(f'sqlite:///{folder}/old.sqlite')
        self.addCleanup(db.dispose)
        migration.sync(db, '0003')
        with db.writer() as tx:
            for vault_id in ('full', 'empty'):
                _insert(
                    tx,
                    'vaults',
                    id=vault_id,
                    status='available',
                )
            for backup_id in ('one', 'two'):
                _insert(
                    tx,
                    'backups',
                    id=backup_id,
                    vault_id='full',
                )
                for number in range(2):
                    _insert(
                        tx,
                        'items',
                        id=f'{backup_id}-{number}',
                        backup_id=backup_id,
                        charged_bytes=10 + number,
                    )
        migration.sync(db)
        found = [vaults.get(db, vault_id) for vault_id in ('full', 'empty')]
        self.assertEqual(
            [(42, 2), (0, 0)],
            [(one.used_bytes, one.backup_count) for one in found],
        )


def _insert(tx: orm.Session, name: str, **values: object) -> None:
    """Write a row down, with something in every column that wants it."""
    table = sa.Table(name, sa.MetaData(), autoload_with=tx.connection())
    for column in table.columns:
        if not column.nullable:
            filler = {str: '', dict: {}, datetime.datetime: _NOW}
            value = filler.get(column.type.python_type, 0)
            values.setdefault(column.name, value)
    tx.execute(table.insert().values(values))


class SqliteMigrationTest(migration_suite.MigrationSuite, base.TestCase):
    pass
