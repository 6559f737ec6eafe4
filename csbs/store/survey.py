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

"""A walk over all maps that somebody needs.

Owns the answer to what is needed: packs, how much of each, and all of some
unfinished backups. Never guesses: what cannot be read ends the walk. A list
of objects may be late, so what a caller knows of is looked for by its name.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
import dataclasses
import datetime
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import coverage
from csbs.store import errors
from csbs.store import lease as store_lease
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names


@dataclasses.dataclass(frozen=True)
class Known:
    """Who is there, as the caller knows; lists may be late to tell.

    :ivar backups: all backups of the vault, finished or not
    :ivar at_work: those of them that may have a lease, and all who read or
        collect under an id of their own
    """

    backups: Collection[uuid.UUID] = ()
    at_work: Collection[uuid.UUID] = ()


#: what a caller knows; asked again for every look
Knowing = Callable[[], Known]


class Survey:
    """What is needed. Looking again only adds to it.

    :ivar finished: the backups that the last look found
    :ivar parts: which parts of packs maps name
    :ivar chunks: that the leaves name, a shared leaf counted once
    :ivar bytes: of volumes that these stand for
    """

    def __init__(
        self,
        core: store_core.Core,
        known: Knowing = Known,
        check: Callable[[], None] | None = None,
        wrong: Callable[[Exception], None] | None = None,
    ) -> None:
        """Begin with nothing.

        :param known: who is there, beside those that are listed
        :param check: called often; what it raises ends the walk
        :param wrong: gets what is wrong with a map, rather than that it is
            raised
        """
        self._core = core
        self._known = known
        self._check = check or (lambda: None)
        self._wrong = wrong
        self._nodes = maps.NodeReader(core)
        self._visited: set[bytes] = set()
        self._backups: set[bytes] = set()
        self._packs: set[bytes] = set()
        self.finished: list[uuid.UUID] = []
        self.parts = coverage.Coverage()
        self.chunks = 0
        self.bytes = 0

    def holds(self, reference: bytes) -> bool:
        """Tell whether a pack is needed."""
        return reference in self.parts or self.in_use(reference)

    def in_use(self, reference: bytes) -> bool:
        """Tell whether somebody at work needs a pack, or all of it."""
        return reference in self._packs or reference[:16] in self._backups

    def look(self, now: datetime.datetime) -> list[str]:
        """Take in leases and pins, then finished backups.

        The order matters: a lease goes when its manifest is there.

        :returns: leases and pins that are stale
        :raises Damaged: when one of them, or a map, cannot be read
        """
        known = self._known()
        stale = [
            *self._take(names.LEASES, known.at_work, now),
            *self._take(names.PINS, known.at_work, now),
        ]
        ids = {*backup_ids(self._core, names.MANIFESTS), *known.backups}
        found = store_manifest.read_all(self._core, ids)
        self.finished = [each.backup_id for each in found]
        for manifest in found:
            self._add_current(manifest)
        return stale

    def _add_current(self, manifest: store_manifest.Manifest) -> None:
        """Take in a backup that may be deleted or moved meanwhile."""
        while True:
            try:
                self.add(manifest)
                return
            except errors.ObjectMissing:
                again = store_manifest.read_all(
                    self._core, [manifest.backup_id]
                )
                if again == [manifest]:
                    raise
                if not again:
                    return
                manifest = again[0]

    def add(self, manifest: store_manifest.Manifest) -> None:
        """Take in one backup."""
        for item in manifest.items:
            if item.root:
                self._walk(item.root, item.depth, item.size, busy=False)

    def _take(
        self,
        prefix: str,
        known: Collection[uuid.UUID],
        now: datetime.datetime,
    ) -> list[str]:
        stale = []
        for owner in {*backup_ids(self._core, prefix), *known}:
            name = f'{prefix}{owner}'
            roots = None
            while True:
                try:
                    found = store_lease.read(self._core, name)
                except errors.ObjectMissing:
                    # Dropped just now: the manifest is looked for after this.
                    break
                if not found.live(now, self._core.options.lease_ttl):
                    stale.append(name)
                    break
                self._backups.add(owner.bytes)
                self._packs |= found.packs
                try:
                    for root, depth in found.roots:
                        self._walk(root, depth, None, busy=True)
                    break
                except errors.ObjectMissing:
                    # Its holder may just be about to notice that, or has
                    # died before it could.
                    if found.roots == roots:
                        if found.confirmed:
                            raise
                        break
                    roots = found.roots
        return stale

    def _walk(
        self, root: codec.Entry, depth: int, size: int | None, *, busy: bool
    ) -> None:
        pending = [(root, depth, 0)]
        seen = []
        while pending:
            entry, level, index = pending.pop()
            self.parts.add([entry])
            if busy:
                self._packs.add(entry.pack)
            if entry.id in self._visited:
                continue
            self._visited.add(entry.id)
            seen.append(entry.id)
            self._check()
            try:
                node = self._nodes.load(entry, level)
                if level == 1 and size is not None:
                    self._fits(entry, node, index, size)
            except (
                errors.Damaged,
                errors.ObjectMissing,
                errors.UnsupportedFormat,
            ) as error:
                if not self._wrong:
                    # Another walk must not take these for done.
                    self._visited.difference_update(seen)
                    raise
                self._wrong(error)
                continue
            if level > 1:
                first = index * maps.FAN_OUT
                pending += [
                    (child, level - 1, first + slot)
                    for slot, child in reversed(node.items())
                ]
                continue
            self.parts.add(node.values())
            if busy:
                self._packs.update(child.pack for child in node.values())
            self.chunks += len(node)
            self.bytes += sum(child.raw for child in node.values())

    def _fits(
        self,
        entry: codec.Entry,
        node: dict[int, codec.Entry],
        index: int,
        size: int,
    ) -> None:
        """Refuse a leaf whose chunks do not fit the item's size."""
        chunk = self._core.chunk_size
        for slot, child in node.items():
            left = size - (index * maps.FAN_OUT + slot) * chunk
            if child.raw != min(chunk, left):
                raise errors.Damaged(
                    names.pack(entry.pack), 'a map does not fit its item'
                )


def backup_ids(core: store_core.Core, prefix: str) -> Iterator[uuid.UUID]:
    """Return the ids in the names of objects below a prefix."""
    for name, _size in core.objects.list(prefix):
        found = names.backup_id(name)
        if found:
            yield found


def pack_sizes(core: store_core.Core) -> dict[bytes, int]:
    """Return references and sizes of all packs that are there."""
    return {
        reference: size
        for name, size in core.objects.list(names.PACKS)
        if (reference := names.pack_reference(name))
    }
