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

"""Leases: the sign of life of a backup that is being written.

Owns the lease object. While it is fresh, garbage collection leaves alone the
backup's packs and all that the parent's maps name, even when the parent is
deleted meanwhile. It holds a token of its writer, so that of two writers of
one backup the earlier notices that it was superseded.
"""

from collections.abc import Sequence
import dataclasses
import datetime
import secrets
import threading
import time
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import manifest as store_manifest
from csbs.store import names

FORMAT = 1

_PURPOSE = 'lease'

Root = tuple[codec.Entry, int]


@dataclasses.dataclass(frozen=True)
class Lease:
    """A lease as it lies in the store.

    :ivar token: which writer holds it
    :ivar seen_at: the writer's last sign of life
    :ivar roots: (top node, depth) of the parent's maps
    """

    backup_id: uuid.UUID
    token: str
    seen_at: datetime.datetime
    roots: Sequence[Root]

    def live(self, now: datetime.datetime, ttl: datetime.timedelta) -> bool:
        """Tell whether the writer may still be at work."""
        return now - self.seen_at < ttl


def read(core: store_core.Core, backup_id: uuid.UUID) -> Lease:
    """Read a lease.

    :raises ObjectMissing: when there is none
    :raises Damaged: when it was altered
    :raises UnsupportedFormat: when a newer csbs wrote it
    """
    name = names.lease(backup_id)
    document = core.get_sealed(_PURPOSE, name)
    if document.get('format') != FORMAT:
        raise errors.UnsupportedFormat(
            f'{name} has format {document.get("format")}; '
            f'this csbs reads {FORMAT}'
        )
    try:
        roots: list[Root] = []
        for value, levels in document['roots']:
            entry = store_manifest.decode_entry(value)
            if entry:
                roots.append((entry, int(levels)))
        return Lease(
            backup_id=backup_id,
            token=str(document['token']),
            seen_at=datetime.datetime.fromisoformat(document['seen_at']),
            roots=roots,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.Damaged(name, 'its fields are not right') from error


def is_live(core: store_core.Core, backup_id: uuid.UUID) -> bool:
    """Tell whether a backup has a lease that did not run out."""
    try:
        found = read(core, backup_id)
    except (
        errors.ObjectMissing,
        errors.Damaged,
        errors.UnsupportedFormat,
    ):
        return False
    now = datetime.datetime.now(datetime.UTC)
    return found.live(now, core.options.lease_ttl)


class Holder:
    """A lease in the hands of its writer."""

    def __init__(
        self, core: store_core.Core, backup_id: uuid.UUID, roots: list[Root]
    ) -> None:
        """Take the lease, from another writer too if there is one."""
        self._core = core
        self._backup_id = backup_id
        self._token = secrets.token_hex(16)
        self._roots = roots
        self._lock = threading.Lock()
        self._interval = core.options.lease_ttl.total_seconds() / 8
        self._write()

    def set_roots(self, roots: list[Root]) -> None:
        """Protect other maps of the parent than so far."""
        self._roots = roots
        self._write()

    def refresh(self) -> None:
        """Give a sign of life if the last one is some time ago.

        :raises LeaseLost: when the lease is another's, or gone
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not 0 <= time.time() - self._written < self._interval:
                self.check()
                self._write()
        finally:
            self._lock.release()

    def check(self) -> None:
        """Make sure that the lease is still this writer's, and fresh.

        :raises LeaseLost: when it is not
        """
        try:
            found = read(self._core, self._backup_id)
        except errors.ObjectMissing:
            raise errors.LeaseLost(
                f'backup {self._backup_id} was given up meanwhile'
            ) from None
        if found.token != self._token:
            raise errors.LeaseLost(
                f'backup {self._backup_id} is written by another by now'
            )
        now = datetime.datetime.now(datetime.UTC)
        if not found.live(now, self._core.options.lease_ttl):
            raise errors.LeaseLost(
                f'backup {self._backup_id} gave no sign of life for too long'
            )

    def release(self) -> None:
        """Remove the lease: the manifest protects everything now."""
        self._core.objects.delete(names.lease(self._backup_id))

    def _write(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._written = now.timestamp()
        self._core.put_sealed(
            _PURPOSE,
            names.lease(self._backup_id),
            {
                'format': FORMAT,
                'token': self._token,
                'seen_at': now.isoformat(),
                'roots': [
                    [store_manifest.encode_entry(entry), levels]
                    for entry, levels in self._roots
                ],
            },
        )
