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

"""What a running backup may refer to without storing it again.

Owns what is remembered: which packs are there and sound, so that nothing
refers to what is lost, which chunks this very backup stored already, and
which ones other backups have.
"""

import collections
from collections.abc import Callable
from collections.abc import Iterable
import threading
import uuid

from csbs.store import codec
from csbs.store import condemned
from csbs.store import core as store_core
from csbs.store import damage
from csbs.store import errors
from csbs.store import lease as store_lease
from csbs.store import lookup
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store import pipeline


class PackCatalogue:
    """Which packs are there, asked once for every backup that made some.

    :ivar damage: what is known to be damaged in them
    """

    def __init__(self, core: store_core.Core, damaged: damage.Damage) -> None:
        self._core = core
        self.damage = damaged
        self._lock = threading.Lock()
        self._packs: dict[bytes, dict[bytes, int]] = {}

    def holds(self, entry: codec.Entry) -> bool:
        """Tell whether the pack of an entry is there, and long enough.

        Packs made after the first question about their backup are unknown.

        :raises StoreUnreadable: when the store does not answer
        """
        if self.damage.hurts(entry):
            return False
        size = self.packs(entry.pack[:16]).get(entry.pack, 0)
        return entry.offset + entry.stored <= size

    def holds_all(self, entries: Iterable[codec.Entry]) -> bool:
        """Tell whether all entries are held, with few questions.

        :raises StoreUnreadable: when the store does not answer
        """
        if self.damage:
            return all(map(self.holds, entries))
        ends: dict[bytes, int] = {}
        for _id, pack, offset, stored, _raw, _flags in entries:
            if offset + stored > ends.get(pack, 0):
                ends[pack] = offset + stored
        return all(
            self.packs(pack[:16]).get(pack, 0) >= end
            for pack, end in ends.items()
        )

    def packs(self, backup: bytes) -> dict[bytes, int]:
        """Return references and sizes of the packs of a backup."""
        with self._lock:
            found = self._packs.get(backup)
            if found is None:
                prefix = names.packs_of(uuid.UUID(bytes=backup))
                found = {
                    reference: size
                    for name, size in self._core.objects.list(prefix)
                    if (reference := names.pack_reference(name))
                }
                self._packs[backup] = found
            return found


class Known:
    """Chunks and map nodes that this backup stored, up to a number."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[bytes, codec.Entry] = {}

    def get(self, blob_id: bytes) -> codec.Entry | None:
        """Return where the blob of that id is, if it is remembered."""
        return self._entries.get(blob_id)

    def add(self, entry: codec.Entry) -> None:
        """Remember a blob, unless there are too many already."""
        if len(self._entries) < self._limit:
            self._entries[entry.id] = entry

    @property
    def full(self) -> bool:
        return len(self._entries) >= self._limit


def read_pack(
    core: store_core.Core, reference: bytes, size: int
) -> list[tuple[codec.Kind, codec.Entry]] | None:
    """Return what is in a pack; None when it is no good.

    :raises StoreUnreadable: when the store does not answer
    """
    try:
        return list(store_pack.read_index(core, reference, size))
    except (
        errors.Damaged,
        errors.ObjectMissing,
        errors.UnsupportedFormat,
    ):
        return None


def check_there(
    core: store_core.Core,
    packs: Iterable[bytes],
    tick: Callable[[], None],
) -> None:
    """Make sure that packs are there, each by its name.

    :param tick: called every second or so meanwhile
    :raises LeaseLost: when one was deleted, though somebody at work needs it
    """

    def check(pack: bytes) -> None:
        name = names.pack(pack)
        if not core.exists(name):
            raise errors.LeaseLost(f'{name} was deleted meanwhile')

    pipeline.in_threads(core.options.threads, packs, check, tick)


class Borrowed:
    """Chunks of other backups, as far as this one may name them.

    A pack is put into the lease before it is used, and is used only when it
    is not doomed then: see :mod:`.gc`.

    :ivar used: packs in which chunks were found
    """

    def __init__(
        self,
        core: store_core.Core,
        lease: store_lease.Holder,
        damaged: damage.Damage,
    ) -> None:
        self._core = core
        self._lease = lease
        self._damage = damaged
        self._lookup = lookup.Lookup(core)
        self._lock = threading.Lock()
        self._allowed: set[bytes] = set()
        self._refused: set[bytes] = set()
        self._count = 0
        self.used: set[bytes] = set()
        self._entries: dict[bytes, codec.Entry] = {}
        self._read: collections.OrderedDict[bytes, list[bytes]] = (
            collections.OrderedDict()
        )

    def get(self, blob_id: bytes) -> codec.Entry | None:
        """Return where a chunk is that is stored already, if that is known.

        :raises StoreError: when the store fails
        """
        if not self._core.options.borrow_ahead:
            return None
        with self._lock:
            entry = self._entries.get(blob_id) or self._find(blob_id)
            if entry:
                self.used.add(entry.pack)
        return entry

    def publish(self, hooks: lookup.Hooks) -> None:
        """Let later backups find what this one stored."""
        self._lookup.publish(hooks)

    def _find(self, blob_id: bytes) -> codec.Entry | None:
        for packs in self._lookup.find(blob_id):
            self._borrow(packs)
            entry = self._entries.get(blob_id)
            if entry:
                return entry
        return None

    def _borrow(self, packs: list[bytes]) -> None:
        """Learn what is in the first of some packs."""
        pack = packs[0]
        if pack not in self._allowed and pack not in self._refused:
            self._ask(
                [
                    each
                    for each in packs
                    if each not in self._allowed and each not in self._refused
                ]
            )
        if pack not in self._allowed or pack in self._read:
            return
        found = self._index(pack)
        if found is None:
            self._allowed.discard(pack)
            self._refused.add(pack)
            return
        self._learn(
            pack,
            [
                entry
                for kind, entry in found
                if kind is codec.Kind.DATA and not self._damage.hurts(entry)
            ],
        )

    def _index(
        self, pack: bytes
    ) -> list[tuple[codec.Kind, codec.Entry]] | None:
        """Return what is in a pack that is in the lease; None: not usable.

        The mark is looked for first: it goes after the pack is gone.
        """
        if condemned.is_doomed(self._core, pack):
            return None
        try:
            size = self._core.objects.size(names.pack(pack))
        except errors.ObjectMissing:
            return None
        return read_pack(self._core, pack, size)

    def _ask(self, packs: list[bytes]) -> None:
        """Put packs into the lease, so that they may be used from now on."""
        most = self._core.options.borrow_packs - len(self._allowed)
        wanted, rest = packs[: max(most, 0)], packs[max(most, 0) :]
        self._refused.update(rest)
        if wanted:
            self._lease.add_packs(wanted)
            self._allowed.update(wanted)

    def _learn(self, pack: bytes, entries: list[codec.Entry]) -> None:
        ids = []
        for entry in entries:
            if self._entries.setdefault(entry.id, entry) is entry:
                ids.append(entry.id)
        self._read[pack] = ids
        self._count += len(ids)
        while self._count > self._core.options.known_chunks // 4:
            if len(self._read) < 2:
                break
            _old, forgotten = self._read.popitem(last=False)
            self._count -= len(forgotten)
            for blob_id in forgotten:
                self._entries.pop(blob_id, None)
