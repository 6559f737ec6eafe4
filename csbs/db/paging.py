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

"""Filters, sorting and marker paging, the same for every list."""

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
    :ivar sort: (column, whether descending); the id breaks ties
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
    for name, value in filters.items():
        if name == 'created_since':
            query = query.where(_column(model, 'created_at') >= value)
        elif name == 'created_before':
            query = query.where(_column(model, 'created_at') < value)
        else:
            query = query.where(_column(model, name) == value)
    keys = [(_column(model, name), down) for name, down in page.sort]
    if not any(column.key == 'id' for column, _ in keys):
        keys.append((_column(model, 'id'), keys[-1][1] if keys else False))
    if page.marker is not None:
        marker = session.get(model, page.marker)
        if marker is None or (
            project_id is not None
            and getattr(marker, 'project_id', project_id) != project_id
        ):
            raise exception.Invalid(
                f'marker: there is nothing with the id {page.marker}.'
            )
        query = query.where(_after(keys, marker))
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


def _after(
    keys: list[tuple[sa.Column[Any], bool]], marker: models.Base
) -> sa.ColumnElement[bool]:
    """Return the condition for rows behind the marker in the sort order."""
    mapper = sa.inspect(type(marker))
    alternatives = []
    equal: list[sa.ColumnElement[bool]] = []
    for column, down in keys:
        value = getattr(marker, mapper.get_property_by_column(column).key)
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
