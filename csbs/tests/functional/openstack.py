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

"""The program ``openstack`` against ``csbs-standalone``, both real.

``CSBS_TEST_OPENSTACK`` names another ``openstack`` than that of this
environment, such as an older one, with csbs installed beside it.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any

import fixtures

from csbs.tests.functional import processes
from csbs.tests.unit.cli import base

DEADLINE = 120
_STANDALONE = 'from csbs.cmd import standalone; standalone.main()'


class OpenStackTestCase(base.OpenStackTestCase):
    """Both programs, with a home of their own."""

    def endpoint(self) -> str:
        """Start ``csbs-standalone`` and return where it answers."""
        self.home_folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path
        )
        self.servers = self.home_folder / '.csbs' / 'cloud' / 'servers'
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                _STANDALONE,
                # Not that of a csbs which is installed on this machine.
                '--config-file',
                os.devnull,
                '--port',
                '0',
            ],
            env=os.environ
            | {
                'HOME': str(self.home_folder),
                'PYTHONPATH': os.pathsep.join(sys.path),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        self.standalone = process
        self.addCleanup(self._stop)
        # a program that says nothing is ended, which ends the reading too
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        self.assertIn('csbs answers at http://', line)
        return line.split()[-1]

    def _stop(self) -> None:
        self.standalone.terminate()
        try:
            code = self.standalone.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.standalone.kill()
            code = self.standalone.wait()
        assert self.standalone.stdout is not None
        self.standalone.stdout.close()
        self.assertEqual(0, code)

    #: the program
    openstack_path = pathlib.Path(
        os.environ.get('CSBS_TEST_OPENSTACK', processes.BIN / 'openstack')
    )

    def environment(self) -> dict[str, str]:
        """Return the environment that a user's shell has."""
        folder = self.openstack_path.parent
        environment = super().environment() | {
            'HOME': str(self.home_folder),
            'PATH': os.pathsep.join([str(folder), os.environ['PATH']]),
        }
        if folder != processes.BIN:
            del environment['PYTHONPATH']
        return environment

    def add_server(self, name: str, content: bytes) -> pathlib.Path:
        """Put a server of one disk into the cloud.

        :return: the disk
        """
        disk = self.servers / name / 'root.raw'
        disk.parent.mkdir(parents=True)
        disk.write_bytes(content)
        return disk

    def program(self, *words: str) -> base.Result:
        """Run ``openstack csbs ...`` as a program of its own."""
        done = subprocess.run(
            [str(self.openstack_path), 'csbs', *words],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return base.Result(done.returncode, done.stdout, done.stderr)

    def works(self, *words: str) -> str:
        """Run a command that has to succeed and print no error.

        :return: what it prints
        """
        result = self.program(*words)
        self.assertEqual((0, ''), (result.code, result.err), words)
        return result.out

    def json(self, *words: str) -> Any:
        """Run a command with ``-f json`` and return what it prints."""
        return json.loads(self.works(*words, '-f', 'json'))

    def fails(self, *words: str, code: int = 1) -> str:
        """Run a command that has to fail and print nothing but why.

        :return: why
        """
        result = self.program(*words)
        self.assertEqual((code, ''), (result.code, result.out), words)
        self.assertNotIn('Traceback', result.err)
        return result.err
