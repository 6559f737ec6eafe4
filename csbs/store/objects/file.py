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

"""Objects as files below a directory.

Owns the ``file`` driver: for one machine, or a file system that many share.
An object is written to a temporary file beside the others and renamed, so
that a crash leaves a whole object or none; leftovers are swept away later.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import errno
import os
import pathlib
import secrets
import time

from csbs.store import errors
from csbs.store.objects import base

#: no name of an object begins with a dot, so this can hold no object
_TEMPORARY = '.tmp'

#: seconds after which a temporary file belongs to nobody any more
_STALE = 24 * 3600

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FileStore:
    """A container that is a directory."""

    def __init__(self, path: str | os.PathLike[str], container: str) -> None:
        """Open the container ``container`` below the directory ``path``.

        :raises ValueError: when no container can have that name
        :raises StoreUnwritable: when the directories cannot be made
        """
        self._root = pathlib.Path(path) / base.check_container(container)
        self._temporary = self._root / _TEMPORARY
        try:
            _make_directories(self._temporary)
            self._sweep()
        except OSError as error:
            raise _unwritable(container, error) from error

    @classmethod
    def from_options(
        cls, options: Mapping[str, str], container: str
    ) -> 'FileStore':
        """Open a container.

        :param options: ``path``, the directory that holds the containers
        :raises ValueError: when ``path`` is not given
        """
        path = options.get('path')
        if not path:
            raise ValueError('the file object store needs the option path')
        return cls(path, container)

    def put(self, name: str, data: base.Buffer) -> None:
        target = self._path(name)
        temporary = self._temporary / secrets.token_hex(16)
        try:
            try:
                _write(temporary, data)
                _move(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _unwritable(name, error) from error

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        with self._reading(name):
            descriptor = os.open(self._path(name), os.O_RDONLY)
            try:
                size = os.fstat(descriptor).st_size
                end = size if length is None else offset + length
                if not 0 <= offset <= end <= size:
                    raise errors.Damaged(name, 'it is shorter than expected')
                return _read(descriptor, name, offset, end - offset)
            finally:
                os.close(descriptor)

    def size(self, name: str) -> int:
        with self._reading(name):
            return self._path(name).stat().st_size

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            try:
                path.unlink()
            except FileNotFoundError:
                return
            _sync_directory(path.parent)
        except OSError as error:
            raise _unwritable(name, error) from error
        # An empty directory is no object, but nobody should trip over
        # thousands of them; put() makes it again when it needs it.
        if path.parent != self._root:
            with contextlib.suppress(OSError):
                path.parent.rmdir()

    def delete_many(self, names: Iterable[str]) -> None:
        for name in names:
            self.delete(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        base.check_prefix(prefix)
        folder = prefix.rpartition('/')[0]
        with self._reading(prefix):
            yield from self._walk(folder, prefix)

    def drop(self) -> None:
        name = self._root.name
        if next(self.list(''), None):
            raise errors.StoreUnwritable(f'{name}: it is not empty')
        try:
            for path in self._temporary.glob('*'):
                path.unlink(missing_ok=True)
            for folder, _folders, _files in os.walk(self._root, topdown=False):
                os.rmdir(folder)
            _sync_directory(self._root.parent)
        except OSError as error:
            raise _unwritable(name, error) from error

    def _walk(self, folder: str, prefix: str) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(self._root / folder) as found:
                entries = sorted(
                    (entry.name + '/' if entry.is_dir() else entry.name, entry)
                    for entry in found
                    if not entry.name.startswith('.')
                )
        except (FileNotFoundError, NotADirectoryError):
            return
        for shown, entry in entries:
            name = f'{folder}/{shown}' if folder else shown
            if shown.endswith('/'):
                if name.startswith(prefix) or prefix.startswith(name):
                    yield from self._walk(name[:-1], prefix)
            elif name.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):
                    yield name, entry.stat().st_size

    def _path(self, name: str) -> pathlib.Path:
        return self._root / base.check_name(name)

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise errors.ObjectMissing(name) from error
        except OSError as error:
            raise errors.StoreUnreadable(
                f'{name}: {error.strerror or error}'
            ) from error

    def _sweep(self) -> None:
        """Remove temporary files that nobody can be writing any more."""
        oldest = time.time() - _STALE
        for path in self._temporary.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _unwritable(name: str, error: OSError) -> errors.StoreUnwritable:
    if error.errno in _FULL:
        return errors.StoreUnwritable(
            f'{name}: there is no space left for objects'
        )
    return errors.StoreUnwritable(f'{name}: {error.strerror or error}')


def _write(path: pathlib.Path, data: base.Buffer) -> None:
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
    )
    try:
        view = memoryview(data).cast('B')
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(temporary: pathlib.Path, target: pathlib.Path) -> None:
    for attempt in range(10):
        try:
            temporary.rename(target)
            break
        except FileNotFoundError:
            # The directory is not made yet, or delete() just took it away.
            if attempt == 9:
                raise
            _make_directories(target.parent)
    _sync_directory(target.parent)


def _read(descriptor: int, name: str, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    if len(data) == length:
        return data
    parts = [data]
    missing = length - len(data)
    while missing:
        part = os.pread(descriptor, missing, offset + length - missing)
        if not part:
            raise errors.Damaged(name, 'it is shorter than expected')
        parts.append(part)
        missing -= len(part)
    return b''.join(parts)


def _make_directories(path: pathlib.Path) -> None:
    """Make a directory and its parents, all durable."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_directory(path.parent)


def _sync_directory(path: pathlib.Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        # It was empty and another delete() took it: nothing to lose.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
