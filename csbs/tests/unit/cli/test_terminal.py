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

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

from csbs.tests.unit.cli import base

_OPENSTACK = (sys.executable, '-m', 'openstackclient.shell')
_DEADLINE = 60


class Terminal:
    """A program at a pseudo-terminal of its own."""

    def __init__(self, words: list[str], env: dict[str, str], width: int):
        self._own, theirs = pty.openpty()
        size = struct.pack('HHHH', 24, width, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            [*_OPENSTACK, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            # Background jobs, such as these tests may be one of, ignore
            # interrupts, and what they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        self.text = ''

    def read_until(self, wanted: str | None) -> str:
        """Read until a text is seen, or with None until the end."""
        deadline = time.monotonic() + _DEADLINE
        while wanted is None or wanted not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._own], [], [], left)[0]:
                raise AssertionError(f'{wanted!r} not in {self.text!r}')
            try:
                data = os.read(self._own, 4096)
            except OSError:
                # what Linux answers when the other side is closed
                data = b''
            if not data:
                break
            self.text += data.decode()
        return self.text

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(_DEADLINE)
        os.close(self._own)


class TestTerminal(base.CliTestCase):
    def _start(self, *words: str, width: int = 100) -> Terminal:
        env = {'PATH': os.environ['PATH'], **self.environment()}
        terminal = Terminal(list(words), env, width)
        self.addCleanup(terminal.close)
        return terminal

    def test_restore_asks_and_shows_progress(self) -> None:
        self.service.add_backup('b1')

        terminal = self._start('csbs', 'backup', 'restore', '--wait', 'b1')
        question = terminal.read_until('Go on? [y/N] ')
        self.assertEqual([], self.bodies('POST', '/restore'))
        terminal.type('y\n')
        text = terminal.read_until(None)

        self.assertEqual(0, terminal.process.wait(_DEADLINE))
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

        terminal = self._start('csbs', 'backup', 'restore', 'b1')
        terminal.read_until('Go on? [y/N] ')
        terminal.type('\n')
        text = terminal.read_until(None)

        self.assertEqual(1, terminal.process.wait(_DEADLINE))
        self.assertIn('Nothing was restored.', text)
        self.assertEqual([], self.bodies('POST', '/restore'))

    def test_interrupt_leaves_the_task_alone(self) -> None:
        task = self.service.add_task('backup')
        self.service.halted = True

        terminal = self._start('csbs', 'task', 'watch', task['id'], width=40)
        terminal.read_until('Backing up: waiting for a free worker')
        terminal.process.send_signal(signal.SIGINT)
        text = terminal.read_until(None)

        self.assertEqual(130, terminal.process.wait(_DEADLINE))
        self.assertIn(
            f'The task goes on. Go on watching with: '
            f'openstack csbs task watch {task["id"]}',
            text,
        )
        self.assertNotIn('Traceback', text)
        self.assertEqual([], self.bodies('POST', '/cancel'))

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
            timeout=_DEADLINE,
            check=False,
        )

        self.assertEqual(
            (0, 'available\n', ''),
            (result.returncode, result.stdout, result.stderr),
        )
