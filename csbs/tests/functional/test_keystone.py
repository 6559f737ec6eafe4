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

"""API and command line behind a real Keystone: who may do what.

Keystone is installed by ``tox -e functional``; without it these tests skip.
"""

import importlib.util
import json
import subprocess
from typing import Any
import unittest

import openstack
import requests

from csbs.tests.functional import identity
from csbs.tests.functional import processes
from csbs.tests.functional import stack

_CSBS_CONFIG = """
[DEFAULT]
state_path = {state}
transport_url = fake:/
[protection]
poll_interval = 1
[local_cloud]
path = {state}/cloud
[keystone_authtoken]
auth_type = password
auth_url = {keystone}
username = admin
password = secret
project_name = admin
user_domain_id = default
project_domain_id = default
"""


@unittest.skipUnless(
    importlib.util.find_spec('keystone'), 'Keystone is not installed'
)
class KeystoneTest(processes.ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.keystone = self.useFixture(identity.Keystone()).url
        config = self.state / 'csbs.conf'
        config.write_text(
            _CSBS_CONFIG.format(state=self.state, keystone=self.keystone)
        )
        arguments = ('--config-file', str(config))
        self.run_to_end('csbs-manage', *arguments, 'db', 'sync')
        self.start('csbs-protection', *arguments)
        self.start_web('csbs.wsgi.api', self.port)
        self.wait_until_ready()
        self.register()

    def openstack(
        self, user: str, *words: str, expect: int = 0, project: str = ''
    ) -> str:
        """Run ``openstack`` as a user and return what it printed."""
        login = {
            'OS_AUTH_URL': self.keystone,
            'OS_USERNAME': user,
            'OS_PASSWORD': 'secret',
            'OS_PROJECT_NAME': project or user,
            'OS_USER_DOMAIN_ID': 'default',
            'OS_PROJECT_DOMAIN_ID': 'default',
            'OS_IDENTITY_API_VERSION': '3',
            'OS_REGION_NAME': 'one',
        }
        return self.logged_in(login, *words, expect=expect)

    def logged_in(
        self, login: dict[str, str], *words: str, expect: int = 0
    ) -> str:
        """Run ``openstack`` with a login and return what it printed."""
        done = subprocess.run(
            [str(processes.BIN / 'openstack'), *words],
            env={**self.environment, **login},
            capture_output=True,
            text=True,
            timeout=stack.DEADLINE,
            check=False,
        )
        printed = done.stdout + done.stderr
        self.assertEqual(expect, done.returncode, printed)
        return done.stdout if expect == 0 else printed

    def register(self) -> None:
        """Put csbs into the catalogue, and make people."""
        identity = openstack.connect(
            auth_url=self.keystone,
            username='admin',
            password='secret',
            project_name='admin',
            user_domain_id='default',
            project_domain_id='default',
            region_name='one',
        ).identity
        service = identity.create_service(type='server-backup', name='csbs')
        identity.create_endpoint(
            service_id=service.id,
            interface='public',
            region_id='one',
            url=f'http://127.0.0.1:{self.port}',
        )
        self.projects = {
            name: identity.create_project(name=name, domain_id='default')
            for name in ('demo', 'stranger')
        }
        for name, project, role in (
            ('demo', 'demo', 'member'),
            ('stranger', 'stranger', 'member'),
            ('auditor', 'demo', 'reader'),
            ('owner', 'demo', 'manager'),
        ):
            user = identity.create_user(
                name=name, password='secret', domain_id='default'
            )
            identity.assign_project_role_to_user(
                self.projects[project], user, identity.find_role(role)
            )

    def test_who_may_do_what(self) -> None:
        disks = self.make_disks(vda=2 << 20)
        folder = self.state / 'cloud' / 'servers' / 'web'
        (folder / 'server.json').write_text(
            json.dumps({'project_id': self.projects['demo'].id})
        )
        vault = self.openstack(
            *('demo', 'csbs', 'vault', 'create', '--capacity', '100', 'v1'),
            *('-f', 'value', '-c', 'id'),
        ).strip()
        backup = self.openstack(
            *('demo', 'csbs', 'backup', 'create', '--vault', 'v1'),
            *('--name', 'b1', '--wait', 'web'),
            *('-f', 'value', '-c', 'id'),
        ).strip()
        (folder / 'vda.raw').write_bytes(bytes(2 << 20))
        self.openstack(*('demo', 'csbs', 'backup', 'restore', '--wait', 'b1'))
        self.assertEqual(disks, self.read_disks())

        for words in (
            ('backup', 'show', backup),
            ('backup', 'restore', backup),
            ('backup', 'create', '--vault', vault, 'web'),
        ):
            printed = self.openstack('stranger', 'csbs', *words, expect=1)
            self.assertIn('There is no', printed)
        self.assertEqual(
            '[]\n',
            self.openstack('stranger', 'csbs', 'backup', 'list', '-f', 'json'),
        )

        listed = self.openstack(
            *('auditor', 'csbs', 'backup', 'list', '-f', 'json'),
            project='demo',
        )
        self.assertEqual(backup, json.loads(listed)[0]['ID'])
        printed = self.openstack(
            *('auditor', 'csbs', 'backup', 'delete', 'b1'),
            project='demo',
            expect=1,
        )
        self.assertIn('csbs.request.forbidden', printed)
        self.openstack('demo', 'csbs', 'service', 'list', expect=1)
        spare = ('csbs', 'vault', 'create', '--capacity', '100', 'spare')
        self.openstack('demo', *spare)
        self.openstack('demo', 'csbs', 'vault', 'delete', 'spare', expect=1)
        self.openstack(
            *('owner', 'csbs', 'vault', 'delete', '--wait', 'spare'),
            project='demo',
        )
        listed = self.openstack(
            *('admin', 'csbs', 'backup', 'list', '--all-projects'),
            *('-f', 'json'),
        )
        self.assertEqual(backup, json.loads(listed)[0]['ID'])

        url = f'http://127.0.0.1:{self.port}'
        self.assert_other_scopes_are_refused(url)
        for headers in ({}, {'X-Auth-Token': 'made-up'}):
            answer = requests.get(
                f'{url}/v1/vaults', headers=headers, timeout=30
            )
            self.assertEqual(401, answer.status_code)
        self.assertEqual(200, requests.get(url, timeout=30).status_code)

    def test_ways_to_log_in(self) -> None:
        made = ('csbs', 'vault', 'create', '--capacity', '100', 'v1')
        self.openstack('demo', *made)
        token = self.openstack(
            *('demo', 'token', 'issue', '-f', 'value', '-c', 'id')
        ).strip()
        printed = self.openstack(
            *('demo', 'application', 'credential', 'create'),
            *('-f', 'json', 'nightly'),
        )
        # the names are not spelled alike by all versions of openstack
        credential = {
            name.lower(): value for name, value in json.loads(printed).items()
        }
        clouds = self.state / 'clouds.yaml'
        login = identity.Keystone.credentials_at(self.keystone, 'demo', 'demo')
        clouds.write_text(
            json.dumps(
                {'clouds': {'mine': {'auth': login, 'region_name': 'one'}}}
            )
        )
        for variables in (
            {
                'OS_AUTH_TYPE': 'token',
                'OS_AUTH_URL': self.keystone,
                'OS_TOKEN': token,
                'OS_PROJECT_NAME': 'demo',
                'OS_PROJECT_DOMAIN_ID': 'default',
            },
            {
                'OS_AUTH_TYPE': 'v3applicationcredential',
                'OS_AUTH_URL': self.keystone,
                'OS_APPLICATION_CREDENTIAL_ID': credential['id'],
                'OS_APPLICATION_CREDENTIAL_SECRET': credential['secret'],
            },
            {'OS_CLIENT_CONFIG_FILE': str(clouds), 'OS_CLOUD': 'mine'},
            {
                'OS_AUTH_TYPE': 'admin_token',
                'OS_TOKEN': token,
                'OS_ENDPOINT': f'http://127.0.0.1:{self.port}',
            },
        ):
            listed = self.logged_in(
                variables, 'csbs', 'vault', 'list', '-f', 'json'
            )
            (vault,) = json.loads(listed)
            self.assertEqual('v1', vault['Name'], variables)

    def assert_other_scopes_are_refused(self, url: str) -> None:
        """An administrator's token is no use without a project."""
        for scope in ({'system': {'all': True}}, None):
            answer = requests.post(
                f'{self.keystone}/auth/tokens',
                json={'auth': _admin(scope)},
                timeout=30,
            )
            self.assertEqual(201, answer.status_code, answer.text)
            headers = {'X-Auth-Token': answer.headers['X-Subject-Token']}
            for path in ('vaults', 'services'):
                answer = requests.get(
                    f'{url}/v1/{path}', headers=headers, timeout=30
                )
                self.assertEqual(403, answer.status_code, answer.text)
                (error,) = answer.json()['errors']
                self.assertEqual(
                    'csbs.request.project_scope_required', error['code']
                )
                self.assertIn('not scoped to a project', error['detail'])


def _admin(scope: dict[str, Any] | None) -> dict[str, Any]:
    """Return the request for a token of the administrator's."""
    user = {
        'name': 'admin',
        'password': 'secret',
        'domain': {'id': 'default'},
    }
    wanted: dict[str, Any] = {
        'identity': {'methods': ['password'], 'password': {'user': user}}
    }
    return {**wanted, 'scope': scope or 'unscoped'}
