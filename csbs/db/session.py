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

"""The way to the database: one object, transactions that join.

Owns the engine. Everything else in ``db`` asks :class:`Database` for a
session; nothing outside ``db`` ever holds one. A function that opens a
transaction inside another's joins it, so that verbs can put several
functions of ``db`` into one :meth:`Database.run`.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import threading
from typing import Any
from typing import Protocol
from typing import TypeVar

from oslo_db import api as oslo_db_api
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import models

T = TypeVar('T')


class Watch(Protocol):
    """Sees what one transaction does."""

    def close(self) -> None:
        """Act for the last time in the transaction, which will commit."""
        ...

    def committed(self) -> None:
        """Act once it has; must not fail."""
        ...


class Watcher(Protocol):
    """Sees what transactions do."""

    def begin(self, session: orm.Session) -> Watch:
        """Watch a transaction that begins."""
        ...


@enginefacade.transaction_context_provider
class Database:
    """A database that csbs keeps its truth in."""

    def __init__(self, connection: str, **options: Any) -> None:
        """Prepare a database; nothing is opened before the first use.

        :param connection: an SQLAlchemy URL
        :param options: what oslo.db's ``enginefacade`` takes beside it
        """
        self.url = connection
        self._manager = enginefacade.transaction_context()
        self._manager.append_on_engine_create(_read_committed)
        self._manager.configure(
            connection=connection, sqlite_fk=True, **options
        )
        # SQLite has one writer at a time. Within a process a lock makes
        # writers queue; without it they would fail with "database is
        # locked" as soon as two of them turn from reading to writing.
        self._one_writer = (
            threading.RLock()
            if connection.startswith('sqlite')
            else contextlib.nullcontext()
        )
        self._here = threading.local()
        self._watcher: Watcher | None = None

    def watch(self, watcher: Watcher) -> None:
        """Let every writing transaction be watched from now on."""
        self._watcher = watcher

    @contextlib.contextmanager
    def reader(self) -> Iterator[orm.Session]:
        """Give a session for reading, the enclosing one if there is one."""
        if self._inside():
            with self.writer() as session:
                yield session
            return
        with self._manager.reader.using(self) as session:
            yield session

    @contextlib.contextmanager
    def writer(self) -> Iterator[orm.Session]:
        """Give a session for writing, the enclosing one if there is one.

        Committed when the outermost block ends, rolled back when it raises.
        """
        if self._inside():
            with self._manager.writer.using(self) as session:
                yield session
            return
        with self._one_writer:
            self._here.writing = True
            watch: Watch | None = None
            try:
                with self._manager.writer.using(self) as session:
                    if session.get_bind().dialect.name == 'sqlite':
                        # Take the write lock now: another process's writer
                        # is then waited for instead of refused half way.
                        _begin_immediate(session)
                    if self._watcher is not None:
                        watch = self._watcher.begin(session)
                    yield session
                    if watch is not None:
                        watch.close()
            finally:
                self._here.writing = False
            if watch is not None:
                watch.committed()

    def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in one transaction, again if it met a deadlock.

        :param work: calls functions of ``db``; does nothing else that could
            not be done twice
        """
        if self._inside():
            return work()

        @oslo_db_api.wrap_db_retry(  # type: ignore[untyped-decorator]
            max_retries=10,
            retry_interval=0.05,
            max_retry_interval=1,
            retry_on_deadlock=True,
            retry_on_disconnect=True,
            jitter=True,
        )
        def attempt() -> T:
            with self.writer():
                return work()

        result: T = attempt()
        return result

    def ping(self) -> None:
        """Ask the database for an answer that only its tables give.

        :raises oslo_db.exception.DBError: when it has none
        """
        with self.reader() as session:
            session.execute(sa.text('SELECT id FROM services LIMIT 1'))

    def engine(self) -> sa.Engine:
        """Return the engine, for migrations."""
        engine: sa.Engine = self._manager.writer.get_engine()
        return engine

    def dispose(self) -> None:
        """Close every connection."""
        self._manager.dispose_pool()

    def _inside(self) -> bool:
        """Tell whether this thread is in a writing transaction."""
        return bool(getattr(self._here, 'writing', False))


def _read_committed(engine: sa.Engine) -> None:
    """Let a transaction see what others committed, once it has waited.

    As PostgreSQL does by itself. MySQL would go on showing what was there
    when the transaction first looked, also behind a lock it waited for.
    """
    if engine.dialect.name != 'mysql':
        return

    @sa.event.listens_for(engine, 'connect')
    def choose(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'
            )

    # The engine has tried a connection already, which did not hear of it.
    engine.dispose()


def _begin_immediate(session: orm.Session) -> None:
    connection = session.connection()
    if connection.info.get('in_transaction'):
        connection.exec_driver_sql('ROLLBACK')
        connection.exec_driver_sql('BEGIN IMMEDIATE')


def hit(result: Any) -> bool:
    """Tell whether an UPDATE changed its one row: a swap that was won."""
    return bool(result.rowcount == 1)


def take(
    session: orm.Session,
    model: type[models.Locked],
    *conditions: sa.ColumnElement[bool],
) -> bool:
    """Let no other transaction have a row until this one ends.

    :param conditions: what the row is found by
    :returns: whether it is there
    """
    result = session.execute(
        sa.update(model)
        .where(*conditions)
        .values(revision=model.revision + 1)
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    return hit(result)
