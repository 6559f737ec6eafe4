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

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
import contextlib
import os
from typing import Any
from typing import TextIO

from keystoneauth1 import exceptions as ksa_exceptions
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
    'verify': 'Verifying',
}
_RANKS = {'running': 0, 'queued': 1}
_NO_ANSWER = (ksa_exceptions.ClientException, sdk_exceptions.SDKException)


def render(task: _task.Task, width: int, name: str = '') -> str:
    """Return the line that describes a task, as much as fits.

    :param task: the task
    :param width: how many characters there are
    :param name: what tells it from other lines
    """
    label = _LABELS.get(task.kind, task.kind)
    if name:
        label = f'{name}: {label.lower()}'
    if task.status == 'queued':
        return f'{label}: waiting for a free worker'[:width]
    if task.has_failed:
        return f'{label}: {task.status}'[:width]
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


class ProgressBars:
    """Some lines on a terminal that are written again and again.

    On anything that is no terminal it writes nothing at all.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.is_seen = bool(stream.isatty())
        self._shown: list[int] = []

    def width(self) -> int:
        """Return how many characters a line may have."""
        try:
            columns_ = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns_ = 0
        # writing the last column would wrap on some terminals
        return (columns_ or 80) - 1

    def height(self) -> int:
        """Return how many lines there may be."""
        try:
            lines = os.get_terminal_size(self._stream.fileno()).lines
        except (OSError, ValueError):
            lines = 0
        return lines or 24

    def show(self, lines: Sequence[str]) -> None:
        """Write the lines anew, as many as fit.

        :param lines: what to show, the most important first
        """
        if not self.is_seen:
            return
        # the cursor cannot go back to lines that were scrolled away
        if len(lines) > (room := max(1, self.height())):
            left_out = len(lines) - room + 1
            lines = [*lines[: room - 1], f'... and {left_out} more']
        # lines that were there before are written over, shorter or not
        lengths = self._shown + [0] * (len(lines) - len(self._shown))
        texts = [*lines, *[''] * (len(lengths) - len(lines))]
        self._write(
            [
                text.ljust(length)
                for text, length in zip(texts, lengths, strict=True)
            ]
        )
        self._shown = [len(text) for text in texts]

    def clear(self) -> None:
        """Leave the lines empty for what is printed next."""
        if self._shown:
            self._write([' ' * length for length in self._shown])
            back = len(self._shown) - 1
            self._stream.write('\r' + (f'\x1b[{back}A' if back else ''))
            self._stream.flush()
            self._shown = []

    def _write(self, texts: Sequence[str]) -> None:
        back = len(self._shown) - 1
        self._stream.write(f'\x1b[{back}A' if back > 0 else '')
        self._stream.write('\r' + '\n\r'.join(texts))
        self._stream.flush()


class _View:
    """What is shown of a task: its bar, or those of its parts."""

    def __init__(
        self, client: _proxy.Proxy, bars: ProgressBars, beside: Iterable[str]
    ) -> None:
        self._client = client
        self._bars = bars
        self._beside = list(beside)
        self._names: dict[str, str] | None = None

    def show(self, task: _task.Task) -> None:
        """Write the lines anew; without an answer they stay as they are."""
        if not self._bars.is_seen:
            return
        try:
            tasks = self._tasks(task)
            names = [self._name(one) for one in tasks]
        except _NO_ANSWER:
            return
        if len(tasks) == 1 and tasks[0] is task:
            names = ['']
        width = self._bars.width()
        pairs = list(zip(tasks, names, strict=True))
        if len(pairs) > self._bars.height():
            # what moves is worth the room most
            pairs.sort(key=lambda pair: _RANKS.get(pair[0].status, 2))
        self._bars.show([render(one, width, name) for one, name in pairs])

    def explain(self, failure: csbs_exceptions.TaskFailed) -> str:
        """Return why a task failed; of a run, why each server did."""
        task = failure.task
        if task.kind != 'policy_run':
            return f'{failure} See also: openstack csbs task show {task.id}'
        lines = [str(failure)]
        with contextlib.suppress(*_NO_ANSWER):
            for part in self._tasks(task):
                if part.id != task.id and part.has_failed:
                    reason = csbs_exceptions.TaskFailed(part)
                    lines.append(f'  {self._name(part)}: {reason}')
        also = f'See also: openstack csbs task list --long --run {task.id}'
        return '\n'.join([*lines, also])

    def _tasks(self, task: _task.Task) -> list[_task.Task]:
        if task.kind == 'policy_run':
            parts = self._client.tasks(
                parent_id=task.id, sort='created_at:asc'
            )
            return list(parts) or [task]
        return [task, *(self._client.get_task(one) for one in self._beside)]

    def _name(self, task: _task.Task) -> str:
        if self._names is None:
            servers = self._client.servers()
            self._names = {one.id: one.name for one in servers}
        server_id = task.server_id or ''
        return self._names.get(server_id, server_id or task.id[:8])


def _hint(task_ids: Sequence[str]) -> str:
    commands = [f'openstack csbs task watch {one}' for one in task_ids]
    if len(commands) == 1:
        return f'Go on watching with: {commands[0]}'
    return '\n  '.join(['Go on watching with:', *commands])


def watch(
    app: Any,
    client: _proxy.Proxy,
    task_id: str,
    timeout: float | None = None,
    beside: Collection[str] = (),
) -> _task.Task:
    """Wait for a task and show how far it is.

    A run of a policy has a bar for each of its servers.

    :param app: the shell, for its stderr
    :param client: the SDK's proxy
    :param task_id: the task
    :param timeout: how many seconds to wait; None waits for ever
    :param beside: other tasks to show
    :return: the task, which has succeeded
    :raises osc_lib.exceptions.CommandError: when it failed, or still runs
        after the timeout
    :raises KeyboardInterrupt: passed on; the task itself goes on
    """
    bars = ProgressBars(app.stderr)
    view = _View(client, bars, beside)
    hint = _hint([task_id, *beside])
    try:
        return client.wait_for_task(
            task_id, timeout=timeout, interval=INTERVAL, callback=view.show
        )
    except csbs_exceptions.TaskFailed as failure:
        raise exceptions.CommandError(view.explain(failure)) from failure
    except sdk_exceptions.ResourceTimeout as late:
        raise exceptions.CommandError(f'{late} {hint}') from late
    except KeyboardInterrupt:
        bars.clear()
        goes_on = 'The tasks go on.' if beside else 'The task goes on.'
        app.stderr.write(f'\n{goes_on} {hint}\n')
        app.stderr.flush()
        raise
    finally:
        bars.clear()
