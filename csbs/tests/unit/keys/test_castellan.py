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

"""Keys in a Barbican that is well, ill, or not there."""

import concurrent.futures
import pathlib
import socket
import time

import fixtures

from csbs import conf as csbs_conf
from csbs import exception
from csbs.keys import castellan
from csbs.tests import base
from csbs.tests.unit.keys import cloud

_MOCK = 'castellan.tests.unit.key_manager.mock_key_manager.MockKeyManager'


class CastellanTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.keys = self.connect()

    def connect(self, **changes: str) -> castellan.CastellanKeys:
        """Return the keys of a process with this configuration.

        :param changes: what stands instead of a line or below the rest
        """
        lines = self.cloud.config.splitlines()
        for name, value in changes.items():
            lines = [line for line in lines if not line.startswith(name)]
            lines.append(value)
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'conf')
        path.write_text('\n'.join(lines))
        return castellan.CastellanKeys(
            csbs_conf.load(default_config_files=[str(path)])
        )

    def unavailable(self, keys: castellan.CastellanKeys, words: str) -> None:
        """See that nothing works, and that the reason is said."""
        for question in (
            lambda: keys.create('a vault'),
            lambda: keys.get('8b5ac7ed-4a2c-4ee2-9c3c-5bbe1b7c7b0a'),
            lambda: keys.delete('8b5ac7ed-4a2c-4ee2-9c3c-5bbe1b7c7b0a'),
            keys.check,
        ):
            error = self.assertRaises(exception.KeyUnavailable, question)
            self.assertIn(words, str(error))
            self.assertNotIn(self.cloud.url, str(error))

    def test_a_key_comes_back(self) -> None:
        ref = self.keys.create('csbs vault 1')
        key = self.keys.get(ref)
        self.assertEqual(32, len(key))
        self.assertEqual(key, self.connect().get(ref))
        self.assertNotEqual(key, self.keys.get(self.keys.create('other')))
        self.assertEqual('csbs vault 1', self.cloud.secrets[ref]['name'])

    def test_a_deleted_key_is_gone(self) -> None:
        ref = self.keys.create('a vault')
        self.keys.delete(ref)
        self.keys.delete(ref)
        self.assertEqual({}, self.cloud.secrets)
        error = self.assertRaises(exception.KeyMissing, self.keys.get, ref)
        self.assertNotIsInstance(error, exception.KeyUnavailable)
        self.assertEqual('csbs.key.missing', error.code)

    def test_the_check_leaves_nothing(self) -> None:
        self.keys.check()
        self.assertEqual({}, self.cloud.secrets)
        self.assertEqual(
            1,
            sum(
                path.startswith('POST /barbican') for path in self.cloud.paths
            ),
        )

    def test_one_token_serves_all(self) -> None:
        ref = self.keys.create('a vault')
        self.assertEqual(1, self.cloud.issued)
        newcomer = self.connect()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            keys = set(pool.map(newcomer.get, [ref] * 20))
        self.assertEqual(1, len(keys))
        self.assertEqual(2, self.cloud.issued)

    def test_a_token_that_is_refused_is_renewed(self) -> None:
        ref = self.keys.create('a vault')
        self.cloud.tokens.clear()
        self.keys.get(ref)
        self.assertEqual(2, self.cloud.issued)
        self.cloud.tokens.clear()
        self.keys.delete(ref)
        self.assertEqual(3, self.cloud.issued)

    def test_nobody_is_there(self) -> None:
        with socket.create_server(('127.0.0.1', 0)) as server:
            port = server.getsockname()[1]
        nobody = f'http://127.0.0.1:{port}'
        self.unavailable(
            self.connect(auth_url=f'auth_url = {nobody}'), 'does not answer'
        )
        self.unavailable(
            self.connect(barbican=f'[barbican]\nbarbican_endpoint = {nobody}'),
            'does not answer',
        )

    def test_a_server_that_hangs(self) -> None:
        for where in ('/barbican', '/identity', '/barbican/v1/secrets'):
            self.cloud.fault, self.cloud.where = 'hang', where
            started = time.monotonic()
            error = self.assertRaises(
                exception.KeyUnavailable, self.connect().create, 'a vault'
            )
            self.assertIn('does not answer', str(error))
            self.assertLess(time.monotonic() - started, 5, where)

    def test_a_server_in_bad_health(self) -> None:
        for fault, words in (
            (500, 'answers with an error'),
            (503, 'answers with an error'),
            (403, 'does not permit'),
            (401, 'does not accept the credentials'),
            (418, 'no usable answer'),
            ('garbage', 'no usable answer'),
        ):
            for where in ('/barbican', '/barbican/v1/secrets'):
                self.cloud.fault, self.cloud.where = fault, where
                self.unavailable(self.keys, words)
        self.cloud.fault = None
        self.keys.check()

    def test_a_keystone_in_bad_health(self) -> None:
        self.cloud.where = '/identity'
        for fault, words in (
            (500, 'answers with an error'),
            ('garbage', 'no usable answer'),
        ):
            self.cloud.fault = fault
            self.unavailable(self.connect(), words)

    def test_the_password_is_wrong(self) -> None:
        self.unavailable(
            self.connect(password='password = guessed'),
            'does not accept the credentials',
        )

    def test_the_role_does_not_suffice(self) -> None:
        self.cloud.roles = {'member'}
        self.unavailable(self.keys, 'does not permit')

    def test_no_credentials_are_configured(self) -> None:
        for name in ('auth_type', 'auth_url'):
            keys = self.connect(**{name: ''})
            self.unavailable(keys, 'credentials')

    def test_no_barbican_in_the_catalogue(self) -> None:
        self.cloud.catalogued = False
        self.unavailable(self.keys, 'not in the catalogue')

    def test_no_such_driver(self) -> None:
        for name in ('nonsense', 'csbs.nonsense.Nonsense'):
            section = f'[key_manager]\nbackend = {name}'
            self.unavailable(self.connect(backend=section), 'its driver')

    def test_what_is_not_such_a_key(self) -> None:
        ref = self.keys.create('a vault')
        for payload in ('', 'AAAA'):
            self.cloud.secrets[ref]['payload'] = payload
            error = self.assertRaises(exception.KeyMissing, self.keys.get, ref)
            self.assertEqual('csbs.key.missing', error.code)

    def test_a_key_that_was_not_kept(self) -> None:
        # A driver that forgets is the kind that does not look at the answer.
        self.cloud.fault = None
        real = self.cloud.answer

        def forgetful(method: str, path: str, *rest: object) -> cloud.Answer:
            answer = real(method, path, *rest)
            if method == 'POST' and path.startswith('/barbican'):
                self.cloud.secrets.clear()
            return answer

        self.cloud.answer = forgetful
        self.assertRaises(exception.KeyMissing, self.keys.create, 'a vault')

    def test_another_driver_needs_no_keystone(self) -> None:
        keys = self.connect(
            auth_type='', backend=f'[key_manager]\nbackend = {_MOCK}'
        )
        ref = keys.create('a vault')
        self.assertEqual(32, len(keys.get(ref)))
        keys.delete(ref)
        error = self.assertRaises(exception.KeyMissing, keys.get, ref)
        self.assertEqual('csbs.key.missing', error.code)
        self.assertEqual([], self.cloud.paths)
