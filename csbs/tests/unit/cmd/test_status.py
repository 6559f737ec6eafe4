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
import sys
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
