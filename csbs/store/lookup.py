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
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Set
import itertools
import logging
import secrets
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
#: objects after which small ones are made into one
_MANY = 32
#: objects below this are small
_SMALL = 1 << 20


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
        first = len(self.packs)
        mask = (1 << self.bits) - 1
        self.packs += other.packs
        for prefix, place in zip(other.prefixes, other.places, strict=True):
            if prefix & mask == 0 and (
                packs is None or other.packs[place] in packs
            ):
                self.prefixes.append(prefix)
                self.places.append(first + place)

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
        rows = sorted(zip(self.prefixes, self.places, strict=True))
        self.prefixes = array.array('Q', (row[0] for row in rows))
        self.places = array.array('I', (numbers[row[1]] for row in rows))

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
    """All hooks of a vault, read when the first one is asked for."""

    def __init__(self, core: store_core.Core) -> None:
        self._core = core
        self._lists: list[Hooks] | None = None
        self._mask = 0

    def find(self, blob_id: bytes) -> list[list[bytes]]:
        """Return where a chunk may be, when it is a hook.

        Each place is a list of packs: the one, then some that were filled
        after it.

        :raises StoreUnreadable: when the store does not answer
        """
        prefix = int.from_bytes(blob_id[:8], 'big')
        if self._lists is None:
            self._load()
        if prefix & self._mask:
            return []
        ahead = self._core.options.borrow_ahead
        return [
            hooks.packs[place : place + ahead]
            for hooks in self._lists or ()
            for place in hooks.find(prefix)
        ]

    def _load(self) -> None:
        self._lists = [hooks for _name, hooks in _read_all(self._core)]
        bits = 0
        most = self._core.options.lookup_hooks
        while sum(len(hooks.prefixes) for hooks in self._lists) > most:
            bits += 1
            for hooks in self._lists:
                hooks.thin(bits)
        lowest = min((hooks.bits for hooks in self._lists), default=0)
        self._mask = (1 << lowest) - 1


def publish(core: store_core.Core, owner: uuid.UUID, hooks: Hooks) -> None:
    """Let later backups find the chunks that were stored for ``owner``.

    Failing here does no harm, so it is no failure.
    """
    try:
        if hooks.packs:
            _write(core, names.lookup(owner), hooks)
        found = list(core.objects.list(names.LOOKUP))
        if len(found) > _MANY:
            tidy(core, found, None)
    except errors.StoreError as error:
        _LOG.warning('Chunks will not be found again: %s', error)


def tidy(
    core: store_core.Core,
    found: Collection[tuple[str, int]],
    packs: Set[bytes] | None,
) -> None:
    """Make many small lists one, and forget packs that are gone.

    Of two who do so at once, each removes only what it has copied.

    :param found: name and size of the lists
    :param packs: those that are there, listed after ``found`` was; None when
        that is not known
    """
    merged = Hooks()
    old = []
    for name, size in found:
        small = len(found) > _MANY // 4 and size < _SMALL
        hooks = _read(core, name)
        gone = packs is not None and not packs >= set(
            hooks.packs if hooks else ()
        )
        if hooks is not None and not small and not gone:
            continue
        old.append(name)
        merged.join(hooks or Hooks(), packs)
        if len(merged.prefixes) > _MOST // 2:
            _replace(core, merged, old)
            merged, old = Hooks(), []
    if old:
        _replace(core, merged, old)


def _replace(core: store_core.Core, hooks: Hooks, old: list[str]) -> None:
    if hooks.prefixes:
        owner = uuid.UUID(bytes=secrets.token_bytes(16))
        _write(core, names.lookup(owner), hooks)
    for name in old:
        core.objects.delete(name)


def _write(core: store_core.Core, name: str, hooks: Hooks) -> None:
    while len(hooks.prefixes) > _MOST:
        hooks.thin(hooks.bits + 1)
    hooks.sort()
    core.put_bytes(_PURPOSE, name, hooks.encode())


def _read_all(core: store_core.Core) -> list[tuple[str, Hooks]]:
    found = []
    for name, _size in core.objects.list(names.LOOKUP):
        hooks = _read(core, name)
        if hooks is not None:
            found.append((name, hooks))
    return found


def _read(core: store_core.Core, name: str) -> Hooks | None:
    try:
        return Hooks.decode(core.get_bytes(_PURPOSE, name))
    except (errors.Damaged, errors.ObjectMissing, ValueError) as error:
        _LOG.warning('Ignoring a list of chunks: %s', error)
        return None
