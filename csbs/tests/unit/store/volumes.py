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

"""Volumes in memory for tests of the store."""

from collections.abc import Iterable
import threading
import uuid


class Volume:
    """A volume in memory; counts what is done to it."""

    def __init__(
        self,
        data: bytes | bytearray,
        *,
        extents: list[tuple[int, int]] | None = None,
        changes: dict[uuid.UUID, list[tuple[int, int]]] | None = None,
        blank: bool = False,
    ) -> None:
        self.data = bytearray(data)
        self.blank = blank
        self.read_bytes = 0
        self.written: list[tuple[int, int]] = []
        self.zeroed: list[tuple[int, int]] = []
        self.flushed = 0
        self._extents = extents
        self._changes = changes or {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return len(self.data)

    def extents(self) -> Iterable[tuple[int, int]] | None:
        return self._extents

    def changes(self, since: uuid.UUID) -> Iterable[tuple[int, int]] | None:
        return self._changes.get(since)

    def read_into(self, offset: int, buffer: memoryview) -> None:
        with self._lock:
            self.read_bytes += len(buffer)
        part = self.data[offset : offset + len(buffer)]
        if len(part) != len(buffer):
            raise OSError('the volume ends here')
        buffer[:] = part

    def write(self, offset: int, data: memoryview) -> None:
        if offset + len(data) > len(self.data):
            raise OSError('the volume ends here')
        with self._lock:
            self.written.append((offset, len(data)))
        self.data[offset : offset + len(data)] = data

    def zero(self, offset: int, length: int) -> None:
        if offset + length > len(self.data):
            raise OSError('the volume ends here')
        with self._lock:
            self.zeroed.append((offset, length))
        self.data[offset : offset + length] = bytes(length)

    def flush(self) -> None:
        self.flushed += 1


def blank(size: int) -> Volume:
    """Return a new volume that reads as zeros."""
    return Volume(bytes(size), blank=True)
