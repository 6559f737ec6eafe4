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

from csbs.db import migration
from csbs.tests import base
from csbs.tests.unit.db import migration_suite
from csbs.tests.unit.db import suite


class SqliteTest(suite.DatabaseSuite, base.TestCase):
    def test_sync_twice(self) -> None:
        migration.sync(self.db)
        self.assertEqual(migration.newest(), migration.version(self.db))


class SqliteMigrationTest(migration_suite.MigrationSuite, base.TestCase):
    pass
