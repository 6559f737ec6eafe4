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


"""A virtual environment with csbs in it, made once and reused.

Owns ``.venv/quickstart`` in the clone, or a folder in the user's cache when
the clone cannot be written.
"""

from collections.abc import Iterator
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import venv

import screen

_KEY_FILES = ('pyproject.toml', 'requirements.txt', 'setup.cfg', 'setup.py')
_STAMP = 'csbs-quickstart'
_PIP_SECONDS = 1800
_LOCK_SECONDS = 1800
_NOT_COPIED = ('.venv', '.tox', '.stestr', '__pycache__', '*.egg-info')


def prepare(clone: pathlib.Path) -> pathlib.Path:
    """Return the folder with csbs's programs, installing it when needed.

    :raises Problem: when it cannot be installed
    """
    home, writable = _home(clone)
    key = _key(clone, writable)
    with _alone(home.with_name(home.name + '.lock')):
        stamp = home / _STAMP
        if not stamp.exists() or stamp.read_text() != key:
            shutil.rmtree(home, ignore_errors=True)
            with screen.waiting(
                'Installing csbs and what it needs (once, about a minute)'
            ):
                _install(clone, home, writable)
            stamp.write_text(key)
            screen.good(f'installed in {home}')
    return home / 'bin'


def _home(clone: pathlib.Path) -> tuple[pathlib.Path, bool]:
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    mark = hashlib.sha256(os.fsencode(clone)).hexdigest()[:12]
    for folder, name, writable in (
        (clone / '.venv', 'quickstart', True),
        (pathlib.Path(cache) / 'csbs', f'quickstart-{mark}', False),
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder / name, writable
        except OSError:
            continue
    return pathlib.Path(tempfile.mkdtemp(prefix='csbs-')) / 'venv', False


def _key(clone: pathlib.Path, writable: bool) -> str:
    # what is installed from a copy is stale after any change of the code
    paths = [clone / name for name in _KEY_FILES]
    if not writable:
        paths += sorted((clone / 'csbs').rglob('*.py'))
    digest = hashlib.sha256(f'{sys.version} {clone}'.encode())
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _alone(path: pathlib.Path) -> Iterator[None]:
    deadline = time.monotonic() + _LOCK_SECONDS
    with open(path, 'w') as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                screen.progress('  Waiting for another one that installs')
                if time.monotonic() > deadline:
                    raise screen.Problem(
                        f'Another tools/quickstart holds {path} for too long.'
                    ) from error
            time.sleep(0.1)
        yield


def _install(clone: pathlib.Path, home: pathlib.Path, writable: bool) -> None:
    venv.create(home, with_pip=True)
    environment = dict(os.environ)
    environment.pop('PYTHONPATH', None)
    environment.pop('PYTHONHOME', None)
    if not _has_git_history(clone):
        # the version comes from git; without its history any will do
        environment['PBR_VERSION'] = '0.0.1'
    with contextlib.ExitStack() as stack:
        source = clone
        if not writable:
            # building leaves files beside the source
            source = (
                pathlib.Path(
                    stack.enter_context(tempfile.TemporaryDirectory())
                )
                / 'csbs'
            )
            shutil.copytree(
                clone, source, ignore=shutil.ignore_patterns(*_NOT_COPIED)
            )
        command = [
            str(home / 'bin' / 'python'),
            *('-m', 'pip', 'install', '--disable-pip-version-check', '-q'),
            *(['-e'] if writable else []),
            f'{source}[server,cli]',
        ]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
                env=environment,
                timeout=_PIP_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise screen.Problem(
                f'pip did not finish in {_PIP_SECONDS // 60} minutes.'
            ) from error
    if done.returncode:
        for line in done.stdout.strip().split('\n')[-8:]:
            screen.say(f'    {line}')
        raise screen.Problem(
            'csbs could not be installed; see the last lines of pip above. '
            'It needs a package index (pip uses the one it is set up for).'
        )


def _has_git_history(clone: pathlib.Path) -> bool:
    try:
        return not subprocess.run(
            ['git', '-C', str(clone), 'rev-parse', '-q', '--verify', 'HEAD'],
            capture_output=True,
            timeout=60,
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False
