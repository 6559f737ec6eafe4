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

"""What the store asks of the volumes it reads and writes.

Owns two Protocols; whoever has volumes (a cloud, a test) implements them.
"""

from collections.abc import Iterable
from typing import Protocol
import uuid


class VolumeReader(Protocol):
    """A volume that does not change while it is read.

    Methods are called from several threads at once.
    """

    @property
    def size(self) -> int:
        """The size in bytes."""
        ...

    def extents(self) -> Iterable[tuple[int, int]] | None:
        """Return (offset, length) of the parts that may hold data.

        Ascending, not overlapping; everything outside reads as zeros. None
        when the volume cannot tell: then all of it is read.
        """
        ...

    def changes(self, since: uuid.UUID) -> Iterable[tuple[int, int]] | None:
        """Return (offset, length) of what may differ from backup ``since``.

        None when the volume cannot tell: then all of it is compared.
        """
        ...

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer from ``offset`` on.

        :raises OSError: when any byte of it cannot be read
        """
        ...


class VolumeWriter(Protocol):
    """A volume that is being restored, of at least the size of the item.

    Methods are called from several threads at once, for parts that do not
    overlap.
    """

    @property
    def size(self) -> int:
        """The size in bytes."""
        ...

    def extents(self) -> Iterable[tuple[int, int]] | None:
        """Return (offset, length) of the parts that may hold data.

        As those of a :class:`VolumeReader`. Parts further on may be asked for
        while earlier ones are written.
        """
        ...

    @property
    def blank(self) -> bool:
        """Whether the volume is new, so that all of it reads as zeros."""
        ...

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer from ``offset`` on."""
        ...

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at ``offset``."""
        ...

    def zero(self, offset: int, length: int) -> None:
        """Make a part read as zeros, as a hole where that can be."""
        ...

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        ...
