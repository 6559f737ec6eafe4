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


import pathlib
import re

import jsonschema

from csbs.api import rbac
from csbs.api import routes
from csbs.api import validation
from csbs.tests import base

_ROOT = pathlib.Path(__file__).parents[4]
_METHOD = re.compile(r'^\.\. rest_method:: +(\S+) +(\S+)$', re.MULTILINE)
#: open to everybody, without a token
PUBLIC = {'/', '/healthcheck', '/v1', '/v1/openapi.json'}


class RoutesTest(base.TestCase):
    def test_no_route_twice(self) -> None:
        seen = [(route.method, route.path) for route in routes.ROUTES]
        self.assertEqual(sorted(set(seen)), sorted(seen))

    def test_every_route_has_schemas(self) -> None:
        for route in routes.ROUTES:
            schemas = validation.schemas_of(route.handler)
            self.assertIn(schemas.status, (200, 201, 202), route)
            self.assertIsNotNone(schemas.response, route)
            if route.method in ('POST', 'PATCH'):
                self.assertIsNotNone(schemas.body, route)
            elif route.method in ('GET', 'DELETE'):
                self.assertIsNone(schemas.body, route)
            for schema in (schemas.query, schemas.body, schemas.response):
                if schema is not None:
                    jsonschema.Draft202012Validator.check_schema(schema)
            for schema in (schemas.query, schemas.body):
                if schema is not None:
                    self.assertIs(False, schema['additionalProperties'], route)

    def test_every_handler_says_what_it_does(self) -> None:
        for route in routes.ROUTES:
            self.assertTrue(route.handler.__doc__, route)

    def test_every_route_has_a_rule(self) -> None:
        rules = {rule.name for rule in rbac.list_rules()}
        for route in routes.ROUTES:
            if route.path in PUBLIC:
                self.assertIs(routes.PUBLIC, route.rule)
            else:
                self.assertIn(route.rule, rules)

    def test_every_rule_names_its_route(self) -> None:
        wanted = {
            (route.rule, route.method, route.path)
            for route in routes.ROUTES
            if route.rule is not None
        }
        named = {
            (rule.name, operation['method'], operation['path'])
            for rule in rbac.list_rules()
            for operation in getattr(rule, 'operations', ())
            if '?' not in operation['path']
        }
        self.assertEqual(wanted, named)

    def test_every_route_is_in_the_api_reference(self) -> None:
        folder = _ROOT / 'api-ref' / 'source'
        described = [
            found
            for path in sorted(folder.glob('*.inc'))
            for found in _METHOD.findall(path.read_text())
        ]
        wanted = [(route.method, route.path) for route in routes.ROUTES]
        self.assertEqual(sorted(wanted), sorted(described))
