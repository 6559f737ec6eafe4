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

"""Filters, sorting and marker paging, the same for every list.

A list by one key is read along an index, from the marker on: the index has
what the list is cut by, the key, the time of creation and the id. So a page
costs the same wherever it is and however long the list.
"""

from collections.abc import Mapping
import dataclasses
import datetime
from typing import Any
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import orm

from csbs import exception
from csbs.db import models

M = TypeVar('M', bound=models.Base)


@dataclasses.dataclass(frozen=True)
class Page:
    """Which part of a list is wanted.

    :ivar marker: the id of the last one on the page before
    :ivar sort: (column, whether descending); what is equal in these goes
        by time of creation, then by id
    """

    limit: int = 1000
    marker: str | None = None
    sort: tuple[tuple[str, bool], ...] = (('created_at', True),)


def select_page(
    session: orm.Session,
    model: type[M],
    project_id: str | None,
    filters: Mapping[str, Any],
    page: Page,
    *conditions: sa.ColumnElement[bool],
) -> list[M]:
    """Return the rows of one page.

    :param project_id: None for every project's
    :param filters: column name to value; ``created_since`` and
        ``created_before`` take datetimes
    :param conditions: what is wanted beside that
    :raises Invalid: for an unknown column or marker
    """
    query = sa.select(model).where(*conditions)
    if project_id is not None:
        query = query.where(_column(model, 'project_id') == project_id)
        # They like to read everybody's newest rows and leave most of them
        # out, when a project has a good part of all.
        hint = f'IGNORE INDEX FOR ORDER BY (ix_{model.__tablename__}_created)'
        for dialect in ('mysql', 'mariadb'):
            query = query.with_hint(model, hint, dialect)
    for name, value in filters.items():
        if name == 'created_since':
            query = query.where(_column(model, 'created_at') >= value)
        elif name == 'created_before':
            query = query.where(_column(model, 'created_at') < value)
        else:
            query = query.where(_column(model, name) == value)
    keys = [(_column(model, name), down) for name, down in page.sort]
    for name in ('created_at', 'id'):
        named = {column.key for column, _ in keys}
        if name not in named and 'id' not in named:
            keys.append((_column(model, name), keys[-1][1] if keys else False))
    if page.marker is not None:
        values = _marked(session, model, project_id, page.marker, keys)
        dialect = session.get_bind().dialect.name
        query = query.where(_after(keys, values, dialect))
    for column, down in keys:
        # NULLs sort first going up, on every database alike.
        query = (
            query.order_by(
                column.is_not(None) if not down else column.is_(None),
                column.desc() if down else column.asc(),
            )
            if column.nullable
            else query.order_by(column.desc() if down else column.asc())
        )
    return list(session.scalars(query.limit(page.limit)).unique())


def _column(model: type[models.Base], name: str) -> sa.Column[Any]:
    columns = sa.inspect(model).columns
    if name not in columns:
        raise exception.Invalid(f'{name}: there is no such field to use here.')
    column: sa.Column[Any] = columns[name]
    return column


def _marked(
    session: orm.Session,
    model: type[models.Base],
    project_id: str | None,
    marker: str,
    keys: list[tuple[sa.Column[Any], bool]],
) -> list[Any]:
    """Return what the marker has in the columns of the sort order.

    :raises Invalid: when it is not there, or another project's
    """
    query = sa.select(*(column for column, _ in keys)).where(
        _column(model, 'id') == marker
    )
    if project_id is not None:
        query = query.where(_column(model, 'project_id') == project_id)
    row = session.execute(query).first()
    if row is None:
        raise exception.Invalid(
            f'marker: there is nothing with the id {marker}.'
        )
    return list(row)


def _after(
    keys: list[tuple[sa.Column[Any], bool]],
    values: list[Any],
    dialect: str,
) -> sa.ColumnElement[bool]:
    """Return the condition for rows behind the marker in the sort order.

    :param values: what the marker has there
    """
    downs = {down for _, down in keys}
    nullable = any(column.nullable for column, _ in keys)
    rows_in_order = dialect not in ('mysql', 'mariadb')
    if rows_in_order and len(downs) == 1 and not nullable:
        # PostgreSQL and SQLite find this place in an index; MySQL and
        # MariaDB do so with the long form only.
        here = sa.tuple_(*(column for column, _ in keys))
        there = sa.tuple_(
            *(
                sa.literal(value, column.type)
                for (column, _), value in zip(keys, values, strict=True)
            )
        )
        return here < there if downs == {True} else here > there
    alternatives = []
    equal: list[sa.ColumnElement[bool]] = []
    for (column, down), value in zip(keys, values, strict=True):
        beyond: sa.ColumnElement[bool]
        if value is None:
            beyond = sa.false() if down else column.is_not(None)
            same = column.is_(None)
        else:
            beyond = column < value if down else column > value
            if down and column.nullable:
                beyond = sa.or_(beyond, column.is_(None))
            same = column == value
        alternatives.append(sa.and_(*equal, beyond))
        equal.append(same)
    return sa.or_(*alternatives)


def utcnow() -> datetime.datetime:
    """Return the present, aware and in UTC."""
    return datetime.datetime.now(datetime.UTC)
