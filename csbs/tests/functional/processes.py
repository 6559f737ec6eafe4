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

"""Starting the programs as real processes, for tests."""

from collections.abc import Mapping
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
from typing import Any

import fixtures
import requests

from csbs.tests import base
from csbs.tests.functional import stack

MIB = 1 << 20
BIN = pathlib.Path(sys.executable).parent


#: serves a WSGI application; arguments are its module and a port
# Applications may look at the arguments of the program.
_SERVE = (
    'import importlib, sys\n'
    'from cheroot import wsgi\n'
    'module, port = sys.argv[1:]\n'
    'del sys.argv[1:]\n'
    'application = importlib.import_module(module).application\n'
    "wsgi.Server(('127.0.0.1', int(port)), application).start()\n"
)


def web_command(application: str, port: int) -> tuple[str, ...]:
    """Return the program that serves a WSGI application, and arguments."""
    return (str(BIN / 'python'), '-c', _SERVE, application, str(port))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


class Program(fixtures.Fixture):
    """A program that other fixtures need; it prints into a file.

    :param log: the file
    """

    def __init__(
        self,
        log: pathlib.Path,
        *command: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        self._command = command
        self._environment = environment

    def _setUp(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.start()
        self.addCleanup(self.stop)

    def start(self) -> None:
        """Start it, after :meth:`stop` once more."""
        with self._log.open('ab') as log:
            self.process = subprocess.Popen(
                [str(BIN / self._command[0]), *self._command[1:]],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._log.parent,
                env=self._environment,
            )

    def stop(self) -> None:
        """End it; fine when it has ended."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(stack.DEADLINE)


def run(*command: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program that has to succeed."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=5 * stack.DEADLINE,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f'{command}: {done.stdout}{done.stderr}')


def answers(url: str) -> bool:
    """Tell whether anything is there that speaks HTTP."""
    try:
        requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    return True


class ProcessTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.port = free_port()
        self.environment = {
            **os.environ,
            'OS_CSBS_CONFIG_FILES': str(self.state / 'csbs.conf'),
        }

    def start(
        self, program: str | pathlib.Path, *args: str
    ) -> subprocess.Popen[str]:
        """Start a program; it is ended with the test."""
        if program == 'csbs-standalone' and '--config-file' not in args:
            # Not that of a csbs which is installed on this machine.
            args = ('--config-file', os.devnull, *args)
        process = subprocess.Popen(
            [str(BIN / program), *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.state,
            env=self.environment,
        )
        self.addCleanup(self.end, process)
        return process

    def start_web(self, application: str, port: int) -> subprocess.Popen[str]:
        """Serve a WSGI application until the test ends."""
        return self.start(*web_command(application, port))

    def run_to_end(self, program: str, *args: str) -> str:
        """Run a program that has to succeed; return what it printed."""
        process = self.start(program, *args)
        printed: str = process.communicate(timeout=stack.DEADLINE)[0]
        self.assertEqual(0, process.returncode, printed)
        return printed

    def end(
        self, process: subprocess.Popen[str], number: int = signal.SIGTERM
    ) -> str:
        """End a program and return what it printed."""
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.communicate(timeout=stack.DEADLINE)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f'{process.args} does not end') from None
        except ValueError:
            return ''

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Any:
        answer = requests.request(
            method,
            f'http://127.0.0.1:{self.port}{path}',
            json=body,
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json()

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            try:
                return bool(self.call('GET', '/healthcheck'))
            except requests.RequestException:
                return False

        stack.wait_for(ready, 'the API to answer')

    def make_disks(self, **sizes: int) -> dict[str, bytes]:
        folder = self.state / 'cloud' / 'servers' / 'web'
        folder.mkdir(parents=True)
        disks = {
            name: random.Random(name).randbytes(size)
            for name, size in sizes.items()
        }
        for name, content in disks.items():
            (folder / f'{name}.raw').write_bytes(content)
        return disks

    def read_disks(self) -> dict[str, bytes]:
        folder = self.state / 'cloud' / 'servers' / 'web'
        return {path.stem: path.read_bytes() for path in folder.glob('*.raw')}

    def start_backup(self, vault_id: str) -> dict[str, Any]:
        (server,) = self.call('GET', '/v1/servers')['servers']
        body = {'backup': {'server_id': server['id'], 'vault_id': vault_id}}
        backup: dict[str, Any] = self.call('POST', '/v1/backups', body)[
            'backup'
        ]
        return backup

    def make_vault(self) -> str:
        body = {'vault': {'name': 'v', 'capacity_gb': 100}}
        vault_id: str = self.call('POST', '/v1/vaults', body)['vault']['id']
        return vault_id

    def task(self, task_id: str) -> dict[str, Any]:
        task: dict[str, Any] = self.call('GET', f'/v1/tasks/{task_id}')['task']
        return task

    def finish(self, resource: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = stack.wait_for(
            lambda: self._over(resource['task_id']), 'the task to end'
        )
        return found

    def _over(self, task_id: str) -> dict[str, Any] | None:
        task = self.task(task_id)
        return task if task['finished_at'] else None
