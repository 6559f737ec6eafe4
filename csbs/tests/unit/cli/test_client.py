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

"""Tests of how the client is found and set up."""

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import keystone


class TestClient(base.CliTestCase):
    def test_a_token_and_an_endpoint(self) -> None:
        self.service.add_vault('a')

        rows = self.run_json(
            '--os-auth-type',
            'admin_token',
            '--os-token',
            'secret',
            '--os-endpoint',
            f'{self.service.url}/v1',
            'csbs',
            'vault',
            'list',
        )

        self.assertEqual(['a'], [row['Name'] for row in rows])
        self.assertEqual(
            'secret', self.service.requests[-1][3]['X-Auth-Token']
        )

    def _with_keystone(self, *words: str) -> tuple[str, ...]:
        return (
            '--os-auth-type',
            'password',
            '--os-auth-url',
            f'{self.service.url}/identity/v3',
            '--os-username',
            'demo',
            '--os-password',
            keystone.PASSWORD,
            '--os-project-name',
            'demo',
            *words,
        )

    def test_the_catalogue_of_keystone(self) -> None:
        self.service.add_vault('a')

        rows = self.run_json(*self._with_keystone('csbs', 'vault', 'list'))

        self.assertEqual(['a'], [row['Name'] for row in rows])
        self.assertEqual(
            keystone.TOKEN, self.service.requests[-1][3]['X-Auth-Token']
        )

    def test_a_project_by_name(self) -> None:
        words = self._with_keystone('csbs', 'vault', 'list', '--project')

        self.run_json(*words, 'demo')
        unknown = self.openstack(*words, 'nope')
        self.service.keystone.open = False
        self.run_json(*words, 'f00')

        self.assertEqual(
            [
                {'project_id': keystone.PROJECT, 'all_projects': 'true'},
                {'project_id': 'f00', 'all_projects': 'true'},
            ],
            self.queries('/v1/vaults'),
        )
        self.assertEqual(1, unknown.code)
        self.assertIn('nope', unknown.err)

    def test_a_microversion_is_asked_for(self) -> None:
        self.service.add_vault('a')
        version = ('--os-csbs-api-version', '1.0')

        self.run_json(*version, 'csbs', 'vault', 'list')
        self.run_json(*version, 'csbs', 'vault', 'renew', 'a')
        self.run_json('csbs', 'vault', 'list')

        self.assertEqual(
            [
                ('GET', 'server-backup 1.0'),
                ('GET', 'server-backup 1.0'),
                ('POST', 'server-backup 1.0'),
                ('GET', None),
            ],
            [
                (method, headers.get('OpenStack-API-Version'))
                for method, path, _, headers, _ in self.service.requests
                if path.startswith('/v1/vaults')
            ],
        )

    def test_an_unknown_version(self) -> None:
        result = self.openstack(
            '--os-csbs-api-version', '2', 'csbs', 'vault', 'list'
        )

        self.assertEqual(1, result.code)
        self.assertIn(
            'There is no version 2 of the server backup API', result.err
        )

    def test_nobody_listens(self) -> None:
        result = self.openstack(
            '--os-endpoint', 'http://127.0.0.1:1', 'csbs', 'vault', 'list'
        )

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertIn(
            'The server-backup service does not answer. ', result.err
        )
        self.assertIn('http://127.0.0.1:1', result.err)
        self.assertEqual(1, len(result.err.splitlines()))

    def test_help_lists_the_commands(self) -> None:
        result = self.openstack('csbs', '--help')

        for command in (
            'csbs backup create',
            'csbs backup item list',
            'csbs server create',
            'csbs service list',
            'csbs task watch',
            'csbs vault renew',
        ):
            self.assertIn(f'  {command}', result.out)
