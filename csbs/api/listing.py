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


"""Lists: from a checked query to a page, and from a page to the next link."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any
from typing import TypeVar
import urllib.parse

from csbs import exception
from csbs.api import request
from csbs.api import validation
from csbs.db import paging

T = TypeVar('T')

_NOT_FILTERS = frozenset(
    ('limit', 'marker', 'sort', 'all_projects', 'project_id')
)
_TIMES = frozenset(('created_since', 'created_before'))
#: what a list of all projects can be cut by, beside ids: it has indexes
_OF_EVERYBODY = _TIMES | {'id', 'status'}
#: fields that the database calls differently
_COLUMNS = {'size_bytes': 'size'}


@dataclasses.dataclass(frozen=True)
class Listing:
    """One request for a list.

    :ivar project_id: whose; None for everybody's
    :ivar page: asks for one more than the answer may hold, so that it is
        known whether there is a next page
    """

    project_id: str | None
    filters: Mapping[str, Any]
    page: paging.Page
    limit: int


def of(
    req: request.Request,
    all_projects_rule: str,
    sort: tuple[tuple[str, bool], ...] = (('created_at', True),),
) -> Listing:
    """Return what a list's query asks for.

    :param all_projects_rule: who may ask for other projects' resources
    :param sort: the order when the query names none
    :raises Forbidden: when another project is asked for without the right
    :raises Invalid: when a list of all projects would take too long
    """
    project_id = project(req, all_projects_rule)
    filters, keys = _filters(req), _sort(req, sort)
    if project_id is None:
        _check_of_everybody(filters, keys)
    most = limit(req)
    return Listing(
        project_id=project_id,
        filters=filters,
        page=paging.Page(
            limit=most + 1, marker=req.query.get('marker'), sort=keys
        ),
        limit=most,
    )


def project(req: request.Request, all_projects_rule: str) -> str | None:
    """Return the project that a query is about; None: all of them.

    :param all_projects_rule: who may ask for other projects
    :raises Forbidden: when another is asked for without the right
    """
    project_id = req.context.project_id
    wanted = req.query.get('project_id', project_id)
    if req.query.get('all_projects') or wanted != project_id:
        req.can(all_projects_rule)
        project_id = req.query.get('project_id')
    return project_id


def _check_of_everybody(
    filters: Mapping[str, Any], sort: tuple[tuple[str, bool], ...]
) -> None:
    odd = [
        name
        for name in filters
        if name not in _OF_EVERYBODY and not name.endswith('_id')
    ]
    if [name for name, _ in sort] != ['created_at']:
        odd.append('sort')
    if odd:
        raise exception.Invalid(
            f'{odd[0]}: a list of all projects is sorted by created_at, and '
            'cut by status, times and ids only; ask for one project_id.'
        )


def answer(
    req: request.Request,
    name: str,
    found: Sequence[T],
    limit: int,
    render: Callable[[T], dict[str, Any]],
    key: str = 'id',
) -> dict[str, Any]:
    """Return the body of a list.

    :param found: up to one more than ``limit``
    :param key: what the next page is asked for by
    """
    rendered = [render(one) for one in found[:limit]]
    body: dict[str, Any] = {name: rendered}
    if len(found) > limit:
        query = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in req.query.items()
        }
        query['marker'] = rendered[-1][key]
        href = f'{req.url}?{urllib.parse.urlencode(query)}'
        body[f'{name}_links'] = [{'rel': 'next', 'href': href}]
    return body


def answer_in_memory(
    req: request.Request,
    name: str,
    rendered: Sequence[dict[str, Any]],
    sort: tuple[tuple[str, bool], ...],
) -> dict[str, Any]:
    """Return the body of a list that no database pages for us.

    :param rendered: all there is
    :param sort: the order when the query names none
    :raises Invalid: for an unknown marker
    """
    found = list(rendered)
    # Sorted by the least important key first: the sort is stable.
    for field, down in reversed((*_sort(req, sort), ('id', False))):
        found.sort(key=_sort_key(field), reverse=down)
    marker = req.query.get('marker')
    if marker is not None:
        ids = [one['id'] for one in found]
        if marker not in ids:
            raise exception.Invalid(
                f'marker: there is nothing with the id {marker}.'
            )
        found = found[ids.index(marker) + 1 :]
    filters = _filters(req)
    found = [
        one
        for one in found
        if all(one[field] == value for field, value in filters.items())
    ]
    return answer(req, name, found, limit(req), dict)


def _sort_key(field: str) -> Callable[[dict[str, Any]], Any]:
    def key(one: dict[str, Any]) -> Any:
        # None cannot be compared; it sorts first going up, as in lists that
        # the database sorts.
        return (one[field] is not None, one[field] or 0)

    return key


def limit(req: request.Request) -> int:
    """Return how many a list may hold."""
    highest: int = req.rt.conf.api.max_limit
    return min(req.query.get('limit', highest), highest)


def _filters(req: request.Request) -> dict[str, Any]:
    return {
        _COLUMNS.get(name, name): (
            validation.parse_time(value) if name in _TIMES else value
        )
        for name, value in req.query.items()
        if name not in _NOT_FILTERS
    }


def _sort(
    req: request.Request, otherwise: tuple[tuple[str, bool], ...]
) -> tuple[tuple[str, bool], ...]:
    text = req.query.get('sort')
    if not text:
        return otherwise
    parts = [part.partition(':') for part in text.split(',')]
    return tuple(
        (_COLUMNS.get(field, field), direction == 'desc')
        for field, _, direction in parts
    )
