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

"""Tests of the progress bar's line."""

import io
from typing import Any

from csbs.cli import progress
from csbs.sdk.v1 import task as _task
from csbs.tests import base

GIB = 1 << 30


def _task_of(**attrs: Any) -> _task.Task:
    known: dict[str, Any] = {
        'kind': 'backup',
        'status': 'running',
        'progress': 45,
        'bytes_done': 45 * GIB,
        'bytes_total': 100 * GIB,
        'rate': 57.0 * (1 << 20),
        'eta_seconds': 988,
    }
    return _task.Task(**(known | attrs))


class TestRender(base.TestCase):
    def test_as_much_as_fits(self) -> None:
        task = _task_of()
        bar = '[##########..............]'
        for width, text in (
            (
                100,
                f'Backing up {bar}  45%  16 min 28 s left  '
                f'45.0 GB of 100.0 GB  57.0 MB/s',
            ),
            (
                90,
                f'Backing up {bar}  45%  16 min 28 s left  '
                f'45.0 GB of 100.0 GB',
            ),
            (80, f'Backing up {bar}  45%  16 min 28 s left  57.0 MB/s'),
            (62, f'Backing up {bar}  45%  16 min 28 s left'),
            (42, f'Backing up {bar}  45%'),
            (41, 'Backing up  45%  16 min 28 s left'),
            (20, 'Backing up  45%'),
            (8, 'Backing '),
        ):
            line = progress.render(task, width)
            self.assertEqual(text, line)
            self.assertLessEqual(len(line), width)

    def test_queued(self) -> None:
        line = progress.render(_task_of(status='queued'), 80)

        self.assertEqual('Backing up: waiting for a free worker', line)

    def test_without_bytes_the_step_is_shown(self) -> None:
        task = _task_of(
            kind='delete_backup',
            progress=0,
            bytes_done=0,
            bytes_total=0,
            rate=None,
            eta_seconds=None,
            step='removing_maps',
        )

        self.assertEqual(
            f'Deleting backup [{"." * 24}]   0%  removing maps',
            progress.render(task, 80),
        )

    def test_a_new_kind_is_shown_by_its_name(self) -> None:
        line = progress.render(_task_of(kind='polish'), 20)

        self.assertEqual('polish  45%', line)


class _FakeTerminal(io.StringIO):
    """What says that it is a terminal, but has no size."""

    def isatty(self) -> bool:
        return True


class TestProgressBars(base.TestCase):
    def test_a_shorter_line_leaves_nothing_behind(self) -> None:
        stream = _FakeTerminal()
        bars = progress.ProgressBars(stream)

        bars.show(['a long line'])
        bars.show(['short'])
        bars.clear()

        self.assertEqual(80 - 1, bars.width())
        self.assertEqual(
            ['a long line', 'short      ', '     ', ''],
            stream.getvalue().split('\r')[1:],
        )

    def test_several_lines_are_written_over(self) -> None:
        stream = _FakeTerminal()
        bars = progress.ProgressBars(stream)

        bars.show(['one', 'two'])
        bars.show(['1'])
        bars.clear()

        up = '\x1b[1A'
        self.assertEqual(
            f'\rone\n\rtwo{up}\r1  \n\r   {up}\r \n\r\r{up}',
            stream.getvalue(),
        )

    def test_there_are_never_more_lines_than_the_terminal_has(self) -> None:
        stream = _FakeTerminal()
        bars = progress.ProgressBars(stream)
        self.assertEqual(24, bars.height())

        bars.show([str(number) for number in range(24)])
        self.assertEqual(23, stream.getvalue().count('\n'))
        stream.truncate(0)
        bars.show([str(number) for number in range(64)])

        lines = stream.getvalue().split('\n')
        self.assertEqual(24, len(lines))
        self.assertIn('\x1b[23A\r0', lines[0])
        self.assertEqual('\r... and 41 more', lines[-1])

    def test_nothing_goes_to_a_pipe(self) -> None:
        stream = io.StringIO()
        bars = progress.ProgressBars(stream)

        bars.show(['one'])
        bars.clear()

        self.assertEqual('', stream.getvalue())
