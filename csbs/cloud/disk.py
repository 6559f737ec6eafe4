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


"""Raw disks: images and block devices, how they are copied and written.

Owns what is special about sparse files on Linux: holes, clones and punching.
Knows nothing of servers, and raises OSError only.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import threading
from typing import Any
import uuid

#: clones a whole file on XFS, Btrfs and others; _IOW(0x94, 9, int) in the
#: kernel's include/uapi/linux/fs.h
_FICLONE = 0x40049409

#: fallocate(2): keep the size, punch a hole
_FALLOC_FL_KEEP_SIZE = 0x01
_FALLOC_FL_PUNCH_HOLE = 0x02

#: sync_file_range(2): begin to write what is dirty
_SYNC_FILE_RANGE_WRITE = 0x02
#: bytes after which the kernel is told to
_DIRTY = 32 << 20

_COPY_STEP = 64 << 20
_READ_STEP = 1 << 20
_ZEROS = bytes(1 << 20)

#: the file system cannot do it (for these files), another way may do
_CANNOT = frozenset(
    {
        errno.EINVAL,
        errno.ENOSYS,
        errno.ENOTTY,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.ETXTBSY,
        errno.EXDEV,
    }
)


@contextlib.contextmanager
def opened(path: pathlib.Path, flags: int, mode: int = 0o600) -> Iterator[int]:
    """Open a file as a descriptor that is closed at the end."""
    fd = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        yield fd
    finally:
        os.close(fd)


def extents(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of the parts of a file that are not holes.

    A block device does not tell, so it is one part.
    """
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole up to the end
            if error.errno == errno.EINVAL:
                yield offset, size - offset
                return
            raise
        if start >= size:
            return
        end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        yield start, end - start
        offset = end


def copy(source: pathlib.Path, target: pathlib.Path) -> int:
    """Copy an image to a new file, as a clone or with its holes.

    :returns: the size of the copy in bytes
    :raises OSError: ENOSPC already when there is too little room to begin
    """
    with (
        opened(source, os.O_RDONLY) as src,
        opened(target, os.O_RDWR | os.O_CREAT | os.O_EXCL) as dst,
    ):
        if not _clone(src, dst):
            _check_room(src, dst)
            size = os.fstat(src).st_size
            os.ftruncate(dst, size)
            for offset, length in extents(src, size):
                _copy_range(src, dst, offset, length)
        return os.fstat(dst).st_size


def create(path: pathlib.Path, size: int) -> None:
    """Make a new image of ``size`` bytes that is one hole."""
    with opened(path, os.O_RDWR | os.O_CREAT | os.O_EXCL) as fd:
        os.ftruncate(fd, size)


class DiskReader:
    """An open image as a :class:`csbs.store.volume.VolumeReader`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        # Unlike fstat(2), this knows the size of a block device, too.
        self._size = os.lseek(fd, 0, os.SEEK_END)

    @property
    def size(self) -> int:
        """The size in bytes when it was opened."""
        return self._size

    def extents(self) -> Iterator[tuple[int, int]]:
        """Return (offset, length) of the parts that are not holes."""
        return extents(self._fd, self._size)

    def changes(self, since: uuid.UUID) -> list[tuple[int, int]] | None:
        """Return None: a file does not tell what changed in it."""
        return None

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill the whole buffer from ``offset`` on.

        :raises OSError: when any byte of it cannot be read
        """
        with buffer.cast('B') as rest:
            done = 0
            while done < len(rest):
                with rest[done:] as part:
                    count = os.preadv(self._fd, [part], offset + done)
                if not count:
                    raise OSError(
                        errno.EIO, 'The disk image ends before its size'
                    )
                done += count


class DiskWriter(DiskReader):
    """An open image as a :class:`csbs.store.volume.VolumeWriter`."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._lock = threading.Lock()
        self._dirty = 0

    @property
    def blank(self) -> bool:
        """Whether nothing at all was ever written to the image."""
        return next(self.extents(), None) is None

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of ``data`` at ``offset``.

        :raises OSError: when there is no room, or it goes past the end
        """
        with data.cast('B') as rest:
            self._check(offset, len(rest))
            done = 0
            while done < len(rest):
                with rest[done:] as part:
                    done += os.pwrite(self._fd, part, offset + done)
            self._begin_writing(len(rest))

    def zero(self, offset: int, length: int) -> None:
        """Make a part read as zeros, as a hole where that can be.

        :raises OSError: when it goes past the end, or cannot be written
        """
        self._check(offset, length)
        if not length or _punch(self._fd, offset, length):
            return
        end = offset + length
        while offset < end:
            step = min(len(_ZEROS), end - offset)
            offset += os.pwrite(self._fd, memoryview(_ZEROS)[:step], offset)

    def flush(self) -> None:
        """Return when everything written so far is durable."""
        os.fsync(self._fd)

    def _begin_writing(self, count: int) -> None:
        """Let the disk work from now on, so that little is left to flush."""
        with self._lock:
            self._dirty += count
            if self._dirty < _DIRTY:
                return
            self._dirty = 0
        if _sync_file_range:
            # Should it fail, flush() will, too.
            _sync_file_range(self._fd, 0, 0, _SYNC_FILE_RANGE_WRITE)

    def _check(self, offset: int, length: int) -> None:
        # a file would grow without a word; a disk must not
        if offset < 0 or offset + length > self._size:
            raise OSError(errno.ENOSPC, 'Writing past the end of the disk')


@contextlib.contextmanager
def reader(path: pathlib.Path) -> Iterator[DiskReader]:
    """Open an image for reading, mostly from its start to its end."""
    with opened(path, os.O_RDONLY) as fd:
        # doubles the read-ahead of the kernel
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        yield DiskReader(fd)


@contextlib.contextmanager
def writer(path: pathlib.Path) -> Iterator[DiskWriter]:
    """Open an image for writing."""
    with opened(path, os.O_RDWR) as fd:
        yield DiskWriter(fd)


def _clone(src: int, dst: int) -> bool:
    try:
        fcntl.ioctl(dst, _FICLONE, src)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _check_room(src: int, dst: int) -> None:
    # filling the file system to its brim would hurt everything else on it
    room = os.fstatvfs(dst)
    source = os.fstat(src)
    needed = min(source.st_size, source.st_blocks * 512)
    if needed > room.f_bavail * room.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _copy_range(src: int, dst: int, offset: int, length: int) -> None:
    end = offset + length
    in_kernel = True
    while offset < end:
        step = min(_COPY_STEP, end - offset)
        if in_kernel:
            try:
                count = os.copy_file_range(src, dst, step, offset, offset)
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
                in_kernel = False
                continue
        else:
            data = os.pread(src, min(step, _READ_STEP), offset)
            count = os.pwrite(dst, data, offset) if data else 0
        if not count:
            raise OSError(errno.EIO, 'The disk image shrank while copied')
        offset += count


def _punch(fd: int, offset: int, length: int) -> bool:
    if _fallocate is None:
        return False
    mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
    if _fallocate(fd, mode, offset, length) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code))


def why(error: Exception) -> str:
    """Return the reason of an error as a sentence can hold it."""
    return getattr(error, 'strerror', None) or str(error)


def _find(
    types: list[Any], *names: str
) -> Callable[[int, int, int, int], int] | None:
    """Return the first function of these that the C library has."""
    libc = ctypes.CDLL(None, use_errno=True)
    for name in names:
        function = getattr(libc, name, None)
        if function is not None:
            function.argtypes = types
            function.restype = ctypes.c_int
            return function
    return None


# posix_fallocate, which Python has, cannot punch. The 64 variant has 64-bit
# offsets everywhere; where it is missing (musl) they always are.
_fallocate = _find(
    [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64],
    'fallocate64',
    'fallocate',
)
_sync_file_range = _find(
    [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint],
    'sync_file_range',
)
