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


"""The building blocks of all schemas, in JSON Schema 2020-12.

``x-reason`` says in plain words what a pattern asks for; callers see it in
place of the pattern. A schema with a ``title`` becomes a component of the
OpenAPI document.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

#: letters, digits, Chinese characters (the unified blocks, and the zero that
#: stands outside of them), _ and -
_NAME_CHARACTERS = (
    'A-Za-z0-9_\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af-'
)

#: ``$`` alone would let a newline at the end through in Python
NAME: Schema = {
    'type': 'string',
    'minLength': 1,
    'maxLength': 255,
    'pattern': f'^[{_NAME_CHARACTERS}]+$(?!\\n)',
    'x-reason': (
        'may hold only letters, digits, Chinese characters, "_" and "-"'
    ),
}
DESCRIPTION: Schema = {'type': 'string', 'maxLength': 1024}
UUID: Schema = {'type': 'string', 'format': 'uuid'}
#: ids that others make up, such as a project's
ID: Schema = {'type': 'string', 'minLength': 1, 'maxLength': 255}
TIME: Schema = {'type': 'string', 'format': 'date-time'}
STRING: Schema = {'type': 'string'}
BOOLEAN: Schema = {'type': 'boolean'}
COUNT: Schema = {'type': 'integer', 'minimum': 0}
SECONDS: Schema = {'type': 'number', 'minimum': 0}
PERCENT: Schema = {'type': 'integer', 'minimum': 0, 'maximum': 100}
ANY_OBJECT: Schema = {'type': 'object'}


def enum(values: Iterable[str]) -> Schema:
    """Return a schema of some words."""
    return {'type': 'string', 'enum': [str(value) for value in values]}


def nullable(schema: Schema) -> Schema:
    """Return a schema that also takes null."""
    if set(schema) == {'type'}:
        return {'type': [schema['type'], 'null']}
    return {'anyOf': [schema, {'type': 'null'}]}


def described(schema: Schema, description: str) -> Schema:
    """Return a schema with a sentence for the reader."""
    return {**schema, 'description': description}


def record(
    properties: Mapping[str, Schema],
    required: Iterable[str] = (),
    **more: Any,
) -> Schema:
    """Return an object's schema that takes these properties only."""
    schema: Schema = {
        'type': 'object',
        'properties': dict(properties),
        'additionalProperties': False,
        **more,
    }
    if required:
        schema['required'] = list(required)
    return schema


def resource(title: str, properties: Mapping[str, Schema]) -> Schema:
    """Return the schema of what is answered: every property, always."""
    return record(properties, properties, title=title)


def wrapped(name: str, schema: Schema) -> Schema:
    """Return ``{name: ...}``, as every single resource travels."""
    return record({name: schema}, [name])


def wrapped_list(name: str, schema: Schema) -> Schema:
    """Return ``{name: [...], name_links: [...]}``, as every list travels."""
    return record(
        {
            name: {'type': 'array', 'items': schema},
            f'{name}_links': {'type': 'array', 'items': LINK},
        },
        [name],
    )


def listing(
    filters: Mapping[str, Schema],
    sort_keys: Iterable[str],
    *,
    projects: bool = False,
    times: bool = False,
) -> Schema:
    """Return the query of a list.

    :param projects: whether other projects' can be asked for
    :param times: whether the list can be cut by time of creation
    """
    keys = list(sort_keys)
    one = f'({"|".join(keys)})(:(asc|desc))?'
    properties: Schema = {
        'limit': {'type': 'integer', 'minimum': 1},
        'marker': ID,
        'sort': {
            'type': 'string',
            'pattern': f'^{one}(,{one})*$(?!\\n)',
            'x-reason': (
                'takes fields with ":asc" or ":desc" behind them, separated '
                f'by commas; the fields are {", ".join(keys)}'
            ),
        },
        **filters,
    }
    if times:
        properties['created_since'] = TIME
        properties['created_before'] = TIME
    if projects:
        properties['all_projects'] = BOOLEAN
        properties['project_id'] = ID
    return record(properties)


LINK = record({'rel': STRING, 'href': STRING}, ['rel', 'href'], title='Link')

FAULT = nullable(
    record(
        {'code': STRING, 'message': STRING},
        ['code', 'message'],
        title='Fault',
    )
)

ERRORS = record(
    {
        'errors': {
            'type': 'array',
            'items': {
                'type': 'object',
                'properties': {
                    'status': {'type': 'integer'},
                    'code': STRING,
                    'title': STRING,
                    'detail': STRING,
                    'request_id': nullable(STRING),
                },
                'required': ['status', 'code', 'title', 'detail'],
            },
        }
    },
    ['errors'],
    title='Errors',
)
