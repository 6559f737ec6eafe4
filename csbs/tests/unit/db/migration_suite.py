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

"""What migrations must do with rows that are there, on whatever database."""

import datetime
from typing import Any

import sqlalchemy as sa
import testtools

from csbs.db import migration
from csbs.db import policies
from csbs.db import session
from csbs.tests import fixtures as csbs_fixtures

_NOW = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
_THEN = _NOW.replace(tzinfo=None)


class MigrationSuite(testtools.TestCase):
    """Mixed with a ``url`` into a test case of one database."""

    url: str | None = None

    def setUp(self) -> None:
        super().setUp()
        database = self.useFixture(csbs_fixtures.OwnDatabaseFixture(self.url))
        self.db = session.Database(database.url)
        self.addCleanup(self.db.dispose)

    def add_policy(self, name: str, enabled: bool) -> None:
        values: dict[str, Any] = dict(
            id=name,
            project_id='project',
            name=name,
            enabled=enabled,
            vault_id='vault',
            schedule={
                'times': ['02:00'],
                'timezone': 'UTC',
                'weekdays': [],
                'every_days': 1,
            },
            retention_kind='forever',
            next_run_at=_THEN if enabled else None,
            prune_at=_THEN,
            created_at=_THEN,
        )
        with self.db.engine().begin() as connection:
            # The table as it is now, not as it will be.
            table = sa.Table(
                'policies',
                sa.MetaData(),
                sa.Column('schedule', sa.JSON),
                autoload_with=connection,
            )
            connection.execute(table.insert().values(**values))

    def test_policies_go_on_to_run(self) -> None:
        migration.sync(self.db, '0003')
        self.add_policy('on', True)
        self.add_policy('off', False)
        migration.sync(self.db)
        (found,) = policies.due(self.db, _NOW, 9)
        self.assertEqual(('on', _NOW), (found.id, found.next_run_at))
        self.assertEqual(_NOW, found.prune_at)
        self.assertIsNone(policies.get(self.db, 'off').prune_at)
        # What is locked by writing to it can be locked.
        self.db.run(lambda: policies.lock(self.db, 'off'))
