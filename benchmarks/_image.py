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

"""An image to back up: a real file system of real files, made again alike.

Owns the image and its changed versions. The files are those of the machine,
so two machines have different images; on one machine they are the same until
its packages change.
"""

from collections.abc import Iterator
import os
import pathlib
import random
import shutil
import subprocess

GIB = 1 << 30

#: where libraries and documents lie on most distributions
_SOURCES = (
    '/usr/share/doc',
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib/python3',
)
_STEP = 1 << 20
_BUFFER = bytearray(_STEP)
#: bytes of one write at random
_WRITE = 64 << 10
_UUID = 'c5b50000-0000-4000-8000-0000000000ff'


def make(folder: pathlib.Path, size: int, data: int) -> pathlib.Path:
    """Make an ext4 image of ``size`` bytes with ``data`` bytes of files.

    :raises OSError: when mke2fs is not there or fails
    """
    image = folder / 'base.img'
    staging = folder / 'files'
    staging.mkdir()
    try:
        total = 0
        for path in _files():
            length = path.lstat().st_size
            if total + length > data:
                break
            target = staging / path.relative_to('/')
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            os.utime(target, (0, 0))
            total += length
        _format(image, staging, size)
    finally:
        shutil.rmtree(staging)
    return image


def _format(image: pathlib.Path, staging: pathlib.Path, size: int) -> None:
    with image.open('xb') as file:
        file.truncate(size)
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    subprocess.run(
        [
            'mke2fs',
            *('-q', '-F', '-t', 'ext4', '-U', _UUID),
            *('-E', f'hash_seed={_UUID},lazy_itable_init=1'),
            *('-d', str(staging), str(image)),
        ],
        check=True,
        timeout=600,
        env={**os.environ, 'PATH': path, 'E2FSPROGS_FAKE_TIME': '1000000000'},
    )


def _files() -> Iterator[pathlib.Path]:
    """Return files of the machine, those with several names once."""
    seen = set()
    for source in _SOURCES:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = pathlib.Path(folder, name)
                if path.is_symlink() or not path.is_file():
                    continue
                status = path.stat()
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    yield path


def changed(
    image: pathlib.Path, target: pathlib.Path, share: float, seed: int
) -> list[tuple[int, int]]:
    """Copy an image and write at random into ``share`` of its data.

    :returns: (offset, length) of what was written, ascending
    """
    chosen = random.Random(seed)
    spots: list[int] = []
    with image.open('rb') as source, target.open('xb') as copy:
        size = os.fstat(source.fileno()).st_size
        copy.truncate(size)
        for offset, length in extents(source.fileno(), size):
            for place in range(offset, offset + length, _STEP):
                step = min(_STEP, offset + length - place)
                data = os.pread(source.fileno(), step, place)
                os.pwrite(copy.fileno(), data, place)
            spots += range(offset, offset + length, _WRITE)
        picked = sorted(chosen.sample(spots, max(1, int(len(spots) * share))))
        written = [(each, min(_WRITE, size - each)) for each in picked]
        for place, length in written:
            os.pwrite(copy.fileno(), chosen.randbytes(length), place)
        os.fsync(copy.fileno())
    return written


def extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Return (offset, length) of what is not a hole."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError:
            return
        offset = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, offset - start


def warm(path: pathlib.Path) -> None:
    """Read a file, so that all find it in the page cache, holes included."""
    with path.open('rb', buffering=0) as file:
        while file.readinto(_BUFFER):
            pass


def same(one: pathlib.Path, other: pathlib.Path) -> bool:
    """Tell whether two files have the same bytes."""
    found = subprocess.run(
        ['cmp', '-s', str(one), str(other)], timeout=600, check=False
    )
    return found.returncode == 0
