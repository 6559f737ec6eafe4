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


"""A csbs of one's own: started on this machine, stopped by its pid."""

import contextlib
import pathlib
import signal
import socket
import subprocess
import time

import api
import screen

PORT = 8799
_START_SECONDS = 60
_STOP_SECONDS = 20
_TRIES = 3


class Service:
    """``csbs-standalone`` on a state directory."""

    def __init__(self, programs: pathlib.Path, state: pathlib.Path) -> None:
        self._program = programs / 'csbs-standalone'
        self._state = state
        self._process: subprocess.Popen[bytes] | None = None
        self.log = state / 'service.log'
        self.port = 0

    @property
    def api(self) -> api.Api:
        """Return the service's API."""
        return api.Api(self.port)

    @property
    def pid(self) -> int:
        """Return the process id, 0 when it does not run."""
        return self._process.pid if self._process else 0

    def command(self) -> list[str]:
        """Return the command that starts it."""
        return [
            str(self._program),
            *('--state-dir', str(self._state), '--port', str(self.port)),
        ]

    def start(self, port: int | None, server_id: str) -> None:
        """Start the service and wait until it answers.

        :param port: None for the usual one, or a free one if that is taken
        :param server_id: of a server in its cloud, to know it from another
            csbs that has won the race for the port
        :raises Problem: when it does not start
        """
        for last in [False] * (_TRIES - 1) + [True]:
            self.port = self._choose(port)
            if self._answers(server_id):
                return
            taken = self._process is None or self._taken()
            self.stop()
            if port is not None or last or not taken:
                raise screen.Problem(
                    f'The service did not start.\n{self._last_lines()}'
                )

    def stop(self) -> None:
        """Stop the service; fine when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def explain(self) -> str:
        """Return why it does not run any more, empty when it does."""
        if self._process is None or self._process.poll() is None:
            return ''
        return f'The service ended by itself.\n{self._last_lines()}'

    def _choose(self, port: int | None) -> int:
        if port is not None:
            if not _free(port):
                raise screen.Problem(
                    f'Port {port} is in use on 127.0.0.1; choose another one '
                    'with --port, or leave it out.'
                )
            return port
        if self.port == 0 and _free(PORT):
            return PORT
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            free = int(probe.getsockname()[1])
        screen.say(f'  Port {PORT} is in use, so port {free} is taken.')
        return free

    def _answers(self, server_id: str) -> bool:
        with open(self.log, 'ab') as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._state,
                # Ctrl-C is for the demonstration, which then stops it
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self.api.healthy():
                return self._is_ours(server_id)
            time.sleep(0.1)
        return False

    def _is_ours(self, server_id: str) -> bool:
        try:
            self.api.call('GET', f'/v1/servers/{server_id}')
        except (api.ApiError, OSError):
            return False
        return True

    def _taken(self) -> bool:
        # after a lost race the port belongs to somebody else
        process = self._process
        if process is not None and process.poll() is None:
            self.stop()
        return not _free(self.port)

    def _last_lines(self) -> str:
        lines: list[str] = []
        for path in (self._state / 'csbs.log', self.log):
            with contextlib.suppress(OSError):
                lines += path.read_text(errors='replace').split('\n')[-10:]
        return '\n'.join(f'    {line}' for line in lines if line)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # as servers do, so that the end of an earlier one does not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True
