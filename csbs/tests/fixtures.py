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

"""What many tests stand on: a database, and an ear on the message bus."""

from collections.abc import Callable
import os
import threading
from typing import Any
import uuid

import fixtures
from oslo_config import cfg
import oslo_messaging as messaging
import sqlalchemy as sa

from csbs.db import migration
from csbs.db import models
from csbs.db import session


def database_urls() -> list[str]:
    """Return the databases beside SQLite that tests may empty and fill."""
    return os.environ.get('CSBS_TEST_DATABASES', '').split()


class DatabaseFixture(fixtures.Fixture):
    """A database with all tables, empty.

    :param url: of one that may be emptied; None for an SQLite file
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url

    def _setUp(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        self.db = session.Database(
            self._url or f'sqlite:///{folder}/csbs.sqlite'
        )
        self.addCleanup(self.db.dispose)
        migration.sync(self.db)
        with self.db.writer() as tx:
            for table in reversed(models.Base.metadata.sorted_tables):
                tx.execute(table.delete())


class OwnDatabaseFixture(fixtures.Fixture):
    """A database that no other test has, without tables.

    :param server: URL of a database on the server where it is made; None
        for an SQLite file
    :ivar url: of the new database
    """

    def __init__(self, server: str | None = None) -> None:
        self._server = server

    def _setUp(self) -> None:
        if self._server is None:
            folder = self.useFixture(fixtures.TempDir()).path
            self.url = f'sqlite:///{folder}/csbs.sqlite'
            return
        url = sa.engine.make_url(self._server)
        name = f'csbs_{uuid.uuid4().hex[:12]}'
        self.url = url.set(database=name).render_as_string(hide_password=False)
        mysql = url.get_backend_name() == 'mysql'
        self._tell(
            f'CREATE DATABASE {name}'
            + (' CHARACTER SET utf8mb4' if mysql else '')
        )
        self.addCleanup(
            self._tell,
            f'DROP DATABASE {name}' + ('' if mysql else ' WITH (FORCE)'),
        )

    def _tell(self, statement: str) -> None:
        engine = sa.create_engine(
            str(self._server), isolation_level='AUTOCOMMIT'
        )
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()


class ListenerFixture(fixtures.Fixture):
    """Hears the notifications on the bus of a configuration.

    :ivar heard: their messages, in the order in which they came
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._came = threading.Condition()
        self.heard: list[dict[str, Any]] = []

    def _setUp(self) -> None:
        listener = messaging.get_notification_listener(
            messaging.get_notification_transport(self._conf),
            [messaging.Target(topic='notifications')],
            [self],
            executor='threading',
        )
        listener.start()

        def end() -> None:
            listener.stop()
            listener.wait()

        self.addCleanup(end)

    def info(
        self,
        context: dict[str, Any],
        publisher_id: str,
        event_type: str,
        payload: dict[str, Any],
        metadata: dict[str, Any],
    ) -> None:
        """Hear one; the listener calls this."""
        with self._came:
            self.heard.append(
                {
                    'publisher_id': publisher_id,
                    'event_type': event_type,
                    'payload': payload,
                }
            )
            self._came.notify_all()

    def wait_for(
        self, found: Callable[[list[dict[str, Any]]], bool]
    ) -> list[dict[str, Any]]:
        """Return what was heard once it holds something."""
        with self._came:
            if not self._came.wait_for(lambda: found(self.heard), 30):
                raise AssertionError(f'Only {self.heard} came.')
            return list(self.heard)
