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


"""Schemas of requests and answers: the decorators and the checking.

``@query``, ``@body`` and ``@response`` only write down what a handler takes
and gives; the application checks before and after it calls the handler, and
the OpenAPI document is built from the same notes.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import re
from typing import Any
from typing import TypeVar
import uuid

import jsonschema
from jsonschema import exceptions as jsonschema_exceptions

from csbs import exception
from csbs.api.schemas import types

F = TypeVar('F', bound=Callable[..., Any])

_NO_QUERY = types.record({})
_ATTRIBUTE = 'csbs_schemas'
#: more complaints than that help nobody
_MOST_REASONS = 5
_CHECKER = jsonschema.FormatChecker(formats=())
_RFC_3339 = re.compile(r'\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d', re.ASCII)
_BOOLEANS = {'true': True, '1': True, 'false': False, '0': False}
_TYPES = {
    'array': 'a list',
    'boolean': 'true or false',
    'integer': 'a whole number',
    'null': 'null',
    'number': 'a number',
    'object': 'an object',
    'string': 'a string',
}


class InvalidResponse(Exception):
    """An answer does not fit its own schema: a mistake of ours."""


@dataclasses.dataclass(frozen=True)
class Schemas:
    """What one handler takes and gives.

    :ivar body: None when it takes no body
    :ivar response: None when it gives no body
    """

    query: types.Schema = dataclasses.field(default_factory=lambda: _NO_QUERY)
    body: types.Schema | None = None
    status: int = 0
    response: types.Schema | None = None


def schemas_of(handler: Callable[..., Any]) -> Schemas:
    """Return what the decorators wrote down for a handler."""
    found: Schemas = getattr(handler, _ATTRIBUTE, Schemas())
    return found


def query(schema: types.Schema) -> Callable[[F], F]:
    """Say what query string a handler takes."""
    return _noted(query=schema)


def body(schema: types.Schema) -> Callable[[F], F]:
    """Say what body a handler takes."""
    return _noted(body=schema)


def response(status: int, schema: types.Schema) -> Callable[[F], F]:
    """Say which status and body a handler gives."""
    return _noted(status=status, response=schema)


def _noted(**changes: Any) -> Callable[[F], F]:
    def decorate(handler: F) -> F:
        noted = dataclasses.replace(schemas_of(handler), **changes)
        setattr(handler, _ATTRIBUTE, noted)
        return handler

    return decorate


def parse_time(text: str) -> datetime.datetime:
    """Return the aware UTC time that an RFC 3339 string says.

    :raises ValueError: when it says none, or has no offset from UTC
    """
    time = datetime.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError('no offset from UTC')
    return time.astimezone(datetime.UTC)


@_CHECKER.checks('date-time', raises=(ValueError, OverflowError))
def _is_time(value: object) -> bool:
    # fromisoformat takes dates and week numbers too; RFC 3339 does not.
    if isinstance(value, str):
        if not _RFC_3339.match(value):
            raise ValueError('not an RFC 3339 time')
        parse_time(value)
    return True


@_CHECKER.checks('uuid', raises=ValueError)
def _is_uuid(value: object) -> bool:
    return not isinstance(value, str) or (
        str(uuid.UUID(value)) == value.lower()
    )


def check_query(
    schema: types.Schema, pairs: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Return the query string's fields, converted to the schema's types.

    :raises Invalid: with every reason, in plain words
    """
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name in values:
            raise exception.Invalid(f'{name}: is given more than once.')
        if not storable(text):
            raise exception.Invalid(f'{name}: holds what is no text.')
        values[name] = _convert(schema['properties'].get(name, {}), text)
    check(schema, values)
    return values


def _convert(schema: Mapping[str, Any], text: str) -> Any:
    if schema.get('type') == 'integer':
        # int() would also take '1_000', ' 7' and digits of other scripts
        number = text.removeprefix('-')
        if number.isascii() and number.isdigit() and len(number) < 20:
            return int(text)
    elif schema.get('type') == 'boolean':
        return _BOOLEANS.get(text.lower(), text)
    return text


def storable(value: Any) -> bool:
    """Tell whether every string inside a value is text a database takes.

    JSON allows NUL characters and halves of surrogate pairs; PostgreSQL
    refuses the first, UTF-8 the second.
    """
    if isinstance(value, dict):
        return all(storable(k) and storable(v) for k, v in value.items())
    if isinstance(value, list):
        return all(storable(part) for part in value)
    if isinstance(value, str):
        return not any(c == '\0' or '\ud800' <= c <= '\udfff' for c in value)
    return True


def check(schema: types.Schema, value: Any) -> None:
    """See that a value fits a schema.

    :raises Invalid: with every reason, in plain words
    """
    # A dict keeps the order and drops what is said twice.
    reasons = dict.fromkeys(explain(e) for e in _errors(schema, value))
    if reasons:
        raise exception.Invalid(' '.join(list(reasons)[:_MOST_REASONS]))


def check_response(schema: types.Schema, value: Any) -> None:
    """See that an answer fits its schema.

    :raises InvalidResponse: naming what does not
    """
    for error in _errors(schema, value):
        raise InvalidResponse(f'{error.json_path}: {error.message}')


def _errors(
    schema: types.Schema, value: Any
) -> list[jsonschema_exceptions.ValidationError]:
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=_CHECKER
    )
    return sorted(validator.iter_errors(value), key=lambda e: e.json_path)


def explain(error: jsonschema_exceptions.ValidationError) -> str:
    """Return one sentence: where the fault is, and what it is."""
    path = '.'.join(str(part) for part in error.absolute_path)
    # The stubs allow for an error that nothing was validated for.
    limit: Any = error.validator_value
    kind = error.validator
    value: Any = error.instance
    schema: Any = error.schema
    if kind == 'anyOf' and 'x-reason' not in schema:
        # What may be null too is told of as what it is to be else.
        parts = [e for e in error.context or () if e.validator_value != 'null']
        return ' '.join(dict.fromkeys(explain(part) for part in parts))
    if kind == 'required':
        missing = [name for name in limit if name not in value]
        where = f'{path}.' if path else ''
        return ' '.join(f'{where}{name}: is missing.' for name in missing)
    if kind == 'additionalProperties':
        known = schema.get('properties', {})
        extra = sorted(name for name in value if name not in known)
        where = f'{path}.' if path else ''
        return ' '.join(f'{where}{name}: is not known here.' for name in extra)
    return f'{path or "body"}: {_reason(error, kind, limit, value)}.'


def _reason(
    error: jsonschema_exceptions.ValidationError,
    kind: Any,
    limit: Any,
    value: Any,
) -> str:
    schema: Any = error.schema
    if kind in ('pattern', 'anyOf') and 'x-reason' in schema:
        return str(schema['x-reason'])
    if kind == 'type':
        wanted = [limit] if isinstance(limit, str) else limit
        return 'must be ' + ' or '.join(_TYPES[name] for name in wanted)
    if kind == 'enum':
        return 'must be one of ' + ', '.join(str(word) for word in limit)
    if kind == 'format':
        return {
            'uuid': 'must be a UUID',
            'date-time': (
                'must be a time with its offset from UTC, '
                'like 2026-11-23T10:00:00Z'
            ),
        }.get(limit, f'must be a {limit}')
    sentence = {
        'minimum': 'must be at least {limit}',
        'maximum': 'must be at most {limit}',
        'minLength': 'must have at least {limit} characters',
        'maxLength': 'must have at most {limit} characters',
        'minItems': 'must have at least {limit} entries',
        'maxItems': 'must have at most {limit} entries',
        'minProperties': 'must hold something to change',
        'uniqueItems': 'must not hold the same entry twice',
    }.get(str(kind), 'does not have the right form')
    return sentence.format(limit=limit)
