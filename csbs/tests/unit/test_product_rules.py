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


"""The page that says which test proves which rule names tests that exist."""

import importlib
import pathlib
import re

from csbs.tests import base

_PAGE = (
    pathlib.Path(__file__).parents[3]
    / 'doc'
    / 'source'
    / 'contributor'
    / 'product-rules.rst'
)
_NAME = re.compile(r'``((?:unit|functional|integration)?\.[\w.]+)``')
_ROW = re.compile(r'^   \* - ', re.MULTILINE)


class ProductRulesTest(base.TestCase):
    def test_every_rule_has_tests_that_exist(self) -> None:
        rows = _ROW.split(_PAGE.read_text())[1:]
        rules = [row for row in rows if not row.startswith('Rule\n')]
        self.assertGreater(len(rules), 60)
        for rule in rules:
            names = _NAME.findall(rule.split('\n\n')[0])
            tests = [name for name in names if name.startswith('.test_')]
            self.assertTrue(tests, rule)
            case = None
            for name in names:
                if name.startswith('.'):
                    found = getattr(case, name[1:], None)
                    self.assertTrue(callable(found), f'{case} {name}')
                else:
                    case = self.find(name)

    def find(self, name: str) -> type:
        module, _, case = f'csbs.tests.{name}'.rpartition('.')
        found: type = getattr(importlib.import_module(module), case)
        return found
