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

"""Which parts of packs are needed, in little memory.

Owns the arithmetic. Neighbours in a pack are mostly needed together, so a
pack takes a few numbers, however many chunks it has.
"""

import array
import bisect
from collections.abc import Iterable
from collections.abc import Iterator

from csbs.store import codec

#: boundaries of a pack that are kept before they are put in order
_LOOSE = 64


class Coverage:
    """Parts of packs, each counted once however often it is added."""

    def __init__(self) -> None:
        self._packs: dict[bytes, array.array[int]] = {}
        self._limits: dict[bytes, int] = {}

    def __contains__(self, pack: bytes) -> bool:
        return pack in self._packs

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._packs)

    def __len__(self) -> int:
        return len(self._packs)

    def add(self, entries: Iterable[codec.Entry]) -> None:
        """Add the places of blobs."""
        for _id, pack, offset, stored, _raw, _flags in sorted(
            entries, key=_place
        ):
            parts = self._packs.get(pack)
            if parts is None:
                parts = self._packs[pack] = array.array('L')
            if parts and parts[-1] == offset:
                parts[-1] = offset + stored
                continue
            parts.append(offset)
            parts.append(offset + stored)
            if len(parts) > self._limits.get(pack, _LOOSE):
                self._tidy(pack)

    def parts(self, pack: bytes) -> list[tuple[int, int]]:
        """Return what was added of a pack: (begin, end), ascending."""
        if pack not in self._packs:
            return []
        self._tidy(pack)
        parts = self._packs[pack]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def size(self, pack: bytes) -> int:
        """Return how much was added of a pack."""
        return sum(end - begin for begin, end in self.parts(pack))

    def _tidy(self, pack: bytes) -> None:
        parts = self._packs[pack]
        tidy = array.array('L')
        for begin, end in sorted(zip(parts[::2], parts[1::2], strict=True)):
            if tidy and begin <= tidy[-1]:
                tidy[-1] = max(end, tidy[-1])
            else:
                tidy.append(begin)
                tidy.append(end)
        self._packs[pack] = tidy
        if len(tidy) > _LOOSE // 2:
            self._limits[pack] = 2 * len(tidy)


def within(parts: list[tuple[int, int]], offset: int) -> bool:
    """Tell whether one of the parts, which ascend, has an offset."""
    index = bisect.bisect_right(parts, offset, key=lambda part: part[0])
    return index > 0 and offset < parts[index - 1][1]


def _place(entry: codec.Entry) -> tuple[bytes, int]:
    return entry.pack, entry.offset
