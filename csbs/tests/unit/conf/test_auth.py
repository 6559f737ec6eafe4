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

"""Sections with credentials become sessions."""

import fixtures
from keystoneauth1 import exceptions as ksa
from oslo_config import cfg

from csbs import conf as csbs_conf
from csbs.conf import auth
from csbs.tests import base

_CREDENTIALS = """
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = csbs
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


class AuthTest(base.TestCase):
    def load(self, text: str) -> cfg.ConfigOpts:
        path = f'{self.useFixture(fixtures.TempDir()).path}/csbs.conf'
        with open(path, 'w') as file:
            file.write(text)
        conf = csbs_conf.new()
        auth.register(conf, 'other')
        conf([], project='csbs', default_config_files=[path])
        return conf

    def test_credentials_in_the_section(self) -> None:
        conf = self.load(f'[swift]{_CREDENTIALS}cafile = /ca.pem\n')
        session = auth.load_session(conf, 'swift', connections=7)
        self.assertEqual('/ca.pem', session.verify)
        self.assertEqual(60.0, session.timeout)
        self.assertEqual('csbs', session.app_name)
        for adapter in session.session.adapters.values():
            pool = adapter.poolmanager.connection_from_url('http://127.0.0.1')
            self.assertEqual(7, pool.pool.maxsize)

    def test_credentials_in_a_section_that_many_share(self) -> None:
        conf = self.load(
            '[swift]\nauth_section = shared\n'
            '[other]\nauth_section = shared\ntimeout = 5\n'
            f'[shared]{_CREDENTIALS}'
        )
        for group, timeout in (('swift', 60.0), ('other', 5.0)):
            session = auth.load_session(conf, group)
            self.assertEqual('http://127.0.0.1:1/v3', session.auth.auth_url)
            self.assertEqual(timeout, session.timeout)

    def test_no_credentials(self) -> None:
        conf = self.load('')
        error = self.assertRaises(
            cfg.RequiredOptError, auth.load_session, conf, 'swift'
        )
        self.assertIn('auth_type', str(error))
        self.assertIn('swift', str(error))

    def test_half_the_credentials(self) -> None:
        conf = self.load('[swift]\nauth_type = password\n')
        self.assertRaises(
            ksa.MissingRequiredOptions, auth.load_session, conf, 'swift'
        )
