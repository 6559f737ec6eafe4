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

"""The engines that are compared, each as the commands a user would type.

Owns how an engine is found, called and measured. An engine that is not
installed says what to install.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any
import uuid

from benchmarks import _swift

#: seconds after which a command is given up
_LIMIT = 1800

_HERE = pathlib.Path(__file__).parent


class Missing(Exception):
    """An engine cannot be run here; the text says why."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one command took.

    :ivar seconds: of wall clock
    :ivar cpu: seconds of processor, user and system
    :ivar memory: the most that was resident, in bytes
    """

    seconds: float
    cpu: float
    memory: int


def run(command: list[str], **environment: str) -> Figures:
    """Run a command to its end and measure the whole process.

    When it prints ``seconds`` and ``cpu`` as JSON, these count instead.

    :raises Missing: when it fails
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=_HERE.parent,
        env={**os.environ, **environment},
    )
    try:
        output = process.stdout.read() if process.stdout else b''
        _pid, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = output.decode(errors='replace')[-2000:]
        raise Missing(f'{" ".join(command[:4])} failed: {text}')
    told = _told(output)
    return Figures(
        told.get('seconds', seconds),
        told.get('cpu', usage.ru_utime + usage.ru_stime),
        usage.ru_maxrss << 10,
    )


def _told(output: bytes) -> dict[str, float]:
    for line in reversed(output.splitlines()):
        try:
            found: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and 'seconds' in found:
            return found
    return {}


class Engine:
    """One engine and its repository, below a folder of its own."""

    name = ''
    about = ''

    def __init__(self, folder: pathlib.Path) -> None:
        """Be ready, with an empty repository.

        :raises Missing: when the engine is not installed
        """
        self.folder = folder / self.name
        self.repository = self.folder / 'repository'
        self.backups: list[str] = []
        self.folder.mkdir()
        self.prepare()

    def prepare(self) -> None:
        """Make the repository, where that is a step of its own."""

    def backup(self, image: pathlib.Path) -> Figures:
        """Back up all of an image, reading every byte of it."""
        raise NotImplementedError

    def restore(self, number: int, image: pathlib.Path) -> Figures:
        """Restore a backup as an image that may be there already."""
        raise NotImplementedError

    def delete(self, number: int) -> Figures:
        """Delete a backup and free its space."""
        raise NotImplementedError

    def stored(self) -> int:
        """Return the bytes of the repository."""
        return sum(
            path.stat().st_size
            for path in self.repository.rglob('*')
            if path.is_file()
        )

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Csbs(Engine):
    """csbs' store."""

    name = 'csbs'
    about = 'shipped defaults, encrypted, durable; whole process'

    def _command(self, name: str, backup: str, *more: str) -> Figures:
        return run(
            [
                *(sys.executable, '-m', 'benchmarks._engine_csbs', name),
                *(self._place(), backup, *more),
            ]
        )

    def _place(self) -> str:
        return str(self.repository)

    def backup(
        self, image: pathlib.Path, changes: pathlib.Path | None = None
    ) -> Figures:
        backup = str(uuid.uuid4())
        more = ['--image', str(image)]
        if self.backups:
            more += ['--parent', self.backups[-1]]
        if changes:
            more += ['--changes', str(changes)]
        figures = self._command('backup', backup, *more)
        self.backups.append(backup)
        return figures

    def restore(self, number: int, image: pathlib.Path) -> Figures:
        return self._command(
            'restore', self.backups[number], '--image', str(image)
        )

    def delete(self, number: int) -> Figures:
        return self._command('delete', self.backups.pop(number))


class Restic(Engine):
    """restic."""

    name = 'restic'
    about = 'defaults (compression auto), --force so that all is read'

    def prepare(self) -> None:
        if not shutil.which('restic'):
            raise Missing('apt-get install restic')
        self._command('init', '--repository-version', '2')

    def _command(self, *arguments: str, output: str = '') -> Figures:
        command = ['restic', '-q', '-r', str(self.repository), *arguments]
        if output:
            command = _into(command, output)
        return run(command, **self._environment)

    def backup(self, image: pathlib.Path) -> Figures:
        tag = str(uuid.uuid4())
        disk = _link(image, self.folder)
        figures = self._command('backup', '--force', '--tag', tag, str(disk))
        self.backups.append(tag)
        return figures

    def restore(self, number: int, image: pathlib.Path) -> Figures:
        tag = self.backups[number]
        disk = str(self.folder / 'disk.img')
        if image.exists():
            return self._command(
                'dump', '--tag', tag, 'latest', disk, output=str(image)
            )
        target = self.folder / 'restored'
        figures = self._command(
            'restore', 'latest', '--tag', tag, '--target', str(target)
        )
        (target / disk.lstrip('/')).rename(image)
        shutil.rmtree(target)
        return figures

    def delete(self, number: int) -> Figures:
        tag = self.backups.pop(number)
        listed = subprocess.run(
            [
                *('restic', '-r', str(self.repository)),
                *('snapshots', '--json', '--tag', tag),
            ],
            check=True,
            capture_output=True,
            timeout=_LIMIT,
            env={**os.environ, **self._environment},
        )
        (snapshot,) = json.loads(listed.stdout)
        return self._command('forget', '--prune', snapshot['id'])

    @property
    def _environment(self) -> dict[str, str]:
        return {
            'RESTIC_PASSWORD': 'benchmark',
            'RESTIC_CACHE_DIR': str(self.folder / 'cache'),
        }


class Borg(Engine):
    """borg."""

    name = 'borg'
    about = 'defaults (lz4, repokey-blake2), no files cache, compact'

    def prepare(self) -> None:
        if not shutil.which('borg'):
            raise Missing('apt-get install borgbackup')
        self._command(
            'init', '--encryption', 'repokey-blake2', str(self.repository)
        )

    def _command(
        self, *arguments: str, folder: str = '', output: str = ''
    ) -> Figures:
        command = ['borg', *arguments]
        if output:
            command = _into(command, output)
        if folder:
            command = ['sh', '-c', 'cd "$0" && exec "$@"', folder, *command]
        return run(
            command,
            BORG_PASSPHRASE='benchmark',
            BORG_BASE_DIR=str(self.folder / 'base'),
        )

    def backup(self, image: pathlib.Path) -> Figures:
        name = str(uuid.uuid4())
        _link(image, self.folder)
        figures = self._command(
            *('create', '--files-cache', 'disabled'),
            *(f'{self.repository}::{name}', 'disk.img'),
            folder=str(self.folder),
        )
        self.backups.append(name)
        return figures

    def restore(self, number: int, image: pathlib.Path) -> Figures:
        archive = f'{self.repository}::{self.backups[number]}'
        if image.exists():
            return self._command(
                'extract', '--stdout', archive, output=str(image)
            )
        target = self.folder / 'restored'
        target.mkdir()
        figures = self._command(
            'extract', '--sparse', archive, folder=str(target)
        )
        (target / 'disk.img').rename(image)
        target.rmdir()
        return figures

    def delete(self, number: int) -> Figures:
        archive = f'{self.repository}::{self.backups.pop(number)}'
        one = self._command('delete', archive)
        other = self._command('compact', str(self.repository))
        return Figures(
            one.seconds + other.seconds,
            one.cpu + other.cpu,
            max(one.memory, other.memory),
        )


class Cinder(Engine):
    """Cinder's chunked driver, writing to files."""

    algorithm = ''
    #: more of its command
    more: tuple[str, ...] = ()

    def prepare(self) -> None:
        self._python = os.environ.get('CSBS_BENCHMARK_CINDER', 'python3')
        found = subprocess.run(
            [self._python, '-W', 'ignore', '-c', 'import cinder.backup'],
            capture_output=True,
            timeout=60,
        )
        if found.returncode:
            raise Missing(
                'python3 -m venv DIR && DIR/bin/pip install cinder, and '
                'CSBS_BENCHMARK_CINDER=DIR/bin/python'
            )

    def _command(self, name: str, backup: str, *more: str) -> Figures:
        return run(
            [
                *(self._python, '-W', 'ignore'),
                *(str(_HERE / '_engine_cinder.py'), name),
                *(str(self.repository), backup),
                *('--algorithm', self.algorithm, *self.more, *more),
            ]
        )

    def backup(self, image: pathlib.Path) -> Figures:
        backup = str(uuid.uuid4())
        more = ['--image', str(image)]
        if self.backups:
            more += ['--parent', self.backups[-1]]
        figures = self._command('backup', backup, *more)
        self.backups.append(backup)
        return figures

    def restore(self, number: int, image: pathlib.Path) -> Figures:
        return self._command(
            'restore', self.backups[number], '--image', str(image)
        )

    def delete(self, number: int) -> Figures:
        # Only the last of a chain can be deleted.
        return self._command('delete', self.backups.pop())


class CinderZstd(Cinder):
    """With the faster of its compressors."""

    name = 'cinder_zstd'
    about = 'posix driver, zstd, not encrypted; the driver\'s call alone'
    algorithm = 'zstd'


class CinderZlib(Cinder):
    """As it is shipped."""

    name = 'cinder_zlib'
    about = 'posix driver, zlib (its default), not encrypted; likewise'
    algorithm = 'zlib'


class _ThroughSwift(Engine):
    """An engine whose objects lie in a container of Swift."""

    container = ''

    def prepare(self) -> None:
        reason = _swift.missing()
        if reason:
            raise Missing(reason)
        super().prepare()
        _swift.remove(self.container)

    def stored(self) -> int:
        return _swift.stored(self.container)

    def close(self) -> None:
        if not _swift.missing():
            _swift.remove(self.container)
        super().close()


class CsbsSwift(_ThroughSwift, Csbs):
    """csbs' store in Swift."""

    name = 'csbs_swift'
    about = 'shipped defaults, encrypted, in Swift; whole process'
    container = 'benchmark'

    def _place(self) -> str:
        return _swift.PREFIX + self.container


class CinderZstdSwift(_ThroughSwift, CinderZstd):
    """The faster of its compressors, in Swift."""

    name = 'cinder_zstd_swift'
    about = 'swift driver, zstd, not encrypted; the driver\'s call alone'
    container = 'benchmark-cinder-zstd'
    more = ('--container', _swift.full_name(container))


class CinderZlibSwift(_ThroughSwift, CinderZlib):
    """As it is shipped, in Swift."""

    name = 'cinder_zlib_swift'
    about = 'swift driver, zlib (its default), not encrypted; likewise'
    container = 'benchmark-cinder-zlib'
    more = ('--container', _swift.full_name(container))


#: what is compared with ``csbs``, and behind ``csbs_swift`` with that
ENGINES: tuple[type[Engine], ...] = (
    Csbs,
    Restic,
    Borg,
    CinderZstd,
    CinderZlib,
    CsbsSwift,
    CinderZstdSwift,
    CinderZlibSwift,
)


def reference(name: str) -> str:
    """Return the name of the engine that another one is compared with."""
    return CsbsSwift.name if name.endswith('_swift') else Csbs.name


def _link(image: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Show an image under the name under which all were backed up."""
    disk = folder / 'disk.img'
    disk.unlink(missing_ok=True)
    disk.hardlink_to(image)
    return disk


def _into(command: list[str], output: str) -> list[str]:
    """Let a command write over a file as over a disk."""
    return ['sh', '-c', 'exec "$@" 1<>"$0"', output, *command]
