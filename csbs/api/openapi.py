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


"""The OpenAPI 3.1 document, built from the routes and their schemas.

Format: the OpenAPI Specification 3.1.0, whose schemas are JSON Schema
2020-12. Schemas with a ``title`` become components, so that generated clients
have names for them.
"""

from collections.abc import Iterable
import http
import inspect
import re
from typing import Any
from typing import TYPE_CHECKING

from csbs.api import validation
from csbs.api import versions
from csbs.api.schemas import types

if TYPE_CHECKING:
    from csbs.api import routes

_ARGUMENT = re.compile(r'{(\w+)}')


def document(table: 'Iterable[routes.Route]') -> dict[str, Any]:
    """Return the description of all routes."""
    components: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    errors = _hoist(types.ERRORS, components)
    for route in table:
        operation = _operation(route, components, errors)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        'openapi': '3.1.0',
        'info': {
            'title': 'Cloud Server Backup Service',
            'description': 'Backs up and restores whole servers.',
            'version': versions.VERSIONS[-1],
            'license': {'name': 'Apache-2.0', 'identifier': 'Apache-2.0'},
        },
        'paths': paths,
        'components': {
            'schemas': components,
            'securitySchemes': {
                'token': {
                    'type': 'apiKey',
                    'in': 'header',
                    'name': 'X-Auth-Token',
                }
            },
        },
    }


def _operation(
    route: 'routes.Route', components: dict[str, Any], errors: Any
) -> dict[str, Any]:
    schemas = validation.schemas_of(route.handler)
    summary = (inspect.getdoc(route.handler) or '').split('\n')[0]
    operation: dict[str, Any] = {
        'operationId': route.handler.__name__,
        'summary': summary.rstrip('.'),
        'tags': [route.handler.__module__.rpartition('.')[2]],
        'parameters': [
            *_path_parameters(route.path),
            *_query_parameters(schemas.query),
            _version_parameter(),
        ],
        'responses': {
            str(schemas.status): {
                'description': http.HTTPStatus(schemas.status).phrase,
                'content': _content(_hoist(schemas.response, components)),
            },
            'default': {
                'description': 'What went wrong',
                'content': _content(errors),
            },
        },
    }
    if schemas.body is not None:
        operation['requestBody'] = {
            'required': 'required' in schemas.body,
            'content': _content(_hoist(schemas.body, components)),
        }
    if route.rule is not None:
        operation['security'] = [{'token': []}]
        operation['x-csbs-rule'] = route.rule
    return operation


def _content(schema: Any) -> dict[str, Any]:
    return {'application/json': {'schema': schema}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            'name': name,
            'in': 'path',
            'required': True,
            'schema': {'type': 'string'},
        }
        for name in _ARGUMENT.findall(path)
    ]


def _query_parameters(schema: types.Schema) -> list[dict[str, Any]]:
    return [
        {'name': name, 'in': 'query', 'schema': field}
        for name, field in schema['properties'].items()
    ]


def _version_parameter() -> dict[str, Any]:
    return {
        'name': versions.HEADER,
        'in': 'header',
        'schema': {
            'type': 'string',
            'examples': [f'{versions.SERVICE_TYPE} {versions.VERSIONS[-1]}'],
        },
    }


def _hoist(schema: Any, components: dict[str, Any]) -> Any:
    """Return a schema with references in place of its titled parts."""
    if isinstance(schema, list):
        return [_hoist(part, components) for part in schema]
    if not isinstance(schema, dict):
        return schema
    flat = {key: _hoist(part, components) for key, part in schema.items()}
    title = schema.get('title')
    # A property may be called title too; then its value is a schema.
    if not isinstance(title, str):
        return flat
    if components.setdefault(title, flat) != flat:
        raise ValueError(f'two schemas are called {title}')
    return {'$ref': f'#/components/schemas/{title}'}
