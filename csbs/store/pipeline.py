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

"""A few threads that share out work, and stop together.

Owns the threads of one pass over a volume. Everything that waits in here
waits for work that is going on.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import threading
from typing import Generic
from typing import TypeVar

T = TypeVar('T')

#: seconds between two calls of ``tick`` while the threads work
_TICK = 1.0


class Progress:
    """Hands progress on, one call at a time."""

    def __init__(self, callback: Callable[[int], None] | None) -> None:
        self._callback = callback
        self._lock = threading.Lock()

    def __call__(self, count: int) -> None:
        """Report ``count`` more bytes as done."""
        if self._callback and count:
            with self._lock:
                self._callback(count)


class Pipeline(Generic[T]):
    """Runs one function over many units of work, in several threads."""

    def __init__(
        self,
        units: Iterator[T],
        workers: list[Callable[[T], None]],
        check: Callable[[], None] | None,
    ) -> None:
        """Prepare to hand ``units``, in order, to ``workers``.

        :param workers: one function a thread; each may keep state of its own
        :param check: called before every unit, from any thread
        """
        self._units = units
        self._workers = workers
        self._check = check
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._done = threading.Event()
        self._left = len(workers)

    @property
    def failed(self) -> bool:
        """Whether work in progress is in vain."""
        return self._failure is not None

    def run(self, tick: Callable[[], None] | None = None) -> None:
        """Return when all units are worked on, or raise what went wrong.

        The first exception of any thread stops all; it comes out unchanged.

        :param tick: called every second or so meanwhile
        """
        threads = [
            threading.Thread(
                target=self._work,
                args=(worker,),
                name='csbs-store',
                daemon=True,
            )
            for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._done.wait(_TICK):
                if tick:
                    tick()
        except BaseException as error:
            self._fail(error)
        for thread in threads:
            thread.join()
        if self._failure:
            raise self._failure

    def _work(self, worker: Callable[[T], None]) -> None:
        try:
            while not self.failed:
                if self._check:
                    self._check()
                with self._lock:
                    if self.failed:
                        break
                    unit = next(self._units, None)
                if unit is None:
                    break
                worker(unit)
        except BaseException as error:
            self._fail(error)
        finally:
            with self._lock:
                self._left -= 1
                if not self._left:
                    self._done.set()

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._done.set()


def in_threads(
    threads: int,
    units: Iterable[T],
    work: Callable[[T], None],
    tick: Callable[[], None] | None = None,
) -> None:
    """Call ``work`` with every unit, in a few threads at once.

    :raises BaseException: whatever the first call raised that failed
    """
    pending = list(units)
    if len(pending) < 2:
        for unit in pending:
            work(unit)
        return
    workers = [work] * min(threads, len(pending))
    Pipeline(iter(pending), workers, None).run(tick)
