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

"""Names that csbs makes up."""

from csbs.actions import names
from csbs.tests import base


class NamesTest(base.TestCase):
    def test_four_random_digits(self) -> None:
        made = {names.make('autobk_', lambda _: False) for _ in range(50)}
        for name in made:
            self.assertRegex(name, r'^autobk_[0-9]{4}$')
        self.assertGreater(len(made), 25)

    def test_none_that_is_in_use(self) -> None:
        used: set[str] = set()
        for _ in range(200):
            used.add(names.make('Policy-', used.__contains__))
        self.assertEqual(200, len(used))

    def test_longer_when_no_short_one_is_free(self) -> None:
        name = names.make('x', lambda name: len(name) < 7)
        self.assertRegex(name, r'^x[0-9]{6}$')
        self.assertRegex(names.make('x', lambda _: True), r'^x[0-9]{12}$')
