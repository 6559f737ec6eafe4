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

"""The database layer on MariaDB and PostgreSQL, when there are any.

``CSBS_TEST_DATABASES`` names databases by SQLAlchemy URLs, separated by
blanks; the tests empty them.
"""

import unittest

from csbs.tests import base
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.functional import catalogue_suite
from csbs.tests.unit.db import migration_suite
from csbs.tests.unit.db import suite


def _url(prefix: str) -> str | None:
    for url in csbs_fixtures.database_urls():
        if url.startswith(prefix):
            return url
    return None


@unittest.skipUnless(
    _url('postgresql'), 'no postgresql URL in CSBS_TEST_DATABASES'
)
class PostgresqlTest(
    suite.DatabaseSuite, catalogue_suite.CatalogueSuite, base.TestCase
):
    url = _url('postgresql')


@unittest.skipUnless(_url('mysql'), 'no mysql URL in CSBS_TEST_DATABASES')
class MysqlTest(
    suite.DatabaseSuite, catalogue_suite.CatalogueSuite, base.TestCase
):
    url = _url('mysql')


@unittest.skipUnless(
    _url('postgresql'), 'no postgresql URL in CSBS_TEST_DATABASES'
)
class PostgresqlMigrationTest(migration_suite.MigrationSuite, base.TestCase):
    url = _url('postgresql')


@unittest.skipUnless(_url('mysql'), 'no mysql URL in CSBS_TEST_DATABASES')
class MysqlMigrationTest(migration_suite.MigrationSuite, base.TestCase):
    url = _url('mysql')
