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


from collections.abc import Iterator
from typing import Any

import jsonschema

from csbs.api import openapi
from csbs.api import routes
from csbs.api import validation
from csbs.tests import base


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object inside a document."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from walk(part)


class OpenApiTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.document = openapi.document(routes.ROUTES)

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, methods in self.document['paths'].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def test_every_route(self) -> None:
        self.assertEqual(
            sorted((route.method, route.path) for route in routes.ROUTES),
            sorted((method, path) for method, path, _ in self.operations()),
        )

    def test_ids_are_unique(self) -> None:
        ids = [one['operationId'] for *_, one in self.operations()]
        self.assertEqual(sorted(set(ids)), sorted(ids))

    def test_references_lead_somewhere(self) -> None:
        components = self.document['components']['schemas']
        self.assertIn('Backup', components)
        references = {
            part['$ref']
            for part in walk(self.document)
            if isinstance(part.get('$ref'), str)
        }
        self.assertEqual(
            {f'#/components/schemas/{name}' for name in components},
            references,
        )

    def test_path_arguments_are_described(self) -> None:
        for _, path, operation in self.operations():
            arguments = [
                one['name']
                for one in operation['parameters']
                if one['in'] == 'path'
            ]
            self.assertEqual(path.count('{'), len(arguments))
            for name in arguments:
                self.assertIn(f'{{{name}}}', path)

    def test_rules_and_tokens(self) -> None:
        for route in routes.ROUTES:
            operation = self.document['paths'][route.path][
                route.method.lower()
            ]
            self.assertEqual(
                route.rule is not None, 'security' in operation, route
            )

    def test_schemas_say_the_same_with_references(self) -> None:
        body = self.document['paths']['/v1/vaults']['post']['requestBody']
        schema = {
            **body['content']['application/json']['schema'],
            'components': self.document['components'],
        }
        good = {'vault': {'capacity_gb': 100}}
        self.assertTrue(jsonschema.Draft202012Validator(schema).is_valid(good))
        self.assertFalse(
            jsonschema.Draft202012Validator(schema).is_valid({'vault': {}})
        )

    def test_one_title_one_schema(self) -> None:
        def handler(req: Any) -> dict[str, Any]:
            """Do it."""
            return {}

        validation.response(200, {'type': 'object', 'title': 'Errors'})(
            handler
        )
        route = routes.Route('GET', '/x', handler, None)
        self.assertRaises(ValueError, openapi.document, [route])
