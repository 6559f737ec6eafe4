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

"""Arithmetic on parts of a volume, in whole chunks.

Owns the way from the byte ranges a volume reports to runs of chunks.
"""

from collections.abc import Iterable
from collections.abc import Iterator

Run = tuple[int, int]


def runs(
    ranges: Iterable[tuple[int, int]], chunk_size: int, size: int
) -> Iterator[Run]:
    """Return the runs (first chunk, end) that byte ranges touch, merged.

    :param ranges: (offset, length), by ascending offset
    :param size: of the volume; what lies behind is left out
    :raises ValueError: when the ranges are not ascending
    """
    first = end = last = 0
    for offset, length in ranges:
        if offset < last or length < 0:
            raise ValueError('the parts of a volume are out of order')
        last = offset
        begin = offset // chunk_size
        stop = -(-min(offset + length, size) // chunk_size)
        if not length or stop <= begin:
            continue
        if begin <= end and end > first:
            end = max(end, stop)
            continue
        if end > first:
            yield first, end
        first, end = begin, stop
    if end > first:
        yield first, end


class Cursor:
    """Runs, taken window by window from the front."""

    def __init__(self, source: Iterable[Run]) -> None:
        self._source = iter(source)
        self._next: Run | None = next(self._source, None)

    def take(self, low: int, high: int) -> list[Run]:
        """Return the runs within [low, high); never go back."""
        found = []
        while self._next and self._next[0] < high:
            first, end = self._next
            if end > low:
                found.append((max(first, low), min(end, high)))
            if end > high:
                break
            self._next = next(self._source, None)
        return found


def cursor(
    parts: Iterable[tuple[int, int]] | None, chunk_size: int, size: int
) -> Cursor | None:
    """Return the runs that the parts of a volume touch, to be taken.

    :param parts: (offset, length), by ascending offset; None when the volume
        does not tell, and so is the result
    """
    if parts is None:
        return None
    return Cursor(runs(parts, chunk_size, size))


def marks(parts: Iterable[Run], low: int, high: int) -> bytearray:
    """Return one byte a chunk of [low, high): 1 within a part, else 0."""
    found = bytearray(high - low)
    for first, end in parts:
        first, end = max(first, low), min(end, high)
        if end > first:
            found[first - low : end - low] = b'\x01' * (end - first)
    return found
