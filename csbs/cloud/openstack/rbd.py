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

"""Volumes in Ceph, read and written by librbd.

Owns the connection to the cluster, the names of the snapshots that csbs keeps
there, and what Ceph is believed about changes. One snapshot a volume stays
with the newest backup, for the next one to be compared with. Its name is of
the kind that Cinder removes with the volume (``_delete_backup_snaps`` in its
``volume/drivers/rbd.py``), so that it is in nobody's way.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import concurrent.futures
import contextlib
import dataclasses
import errno
import importlib
import logging
import random
import re
import threading
import time
from typing import Any
import uuid

from oslo_config import cfg

from csbs import exception

LOG = logging.getLogger(__name__)

Extent = tuple[int, int]

_KEPT = re.compile(r'backup\.csbs-([0-9a-f-]{36})\.snap\.([0-9.]+)')
#: bytes that are compared at each place of the self-check
_SAMPLE = 64 << 10
#: snapshots that are taken at the same time
_AT_ONCE = 32


@dataclasses.dataclass(frozen=True)
class Image:
    """Where a volume is in Ceph."""

    pool: str
    name: str


def kept_name(backup_id: str) -> str:
    """Return a new name for the snapshot that stays with a backup."""
    return f'backup.csbs-{backup_id}.snap.{time.time():.6f}'


class Library:
    """The Python modules of Ceph, which are no package of PyPI."""

    def __init__(self) -> None:
        """Load them.

        :raises CloudError: when they are not installed
        """
        try:
            self.rados: Any = importlib.import_module('rados')
            self.rbd: Any = importlib.import_module('rbd')
        except ImportError as error:
            raise exception.CloudError(
                f'The Python modules of Ceph are not there ({error}). Install '
                'the packages python3-rados and python3-rbd where this '
                'Python finds them.'
            ) from error
        self.errors = (self.rbd.Error, self.rados.Error)

    @contextlib.contextmanager
    def as_os_errors(self) -> Iterator[None]:
        """Turn the errors of Ceph into those of files."""
        try:
            yield
        except self.errors as error:
            raise OSError(
                getattr(error, 'errno', None) or errno.EIO, str(error)
            ) from error

    def trusts_changes(self, opened: Any) -> bool:
        """Tell whether Ceph keeps valid maps of an open image or snapshot."""
        rbd = self.rbd
        bad = rbd.RBD_FLAG_FAST_DIFF_INVALID | rbd.RBD_FLAG_OBJECT_MAP_INVALID
        return bool(
            opened.features() & rbd.RBD_FEATURE_FAST_DIFF
            and not opened.flags() & bad
        )


class Cluster:
    """A Ceph cluster; connects at the first use, once a process."""

    def __init__(self, section: cfg.ConfigOpts.GroupAttr) -> None:
        """Prepare.

        :param section: the options of ``[rbd]``
        :raises CloudError: when the Ceph client is not installed
        """
        self._section = section
        self.library = Library()
        self._lock = threading.Lock()
        self._client: Any = None
        self._pools: dict[str, Any] = {}

    def check(self) -> None:
        """See that every pool can be opened.

        :raises CloudError: when one cannot
        """
        for pool in self._section.pools:
            with self._translated(f'The pool {pool} of Ceph'):
                self._pool(pool)

    def locate(self, volume: Mapping[str, Any]) -> Image | None:
        """Return where a volume is, or None when it is in no pool of ours.

        :param volume: Cinder's description, as an administrator sees it
        """
        # A volume that was migrated has the name of another one in Ceph.
        name_id = volume.get('os-vol-mig-status-attr:name_id')
        name = f'volume-{name_id or volume["id"]}'
        for pool in self._section.pools:
            try:
                with self._translated(f'Image {pool}/{name}'):
                    self._open(Image(pool, name), None).close()
            except _NotThere:
                continue
            return Image(pool, name)
        return None

    def create_snapshots(self, names: Mapping[Image, str]) -> None:
        """Freeze images under the names they are to have.

        All at once: for each the monitors have to agree on a number, which
        they do about once a second, and for many together.
        """

        def create(image: Image, name: str) -> None:
            with (
                self._translated(f'A snapshot of {image.name}'),
                self._open(image, None, writable=True) as opened,
            ):
                opened.create_snap(name)

        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(create, *each) for each in names.items()]:
                done.result()

    def remove_snapshot(self, image: Image, name: str) -> None:
        """Remove a snapshot; fine when it or its image is gone."""
        with (
            contextlib.suppress(_NotThere),
            self._translated(f'The snapshot {name} of {image.name}'),
            self._open(image, None, writable=True) as opened,
        ):
            opened.remove_snap(name)

    def kept(self, image: Image) -> list[tuple[str, str]]:
        """Return (backup id, name) of the snapshots csbs keeps, oldest first.

        Empty also when the image is gone.
        """
        try:
            with (
                self._translated(f'The snapshots of {image.name}'),
                self._open(image, None) as opened,
            ):
                names = [each['name'] for each in opened.list_snaps()]
        except _NotThere:
            return []
        found = filter(None, map(_KEPT.fullmatch, names))
        ordered = sorted(found, key=lambda match: float(match[2]))
        return [(match[1], match[0]) for match in ordered]

    @contextlib.contextmanager
    def reader(
        self, image: Image, snapshot: str | None
    ) -> Iterator['SnapshotReader']:
        """Open a snapshot for reading.

        :param snapshot: None: the image as it is
        :raises CloudError: when it cannot be opened
        """
        with contextlib.ExitStack() as stack:
            with self._translated(f'Snapshot {snapshot} of {image.name}'):
                opened = self._open(image, snapshot)
                stack.callback(self._close, opened)
                reader = SnapshotReader(self, image, opened)
            yield reader

    @contextlib.contextmanager
    def writer(self, image: Image) -> Iterator['Writer']:
        """Open an image for writing.

        :raises CloudError: when it cannot be opened
        """
        with contextlib.ExitStack() as stack:
            with self._translated(f'Image {image.name}'):
                opened = self._open(image, None, writable=True)
                stack.callback(self._close, opened)
                writer = Writer(self.library, opened, image.name)
            yield writer

    @property
    def self_check(self) -> int:
        """How many places to compare before changes are believed."""
        return int(self._section.self_check)

    def _open(
        self, image: Image, snapshot: str | None, *, writable: bool = False
    ) -> Any:
        return self.library.rbd.Image(
            self._pool(image.pool),
            image.name,
            snapshot=snapshot,
            read_only=not writable,
        )

    def _close(self, opened: Any) -> None:
        try:
            opened.close()
        except self.library.errors as error:
            # What it was opened for is done.
            LOG.warning('Ceph does not close an image: %s', error)

    def _pool(self, pool: str) -> Any:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            if pool not in self._pools:
                self._pools[pool] = self._client.open_ioctx(pool)
            return self._pools[pool]

    def _connect(self) -> Any:
        timeout = str(self._section.timeout)
        client = self.library.rados.Rados(
            rados_id=self._section.user,
            conffile=self._section.conf_file,
            conf={
                'client_mount_timeout': timeout,
                'rados_mon_op_timeout': timeout,
                'rados_osd_op_timeout': timeout,
                # Nothing is read twice, and what was written is durable.
                'rbd_cache': 'false',
            },
        )
        client.connect(timeout=self._section.timeout)
        return client

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        library = self.library
        try:
            yield
        except (
            library.rbd.ImageNotFound,
            library.rados.ObjectNotFound,
        ) as error:
            raise _NotThere(f'{what} is not there: {error}') from error
        except library.errors as error:
            raise exception.CloudError(
                f'{what} cannot be used: {error}'
            ) from error


class _NotThere(exception.CloudError):
    """There is no such image, snapshot or pool."""


class Reader:
    """An open snapshot as a :class:`csbs.store.volume.VolumeReader`."""

    def __init__(self, library: Library, opened: Any, name: str) -> None:
        """Wrap what librbd opened.

        :param name: of the image, for people
        """
        self._library = library
        self._opened = opened
        self.name = name
        self._size = int(opened.size())

    @property
    def size(self) -> int:
        """The size in bytes when it was taken."""
        return self._size

    def extents(self) -> list[Extent]:
        """Return (offset, length) of the parts that hold data."""
        return _merged(
            (offset, length)
            for offset, length, data in self._diff(None, (0, self._size))
            if data
        )

    def changes(self, since: uuid.UUID) -> list[Extent] | None:
        """Return None: nothing is known of earlier backups."""
        return None

    def changed_from(self, snapshot: str) -> list[Extent]:
        """Return (offset, length) of what differs from an older snapshot.

        Whole objects are looked for first, which takes one look into a map;
        what changed within those takes a request for each.
        """
        objects = _merged(
            (offset, length)
            for offset, length, _data in self._diff(snapshot, (0, self._size))
        )
        return _merged(
            (offset, length)
            for part in objects
            for offset, length, _data in self._diff(
                snapshot, part, whole_objects=False
            )
        )

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer from ``offset`` on.

        :raises OSError: when any byte of it cannot be read
        """
        with self._library.as_os_errors():
            data = self._opened.read(offset, len(buffer))
        if len(data) != len(buffer):
            raise OSError(errno.EIO, 'The volume ends before its size')
        buffer[:] = data

    def trusts_changes(self) -> bool:
        """Tell whether Ceph keeps valid maps of it."""
        with self._library.as_os_errors():
            return self._library.trusts_changes(self._opened)

    def _diff(
        self, since: str | None, part: Extent, *, whole_objects: bool = True
    ) -> list[tuple[int, int, bool]]:
        found: list[tuple[int, int, bool]] = []
        with self._library.as_os_errors():
            self._opened.diff_iterate(
                *part,
                since,
                lambda offset, length, data: found.append(
                    (offset, length, data)
                ),
                include_parent=True,
                whole_object=whole_objects,
            )
        return sorted(found)


class SnapshotReader(Reader):
    """A snapshot of a cluster that keeps those of earlier backups."""

    def __init__(self, cluster: Cluster, image: Image, opened: Any) -> None:
        super().__init__(cluster.library, opened, image.name)
        self._cluster = cluster
        self._image = image

    def changes(self, since: uuid.UUID) -> list[Extent] | None:
        """Return (offset, length) of what may differ from backup ``since``.

        None when that backup's snapshot is gone, was larger, or when what
        Ceph says of it cannot be believed.
        """
        name = next(
            (
                name
                for backup_id, name in self._cluster.kept(self._image)
                if backup_id == str(since)
            ),
            None,
        )
        if name is None:
            LOG.info(
                'Reading all of %s: nothing was kept of backup %s',
                self.name,
                since,
            )
            return None
        try:
            with self._cluster.reader(self._image, name) as older:
                if (
                    older.size <= self.size
                    and older.trusts_changes()
                    and self.trusts_changes()
                ):
                    changed = self.changed_from(name)
                    if self._agrees(older, changed):
                        return changed
        except (OSError, exception.CloudError) as error:
            LOG.warning('What changed in %s is not told: %s', self.name, error)
        LOG.warning('Reading all of %s', self.name)
        return None

    def _agrees(self, older: Reader, changed: list[Extent]) -> bool:
        """Compare a few places that should be the same in both snapshots."""
        same = _without(self.extents(), changed)
        count = self._cluster.self_check
        if not same or not count:
            return True
        chance = random.SystemRandom()
        lengths = [length for _offset, length in same]
        for offset, length in chance.choices(same, lengths, k=count):
            size = min(_SAMPLE, length)
            at = offset + chance.randrange(length - size + 1)
            if at + size > older.size:
                continue
            one, other = bytearray(size), bytearray(size)
            self.read_into(at, memoryview(one))
            older.read_into(at, memoryview(other))
            if one != other:
                LOG.error(
                    'Ceph says that %s did not change at %d, but it did',
                    self.name,
                    at,
                )
                return False
        return True


class Writer(Reader):
    """An image as a :class:`csbs.store.volume.VolumeWriter`."""

    @property
    def blank(self) -> bool:
        """Whether nothing at all was ever written to it."""
        return not self.extents()

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at ``offset``.

        :raises OSError: when it cannot be written
        """
        with self._library.as_os_errors():
            self._opened.write(bytes(data), offset)

    def zero(self, offset: int, length: int) -> None:
        """Make a part read as zeros, as a hole where that can be.

        :raises OSError: when it cannot be written
        """
        with self._library.as_os_errors():
            # Not discard(), which leaves parts of objects as they are.
            self._opened.write_zeroes(offset, length)

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        with self._library.as_os_errors():
            self._opened.flush()


def _merged(extents: Iterable[Extent]) -> list[Extent]:
    """Return ascending extents with those that touch made one."""
    found: list[Extent] = []
    for offset, length in extents:
        if found and offset <= sum(found[-1]):
            start = found[-1][0]
            end = max(sum(found[-1]), offset + length)
            found[-1] = (start, end - start)
        else:
            found.append((offset, length))
    return found


def _without(extents: list[Extent], other: list[Extent]) -> list[Extent]:
    """Return what of ascending extents is in no other one."""
    found: list[Extent] = []
    rest = iter(other)
    cut = next(rest, None)
    for offset, length in extents:
        at, end = offset, offset + length
        while cut and sum(cut) <= at:
            cut = next(rest, None)
        while cut and cut[0] < end:
            if cut[0] > at:
                found.append((at, cut[0] - at))
            at = max(at, sum(cut))
            if sum(cut) > end:
                break
            cut = next(rest, None)
        if at < end:
            found.append((at, end - at))
    return found
