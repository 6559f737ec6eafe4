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


"""Requests and answers, and what all services make of them alike."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import functools
import itertools
import time
from typing import Any
import urllib.parse
import uuid

Answer = tuple[int, dict[str, Any] | None]
Handler = Callable[..., Answer]
Routes = Mapping[str, Handler]

_BEGIN = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)

_WORDS = {
    400: 'badRequest',
    401: 'unauthorized',
    403: 'forbidden',
    404: 'itemNotFound',
    409: 'conflictingRequest',
    413: 'overLimit',
    500: 'computeFault',
}


class Refusal(Exception):
    """An error that is answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Who:
    """Whose token it is."""

    user_id: str
    project_id: str
    roles: frozenset[str]

    @property
    def admin(self) -> bool:
        return 'admin' in self.roles


@dataclasses.dataclass
class Request:
    """A request on its way.

    :ivar text: method, path without ids of projects, and the action
    :ivar by_service: whether a service vouches for it
    :ivar at: when it came, by ``time.monotonic()``
    """

    method: str
    service: str
    parts: list[str]
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    number: int = 0
    who: Who = Who('', '', frozenset())
    by_service: bool = False
    at: float = dataclasses.field(default_factory=time.monotonic)
    answer_headers: dict[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def text(self) -> str:
        parts = self.parts[2 if self.service == 'volume' else 1 :]
        words = [self.method, '/'.join([self.service, *parts])]
        if parts[-1:] == ['action'] and self.body:
            words.append(next(iter(self.body)))
        return ' '.join(words)

    @functools.cached_property
    def version(self) -> tuple[int, int]:
        """The microversion."""
        header = self.headers.get('OpenStack-API-Version', '')
        _service, _space, text = header.partition(' ')
        if not text:
            return (2, 1) if self.service == 'compute' else (3, 0)
        major, _dot, minor = text.partition('.')
        return int(major), int(minor)


def refusal(status: int, message: str) -> Answer:
    """Return an error as Nova and Cinder answer it."""
    word = _WORDS.get(status, 'error')
    return status, {word: {'code': status, 'message': message}}


def route(routes: Routes, request: Request) -> Answer:
    """Let the handler answer whose path fits; its stars are arguments."""
    for pattern, handler in routes.items():
        method, _space, path = pattern.partition(' ')
        words = path.split('/')
        if method != request.method or len(words) != len(request.parts):
            continue
        pairs = list(zip(words, request.parts, strict=True))
        if all(word in ('*', part) for word, part in pairs):
            return handler(
                request,
                *(
                    urllib.parse.unquote(part)
                    for word, part in pairs
                    if word == '*'
                ),
            )
    raise Refusal(404, f'There is no {request.text} in the tests.')


def need_admin(request: Request) -> None:
    if not request.who.admin:
        raise Refusal(403, 'Policy does not allow this to be performed.')


def visible(request: Request, thing: Any) -> bool:
    return request.who.admin or thing.project_id == request.who.project_id


def new_id() -> str:
    return str(uuid.uuid4())


_seconds = itertools.count()


def now() -> str:
    """Return a time later than any before, as the services write it."""
    moment = _BEGIN + datetime.timedelta(seconds=next(_seconds))
    return moment.strftime('%Y-%m-%dT%H:%M:%S.000000')


def chosen(
    request: Request, things: Iterable[Any], known: Sequence[str]
) -> list[Any]:
    """Return the things of a list that the request asks for.

    :param known: the attributes that can be asked for by their names
    """
    query, who = request.query, request.who
    everyone = who.admin and query.get('all_tenants') in ('1', 'True', 'true')
    found = []
    for thing in things:
        if not everyone and thing.project_id != who.project_id:
            continue
        if 'project_id' in query and thing.project_id != query['project_id']:
            continue
        if 'name~' in query and query['name~'] not in (thing.name or ''):
            continue
        if any(
            name in query and str(getattr(thing, name)) != query[name]
            for name in known
        ):
            continue
        found.append(thing)
    return found


def page(
    request: Request, things: Sequence[Any], size: int
) -> tuple[list[Any], str | None]:
    """Return one page of a list, and the marker of the next if any."""
    size = min(size, int(request.query.get('limit', size)))
    marker, begin = request.query.get('marker'), 0
    if marker:
        ids = [thing.id for thing in things]
        if marker not in ids:
            raise Refusal(400, f'marker {marker} not found')
        begin = ids.index(marker) + 1
    part = list(things[begin : begin + size])
    more = begin + size < len(things)
    return part, part[-1].id if part and more else None
