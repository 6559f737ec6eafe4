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

"""Secrets that wait in the database."""

from csbs import exception
from csbs.keys import sealed
from csbs.tests import base


class SealTest(base.TestCase):
    def test_a_secret_comes_back(self) -> None:
        key = bytes(range(32))
        text = sealed.seal(key, 'geheim', 'task')
        self.assertNotIn('geheim', text)
        self.assertNotEqual(text, sealed.seal(key, 'geheim', 'task'))
        self.assertEqual('geheim', sealed.unseal(key, text, 'task'))

    def test_only_to_its_key_and_place(self) -> None:
        key = bytes(range(32))
        text = sealed.seal(key, 'geheim', 'task')
        for wrong in (
            (bytes(32), text, 'task'),
            (key, text, 'other'),
            (key, text[:-4], 'task'),
            (key, 'not sealed', 'task'),
        ):
            self.assertRaises(exception.KeyWrong, sealed.unseal, *wrong)
