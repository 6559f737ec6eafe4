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


"""The REST API of csbs, as anybody could use it: plain HTTP and JSON.

Owns the HTTP of the demonstration. Nothing of csbs is imported, so what is
shown is what the API does.
"""

from collections.abc import Callable
import http.client
import json
import time
from typing import Any

import screen

#: seconds in which a task must have got on somehow
_PATIENCE = 300
_POLL = 0.2
_REQUEST_SECONDS = 60

Json = dict[str, Any]


class ApiError(screen.Problem):
    """The service refused a request; holds the status and its sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(f'The service answered {status}: {sentence}')
        self.status = status


class Api:
    """A csbs service on this machine."""

    def __init__(self, port: int) -> None:
        self.url = f'http://127.0.0.1:{port}'
        self._port = port

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request and return the answer's JSON.

        :raises ApiError: when the service refuses it
        :raises OSError: when there is no service
        """
        status, content = self._send(
            method, path, None if body is None else json.dumps(body).encode()
        )
        if status >= 400:
            raise ApiError(status, _sentence(content))
        return dict(json.loads(content)) if content else {}

    def healthy(self) -> bool:
        """Return whether the service is ready for requests."""
        try:
            return self._send('GET', '/healthcheck', None)[0] == 200
        except OSError:
            return False

    def _send(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            '127.0.0.1', self._port, timeout=_REQUEST_SECONDS
        )
        try:
            connection.request(
                method,
                path,
                body,
                {
                    'Accept': 'application/json',
                    'Content-Type': 'application/json',
                    'OpenStack-API-Version': 'server-backup 1.0',
                },
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise OSError(f'No HTTP from {self.url}: {error}') from error
        finally:
            connection.close()

    def wait(self, task_id: str, show: Callable[[Json], None]) -> Json:
        """Wait until a task is done and return it.

        :param show: called with the task again and again
        :raises Problem: when it fails, or does not get on
        """
        last: object = None
        deadline = 0.0
        while True:
            task: Json = self.call('GET', f'/v1/tasks/{task_id}')['task']
            if task['status'] == 'succeeded':
                return task
            if task['status'] not in ('queued', 'running'):
                fault = task.get('fault') or {}
                raise screen.Problem(
                    f'The task {task["kind"]} is {task["status"]}: '
                    f'{fault.get("message", "no reason given")}'
                )
            show(task)
            now = time.monotonic()
            state = (task['status'], task['step'], task['bytes_done'])
            if state != last:
                last = state
                deadline = now + _PATIENCE
            elif now > deadline:
                raise screen.Problem(
                    f'The task {task["kind"]} did not get on for '
                    f'{_PATIENCE} seconds.'
                )
            time.sleep(_POLL)


def _sentence(content: bytes) -> str:
    try:
        errors = json.loads(content)['errors']
        return ' '.join(error['detail'] for error in errors)
    except (ValueError, KeyError, TypeError):
        return content.decode('utf-8', 'replace')[:200]
