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

"""Objects in the memory of the process: for tests and first steps.

Owns the ``memory`` driver. What it holds is gone with the process.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import threading
from typing import ClassVar

from csbs.store import errors
from csbs.store.objects import base


class MemoryStore:
    """A container in a dictionary; the same name finds the same objects."""

    _containers: ClassVar[dict[str, dict[str, bytes]]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, container: str) -> None:
        """Open the container, which is made when it is not there.

        :raises ValueError: when no container can have that name
        """
        self._container = base.check_container(container)
        with self._lock:
            self._objects = self._containers.setdefault(container, {})

    @classmethod
    def from_options(
        cls, options: Mapping[str, str], container: str
    ) -> 'MemoryStore':
        """Open a container; the driver has no options."""
        return cls(container)

    def put(self, name: str, data: base.Buffer) -> None:
        self._objects[base.check_name(name)] = bytes(data)

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        data = self._find(name)
        end = len(data) if length is None else offset + length
        if not 0 <= offset <= end <= len(data):
            raise errors.Damaged(name, 'it is shorter than expected')
        return data[offset:end]

    def size(self, name: str) -> int:
        return len(self._find(name))

    def delete(self, name: str) -> None:
        self._objects.pop(base.check_name(name), None)

    def delete_many(self, names: Iterable[str]) -> None:
        for name in names:
            self.delete(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        base.check_prefix(prefix)
        found = [
            (name, len(data))
            for name, data in self._objects.copy().items()
            if name.startswith(prefix)
        ]
        return iter(sorted(found))

    def drop(self) -> None:
        if self._objects:
            raise errors.StoreUnwritable('the container is not empty')
        with self._lock:
            self._containers.pop(self._container, None)

    def _find(self, name: str) -> bytes:
        try:
            return self._objects[base.check_name(name)]
        except KeyError:
            raise errors.ObjectMissing(name) from None
