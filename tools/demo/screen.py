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


"""What the demonstration shows: plain lines, progress, one table.

Owns the terminal. Colours and progress appear on a terminal only; in a pipe
there is one line for each thing that was done.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import shutil
import sys
import threading
import time

_TERMINAL = sys.stdout.isatty()
_COLOURS = (
    _TERMINAL
    and 'NO_COLOR' not in os.environ
    and os.environ.get('TERM') != 'dumb'
)


class Problem(Exception):
    """Something the user has to know, as one clear sentence."""


def say(text: str = '') -> None:
    """Print a line."""
    _clear()
    print(text, flush=True)


def title(text: str) -> None:
    """Print the beginning of a step."""
    say()
    say(_coloured(text, '1;36'))


def good(text: str) -> None:
    """Print what was seen to be right."""
    say(f'  {_coloured("ok", "1;32")}  {text}')


def error(text: str) -> None:
    """Print what went wrong, to stderr."""
    _clear()
    colours = _COLOURS and sys.stderr.isatty()
    print(
        f'\033[1;31m{text}\033[0m' if colours else text,
        file=sys.stderr,
        flush=True,
    )


def progress(text: str) -> None:
    """Show a line that the next one replaces."""
    if _TERMINAL:
        width = shutil.get_terminal_size().columns - 1
        print(f'\r\033[K{text[:width]}', end='', flush=True)


def bar(percent: float, text: str) -> None:
    """Show how far a task is."""
    done = int(percent / 100 * 24)
    progress(f'  [{"=" * done}{" " * (24 - done)}] {percent:3.0f} %  {text}')


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show that something of unknown length is going on."""
    if not _TERMINAL:
        say(f'  {text} ...')
        yield
        return
    over = threading.Event()

    def show() -> None:
        start = time.monotonic()
        while not over.wait(0.2):
            progress(f'  {text} ... {time.monotonic() - start:.0f} s')

    shower = threading.Thread(target=show, daemon=True)
    shower.start()
    try:
        yield
    finally:
        over.set()
        shower.join()
        _clear()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, the first column to the left, others to the right."""
    widths = [
        max(len(row[column]) for row in [head, *rows])
        for column in range(len(head))
    ]
    for row in [head, ['-' * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [
            cell.rjust(width)
            for cell, width in zip(row[1:], widths[1:], strict=True)
        ]
        say('  ' + '  '.join(cells))


def size(count: float) -> str:
    """Return a number of bytes for people."""
    units = ['bytes', 'KiB', 'MiB', 'GiB']
    while count >= 1024 and len(units) > 1:
        count /= 1024
        del units[0]
    return f'{count:.{0 if count >= 10 else 1}f} {units[0]}'


def _clear() -> None:
    if _TERMINAL:
        print('\r\033[K', end='')


def _coloured(text: str, colour: str) -> str:
    return f'\033[{colour}m{text}\033[0m' if _COLOURS else text
