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
import json
import time
from typing import Any
import urllib.error
import urllib.request

import screen

#: seconds in which a task must have got on somehow
_PATIENCE = 300
_POLL = 0.2

Json = dict[str, Any]


class ApiError(screen.Problem):
    """The service refused a request; holds the status and its sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(f'The service answered {status}: {sentence}')
        self.status = status


class Api:
    """A csbs service at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        # what is on this machine is not behind a proxy
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({})
        )

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request and return the answer's JSON.

        :raises ApiError: when the service refuses it
        :raises OSError: when there is no service
        """
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                'Accept': 'application/json',
                'Content-Type': 'application/json',
                'OpenStack-API-Version': 'server-backup 1.0',
            },
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, _sentence(error.read())) from error
        return dict(json.loads(content)) if content else {}

    def healthy(self) -> bool:
        """Return whether the service is ready for requests."""
        try:
            with self._opener.open(self.url + '/healthcheck', timeout=5):
                return True
        except OSError:
            return False

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
