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

"""What an operator hears of an installation before it starts."""

import contextlib
import io
import pathlib
import socket
import sys
import time
from unittest import mock

import fixtures

from csbs import conf as csbs_conf
from csbs import service
from csbs.cmd import status
from csbs.db import migration
from csbs.tests import base
from csbs.tests.unit.keys import cloud


class StatusTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.cloud = self.useFixture(cloud.Cloud())
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.config = self.state / 'csbs.conf'
        self.config.write_text(
            f'[DEFAULT]\nstate_path = {self.state}\n{self.cloud.config}'
        )
        database = service.build_database(
            csbs_conf.load(default_config_files=[str(self.config)])
        )
        self.addCleanup(database.dispose)
        migration.sync(database)

    def check(self) -> tuple[int, str]:
        """Return the exit code of the program, and what it printed."""
        words = ['csbs-status', '--config-file', str(self.config)]
        out = io.StringIO()
        with (
            mock.patch.object(sys, 'argv', [*words, 'upgrade', 'check']),
            contextlib.redirect_stdout(out),
        ):
            ended = self.assertRaises(SystemExit, status.main)
        # The table breaks its lines where they are too long for it.
        return int(ended.code or 0), ' '.join(
            out.getvalue().replace('|', ' ').split()
        )

    def test_all_is_well(self) -> None:
        code, printed = self.check()
        self.assertEqual(0, code, printed)
        self.assertIn('Keys can be made and had', printed)
        self.assertIn('The cloud can be worked with', printed)
        self.assertEqual({}, self.cloud.secrets)

    def test_the_key_manager_is_away(self) -> None:
        self.cloud.fault = 503
        code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('cannot be used now', printed)
        self.assertIn('[vault_keys]', printed)

    def test_the_role_does_not_suffice(self) -> None:
        self.cloud.roles = {'member'}
        code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('does not permit', printed)

    def use_openstack(self, more: str, auth_url: str | None = None) -> None:
        """Let the configuration name a cloud with an identity service."""
        with open(self.config, 'a') as config:
            config.write(
                f"""
[protection]
cloud = openstack
[openstack]
{more}
auth_url = {auth_url or self.cloud.url + '/identity/v3'}
username = csbs
password = {cloud.PASSWORD}
project_name = service
user_domain_id = default
project_domain_id = default
"""
            )

    def test_no_credentials_for_the_cloud(self) -> None:
        self.use_openstack('')
        code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('There are no credentials for OpenStack', printed)

    def test_the_cloud_lacks_nova(self) -> None:
        self.use_openstack('auth_type = password')
        code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('endpoint for compute service not found', printed)

    def test_an_outage_is_not_waited_out(self) -> None:
        with socket.socket() as unused:
            unused.bind(('127.0.0.1', 0))
            port = unused.getsockname()[1]
            self.use_openstack(
                'auth_type = password\noutage = 600',
                f'http://127.0.0.1:{port}/v3',
            )
            begin = time.monotonic()
            code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('The versions of Nova:', printed)
        self.assertLess(time.monotonic() - begin, 30)

    def test_the_client_of_ceph_is_missing(self) -> None:
        self.use_openstack('auth_type = password')
        with open(self.config, 'a') as config:
            config.write('[rbd]\npools = volumes\n')
        self.useFixture(
            fixtures.MonkeyPatch('sys.modules', {**sys.modules, 'rados': None})
        )
        code, printed = self.check()
        self.assertEqual(2, code, printed)
        self.assertIn('python3-rados and python3-rbd', printed)
