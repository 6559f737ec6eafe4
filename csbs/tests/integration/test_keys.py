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

"""Keys in the Barbican of a real cloud.

The cloud is that of the usual OS_* variables or of clouds.yaml, with a user
who may make secrets. What is made there is removed again.
"""

import os
import pathlib
import socket
from typing import Any

import fixtures
import openstack
from openstack import config as openstack_config
import requests

from csbs import conf as csbs_conf
from csbs import exception
from csbs.keys import castellan
from csbs.tests import base

_NAME = 'csbs integration test'


class BarbicanTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        if not {'OS_CLOUD', 'OS_AUTH_URL'} & set(os.environ):
            self.skipTest(
                'There is no cloud to test with: OS_CLOUD or OS_AUTH_URL and '
                'its kin are not set.'
            )
        region = openstack_config.get_cloud_region()
        self.region_name = region.region_name
        self.auth_type = region.config['auth_type']
        self.auth: dict[str, str] = region.get_auth_args()
        self.cloud = openstack.connection.Connection(config=region)
        self.addCleanup(self.cloud.close)
        if not region.get_session_endpoint('key-manager'):
            self.skipTest('The cloud has no key manager in its catalogue.')

    def connect(
        self,
        auth_type: str | None = None,
        auth: dict[str, str] | None = None,
        **barbican: str,
    ) -> castellan.CastellanKeys:
        """Return the keys of a process with these credentials."""
        credentials = {
            'auth_type': auth_type or self.auth_type,
            **(auth or self.auth),
        }
        if self.region_name:
            barbican['barbican_region_name'] = self.region_name
        lines = ['[vault_keys]', 'manager = castellan', 'timeout = 10']
        # A dollar would be taken for the name of another option.
        lines += [
            f'{name} = {it.replace("$", "$$")}'
            for name, it in credentials.items()
        ]
        lines.append('[barbican]')
        lines += [f'{name} = {it}' for name, it in barbican.items()]
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'conf')
        path.write_text('\n'.join(lines))
        return castellan.CastellanKeys(
            csbs_conf.load(default_config_files=[str(path)])
        )

    def create(self, keys: castellan.CastellanKeys) -> str:
        ref = keys.create(_NAME)
        self.addCleanup(self.connect().delete, ref)
        return ref

    def refused(self, keys: castellan.CastellanKeys, words: str) -> None:
        error = self.assertRaises(exception.KeyUnavailable, keys.create, _NAME)
        self.assertIn(words, str(error))
        self.assertRaises(exception.KeyUnavailable, keys.check)

    def application_credential(self, *roles: str) -> dict[str, str]:
        """Return credentials with only these of the user's roles."""
        identity = self.cloud.identity
        user_id = self.cloud.current_user_id
        try:
            credential = identity.create_application_credential(
                user=user_id,
                name=f'{_NAME} {self.id()}',
                roles=[{'name': role} for role in roles],
            )
        except (openstack.exceptions.SDKException, ValueError) as error:
            self.skipTest(f'The user can make no such credential: {error}')
        self.addCleanup(
            identity.delete_application_credential, user_id, credential.id
        )
        return {
            'auth_url': self.auth['auth_url'],
            'application_credential_id': credential.id,
            'application_credential_secret': credential.secret,
        }

    def role_names(self) -> list[str]:
        access: Any = self.cloud.session.auth.get_access(self.cloud.session)
        names: list[str] = access.role_names
        return names

    def test_a_key_comes_back_and_goes(self) -> None:
        keys = self.connect()
        ref = self.create(keys)
        key = keys.get(ref)
        self.assertEqual(32, len(key))
        self.assertEqual(key, self.connect().get(ref))
        keys.delete(ref)
        keys.delete(ref)
        error = self.assertRaises(exception.KeyMissing, keys.get, ref)
        self.assertEqual('csbs.key.missing', error.code)

    def test_the_check_passes(self) -> None:
        self.connect().check()

    def test_a_revoked_token_is_renewed(self) -> None:
        ref = self.create(self.connect())
        keys = self.connect()
        # A token that Barbican has not seen, and so remembers no good of.
        _, who = keys._connect()
        headers = who.get_auth_plugin().get_headers(self.cloud.session)
        token = (headers or {})['X-Auth-Token']
        url = self.auth['auth_url'].rstrip('/').removesuffix('/v3')
        answer = requests.delete(
            f'{url}/v3/auth/tokens',
            headers={'X-Auth-Token': token, 'X-Subject-Token': token},
            timeout=10,
        )
        self.assertEqual(204, answer.status_code)
        self.assertEqual(32, len(keys.get(ref)))

    def test_barbican_is_away(self) -> None:
        with socket.create_server(('127.0.0.1', 0)) as server:
            port = server.getsockname()[1]
        self.refused(
            self.connect(barbican_endpoint=f'http://127.0.0.1:{port}'),
            'does not answer',
        )

    def test_the_password_is_wrong(self) -> None:
        if 'password' not in self.auth:
            self.skipTest('The cloud was not given a password.')
        self.refused(
            self.connect(auth={**self.auth, 'password': 'guessed'}),
            'does not accept the credentials',
        )

    def test_an_application_credential_will_do(self) -> None:
        credential = self.application_credential(*self.role_names())
        keys = self.connect('v3applicationcredential', credential)
        self.assertEqual(32, len(keys.get(self.create(keys))))

    def test_the_role_does_not_suffice(self) -> None:
        names = self.role_names()
        if 'reader' not in names or len(names) < 2:
            self.skipTest('The user has no role that may do less.')
        credential = self.application_credential('reader')
        keys = self.connect('v3applicationcredential', credential)
        self.refused(keys, 'does not permit')
        # Nor may it have or destroy what others made, and says so.
        ref = self.create(self.connect())
        self.assertRaises(exception.KeyUnavailable, keys.get, ref)
        self.assertRaises(exception.KeyUnavailable, keys.delete, ref)
