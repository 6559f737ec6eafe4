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


"""A Ceph in memory, behind the names of its Python modules.

Owns what ``csbs.cloud.openstack.rbd`` needs of ``rados`` and ``rbd``: images
with snapshots that remember which of their blocks were written when.
"""

from collections.abc import Callable
import dataclasses
import errno
import sys
import threading
import types
from typing import Any
from typing import Self
from unittest import mock

import fixtures

#: bytes of an object, which changes are first looked for by
OBJECT = 64 << 10
#: bytes of what changes are told by
BLOCK = 4 << 10


class RadosError(Exception):
    """An error of the cluster."""

    def __init__(self, text: str = '', errno: int | None = None) -> None:
        super().__init__(text)
        self.errno = errno


class ObjectNotFound(RadosError):
    """There is no such pool."""


class RbdError(Exception):
    """An error of images."""

    def __init__(self, text: str = '', errno: int | None = None) -> None:
        super().__init__(text)
        self.errno = errno


class ImageNotFound(RbdError):
    """There is no such image, or snapshot."""


@dataclasses.dataclass
class State:
    """An image at an instant.

    :ivar written: when each block was written, by its number
    """

    content: bytearray
    written: dict[int, int] = dataclasses.field(default_factory=dict)
    flags: int = 0

    def copy(self) -> 'State':
        return State(bytearray(self.content), dict(self.written), self.flags)


@dataclasses.dataclass
class Stored:
    """An image with its snapshots, the oldest first."""

    head: State
    snapshots: dict[str, State] = dataclasses.field(default_factory=dict)


class Ceph(fixtures.Fixture):
    """The modules, as long as the fixture is there.

    :ivar pools: images by pool and name
    :ivar broken: what fails, by the names of methods, with which errno
    """

    def __init__(self, *pools: str) -> None:
        self.pools: dict[str, dict[str, Stored]] = {it: {} for it in pools}
        self.broken: dict[str, int] = {}
        self.connected = 0
        self.features = 1
        self.opened: list[str] = []
        self.lies: set[int] = set()
        self._clock = 0
        self.lock = threading.Lock()

    def _setUp(self) -> None:
        rados: Any = types.ModuleType('rados')
        rados.Error, rados.ObjectNotFound = RadosError, ObjectNotFound
        rados.Rados = lambda **kwargs: _Client(self)
        rbd: Any = types.ModuleType('rbd')
        rbd.Error, rbd.ImageNotFound = RbdError, ImageNotFound
        rbd.RBD_FLAG_OBJECT_MAP_INVALID = 1
        rbd.RBD_FLAG_FAST_DIFF_INVALID = 2
        rbd.RBD_FEATURE_FAST_DIFF = 1
        rbd.Image = lambda *args, **kwargs: _Image(self, *args, **kwargs)
        patch = mock.patch.dict(sys.modules, {'rados': rados, 'rbd': rbd})
        patch.start()
        self.addCleanup(patch.stop)

    def make(self, name: str, size: int, pool: str = 'volumes') -> Stored:
        """Return a new image."""
        made = Stored(State(bytearray(size)))
        self.pools[pool][name] = made
        return made

    def fails(self, method: str) -> None:
        """Raise what was asked for.

        :raises RbdError: if it is broken
        """
        if method in self.broken:
            raise RbdError(f'{method} failed', errno=self.broken[method])

    def tick(self) -> int:
        """Return a time later than any before."""
        with self.lock:
            self._clock += 1
            return self._clock


class _Client:
    def __init__(self, ceph: Ceph) -> None:
        self._ceph = ceph

    def connect(self, timeout: float) -> None:
        if 'connect' in self._ceph.broken:
            raise RadosError('no cluster', errno=errno.ETIMEDOUT)
        self._ceph.connected += 1

    def open_ioctx(self, pool: str) -> str:
        if pool not in self._ceph.pools:
            raise ObjectNotFound(f'no pool {pool}')
        return pool


class _Image:
    """An open image or snapshot."""

    def __init__(
        self,
        ceph: Ceph,
        pool: str,
        name: str,
        snapshot: str | None = None,
        read_only: bool = False,
    ) -> None:
        ceph.fails('open')
        if name not in ceph.pools[pool]:
            raise ImageNotFound(f'no image {name}')
        self._ceph = ceph
        self._stored = ceph.pools[pool][name]
        self._read_only = read_only
        self._state = self._stored.head
        if snapshot is not None:
            self._state = self._at(snapshot)
        ceph.opened.append(name)

    def _at(self, snapshot: str) -> State:
        if snapshot not in self._stored.snapshots:
            raise ImageNotFound(f'no snapshot {snapshot}')
        return self._stored.snapshots[snapshot]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._ceph.fails('close')

    def size(self) -> int:
        return len(self._state.content)

    def features(self) -> int:
        return self._ceph.features

    def flags(self) -> int:
        return self._state.flags

    def create_snap(self, name: str) -> None:
        self._ceph.fails('create_snap')
        self._stored.snapshots[name] = self._stored.head.copy()

    def remove_snap(self, name: str) -> None:
        self._ceph.fails('remove_snap')
        self._at(name)
        del self._stored.snapshots[name]

    def list_snaps(self) -> list[dict[str, Any]]:
        self._ceph.fails('list_snaps')
        return [{'name': name} for name in self._stored.snapshots]

    def read(self, offset: int, length: int) -> bytes:
        self._ceph.fails('read')
        return bytes(self._state.content[offset : offset + length])

    def write(self, data: bytes, offset: int) -> int:
        self._ceph.fails('write')
        if self._read_only:
            raise RbdError('read-only', errno=errno.EROFS)
        state = self._state
        if offset + len(data) > len(state.content):
            raise RbdError('past the end', errno=errno.EINVAL)
        state.content[offset : offset + len(data)] = data
        now = self._ceph.tick()
        for block in range(offset // BLOCK, -(-(offset + len(data)) // BLOCK)):
            state.written[block] = now
        return len(data)

    def write_zeroes(self, offset: int, length: int) -> None:
        self.write(bytes(length), offset)

    def flush(self) -> None:
        self._ceph.fails('flush')

    def diff_iterate(
        self,
        offset: int,
        length: int,
        from_snapshot: str | None,
        iterate_cb: Callable[[int, int, bool], None],
        include_parent: bool = True,
        whole_object: bool = False,
    ) -> None:
        self._ceph.fails('diff_iterate')
        state, before = self._state, State(bytearray())
        if from_snapshot is not None:
            before = self._at(from_snapshot)
        changed = {
            block
            for block, when in state.written.items()
            if before.written.get(block) != when
        } - (self._ceph.lies if from_snapshot else set())
        if whole_object:
            step = OBJECT // BLOCK
            changed = {
                each
                for block in changed
                for each in range(
                    block // step * step, (block // step + 1) * step
                )
            }
        end = min(offset + length, len(state.content))
        # In no order that one could rely on.
        for block in sorted(changed, reverse=True):
            begin = max(block * BLOCK, offset)
            stop = min((block + 1) * BLOCK, end)
            if begin < stop:
                data = any(state.content[begin:stop]) or whole_object
                iterate_cb(begin, stop - begin, data)
