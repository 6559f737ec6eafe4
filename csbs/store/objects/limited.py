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

"""An object store that is used no faster than allowed.

Owns the counting. What goes in and what comes out share one limit.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import threading
import time

from csbs.store.objects import base

#: seconds of unused allowance that may be used up at once
_SPARE = 1.0


class LimitedStore:
    """Slows another object store down."""

    def __init__(
        self,
        inner: base.ObjectStore,
        bandwidth: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Allow ``bandwidth`` bytes a second."""
        self._clock = clock
        self._sleep = sleep
        self._inner = inner
        self._bandwidth = bandwidth
        self._lock = threading.Lock()
        self._free_at = clock() - _SPARE

    def put(self, name: str, data: base.Buffer) -> None:
        self._wait(memoryview(data).nbytes)
        self._inner.put(name, data)

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        data = self._inner.get(name, offset, length)
        self._wait(len(data))
        return data

    def size(self, name: str) -> int:
        return self._inner.size(name)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def delete_many(self, names: Iterable[str]) -> None:
        self._inner.delete_many(names)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        return self._inner.list(prefix)

    def drop(self) -> None:
        self._inner.drop()

    def _wait(self, count: int) -> None:
        """Wait for the bytes that were before; these delay the next."""
        with self._lock:
            now = self._clock()
            begin = max(self._free_at, now - _SPARE)
            self._free_at = begin + count / self._bandwidth
        if begin > now:
            self._sleep(begin - now)
