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

"""Keys in a file of the service's own."""

import base64
from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import pathlib
import secrets
import uuid

from csbs import exception
from csbs.keys import base


class KeyFile:
    """Keys in one JSON file that only the service may read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = pathlib.Path(path)

    def create(self, name: str) -> str:
        """Make a key; the file is durable on return."""
        ref = str(uuid.uuid4())
        with self._changing() as keys:
            keys[ref] = {
                'name': name,
                'key': base64.b64encode(
                    secrets.token_bytes(base.KEY_BYTES)
                ).decode(),
            }
        return ref

    def get(self, ref: str) -> bytes:
        """Return a key."""
        entry = self._read().get(ref, {})
        try:
            key = base64.b64decode(entry['key'], validate=True)
        except (TypeError, KeyError, ValueError):
            raise exception.KeyMissing(
                reason=f'the key file has no usable key {ref}'
            ) from None
        if len(key) != base.KEY_BYTES:
            raise exception.KeyMissing(
                reason=f'key {ref} in the key file has the wrong length'
            )
        return key

    def delete(self, ref: str) -> None:
        """Destroy a key; fine when it is gone."""
        with self._changing() as keys:
            keys.pop(ref, None)

    def check(self) -> None:
        """Return if the file can be read; it need not be there yet."""
        self._read()

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            content = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise exception.KeyUnavailable(
                reason=f'the key file cannot be read: {error}'
            ) from error
        if not isinstance(content, dict):
            raise exception.KeyUnavailable(reason='the key file is not valid')
        return content

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, str]]]:
        """Give the keys to be changed, one process at a time."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(f'{self._path}.lock', os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise exception.KeyUnavailable(
                reason=f'the key file cannot be written: {error}'
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self._read()
            yield keys
            self._write(keys)
        finally:
            os.close(lock)

    def _write(self, keys: dict[str, dict[str, str]]) -> None:
        new = f'{self._path}.new'
        try:
            with open(
                os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                'w',
            ) as file:
                json.dump(keys, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise exception.KeyUnavailable(
                reason=f'the key file cannot be written: {error}'
            ) from error
