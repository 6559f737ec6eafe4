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

"""Filling a database from text, as fast as the database allows.

Owns what differs between MariaDB and PostgreSQL. Whatever the tables held is
gone afterwards. Indexes are dropped before and made anew behind the rows:
that takes a fraction of the time, and leaves them as they would be.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import pathlib
from typing import Any

import sqlalchemy as sa

from benchmarks.catalogue import rows
from benchmarks.catalogue import world as worlds
from csbs.db import models

#: rows of a file: one of them fits into any server's memory
_CHUNK = 50_000

_TABLES = models.Base.metadata.tables


class Text:
    """The rows of a world as files in a folder, to load any number of times.

    :ivar rows: how many each table gets
    """

    def __init__(self, world: worlds.World, folder: pathlib.Path) -> None:
        self._folder = folder
        self.rows: dict[str, int] = dict.fromkeys(rows.COLUMNS, 0)
        for table, lines in (
            ('vaults', rows.of_vaults(world)),
            ('vault_tags', rows.of_vault_tags(world)),
            ('policies', rows.of_policies(world)),
            ('policy_servers', rows.of_policy_servers(world)),
            ('tasks', rows.of_queue(world)),
            ('quotas', rows.of_quotas(world)),
        ):
            self._write((table, line) for line in lines)
        self._write(rows.of_backups(world))

    def files(self, table: str) -> list[pathlib.Path]:
        """Return the files of a table, in order."""
        return sorted(self._folder.glob(f'{table}.*'))

    def _write(self, lines: Iterable[tuple[str, str]]) -> None:
        with contextlib.ExitStack() as stack:
            files: dict[str, Any] = {}
            for table, line in lines:
                count = self.rows[table]
                if table not in files or count % _CHUNK == 0:
                    path = self._folder / f'{table}.{count:09}'
                    files[table] = stack.enter_context(path.open('w'))
                files[table].write(line)
                self.rows[table] = count + 1


@contextlib.contextmanager
def _connected(url: sa.URL, **options: Any) -> Iterator[sa.Connection]:
    mysql = _is_mysql(url)
    engine = sa.create_engine(
        url, connect_args={'local_infile': True} if mysql else {}, **options
    )
    try:
        with engine.connect() as connection:
            yield connection
            connection.commit()
    finally:
        engine.dispose()


def _is_mysql(url: sa.URL) -> bool:
    return url.get_backend_name() in ('mysql', 'mariadb')


def version(url: sa.URL) -> str:
    """Return the name and version that a database gives itself."""
    with _connected(url) as connection:
        words = str(connection.scalar(sa.select(sa.func.version())))
    return f'{url.get_backend_name()} {words}'


def fill(url: sa.URL, text: Text) -> None:
    """Empty the tables and fill them anew."""
    empty(url)
    with _connected(url) as connection:
        if _is_mysql(url):
            _fill_mysql(connection, text)
        else:
            _fill_postgresql(connection, text)
    # What the databases do by themselves when nobody looks.
    what = 'ANALYZE TABLE' if _is_mysql(url) else 'VACUUM ANALYZE'
    with _connected(url, isolation_level='AUTOCOMMIT') as connection:
        for name in rows.COLUMNS:
            connection.exec_driver_sql(f'{what} {name}')


def empty(url: sa.URL) -> None:
    """Empty all tables."""
    with _connected(url) as connection:
        run = connection.exec_driver_sql
        if not _is_mysql(url):
            run(f'TRUNCATE {", ".join(_TABLES)}')
            return
        run('SET foreign_key_checks = 0')
        for table in _TABLES:
            run(f'TRUNCATE {table}')


def _fill_postgresql(connection: sa.Connection, text: Text) -> None:
    run = connection.exec_driver_sql
    run("SET LOCAL maintenance_work_mem = '512MB'")
    for table in rows.COLUMNS:
        for index in _indexes(table):
            index.drop(connection)
        cursor = connection.connection.cursor()
        for path in text.files(table):
            columns = ', '.join(rows.COLUMNS[table])
            with path.open() as file:
                cursor.copy_expert(
                    f'COPY {table} ({columns}) FROM STDIN', file
                )
        for index in _indexes(table):
            index.create(connection)


def _fill_mysql(connection: sa.Connection, text: Text) -> None:
    run = connection.exec_driver_sql
    run('SET foreign_key_checks = 0, unique_checks = 0')
    for table in rows.COLUMNS:
        indexes = list(_indexes(table))
        _alter(run, table, [f'DROP INDEX {index.name}' for index in indexes])
        columns = ', '.join(rows.COLUMNS[table])
        for path in _by_key(text.files(table)):
            run(
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} "
                f'CHARACTER SET utf8mb4 ({columns})'
            )
            connection.commit()
            path.unlink()
        _alter(
            run,
            table,
            [f'ADD INDEX {index.name} ({_names(index)})' for index in indexes],
        )


def _by_key(paths: list[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Write the rows of files anew, ordered by their first column.

    The tables lie in the order of their keys here; in another order their
    pages would be split and written over and over.
    """
    if not paths:
        return
    parts: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        for path in paths:
            with path.open() as lines:
                for line in lines:
                    first = line[:1]
                    if first not in parts:
                        part = path.with_name(f'by-key.{first}')
                        parts[first] = stack.enter_context(part.open('w'))
                    parts[first].write(line)
    for _, file in sorted(parts.items()):
        part = pathlib.Path(file.name)
        with part.open() as lines:
            ordered = sorted(lines)
        with part.open('w') as file:
            file.writelines(ordered)
        yield part


def _alter(run: Any, table: str, changes: list[str]) -> None:
    if changes:
        # In one statement the table is read once.
        run(f'ALTER TABLE {table} {", ".join(changes)}')


def _names(index: sa.Index) -> str:
    return ', '.join(column.name for column in index.columns)


def _indexes(table: str) -> Iterator[sa.Index]:
    return iter(sorted(_TABLES[table].indexes, key=lambda one: str(one.name)))
