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

"""Leases: the sign of life of somebody who needs packs right now.

Owns two kinds of object of one shape. A lease is held by the writer of a
backup; while it is fresh, garbage collection leaves alone the backup's packs,
all that the parent's maps name, and the packs of others that the writer uses.
It holds a token of its writer, so that of two writers of one backup the
earlier notices that it was superseded. A pin is held by whoever reads
finished backups or moves their chunks, and keeps what their maps name.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from collections.abc import Set
import contextlib
import dataclasses
import datetime
import logging
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

_LOG = logging.getLogger(__name__)
_PURPOSE = 'lease'

Root = tuple[codec.Entry, int]


@dataclasses.dataclass(frozen=True)
class Lease:
    """A lease or pin as it lies in the store.

    :ivar token: which writer holds it
    :ivar seen_at: the writer's last sign of life
    :ivar roots: (top node, depth) of the maps that are needed
    :ivar packs: references of packs that are needed beside these
    :ivar confirmed: whether the holder found the roots to be current after it
        had written them; until then it relies on none of them
    """

    token: str
    seen_at: datetime.datetime
    roots: Sequence[Root]
    packs: Set[bytes]
    confirmed: bool

    def live(self, now: datetime.datetime, ttl: datetime.timedelta) -> bool:
        """Tell whether the writer may still be at work."""
        return now - self.seen_at < ttl


def read(core: store_core.Core, name: str) -> Lease:
    """Read a lease or pin.

    :raises ObjectMissing: when there is none
    :raises Damaged: when it was altered
    :raises UnsupportedFormat: when a newer csbs wrote it
    """
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
            token=str(document['token']),
            seen_at=datetime.datetime.fromisoformat(document['seen_at']),
            roots=roots,
            packs={bytes.fromhex(each) for each in document['packs']},
            confirmed=bool(document['confirmed']),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.Damaged(name, 'its fields are not right') from error


def is_live(core: store_core.Core, name: str) -> bool:
    """Tell whether there is a lease of that name that did not run out."""
    try:
        found = read(core, name)
    except (
        errors.ObjectMissing,
        errors.Damaged,
        errors.UnsupportedFormat,
    ):
        return False
    now = datetime.datetime.now(datetime.UTC)
    return found.live(now, core.options.lease_ttl)


def roots_of(manifests: Iterable[store_manifest.Manifest]) -> list[Root]:
    """Return the roots of all maps of some backups."""
    return [
        (item.root, item.depth)
        for manifest in manifests
        for item in manifest.items
        if item.root
    ]


class Holder:
    """A lease or pin in the hands of its writer."""

    def __init__(
        self, core: store_core.Core, name: str, roots: list[Root]
    ) -> None:
        """Take the lease, from another writer too if there is one."""
        self._core = core
        self._name = name
        self._packs: set[bytes] = set()
        self._token = secrets.token_hex(16)
        self._roots = roots
        self._confirmed = False
        self._lock = threading.Lock()
        self._interval = core.options.lease_ttl.total_seconds() / 8
        self._write()

    def set_roots(self, roots: list[Root]) -> None:
        """Protect other maps of the parent than so far."""
        self._roots = roots
        self._write()

    def confirm(self) -> None:
        """Say that the roots are current; they were read after the lease was.

        Whoever dies before that leaves roots that may be gone already, and
        nobody has to mind.
        """
        self._confirmed = True
        if self._roots:
            self._write()

    def add_packs(self, packs: Iterable[bytes]) -> None:
        """Protect packs of others, too.

        :raises LeaseLost: when the lease is another's, or gone
        """
        with self._lock:
            self.check()
            self._packs.update(packs)
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
            found = read(self._core, self._name)
        except errors.ObjectMissing:
            raise errors.LeaseLost(
                f'{self._name} was given up meanwhile'
            ) from None
        if found.token != self._token:
            raise errors.LeaseLost(f'{self._name} is held by another by now')
        now = datetime.datetime.now(datetime.UTC)
        if not found.live(now, self._core.options.lease_ttl):
            raise errors.LeaseLost(
                f'{self._name} showed no sign of life for too long'
            )

    def release(self) -> None:
        """Remove the lease: the manifest protects everything now."""
        self._core.objects.delete(self._name)

    def _write(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        self._written = now.timestamp()
        self._core.put_sealed(
            _PURPOSE,
            self._name,
            {
                'format': FORMAT,
                'token': self._token,
                'seen_at': now.isoformat(),
                'roots': [
                    [store_manifest.encode_entry(entry), levels]
                    for entry, levels in self._roots
                ],
                'packs': sorted(each.hex() for each in self._packs),
                'confirmed': self._confirmed,
            },
        )


class Pin(Holder):
    """A pin, and the backups that it keeps.

    Its id should be one that collections are told of, see
    :class:`.survey.Known`; otherwise they find it by a list, which may be
    late.

    :ivar manifests: of those that are there, as they are kept
    """

    def __init__(
        self,
        core: store_core.Core,
        pin_id: uuid.UUID,
        backup_ids: Iterable[uuid.UUID],
    ) -> None:
        """Keep backups until :meth:`release`, even deleted or moved ones.

        What is kept is what is still there after the pin is.

        :raises Damaged: when a manifest was altered
        """
        self.manifests = store_manifest.read_all(core, backup_ids)
        super().__init__(core, names.pin(pin_id), roots_of(self.manifests))
        try:
            while True:
                ids = [each.backup_id for each in self.manifests]
                again = store_manifest.read_all(core, ids)
                if again == self.manifests:
                    self.confirm()
                    return
                self.manifests = again
                self.set_roots(roots_of(again))
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Remove the pin, unless it is another's by now.

        Failing at that does no harm: it runs out.
        """
        try:
            self.check()
            super().release()
        except errors.StoreError as error:
            _LOG.info('A pin is left to run out: %s', error)


@contextlib.contextmanager
def pinned(
    core: store_core.Core,
    backup_ids: Iterable[uuid.UUID],
    owner: uuid.UUID | None,
) -> Iterator[Pin]:
    """Keep backups as long as the block runs.

    :param owner: id of the pin; one that nobody else uses meanwhile
    """
    pin = Pin(core, owner or uuid.uuid4(), backup_ids)
    try:
        yield pin
    finally:
        pin.release()
