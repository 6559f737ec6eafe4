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

"""Drivers by name."""

from csbs import plugins
from csbs.cloud import local
from csbs.tests import base


class PluginsTest(base.TestCase):
    def test_known(self) -> None:
        driver = plugins.load('csbs.cloud', 'local')
        self.assertEqual(local.LocalCloud.from_conf, driver)

    def test_unknown(self) -> None:
        error = self.assertRaises(
            plugins.UnknownDriver, plugins.load, 'csbs.object_store', 'tape'
        )
        self.assertIn('"tape"', str(error))
        self.assertIn('file, memory', str(error))
