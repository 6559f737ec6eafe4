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


"""The disks of the demonstration: made, changed, spoilt and compared.

Owns the disk images of the two servers and the tools of e2fsprogs. Without
these tools the disks hold the same files one after another, as on a tape.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import uuid

import screen

MIB = 1 << 20
CHUNK = 256 << 10
_ZEROS = bytes(CHUNK)
_ZERO_DIGEST = hashlib.sha256(_ZEROS).digest()
#: small ones make a disk slow to fill, and no better to look at
_SMALLEST_FILE = 8 << 10
_LARGEST_FILE = 16 * MIB

#: where real files of all kinds are found on about any machine
_SOURCES = (
    sysconfig.get_path('stdlib'),
    '/usr/share',
    '/usr/lib',
    '/usr/bin',
    sys.base_prefix,
)


def tool(name: str) -> str | None:
    """Return the path of a tool that may be an administrator's."""
    path = os.environ.get('PATH', os.defpath)
    return shutil.which(name, path=f'{path}:/usr/sbin:/sbin')


@dataclasses.dataclass(frozen=True)
class Disk:
    """One disk image and how it is made.

    :ivar size: of the disk in bytes
    :ivar data: how many bytes of files are put into it
    """

    path: pathlib.Path
    device: str
    size: int
    data: int


@dataclasses.dataclass(frozen=True)
class Picture:
    """All bits of a disk at a moment, as digests."""

    size: int
    digest: str
    chunks: tuple[bytes, ...]

    def changed(self, later: 'Picture') -> int:
        """Return how many chunks of the grid differ."""
        pairs = zip(self.chunks, later.chunks, strict=True)
        return sum(one != other for one, other in pairs)


@dataclasses.dataclass(frozen=True)
class Server:
    """A server of the local cloud: a folder with disk images."""

    id: str
    name: str
    folder: pathlib.Path
    disks: tuple[Disk, ...]

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Write as a running server would: snapshots wait for the end."""
        with open(self.folder / '.io-lock', 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def in_use(self) -> int:
        """Return the bytes of the disks that are not holes."""
        return sum(allocated(disk.path) for disk in self.disks)

    def pictures(self) -> list[Picture]:
        """Return what is on the disks now."""
        return [take(disk.path) for disk in self.disks]


class Files:
    """Real files of this machine, each given out once."""

    def __init__(self) -> None:
        self._found = self._walk()
        self._seen: set[tuple[int, int]] = set()

    def gather(self, folder: pathlib.Path, amount: int) -> int:
        """Copy files into a folder until there are ``amount`` bytes.

        :returns: how many files they are
        """
        folder.mkdir(parents=True)
        count = 0
        while amount > 0:
            source = next(self._found, None)
            if source is None:
                # a very small machine: then noise, which is harder
                (folder / 'noise').write_bytes(os.urandom(amount))
                return count + 1
            target = (
                folder
                / f'{count // 500:03}'
                / (f'{count:06}-{source.name}'[-120:])
            )
            try:
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, target)
            except (PermissionError, FileNotFoundError):
                continue
            # file systems round up; so does this
            amount -= -(-target.stat().st_size // 4096) * 4096
            count += 1
        return count

    def _walk(self) -> Iterator[pathlib.Path]:
        for source in _SOURCES:
            for folder, folders, names in os.walk(source):
                folders[:] = sorted(set(folders) - {'__pycache__'})
                for name in sorted(names):
                    path = pathlib.Path(folder, name)
                    if self._fits(path):
                        yield path

    def _fits(self, path: pathlib.Path) -> bool:
        try:
            found = path.lstat()
            path.name.encode('ascii')
        except (OSError, UnicodeError):
            return False
        mark = (found.st_dev, found.st_ino)
        if (
            mark in self._seen
            or not stat.S_ISREG(found.st_mode)
            or not _SMALLEST_FILE <= found.st_size <= _LARGEST_FILE
            or any(character in path.name for character in ' "\'')
        ):
            return False
        self._seen.add(mark)
        return os.access(path, os.R_OK)


def make_server(
    cloud: pathlib.Path,
    name: str,
    disks: Sequence[tuple[str, int, int]],
    files: Files,
) -> Server:
    """Make a server with real file systems full of real files.

    :param cloud: the directory of the local cloud
    :param disks: (name, size, bytes of files) of each
    """
    folder = cloud / 'servers' / name
    folder.mkdir(parents=True)
    server = Server(
        id=str(uuid.uuid4()),
        name=name,
        folder=folder,
        disks=tuple(
            Disk(folder / f'{disk}.raw', f'/dev/vd{letter}', size, data)
            for letter, (disk, size, data) in zip(
                'abcdef', disks, strict=False
            )
        ),
    )
    for disk in server.disks:
        with staging(cloud) as stage:
            count = files.gather(stage, disk.data)
            _fill(disk, stage)
        screen.good(
            f'{name}: {disk.path.name}, a {screen.size(disk.size)} disk '
            f'with {count} files, {screen.size(allocated(disk.path))} in use'
        )
    description = {
        'id': server.id,
        'name': name,
        'status': 'ACTIVE',
        'facts': {'flavor': {'name': 'demo.small', 'vcpus': 1}},
        'volumes': [
            {
                'file': disk.path.name,
                'id': str(uuid.uuid4()),
                'name': f'{name}-{disk.path.stem}',
                'device': disk.device,
                'bootable': disk is server.disks[0],
            }
            for disk in server.disks
        ],
    }
    (folder / 'server.json').write_text(json.dumps(description, indent=2))
    return server


def load_server(cloud: pathlib.Path, server_id: str) -> Server:
    """Return a server that csbs made, as its folder describes it."""
    folder = cloud / 'servers' / server_id
    description = json.loads((folder / 'server.json').read_text())
    return Server(
        id=server_id,
        name=description['name'],
        folder=folder,
        disks=tuple(
            Disk(
                folder / volume['file'],
                volume['device'],
                (folder / volume['file']).stat().st_size,
                0,
            )
            for volume in description['volumes']
        ),
    )


def change(server: Server, cloud: pathlib.Path, files: Files) -> None:
    """Do a day's work on the disks: remove files and write new ones."""
    debugfs = tool('debugfs') if tool('mke2fs') else None
    with server.writing():
        for disk in server.disks:
            if debugfs is None:
                _overwrite(disk, 12 * CHUNK)
                continue
            with staging(cloud) as stage:
                files.gather(stage, 3 * MIB)
                script = ['rm /000/' + name for name in _some(debugfs, disk)]
                script.append('mkdir /today')
                for path in sorted(stage.rglob('*')):
                    if path.is_file():
                        script.append(f'write {path} /today/{path.name}')
                commands = stage / 'commands'
                commands.write_text('\n'.join(script) + '\n')
                _run(debugfs, '-w', '-f', str(commands), str(disk.path))


def spoil(server: Server) -> None:
    """Overwrite everything with noise, as malware would encrypt it."""
    note = b'All your files are encrypted. Send money. '
    with server.writing():
        for disk in server.disks:
            with open(disk.path, 'r+b', buffering=0) as image:
                fd = image.fileno()
                for offset, length in list(extents(fd)):
                    for start in range(0, length, MIB):
                        noise = os.urandom(min(MIB, length - start))
                        os.pwrite(fd, noise, offset + start)
                os.pwrite(fd, note * (4096 // len(note)), 0)
                # and some of what was free
                os.pwrite(fd, os.urandom(MIB), disk.size - MIB)


def check(disk: Disk) -> bool:
    """Check the file system on a disk, and return whether that was done.

    :raises Problem: when the file system has errors
    """
    e2fsck = tool('e2fsck') if tool('mke2fs') else None
    if e2fsck is None:
        return False
    _run(e2fsck, '-f', '-n', str(disk.path))
    return True


def take(path: pathlib.Path) -> Picture:
    """Return the digests of every bit of a disk."""
    whole = hashlib.sha256()
    chunks = []
    with open(path, 'rb') as image:
        size = os.fstat(image.fileno()).st_size
        ends = [
            (start // CHUNK, -(-(start + length) // CHUNK))
            for start, length in extents(image.fileno())
        ]
        for number in range(-(-size // CHUNK)):
            while ends and ends[0][1] <= number:
                del ends[0]
            length = min(CHUNK, size - number * CHUNK)
            if length == CHUNK and not (ends and ends[0][0] <= number):
                whole.update(_ZEROS)
                chunks.append(_ZERO_DIGEST)
                continue
            data = os.pread(image.fileno(), length, number * CHUNK)
            whole.update(data)
            chunks.append(hashlib.sha256(data).digest())
    return Picture(size, whole.hexdigest(), tuple(chunks))


def extents(fd: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of what is not a hole in a file."""
    size = os.fstat(fd).st_size
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:
            return
        offset = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, offset - start


def allocated(path: pathlib.Path) -> int:
    """Return the bytes that a sparse file really takes."""
    return path.stat().st_blocks * 512


@contextlib.contextmanager
def staging(cloud: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a folder's name for files on their way to a disk."""
    folder = cloud.parent / 'staging'
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(disk: Disk, stage: pathlib.Path) -> None:
    with open(disk.path, 'wb') as image:
        image.truncate(disk.size)
    mke2fs = tool('mke2fs')
    if mke2fs is not None:
        _run(
            mke2fs,
            *('-q', '-F', '-t', 'ext4', '-b', '4096', '-L', disk.path.stem),
            *('-d', str(stage), str(disk.path)),
        )
        return
    with (
        open(disk.path, 'r+b') as file,
        tarfile.open(fileobj=file, mode='w') as tape,
    ):
        tape.add(stage, arcname='.')


def _some(debugfs: str, disk: Disk) -> list[str]:
    listing = _run(debugfs, '-R', 'ls -p /000', str(disk.path))
    names = [line.split('/')[5] for line in listing.split('\n') if line]
    return [name for name in names if name.strip('.')][:20]


def _overwrite(disk: Disk, amount: int) -> None:
    count = amount // CHUNK
    with open(disk.path, 'r+b', buffering=0) as image:
        fd = image.fileno()
        start, length = max(extents(fd), key=lambda span: span[1])
        for number in range(count):
            offset = start + number * length // count
            os.pwrite(fd, os.urandom(min(CHUNK, length // count)), offset)


def _run(*command: str) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors='replace',
        timeout=600,
        env={**os.environ, 'LC_ALL': 'C'},
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().split('\n')
        raise screen.Problem(
            f'{os.path.basename(command[0])} failed on '
            f'{os.path.basename(command[-1])}: {" ".join(lines[-3:])}'
        )
    return done.stdout
