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


"""What several nouns' handlers render alike."""

import datetime
from typing import Any

from csbs.domain import model


def time(value: datetime.datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the second."""
    value = value.astimezone(datetime.UTC)
    return value.strftime('%Y-%m-%dT%H:%M:%SZ')


def time_or_none(value: datetime.datetime | None) -> str | None:
    """Return a time as text, if there is one."""
    return None if value is None else time(value)


def gib(size: int) -> int:
    """Return bytes in GiB, rounded up."""
    return -(-size // model.GIB)


def saved_percent(protected_bytes: int, stored_bytes: int) -> int:
    """Return what the store saves of full copies of all backups."""
    if protected_bytes <= 0:
        return 0
    saved = protected_bytes - stored_bytes
    return max(0, saved * 100 // protected_bytes)


def fault(value: model.Fault | None) -> dict[str, Any] | None:
    """Return a fault as JSON, if there is one."""
    if value is None:
        return None
    return {'code': value.code, 'message': value.message}


def progress(task: model.Task) -> int:
    """Return how much of a task is done, 0 to 100.

    100 only when it succeeded: with all bytes moved there is still tidying
    to do.
    """
    if task.status == model.TaskStatus.SUCCEEDED:
        return 100
    if task.bytes_total <= 0:
        return 0
    return max(0, min(99, task.bytes_done * 100 // task.bytes_total))


def rate(task: model.Task, now: datetime.datetime) -> int | None:
    """Return the bytes a second of a running task, or None.

    :param now: the present, aware
    """
    if task.status != model.TaskStatus.RUNNING or task.started_at is None:
        return None
    seconds = (now - task.started_at).total_seconds()
    if seconds <= 0:
        return None
    return int(task.bytes_done / seconds)


def eta_seconds(task: model.Task, now: datetime.datetime) -> int | None:
    """Return the seconds a running task will still take at its rate."""
    speed = rate(task, now)
    left = task.bytes_total - task.bytes_done
    if not speed or task.bytes_total <= 0 or left < 0:
        return None
    return -(-left // speed)
