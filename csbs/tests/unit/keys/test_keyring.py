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

"""Which manager has which key."""

import pathlib

import fixtures

from csbs import conf as csbs_conf
from csbs import exception
from csbs import keys
from csbs.tests import base
from csbs.tests.unit.keys import cloud


class KeyringTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def keyring(self, manager: str | None) -> keys.KeyManager:
        """Return the keys of a process that was set up so."""
        config = self.cloud.config
        if manager is None:
            config = ''
        elif manager == 'file':
            config = config.replace('manager = castellan', 'manager = file')
        path = self.state / 'csbs.conf'
        path.write_text(f'[DEFAULT]\nstate_path = {self.state}\n{config}')
        return keys.from_conf(csbs_conf.load(default_config_files=[str(path)]))

    def test_keys_are_in_the_file_by_default(self) -> None:
        ref = self.keyring(None).create('a vault')
        self.assertIn(ref, (self.state / 'keys.json').read_text())
        self.assertEqual([], self.cloud.paths)

    def test_old_keys_are_found_after_a_change(self) -> None:
        in_file = self.keyring('file').create('old')
        in_castellan = self.keyring('castellan').create('new')
        self.assertTrue(in_castellan.startswith('castellan:'))
        self.assertEqual(1, len(self.cloud.secrets))
        for manager in ('castellan', 'file'):
            keyring = self.keyring(manager)
            self.assertNotEqual(
                keyring.get(in_file), keyring.get(in_castellan)
            )
        keyring.delete(in_castellan)
        self.assertEqual({}, self.cloud.secrets)
        self.keyring('castellan').delete(in_file)
        self.assertNotIn(in_file, (self.state / 'keys.json').read_text())

    def test_the_file_serves_while_castellan_is_away(self) -> None:
        in_file = self.keyring('file').create('old')
        self.cloud.fault = 503
        keyring = self.keyring('castellan')
        keyring.get(in_file)
        self.assertRaises(exception.KeyUnavailable, keyring.create, 'new')

    def test_the_manager_of_new_keys_is_checked(self) -> None:
        self.cloud.fault = 503
        self.keyring('file').check()
        self.assertRaises(
            exception.KeyUnavailable, self.keyring('castellan').check
        )
