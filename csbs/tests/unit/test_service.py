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

"""The configured object store is opened, and what it shares is shared."""

import gc

import fixtures

from csbs import conf as csbs_conf
from csbs import plugins
from csbs import service
from csbs.store import errors
from csbs.tests import base


class SpareCollectorTest(base.TestCase):
    def test_what_is_there_is_not_looked_through(self) -> None:
        self.addCleanup(gc.unfreeze)
        present = [[one] for one in range(9)]
        service.spare_collector()
        self.assertGreater(gc.get_freeze_count(), 10000)
        looked_through = {id(one) for one in gc.get_objects()}
        self.assertFalse(looked_through & {id(one) for one in present})


class ObjectStoresTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.conf = csbs_conf.new()
        self.conf([], project='csbs', default_config_files=[])
        self.path = self.useFixture(fixtures.TempDir()).path
        self.conf.set_override('path', self.path, 'store')
        self.stores = service.ObjectStores(self.conf)

    def use(self, backend: str) -> None:
        self.conf.set_override('backend', backend, 'store')

    def test_a_folder(self) -> None:
        self.stores('one').put('a', b'x')
        self.assertEqual(b'x', self.stores('one').get('a'))

    def test_swift_without_credentials(self) -> None:
        self.use('swift')
        for _turn in range(2):
            error = self.assertRaises(
                errors.StoreUnreadable, self.stores, 'one'
            )
            self.assertIn('[swift]', str(error))
            self.assertIn('auth_type', str(error))

    def test_a_driver_that_is_not_there(self) -> None:
        self.use('tape')
        error = self.assertRaises(plugins.UnknownDriver, self.stores, 'one')
        self.assertIn('swift', str(error))

    def test_all_containers_share_a_session(self) -> None:
        self.use('swift')
        self.conf.set_override('auth_type', 'none', 'swift')
        self.conf.set_override('retry_timeout', 0.0, 'swift')
        url = 'http://127.0.0.1:9/v1'
        self.conf.set_override('endpoint_override', url, 'swift')
        self.assertRaises(errors.StoreUnreadable, self.stores, 'one')
        driver = self.stores._open
        self.assertRaises(errors.StoreUnreadable, self.stores, 'two')
        self.assertIs(driver, self.stores._open)
        self.assertEqual(url, driver.args[0]['endpoint_override'])
