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


import ast
import textwrap

from csbs.hacking import checks
from csbs.tests import base


class CheckerTest(base.TestCase):
    def codes(self, source, filename='csbs/actions/vaults.py'):
        source = '"""A module."""\n' + textwrap.dedent(source)
        checker = checks.Checker(ast.parse(source), filename)
        return [
            (line - 1, message.split(':')[0])
            for line, _, message, _ in checker.run()
        ]

    def test_eventlet_in_any_form(self):
        self.assertEqual(
            [(1, 'CSB301'), (2, 'CSB301'), (4, 'CSB301')],
            self.codes("""\
                import eventlet
                from eventlet.green import socket
                import eventlethis
                def late(): import eventlet.queue
            """),
        )

    def test_global_conf_below_the_edge(self):
        source = """\
            from oslo_config import cfg
            from oslo_config.cfg import CONF
            limit = cfg.CONF.api.max_limit
            conf = cfg.ConfigOpts()
        """
        found = [(2, 'CSB302'), (3, 'CSB302')]
        self.assertEqual(found, self.codes(source))
        self.assertEqual(found, self.codes(source, './csbs/store/pack.py'))
        for allowed in (
            'csbs/cmd/api.py',
            'csbs/conf/__init__.py',
            'csbs/service.py',
            '/some/where/csbs/wsgi/api.py',
            'csbs/tests/unit/test_conf.py',
        ):
            self.assertEqual([], self.codes(source, allowed))

    def test_log_messages(self):
        self.assertEqual(
            [(2, 'CSB303'), (3, 'CSB303'), (4, 'CSB303')],
            self.codes("""\
                LOG.info('vault %s', vault_id)
                LOG.info(f'vault {vault_id}')
                self.LOG.warning(_('vault %s'), vault_id)
                LOG.log(logging.INFO, f'vault {vault_id}')
                parser.error(f'no vault {vault_id}')
                raise Invalid(_('no vault'))
            """),
        )

    def test_naive_times(self):
        self.assertEqual(
            [(1, 'CSB304'), (2, 'CSB304'), (3, 'CSB304')],
            self.codes("""\
                a = datetime.datetime.utcnow()
                b = datetime.datetime.now()
                c = timeutils.utcnow()
                d = datetime.datetime.now(datetime.UTC)
                e = datetime.datetime.now(tz=zone)
                f = clock.now()
            """),
        )

    def test_sleep_in_tests_only(self):
        source = """\
            import time
            time.sleep(1)
            from time import sleep
        """
        self.assertEqual([], self.codes(source))
        self.assertEqual(
            [(2, 'CSB305'), (3, 'CSB305')],
            self.codes(source, 'csbs/tests/unit/test_time.py'),
        )

    def test_module_docstring(self):
        def found(source, filename):
            checker = checks.Checker(ast.parse(source), filename)
            return [
                message.split(':')[0] for _, _, message, _ in checker.run()
            ]

        self.assertEqual(['CSB306'], found('a = 1', 'csbs/rpc.py'))
        self.assertEqual(
            [], found('"""What it owns."""\na = 1', 'csbs/rpc.py')
        )
        self.assertEqual([], found('# a licence', 'csbs/rpc/__init__.py'))
        self.assertEqual([], found('a = 1', 'csbs/tests/unit/test_rpc.py'))
