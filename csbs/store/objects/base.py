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

"""What the store asks of a place for objects, and how objects are named.

Owns the Protocol every object store driver implements. A container holds
the objects of one vault and nothing else.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import re
from typing import Protocol
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

_SEGMENT = r'[0-9a-z][0-9a-z_-]{0,99}'
_NAME = re.compile(rf'{_SEGMENT}(?:/{_SEGMENT}){{0,3}}', re.ASCII)
_PREFIX = re.compile(r'[0-9a-z_/-]{0,255}', re.ASCII)
_CONTAINER = re.compile(r'[0-9A-Za-z][0-9A-Za-z_-]{0,199}', re.ASCII)


def check_name(name: str) -> str:
    """Return ``name`` when it is one that the store gives to objects.

    :raises ValueError: when it is not; nothing was touched
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f'not a name of an object: {name!r}')
    return name


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` when names may begin with it.

    :raises ValueError: when none can
    """
    if not _PREFIX.fullmatch(prefix) or prefix.startswith('/'):
        raise ValueError(f'not a prefix of objects: {prefix!r}')
    return prefix


def check_container(name: str) -> str:
    """Return ``name`` when a container may have it.

    :raises ValueError: when it may not
    """
    if not _CONTAINER.fullmatch(name):
        raise ValueError(f'not a name of a container: {name!r}')
    return name


class ObjectStore(Protocol):
    """A container of immutable objects.

    Methods are called from several threads, and by several processes on the
    same container, at once. They raise :class:`.errors.ObjectMissing`,
    :class:`.errors.Damaged`, :class:`.errors.StoreUnreadable` and
    :class:`.errors.StoreUnwritable` and, for a name that no object can
    have, ``ValueError``.
    """

    def put(self, name: str, data: Buffer) -> None:
        """Write an object whole, over an old one of that name.

        Nobody ever sees a part of it, and it is durable on return.

        :raises StoreUnwritable: when it may or may not have been written
        """
        ...

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        """Return ``length`` bytes from ``offset`` on, or all from there on.

        :raises ObjectMissing: when there is no such object
        :raises Damaged: when the object ends before the range does
        :raises StoreUnreadable: when the store does not answer
        """
        ...

    def size(self, name: str) -> int:
        """Return an object's size in bytes.

        :raises ObjectMissing: when there is no such object
        :raises StoreUnreadable: when the store does not answer
        """
        ...

    def delete(self, name: str) -> None:
        """Remove an object; fine when there is none.

        :raises StoreUnwritable: when it may still be there
        """
        ...

    def delete_many(self, names: Iterable[str]) -> None:
        """Remove objects, in any order; fine when some are not there.

        :raises StoreUnwritable: when any may still be there
        """
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Return (name, size) of what begins with ``prefix``, by name.

        What is written or removed meanwhile may or may not be seen; all else
        is seen exactly once.

        :raises StoreUnreadable: when the store does not answer
        """
        ...

    def drop(self) -> None:
        """Remove the container, which is empty; fine when it is gone.

        :raises StoreUnwritable: when it may still be there
        """
        ...
