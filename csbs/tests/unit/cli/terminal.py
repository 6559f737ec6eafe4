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

"""A pseudo-terminal that a program runs at."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

DEADLINE = 60


class Terminal:
    """A program at a pseudo-terminal of its own."""

    def __init__(self, words: list[str], env: dict[str, str], width: int):
        self._own, theirs = pty.openpty()
        size = struct.pack('HHHH', 24, width, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            words,
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
        deadline = time.monotonic() + DEADLINE
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
        self.process.wait(DEADLINE)
        os.close(self._own)
