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

"""How a database answers: by which index, and how many rows it reads for it.

Owns the reading of the plans of MariaDB and PostgreSQL. Both are asked to
carry the statement out and to say what they did, not what they expect.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
import re
from typing import Any

import sqlalchemy as sa

from csbs.db import models
from csbs.db import session

#: a table with more rows may not be read from end to end
BIG_TABLE = 10_000
_MYSQLS = ('mysql', 'mariadb')


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a question costs the database, all its statements together.

    :ivar statements: how many it takes
    :ivar rows: how many rows were read
    :ivar scanned: the tables that were read from end to end
    """

    statements: int
    rows: int
    scanned: frozenset[str]


def of(db: session.Database, ask: Callable[[], object]) -> Plan:
    """Ask a question once and return how the database answered."""
    engine = db.engine()
    seen: list[tuple[str, Any]] = []

    def remember(
        connection: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many: bool,
    ) -> None:
        if statement.startswith(('SELECT', 'UPDATE', 'DELETE')):
            seen.append((statement, parameters))

    sa.event.listen(engine, 'before_cursor_execute', remember)
    try:
        ask()
    finally:
        sa.event.remove(engine, 'before_cursor_execute', remember)
    explain = _MYSQL if engine.dialect.name in _MYSQLS else _POSTGRESQL
    total, scanned = 0, set()
    with engine.connect() as connection:
        for statement, parameters in seen:
            answer = connection.exec_driver_sql(
                f'{explain.prefix} {statement}', parameters
            ).scalar()
            plan = json.loads(answer) if isinstance(answer, str) else answer
            for table, rows, whole in explain.reads(plan):
                total += round(rows)
                # What is put together for the statement is no table.
                if whole and table in models.Base.metadata.tables:
                    scanned.add(table)
        connection.rollback()
        big = {table for table in scanned if _is_big(connection, table)}
    return Plan(len(seen), total, frozenset(big))


def _is_big(connection: sa.Connection, table: str) -> bool:
    row = sa.select(sa.literal(1)).select_from(sa.table(table))
    return connection.scalar(row.limit(1).offset(BIG_TABLE)) is not None


@dataclasses.dataclass(frozen=True)
class _Dialect:
    """How to ask for a plan, and how to find the reads of tables in it.

    :ivar reads: gives table, rows and whether it was read from end to end
    """

    prefix: str
    reads: Callable[[Any], Iterator[tuple[str, float, bool]]]


def _walk(plan: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        for value in plan.values():
            yield from _walk(value)
    elif isinstance(plan, list):
        for value in plan:
            yield from _walk(value)


def _reads_mysql(plan: Any) -> Iterator[tuple[str, float, bool]]:
    for node in _walk(plan):
        if 'access_type' in node and 'table_name' in node:
            # An alias is the table's name with a number behind it.
            table = re.sub(r'_\d+$', '', node['table_name'])
            rows = (node.get('r_loops') or 0) * (node.get('r_rows') or 0)
            yield table, rows, node['access_type'] == 'ALL'


def _reads_postgresql(plan: Any) -> Iterator[tuple[str, float, bool]]:
    for node in _walk(plan):
        if 'Relation Name' in node and node['Node Type'].endswith('Scan'):
            read = node['Actual Rows'] + node.get('Rows Removed by Filter', 0)
            yield (
                node['Relation Name'],
                read * node['Actual Loops'],
                node['Node Type'] == 'Seq Scan' and node['Actual Loops'] > 0,
            )


_MYSQL = _Dialect('ANALYZE FORMAT=JSON', _reads_mysql)
_POSTGRESQL = _Dialect('EXPLAIN (ANALYZE, FORMAT JSON)', _reads_postgresql)
