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

"""Waiting for a task. Owns the loop and what counts as an end of it."""

from collections.abc import Callable
import time

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions

from csbs.sdk import exceptions
from csbs.sdk.v1 import task as _task

#: for how many seconds on end the API may be away during a wait
PATIENCE = 60.0


def _is_passing(error: Exception) -> bool:
    """Tell whether asking again may help."""
    if isinstance(error, ksa_exceptions.ConnectFailure):
        return True
    status = getattr(error, 'status_code', None)
    return isinstance(status, int) and status in (502, 503, 504)


def wait(
    fetch: Callable[[], _task.Task],
    timeout: float | None,
    interval: float,
    callback: Callable[[_task.Task], None] | None,
    patience: float = PATIENCE,
) -> _task.Task:
    """Ask for a task until it has ended.

    :param fetch: asks for the task
    :param timeout: how many seconds to wait; None waits for ever
    :param interval: seconds between two questions
    :param callback: called with the task whenever it was asked for
    :param patience: for how many seconds on end ``fetch`` may fail to reach
        the service
    :return: the task, which has succeeded
    :raises csbs.sdk.exceptions.TaskFailed: when it ended in another way
    :raises openstack.exceptions.ResourceTimeout: when it still runs
    """
    begun = answered = time.monotonic()
    while True:
        try:
            task = fetch()
        except (
            ksa_exceptions.ClientException,
            sdk_exceptions.SDKException,
        ) as error:
            away = time.monotonic() - answered
            if not _is_passing(error) or away > patience:
                raise
        else:
            answered = time.monotonic()
            if callback is not None:
                callback(task)
            if task.status == 'succeeded':
                return task
            if task.is_finished:
                raise exceptions.TaskFailed(task)
        left = None
        if timeout is not None:
            left = timeout - (time.monotonic() - begun)
            if left <= 0:
                raise sdk_exceptions.ResourceTimeout(
                    f'The task has not ended within {timeout:g} seconds; '
                    f'it goes on.'
                )
        time.sleep(interval if left is None else min(interval, left))
