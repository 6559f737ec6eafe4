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

"""``openstack csbs`` at a terminal: bars for several servers, completion."""

import os
import re
import signal
import subprocess

from csbs.tests.functional import openstack
from csbs.tests.unit.cli import terminal

MIB = 1 << 20


class TerminalTest(openstack.OpenStackTestCase):
    def start(self, *words: str) -> terminal.Terminal:
        program = [str(self.openstack_path), 'csbs', *words]
        opened = terminal.Terminal(program, self.environment(), 120)
        self.addCleanup(opened.close)
        return opened

    def make_policy(self, size: int) -> None:
        self.add_server('web', os.urandom(size))
        self.add_server('db', os.urandom(size))
        self.works('vault', 'create', '--capacity', '100', 'v')
        self.works(
            'policy',
            'create',
            '--at',
            '02:00',
            '--vault',
            'v',
            '--server',
            'web',
            '--server',
            'db',
            'p',
        )

    def test_a_run_has_a_bar_for_each_server(self) -> None:
        self.make_policy(64 * MIB)

        opened = self.start('policy', 'run', '--wait', 'p')
        text = opened.read_until(None)

        self.assertEqual(0, opened.process.wait(openstack.DEADLINE), text)
        for name in ('web', 'db'):
            self.assertRegex(text, rf'\r{name}: backing up')
        # both are on the screen at once, and gone before the result
        self.assertRegex(text, r'(web|db): [^\r]*\r?\n\r(web|db): ')
        self.assertRegex(text, r'\x1b\[1A\+---')
        self.assertIn('| backups ', text)

    def test_interrupted_it_says_how_to_go_on(self) -> None:
        self.make_policy(256 * MIB)

        opened = self.start('policy', 'run', '--wait', 'p')
        opened.read_until('backing up')
        opened.process.send_signal(signal.SIGINT)
        text = opened.read_until(None)

        self.assertEqual(130, opened.process.wait(openstack.DEADLINE), text)
        hint = re.search('openstack csbs (task watch [0-9a-f-]{36})', text)
        assert hint is not None, text
        task = self.json(*hint[1].split())
        self.assertEqual('succeeded', task['status'])
        self.assertEqual(2, len(task['result']['backups']))


class CompletionTest(openstack.OpenStackTestCase):
    def complete(self, line: str) -> list[str]:
        """Return what bash offers behind a line."""
        script = (
            # a part of bash-completion, which need not be installed here
            '_get_comp_words_by_ref() {\n'
            '    cur=${COMP_WORDS[COMP_CWORD]}; words=("${COMP_WORDS[@]}")\n'
            '}\n'
            'eval "$(openstack complete)"\n'
            'COMP_WORDS=($1)\n'
            '[ "${1: -1}" != " " ] || COMP_WORDS+=("")\n'
            'COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n'
            '_openstack\n'
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        done = subprocess.run(
            ['bash', '-c', script, 'bash', line],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=openstack.DEADLINE,
            check=False,
        )
        # what osc-lib 4.0 says when there was no need to log in
        noise = "Could not clean up: 'ClientManager' object has no attribute"
        errors = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith(noise)
        ]
        self.assertEqual((0, []), (done.returncode, errors))
        return done.stdout.split()

    def test_commands_and_options(self) -> None:
        self.assertEqual(
            {'vault', 'policy', 'backup', 'server', 'task', 'quota'}
            | {'service', 'statistics'},
            set(self.complete('openstack csbs ')),
        )
        self.assertEqual(['renew'], self.complete('openstack csbs vault ren'))
        self.assertIn(
            '--keep-forever', self.complete('openstack csbs policy create --k')
        )
