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


"""A server as a folder: its description, its disk images and its locks.

Owns the files of one server's folder; knows nothing of snapshots, ledgers or
who asks. A folder holds:

``*.raw``, ``*.img``
    The disks, as raw images. Every one of them is a disk of the server.

``server.json``
    The description. It may leave out everything, or be missing: then the
    server has the folder's name, belongs to the project ``local`` and is
    ACTIVE, ids are derived from the names of the folder and the images, and
    the disks are ``/dev/vda``, ``/dev/vdb`` ... in the order of their names,
    the first one bootable. Keys (others are kept and not looked at):

    - ``id``: a UUID; ``name``, ``project_id``: strings
    - ``status``: ACTIVE or SHUTOFF (with another word no backup is taken)
    - ``locked``: whether the server is locked; ``locked_reason``: why
    - ``facts``: an object with anything that is to be stored in backups and
      given to servers made of them: flavor, image_properties, networks,
      key_name, availability_zone, metadata ...
    - ``volumes``: a list of objects: ``file`` (required: the image's name in
      the folder), ``id``, ``name``, ``device``, ``bootable``, ``facts``
    - ``held``: written by csbs while it restores the server in place

    It is replaced as a whole (temporary file, fsync, rename) by those who
    hold an exclusive flock(2) of the folder itself.

``.io-lock``
    Who writes to the disks of a running server takes a shared flock(2) of
    this file around each burst of writes that belong together. A snapshot
    takes it exclusively, so that all disks are of one instant. :func:`writing`
    does it in Python, ``flock --shared .io-lock COMMAND`` in a shell.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import stat
import time
from typing import Any
import uuid

from csbs import exception
from csbs.cloud import disk
from csbs.domain import model

DESCRIPTION = 'server.json'
IO_LOCK = '.io-lock'
DEFAULT_PROJECT = 'local'

#: seconds to wait for others who change a server's description
LOCK_TIMEOUT = 30.0

_NAMESPACE = uuid.UUID('5a0cbe4f-61a9-4cf3-9c8b-0a7a0cc1d6c7')
_POLL = 0.005
_MAX_DESCRIPTION = 1 << 20
_SAFE_FILE = re.compile(r'[^/\x00]{1,255}')

_TYPES: Mapping[str, type] = {
    'id': str,
    'name': str,
    'project_id': str,
    'status': str,
    'locked': bool,
    'locked_reason': str,
    'volumes': list,
    'facts': dict,
    'held': dict,
}

_VOLUME_TYPES: Mapping[str, type] = {
    'file': str,
    'id': str,
    'name': str,
    'device': str,
    'bootable': bool,
    'facts': dict,
}

_JSON_WORDS = {str: 'a string', bool: 'true or false', list: 'a list'}


class Unusable(Exception):
    """The folder cannot be protected; says why in a half sentence."""


@dataclasses.dataclass(frozen=True)
class Folder:
    """A server's folder as it was found.

    :ivar description: what ``server.json`` says
    :ivar files: the disk images by volume id
    """

    path: pathlib.Path
    description: Mapping[str, Any]
    server: model.Server
    files: Mapping[str, pathlib.Path]


def inspect(path: pathlib.Path) -> Folder:
    """Look at a server's folder.

    What is wrong with it is in the server's ``unprotectable``.
    """
    try:
        description = load(path)
        images = _images(path)
    except Unusable as error:
        server = model.Server(
            id=derived_id(path),
            project_id=DEFAULT_PROJECT,
            name=_display(path.name),
            status=model.ServerStatus.OTHER,
            raw_status='UNKNOWN',
            volumes=(),
            unprotectable=str(error),
        )
        return Folder(path, {}, server, {})
    return _assemble(path, description, images)


def derived_id(path: pathlib.Path) -> str:
    """Return the id of a server whose description gives none.

    It comes from the folder's name alone: the local cloud can be moved.
    """
    return _derive(_NAMESPACE, path.name)


def mark_copy(folder: Folder, original: Folder) -> Folder:
    """Return a folder that has another one's id as one of its own.

    Somebody copied the folder; only one of them can be the server.
    """
    server = dataclasses.replace(
        folder.server,
        id=derived_id(folder.path),
        unprotectable=(
            f'its {DESCRIPTION} has the same id as the one in folder '
            f'{_display(original.path.name)}; take "id" and the ids of the '
            'volumes out of it'
        ),
    )
    return dataclasses.replace(folder, server=server)


def load(path: pathlib.Path) -> dict[str, Any]:
    """Return the description of a server, empty when there is none.

    :raises Unusable: when it cannot be read or understood
    """
    try:
        with open(path / DESCRIPTION, 'rb') as source:
            content = source.read(_MAX_DESCRIPTION + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unusable(
            f'{DESCRIPTION} cannot be read ({error.strerror})'
        ) from error
    if len(content) > _MAX_DESCRIPTION:
        raise Unusable(f'{DESCRIPTION} is too large')
    try:
        description = json.loads(content)
        # lone surrogates could neither be stored nor sent
        json.dumps(description, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Unusable(f'{DESCRIPTION} is not valid JSON ({error})') from error
    _check_types(description, _TYPES, DESCRIPTION)
    files = set()
    for entry in description.get('volumes') or ():
        _check_types(entry, _VOLUME_TYPES, f'a volume of {DESCRIPTION}')
        file = entry.get('file') or ''
        if not _SAFE_FILE.fullmatch(file) or file in ('.', '..'):
            raise Unusable(
                f'{DESCRIPTION} has a volume whose "file" is not the name '
                'of a file in the folder'
            )
        if file in files:
            raise Unusable(f'{DESCRIPTION} names disk image {file} twice')
        files.add(file)
    return dict(description)


def update(path: pathlib.Path, **changes: Any) -> None:
    """Change the description; the caller holds :func:`locked`.

    :param changes: new values by key; None takes a key out
    :raises Unusable: when the present description cannot be understood
    :raises OSError: when it cannot be written
    """
    description = load(path)
    description.setdefault('id', derived_id(path))
    description.update(changes)
    write(path, {k: v for k, v in description.items() if v is not None})


def write(path: pathlib.Path, description: Mapping[str, Any]) -> None:
    """Replace the description, durably and at once.

    :raises OSError: when it cannot be written; the old one then remains
    """
    content = json.dumps(description, indent=2, ensure_ascii=False) + '\n'
    # the lock makes one name enough; a crash leaves at most this one file
    new = path / f'.{DESCRIPTION}.new'
    with open(new, 'wb') as target:
        target.write(content.encode())
        target.flush()
        os.fsync(target.fileno())
    os.replace(new, path / DESCRIPTION)
    sync(path)


def sync(path: pathlib.Path) -> None:
    """Make the entries of a directory durable."""
    with disk.opened(path, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


@contextlib.contextmanager
def locked(path: pathlib.Path, timeout: float) -> Iterator[None]:
    """Keep others from changing the description.

    :param timeout: seconds to wait for those who do so now
    :raises TimeoutError: when they take longer
    :raises OSError: when the folder cannot be opened
    """
    with disk.opened(path, os.O_RDONLY | os.O_DIRECTORY) as fd:
        if not _take(fd, fcntl.LOCK_EX, time.monotonic() + timeout):
            raise TimeoutError(f'The folder {path.name} stays locked')
        yield


@contextlib.contextmanager
def quiet(path: pathlib.Path, timeout: float) -> Iterator[bool]:
    """Hold off those who write to the disks, if they pause in time.

    The caller holds :func:`locked` on the way in, so that no new burst of
    :func:`writing` begins while this waits for the last one to end.

    :param timeout: seconds to wait
    :returns: whether they are held off; the body runs in any case
    """
    try:
        fd = _open_io_lock(path)
    except OSError:
        yield False
        return
    try:
        yield _take(fd, fcntl.LOCK_EX, time.monotonic() + timeout)
    finally:
        os.close(fd)


@contextlib.contextmanager
def writing(
    server_dir: pathlib.Path | str, timeout: float = 600.0
) -> Iterator[None]:
    """Write to the disks of a running server: one burst that belongs together.

    :param server_dir: the server's folder
    :param timeout: seconds to wait while a snapshot is being taken
    :raises ServerWrongState: when the server does not run
    :raises CloudError: when the time is up, or the folder cannot be used
    """
    path = pathlib.Path(server_dir)
    deadline = time.monotonic() + timeout
    try:
        fd = _open_io_lock(path)
    except OSError as error:
        raise exception.CloudError(
            f'The disks of {path.name} cannot be locked: {error.strerror}.'
        ) from error
    try:
        # the way in leads over the folder's lock: a snapshot that waits
        # there is not overtaken again and again by new bursts
        with disk.opened(path, os.O_RDONLY | os.O_DIRECTORY) as gate:
            had = _take(gate, fcntl.LOCK_SH, deadline) and _take(
                fd, fcntl.LOCK_SH, deadline
            )
        if not had:
            raise exception.CloudError(
                f'The disks of {path.name} stayed locked for {timeout:g} s.'
            )
        server = inspect(path).server
        if server.status is not model.ServerStatus.ACTIVE:
            raise exception.ServerWrongState(
                id=server.id, status=server.raw_status
            )
        yield
    finally:
        os.close(fd)


def _take(fd: int, operation: int, deadline: float) -> bool:
    # flock(2) knows no deadline, so it is asked again and again
    while True:
        try:
            fcntl.flock(fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        else:
            return True


def _open_io_lock(path: pathlib.Path) -> int:
    try:
        return os.open(
            path / IO_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
    except PermissionError:
        # another user's file can be locked all the same
        return os.open(path / IO_LOCK, os.O_RDONLY | os.O_CLOEXEC)


def _display(name: str) -> str:
    # names of files may be any bytes; what goes into JSON may not
    return os.fsencode(name).decode('utf-8', 'replace')


def _derive(namespace: uuid.UUID, name: str) -> str:
    return str(uuid.uuid5(namespace, os.fsencode(name).decode('latin-1')))


def _check_types(value: object, types: Mapping[str, type], where: str) -> None:
    if not isinstance(value, dict):
        raise Unusable(f'{where} is not a JSON object')
    for key, wanted in types.items():
        if not isinstance(value.get(key), (wanted, type(None))):
            word = _JSON_WORDS.get(wanted, 'an object')
            raise Unusable(f'"{key}" of {where} is not {word}')
    if value.get('id') is not None and not _is_uuid(value['id']):
        raise Unusable(f'"id" of {where} is not a UUID')


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _images(path: pathlib.Path) -> list[str]:
    try:
        return sorted(
            name
            for name in os.listdir(path)
            if name.endswith(('.raw', '.img')) and not name.startswith('.')
        )
    except OSError as error:
        raise Unusable(
            f'its folder cannot be read ({error.strerror})'
        ) from error


def _assemble(
    path: pathlib.Path, description: dict[str, Any], images: list[str]
) -> Folder:
    server_id = description.get('id') or derived_id(path)
    entries = list(description.get('volumes') or ())
    named = {entry['file'] for entry in entries}
    entries += [{'file': file} for file in images if file not in named]
    volumes: dict[str, model.Volume] = {}
    files = {}
    trouble = None if entries else 'its folder holds no *.raw or *.img file'
    devices = _free_devices(entries)
    for index, entry in enumerate(entries):
        file = entry['file']
        size, reason = _size(path / file)
        volume_id = entry.get('id') or _derive(uuid.UUID(server_id), file)
        if volume_id in volumes:
            reason = reason or f'two of its volumes have the id {volume_id}'
        trouble = trouble or reason
        volumes[volume_id] = model.Volume(
            id=volume_id,
            name=entry.get('name') or _display(file),
            size=size,
            device=entry.get('device') or next(devices),
            bootable=bool(
                index == 0
                if entry.get('bootable') is None
                else entry['bootable']
            ),
            facts=entry.get('facts') or {},
        )
        files[volume_id] = path / file
    raw_status = description.get('status') or 'ACTIVE'
    held = description.get('held') or {}
    server = model.Server(
        id=server_id,
        project_id=description.get('project_id') or DEFAULT_PROJECT,
        name=description.get('name') or _display(path.name),
        status=_status(raw_status),
        raw_status=raw_status,
        volumes=tuple(volumes.values()),
        locked=bool(description.get('locked')),
        half_restored='by' in held and held['by'] is None,
        facts=description.get('facts') or {},
        unprotectable=trouble,
    )
    return Folder(path, description, server, files)


def _status(raw: str) -> model.ServerStatus:
    try:
        return model.ServerStatus(raw)
    except ValueError:
        return model.ServerStatus.OTHER


def _free_devices(entries: list[dict[str, Any]]) -> Iterator[str]:
    taken = {entry.get('device') for entry in entries}
    for number in range(len(entries) * 2):
        letters = ''
        while number >= 0:
            number, digit = divmod(number, 26)
            letters = chr(ord('a') + digit) + letters
            number -= 1
        device = f'/dev/vd{letters}'
        if device not in taken:
            yield device


def _size(file: pathlib.Path) -> tuple[int, str | None]:
    name = _display(file.name)
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return 0, f'its disk image {name} is missing'
    except OSError as error:
        return 0, f'its disk image {name} is unusable ({error.strerror})'
    if not stat.S_ISREG(found.st_mode):
        return 0, f'its disk image {name} is not a regular file'
    if not os.access(file, os.R_OK):
        return found.st_size, f'its disk image {name} may not be read'
    if not found.st_size:
        return 0, f'its disk image {name} is empty'
    return found.st_size, None
