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

"""Where in the vault a chunk may be stored already.

Owns the objects below ``lookup/`` and what is made of them in memory. Of
every pack they hold hooks: some of its chunks, by the first eight bytes of
their ids. Who finds a hook reads the pack's own index, and so finds the
chunks beside it, too. How many chunks become hooks depends on how many there
are, so that memory stays bounded. Nothing relies on this list: what is
missing in it is stored once more, and what is stale in it is not found.
"""

import array
import bisect
import collections
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Set
import contextlib
import itertools
import logging
import struct
import sys
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names

VERSION = 1

_LOG = logging.getLogger(__name__)
_PURPOSE = 'lookup'
_HEAD = struct.Struct('>BBII')

#: hooks of one object, at most
_MOST = 1 << 20
#: small objects after which they are made into one
_MANY = 8
#: objects below this are small, and are read whatever is looked for
_SMALL = 1 << 20
#: bytes that a hook takes in an object, about
_HOOK = 10


class Hooks:
    """Hooks of some packs, in order.

    :ivar bits: a chunk is a hook when so many low bits of its prefix are zero
    :ivar packs: references of the packs
    :ivar prefixes: first eight bytes of ids, ascending
    :ivar places: for each, which of the packs it is in
    """

    def __init__(self) -> None:
        self.bits = 0
        self.packs: list[bytes] = []
        self.prefixes: array.array[int] = array.array('Q')
        self.places: array.array[int] = array.array('I')

    def add(self, entries: Iterable[codec.Entry]) -> None:
        """Add chunks, those of one pack after those of another."""
        mask = (1 << self.bits) - 1
        for entry in entries:
            prefix = int.from_bytes(entry.id[:8], 'big')
            if prefix & mask:
                continue
            if not self.packs or self.packs[-1] != entry.pack:
                self.packs.append(entry.pack)
            self.prefixes.append(prefix)
            self.places.append(len(self.packs) - 1)

    def join(self, other: 'Hooks', packs: Set[bytes] | None) -> None:
        """Add those of another, as far as they are in ``packs``."""
        self.thin(other.bits)
        mask = (1 << self.bits) - 1
        numbers = {pack: number for number, pack in enumerate(self.packs)}
        places = []
        for pack in other.packs:
            places.append(numbers.setdefault(pack, len(numbers)))
            if places[-1] == len(self.packs):
                self.packs.append(pack)
        for prefix, place in zip(other.prefixes, other.places, strict=True):
            if prefix & mask == 0 and (
                packs is None or other.packs[place] in packs
            ):
                self.prefixes.append(prefix)
                self.places.append(places[place])

    def thin(self, bits: int) -> None:
        """Keep fewer of them."""
        if bits <= self.bits:
            return
        self.bits = bits
        mask = (1 << bits) - 1
        kept = [not prefix & mask for prefix in self.prefixes]
        self.prefixes = array.array(
            'Q', itertools.compress(self.prefixes, kept)
        )
        self.places = array.array('I', itertools.compress(self.places, kept))

    def sort(self) -> None:
        """Put them in order, and forget packs without any."""
        used = sorted(set(self.places))
        numbers = {old: number for number, old in enumerate(used)}
        self.packs = [self.packs[old] for old in used]
        # Numbers are sorted in half the time that pairs take.
        rows = sorted(
            {
                prefix << 32 | numbers[place]
                for prefix, place in zip(
                    self.prefixes, self.places, strict=True
                )
            }
        )
        self.prefixes = array.array('Q', (row >> 32 for row in rows))
        self.places = array.array('I', (row & 0xFFFFFFFF for row in rows))

    def find(self, prefix: int) -> list[int]:
        """Return the places of a prefix."""
        found = []
        index = bisect.bisect_left(self.prefixes, prefix)
        while index < len(self.prefixes) and self.prefixes[index] == prefix:
            found.append(self.places[index])
            index += 1
        return found

    def encode(self) -> bytes:
        """Return them as bytes."""
        head = _HEAD.pack(
            VERSION, self.bits, len(self.packs), len(self.prefixes)
        )
        return b''.join(
            [
                head,
                *self.packs,
                _swapped(self.prefixes).tobytes(),
                _swapped(self.places).tobytes(),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> 'Hooks':
        """Return what :meth:`encode` made bytes of.

        :raises ValueError: when they are no such bytes
        """
        found = cls()
        if len(data) < _HEAD.size:
            raise ValueError('it is too short')
        version, found.bits, packs, count = _HEAD.unpack_from(data)
        begin = _HEAD.size + packs * names.PACK_SIZE
        middle = begin + 8 * count
        if version != VERSION or len(data) != middle + 4 * count:
            raise ValueError('it is not a list of hooks')
        found.packs = [
            data[place : place + names.PACK_SIZE]
            for place in range(_HEAD.size, begin, names.PACK_SIZE)
        ]
        found.prefixes.frombytes(data[begin:middle])
        found.prefixes = _swapped(found.prefixes)
        found.places.frombytes(data[middle:])
        found.places = _swapped(found.places)
        if count and max(found.places) >= packs:
            raise ValueError('a hook is in no pack')
        return found


def _swapped(values: 'array.array[int]') -> 'array.array[int]':
    if sys.byteorder == 'little':
        values = values[:]
        values.byteswap()
    return values


class Lookup:
    """All hooks of a vault, for one backup.

    They are read when the backup has asked for so many chunks that these
    weigh as much as the hooks do: what a backup costs follows from what it
    has to store.
    """

    def __init__(self, core: store_core.Core) -> None:
        self._core = core
        self._found: list[tuple[str, int]] | None = None
        self._asked = 0
        self._lists: list[Hooks] | None = None
        self._mask = 0

    def find(self, blob_id: bytes) -> list[list[bytes]]:
        """Return where a chunk may be, when it is a hook.

        Each place is a list of packs: the one, then some that were filled
        after it.

        :raises StoreUnreadable: when the store does not answer
        """
        if self._lists is None and not self._load():
            return []
        prefix = int.from_bytes(blob_id[:8], 'big')
        if prefix & self._mask:
            return []
        ahead = self._core.options.borrow_ahead
        return [
            hooks.packs[place : place + ahead]
            for hooks in self._lists or ()
            for place in hooks.find(prefix)
        ]

    def publish(self, hooks: Hooks) -> None:
        """Let later backups find what this one stored."""
        publish(self._core, hooks)
        small = [each for each in self._found or () if each[1] < _SMALL]
        if len(small) > _MANY:
            with _no_failure():
                tidy(self._core, small, None)

    def _load(self) -> bool:
        """Read the hooks if it is time to; tell whether they are there."""
        if self._found is None:
            self._found = list(self._core.objects.list(names.LOOKUP))
        self._asked += 1
        cost = sum(size for _name, size in self._found if size >= _SMALL)
        if self._asked * self._core.chunk_size < cost:
            return False
        self._lists = []
        bits = 0
        most = self._core.options.lookup_hooks
        for name, _size in self._found:
            hooks = _read(self._core, name)
            if hooks is None:
                continue
            hooks.thin(bits)
            self._lists.append(hooks)
            while sum(len(each.prefixes) for each in self._lists) > most:
                bits += 1
                for each in self._lists:
                    each.thin(bits)
        lowest = min((each.bits for each in self._lists), default=0)
        self._mask = (1 << lowest) - 1
        return True


@contextlib.contextmanager
def _no_failure() -> Iterator[None]:
    """Failing to keep hooks does no harm, so it is no failure."""
    try:
        yield
    except errors.StoreError as error:
        _LOG.warning('Chunks will not be found again: %s', error)


def publish(core: store_core.Core, hooks: Hooks) -> None:
    """Let later backups find the chunks that were stored."""
    if hooks.packs:
        with _no_failure():
            _write(core, hooks)


def tidy(
    core: store_core.Core,
    found: Collection[tuple[str, int]],
    packs: Set[bytes] | None,
) -> None:
    """Make many small lists one, and forget packs that are gone.

    When there are too many hooks, some of all are left out. Of two who do so
    at once, each removes only what it has copied.

    :param found: name and size of the lists
    :param packs: those that are there, listed after ``found`` was; None when
        that is not known
    """
    bits = _density(core, found)
    merged = Hooks()
    old = []
    many = sum(size < _SMALL for _name, size in found) > _MANY
    for name, size in found:
        hooks = _read(core, name)
        if hooks is not None and not (
            (many and size < _SMALL)
            or (packs is not None and not packs >= set(hooks.packs))
            or hooks.bits < bits
        ):
            continue
        old.append(name)
        if hooks is not None:
            hooks.thin(bits)
            merged.join(hooks, packs)
        if len(merged.prefixes) > _MOST // 2:
            _replace(core, merged, old)
            merged, old = Hooks(), []
    if old:
        _replace(core, merged, old)


def _density(core: store_core.Core, found: Collection[tuple[str, int]]) -> int:
    """Return how many low bits have to be zero so that hooks are few enough.

    Twice as many as fit into memory are kept, so that not every collection
    has to leave some out.
    """
    most = core.options.lookup_hooks
    if sum(size for _name, size in found) <= 2 * most * _HOOK:
        return 0
    counts: collections.Counter[int] = collections.Counter()
    for name, _size in found:
        hooks = _read(core, name)
        if hooks is not None:
            counts[hooks.bits] += len(hooks.prefixes)
    if counts.total() <= 2 * most:
        return 0
    bits = 0
    while most < sum(
        count >> max(0, bits - each) for each, count in counts.items()
    ):
        bits += 1
    return bits


def _replace(core: store_core.Core, hooks: Hooks, old: list[str]) -> None:
    if hooks.prefixes:
        _write(core, hooks)
    core.objects.delete_many(old)


def _write(core: store_core.Core, hooks: Hooks) -> None:
    while len(hooks.prefixes) > _MOST:
        hooks.thin(hooks.bits + 1)
    hooks.sort()
    core.put_bytes(_PURPOSE, names.lookup(uuid.uuid4()), hooks.encode())


def _read(core: store_core.Core, name: str) -> Hooks | None:
    try:
        return Hooks.decode(core.get_bytes(_PURPOSE, name))
    except (errors.Damaged, errors.ObjectMissing, ValueError) as error:
        _LOG.info('Ignoring a list of chunks: %s', error)
        return None
