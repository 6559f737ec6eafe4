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

"""Tests of the program ``openstack`` itself, at a terminal and in a pipe."""

import os
import signal
import subprocess
import sys

from csbs.tests.unit.cli import base
from csbs.tests.unit.cli import terminal

_OPENSTACK = (sys.executable, '-m', 'openstackclient.shell')


class TestTerminal(base.CliTestCase):
    def _start(self, *words: str, width: int = 100) -> terminal.Terminal:
        env = {'PATH': os.environ['PATH'], **self.environment()}
        opened = terminal.Terminal([*_OPENSTACK, *words], env, width)
        self.addCleanup(opened.close)
        return opened

    def test_restore_asks_and_shows_progress(self) -> None:
        self.service.add_backup('b1')

        opened = self._start('csbs', 'backup', 'restore', '--wait', 'b1')
        question = opened.read_until('Go on? [y/N] ')
        self.assertEqual([], self.bodies('POST', '/restore'))
        opened.type('y\n')
        text = opened.read_until(None)

        self.assertEqual(0, opened.process.wait(terminal.DEADLINE))
        self.assertIn('cannot be undone', question)
        self.assertIn(
            '\rRestoring [##########..............]  45%  '
            '8 min 14 s left  22.5 GB of 50.0 GB  57.0 MB/s',
            text,
        )
        # the bar is gone before the result is printed
        self.assertIn('   \r+---', text)
        self.assertIn('| available ', text)

    def test_restore_is_not_started_without_a_yes(self) -> None:
        self.service.add_backup('b1')

        opened = self._start('csbs', 'backup', 'restore', 'b1')
        opened.read_until('Go on? [y/N] ')
        opened.type('\n')
        text = opened.read_until(None)

        self.assertEqual(1, opened.process.wait(terminal.DEADLINE))
        self.assertIn('Nothing was restored.', text)
        self.assertEqual([], self.bodies('POST', '/restore'))

    def test_interrupt_leaves_the_task_alone(self) -> None:
        task = self.service.add_task('backup')
        self.service.halted = True

        opened = self._start('csbs', 'task', 'watch', task['id'], width=40)
        opened.read_until('Backing up: waiting for a free worker')
        opened.process.send_signal(signal.SIGINT)
        text = opened.read_until(None)

        self.assertEqual(130, opened.process.wait(terminal.DEADLINE))
        self.assertIn(
            f'The task goes on. Go on watching with: '
            f'openstack csbs task watch {task["id"]}',
            text,
        )
        self.assertNotIn('Traceback', text)
        self.assertEqual([], self.bodies('POST', '/cancel'))

    def test_interrupt_names_all_tasks_that_go_on(self) -> None:
        ids = [self.service.add_backup(name)['id'] for name in ('b1', 'b2')]
        self.service.halted = True

        opened = self._start('csbs', 'backup', 'delete', '--wait', *ids)
        opened.read_until('waiting for a free worker')
        opened.process.send_signal(signal.SIGINT)
        text = opened.read_until(None)

        self.assertEqual(130, opened.process.wait(terminal.DEADLINE))
        self.assertIn('The tasks go on. Go on watching with:\r\n', text)
        for task_id in self.service.tables['tasks']:
            self.assertIn(f'  openstack csbs task watch {task_id}\r\n', text)

    def test_more_parts_than_lines(self) -> None:
        run = self.service.add_task('policy_run')
        self.service.halted = True
        for number in range(64):
            server = self.service.add_server(f'web-{number}')
            self.service.add_task(
                'backup',
                parent_id=run['id'],
                server_id=server['id'],
                status='running' if number == 63 else 'queued',
            )

        opened = self._start('csbs', 'task', 'watch', run['id'])
        text = opened.read_until('\x1b[23A')
        opened.process.send_signal(signal.SIGINT)
        opened.read_until(None)

        self.assertIn('... and 41 more', text)
        # what is at work is seen, though it is the last of all
        self.assertIn('\rweb-63: backing up', text)

    def test_a_pipe_stays_clean(self) -> None:
        self.service.add_vault('daily')
        self.service.add_server('web-1')
        words = 'csbs backup create --vault daily --wait web-1 -f value'

        result = subprocess.run(
            [*_OPENSTACK, *words.split(), '-c', 'status'],
            env={'PATH': os.environ['PATH'], **self.environment()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=terminal.DEADLINE,
            check=False,
        )

        self.assertEqual(
            (0, 'available\n', ''),
            (result.returncode, result.stdout, result.stderr),
        )
