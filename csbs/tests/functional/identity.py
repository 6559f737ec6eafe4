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

"""A real Keystone for tests, with a database of its own."""

import os
import pathlib
from typing import Any

from cryptography import fernet
import fixtures
import openstack

from csbs.tests.functional import processes
from csbs.tests.functional import stack

PASSWORD = 'secret'
REGION = 'one'

_CONFIG = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.sqlite
[fernet_tokens]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[identity]
password_hash_rounds = 4
[token]
expiration = {expiration}
[cache]
enabled = false
"""


class Keystone(fixtures.Fixture):
    """A Keystone that runs until the test ends; ``url`` is where.

    :param expiration: seconds for which a token is valid
    """

    def __init__(self, expiration: int = 3600) -> None:
        self._expiration = expiration
        self._admin: Any = None

    def _setUp(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        port = processes.free_port()
        self.url = f'http://127.0.0.1:{port}/v3'
        config = folder / 'keystone.conf'
        config.write_text(
            _CONFIG.format(folder=folder, expiration=self._expiration)
        )
        environment = {**os.environ, 'OS_KEYSTONE_CONFIG_FILES': str(config)}
        self._prepare(folder, config)
        self.useFixture(
            processes.Program(
                folder / 'keystone.out',
                *processes.web_command('keystone.wsgi.api', port),
                environment=environment,
            )
        )
        stack.wait_for(
            lambda: processes.answers(self.url), 'Keystone to answer'
        )

    def _prepare(self, folder: pathlib.Path, config: pathlib.Path) -> None:
        for kind in ('fernet', 'credential'):
            # As keystone-manage does it, without its seconds.
            (folder / kind).mkdir(mode=0o700)
            for number in ('0', '1'):
                key = fernet.Fernet.generate_key()
                (folder / kind / number).write_bytes(key)
        manage = ('keystone-manage', '--config-file', str(config))
        processes.run(*manage, 'db_sync')
        processes.run(
            *manage,
            'bootstrap',
            '--bootstrap-password',
            PASSWORD,
            '--bootstrap-region-id',
            REGION,
            '--bootstrap-public-url',
            self.url,
            '--bootstrap-internal-url',
            self.url,
        )

    def credentials(self, user: str, project: str) -> dict[str, str]:
        """Return what a user of the project shows."""
        return self.credentials_at(self.url, user, project)

    @staticmethod
    def credentials_at(url: str, user: str, project: str) -> dict[str, str]:
        """Return what a user of the project shows to a Keystone."""
        return {
            'auth_url': url,
            'username': user,
            'password': PASSWORD,
            'project_name': project,
            'user_domain_id': 'default',
            'project_domain_id': 'default',
        }

    def admin(self) -> Any:
        """Return the identity service as the administrator sees it."""
        if self._admin is None:
            self._admin = openstack.connect(
                **self.credentials('admin', 'admin'), region_name=REGION
            ).identity
        return self._admin

    def add_user(self, user: str, project: str, *roles: str) -> None:
        """Make a user with roles in a project, which is made as well."""
        identity = self.admin()
        found = identity.find_project(project)
        if found is None:
            found = identity.create_project(name=project, domain_id='default')
        made = identity.create_user(
            name=user, password=PASSWORD, domain_id='default'
        )
        for role in roles:
            identity.assign_project_role_to_user(
                found, made, identity.find_role(role)
            )

    def add_service(self, kind: str, name: str, url: str) -> None:
        """Put a service into the catalogue."""
        identity = self.admin()
        service = identity.create_service(type=kind, name=name)
        identity.create_endpoint(
            service_id=service.id,
            interface='public',
            region_id=REGION,
            url=url,
        )
