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

"""Watching a task: the progress bar and what ends the watch.

Owns the one way in which every command with ``--wait`` waits. The bar goes
to stderr, and only where that is a terminal, so that pipes stay clean.
"""

import os
from typing import Any
from typing import TextIO

from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions

from csbs.cli import columns
from csbs.sdk import exceptions as csbs_exceptions
from csbs.sdk.v1 import _proxy
from csbs.sdk.v1 import task as _task

#: seconds between two questions to the service
INTERVAL = 1.0

_BAR_WIDTH = 24
_LABELS = {
    'backup': 'Backing up',
    'restore': 'Restoring',
    'create_server': 'Creating server',
    'delete_backup': 'Deleting backup',
    'delete_vault': 'Deleting vault',
    'collect': 'Freeing space',
    'policy_run': 'Starting backups',
}


def render(task: _task.Task, width: int) -> str:
    """Return the line that describes a task, as much as fits.

    :param task: the task
    :param width: how many characters there are
    """
    label = _LABELS.get(task.kind, task.kind)
    if task.status == 'queued':
        return f'{label}: waiting for a free worker'[:width]
    percent = min(100, max(0, task.progress or 0))
    filled = _BAR_WIDTH * percent // 100
    bar = '#' * filled + '.' * (_BAR_WIDTH - filled)
    # what is left out first when there is too little room comes last
    head = f'{label} {percent:3d}%'
    if len(head) + _BAR_WIDTH + 3 <= width:
        head = f'{label} [{bar}] {percent:3d}%'
    line = head
    for detail in _details(task):
        if len(line) + 2 + len(detail) <= width:
            line = f'{line}  {detail}'
    return line[:width]


def _details(task: _task.Task) -> list[str]:
    details = []
    if task.eta_seconds is not None:
        left = columns.format_duration(task.eta_seconds)
        details.append(f'{left} left')
    if task.bytes_total:
        done = columns.format_bytes(task.bytes_done or 0)
        total = columns.format_bytes(task.bytes_total)
        details.append(f'{done} of {total}')
    if task.rate:
        details.append(f'{columns.format_bytes(task.rate)}/s')
    if task.step and not task.bytes_total:
        details.append(task.step.replace('_', ' '))
    return details


class ProgressBar:
    """One line on a terminal that is written again and again.

    On anything that is no terminal it writes nothing at all.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = bool(stream.isatty())
        self._shown = 0

    def _width(self) -> int:
        try:
            columns_ = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns_ = 0
        # writing the last column would wrap on some terminals
        return (columns_ or 80) - 1

    def show(self, task: _task.Task) -> None:
        """Write the line anew.

        :param task: what to show
        """
        if not self._is_terminal:
            return
        line = render(task, self._width())
        self._stream.write('\r' + line.ljust(self._shown))
        self._stream.flush()
        self._shown = len(line)

    def clear(self) -> None:
        """Leave the line empty for what is printed next."""
        if self._shown:
            self._stream.write('\r' + ' ' * self._shown + '\r')
            self._stream.flush()
            self._shown = 0


def watch(
    app: Any,
    client: _proxy.Proxy,
    task_id: str,
    timeout: float | None = None,
) -> _task.Task:
    """Wait for a task and show how far it is.

    :param app: the shell, for its stderr
    :param client: the SDK's proxy
    :param task_id: the task
    :param timeout: how many seconds to wait; None waits for ever
    :return: the task, which has succeeded
    :raises osc_lib.exceptions.CommandError: when it failed, or still runs
        after the timeout
    :raises KeyboardInterrupt: passed on; the task itself goes on
    """
    bar = ProgressBar(app.stderr)
    hint = f'Go on watching with: openstack csbs task watch {task_id}'
    try:
        return client.wait_for_task(
            task_id, timeout=timeout, interval=INTERVAL, callback=bar.show
        )
    except csbs_exceptions.TaskFailed as failure:
        raise exceptions.CommandError(
            f'{failure} See also: openstack csbs task show {task_id}'
        ) from failure
    except sdk_exceptions.ResourceTimeout as late:
        raise exceptions.CommandError(f'{late} {hint}') from late
    except KeyboardInterrupt:
        bar.clear()
        app.stderr.write(f'\nThe task goes on. {hint}\n')
        app.stderr.flush()
        raise
    finally:
        bar.clear()
