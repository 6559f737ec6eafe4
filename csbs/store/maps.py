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

"""Maps: which chunk of an item is where, as a tree of small nodes.

Owns the encoding of nodes, and walking and comparing trees. A node has up to
256 children: chunks below a leaf (level 1), nodes above. What is all zero is
absent, at any level, so a hole costs nothing whatever its size. A subtree
that did not change is shared with the parent backup by its reference.
"""

import collections
from collections.abc import Iterator
from collections.abc import Mapping
import struct
import threading

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names
from csbs.store import options as store_options
from csbs.store import pack as store_pack

FAN_OUT = 256
VERSION = 1

#: the deepest tree: 256^7 chunks are more than an offset can reach
MAX_DEPTH = 7

_HEAD = struct.Struct('>BBHH')
_ENTRY = struct.Struct('>BHIIIB32s')

#: the largest node there can be, in bytes
MAX_NODE = _HEAD.size + FAN_OUT * (_ENTRY.size + names.PACK_SIZE)

#: where the largest pack ends
_FURTHEST = 2 * store_options.MAX_PACK_SIZE

Node = Mapping[int, codec.Entry]


def chunks(size: int, chunk_size: int) -> int:
    """Return into how many chunks an item of ``size`` bytes is cut."""
    return -(-size // chunk_size)


def depth(count: int) -> int:
    """Return the levels of nodes that a map of ``count`` chunks has."""
    levels = 1
    while count > FAN_OUT**levels:
        levels += 1
    return levels


def encode(level: int, node: Node) -> bytes:
    """Return a node as bytes, the same for the same node."""
    packs: dict[bytes, int] = {}
    entries = []
    for slot in sorted(node):
        entry = node[slot]
        place = packs.setdefault(entry.pack, len(packs))
        entries.append(
            _ENTRY.pack(
                slot,
                place,
                entry.offset,
                entry.stored,
                entry.raw,
                entry.flags,
                entry.id,
            )
        )
    head = _HEAD.pack(VERSION, level, len(packs), len(entries))
    return b''.join([head, *packs, *entries])


def decode(data: bytes, level: int, limit: int) -> dict[int, codec.Entry]:
    """Return a node of ``level`` whose children have up to ``limit`` bytes.

    :raises ValueError: when it is not a sound node
    """
    if len(data) < _HEAD.size:
        raise ValueError('the node is too short')
    version, found, tables, count = _HEAD.unpack_from(data)
    start = _HEAD.size + tables * names.PACK_SIZE
    if (
        version != VERSION
        or found != level
        or not 0 < count <= FAN_OUT
        or not 0 < tables <= count
        or len(data) != start + count * _ENTRY.size
    ):
        raise ValueError('the node is not one of this level')
    packs = [
        data[place : place + names.PACK_SIZE]
        for place in range(_HEAD.size, start, names.PACK_SIZE)
    ]
    node: dict[int, codec.Entry] = {}
    make = codec.Entry._make
    last = -1
    for slot, place, offset, stored, raw, flags, blob_id in _ENTRY.iter_unpack(
        data[start:]
    ):
        if slot <= last or place >= tables:
            raise ValueError('the node is out of order')
        last = slot
        # What check_entry() says, without a call for each of 256.
        if not (
            0 < raw <= limit
            and codec.TAG_SIZE < stored <= raw + codec.TAG_SIZE
            and store_pack.START <= offset <= _FURTHEST - stored
            and (flags == codec.FLAG_ZSTD or flags == 0)
            and (flags or stored == raw + codec.TAG_SIZE)
        ):
            raise ValueError('an entry is impossible')
        node[slot] = make((blob_id, packs[place], offset, stored, raw, flags))
    return node


def check_entry(entry: codec.Entry, limit: int) -> None:
    """Refuse an entry that no sound writer makes.

    :raises ValueError: when its numbers cannot be
    """
    most = entry.raw + codec.TAG_SIZE
    if not (
        len(entry.id) == codec.ID_SIZE
        and len(entry.pack) == names.PACK_SIZE
        and 0 < entry.raw <= limit
        and codec.TAG_SIZE < entry.stored <= most
        and entry.offset >= store_pack.START
        and entry.offset + entry.stored <= _FURTHEST
        and entry.flags in (0, codec.FLAG_ZSTD)
        and (entry.flags or entry.stored == most)
    ):
        raise ValueError('an entry is impossible')


class NodeReader:
    """Reads map nodes, many with one request: they lie side by side."""

    _AHEAD = 1 << 20
    _KEEP = 16

    def __init__(self, core: store_core.Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._blocks: collections.OrderedDict[tuple[bytes, int], bytes] = (
            collections.OrderedDict()
        )
        self._sizes: dict[bytes, int] = {}

    def load(self, entry: codec.Entry, level: int) -> dict[int, codec.Entry]:
        """Return the node of ``level`` that an entry points at.

        :raises Damaged: when it was altered
        :raises ObjectMissing: when its pack is gone
        """
        core = self._core
        name = names.pack(entry.pack)
        limit = core.chunk_size if level == 1 else MAX_NODE
        data = self._fetch(name, entry)
        cipher = core.keys.pack_cipher(entry.pack)
        try:
            plain = codec.open_blob(
                cipher, core.vault, codec.Kind.MAP, entry, data
            )
            if not core.check_id(codec.Kind.MAP, entry, plain):
                raise ValueError('the node is another one')
            return decode(plain, level, limit)
        except ValueError as error:
            raise errors.Damaged(name, str(error)) from error

    def _fetch(self, name: str, entry: codec.Entry) -> bytes:
        """Return the stored bytes of a node, from a block read ahead."""
        number = entry.offset // self._AHEAD
        block = self._block(name, entry.pack, number)
        start = entry.offset - number * self._AHEAD
        data = block[start : start + entry.stored]
        while len(data) < entry.stored:
            number += 1
            block = self._block(name, entry.pack, number)
            if not block:
                raise errors.Damaged(name, 'it is shorter than expected')
            data += block[: entry.stored - len(data)]
        return data

    def _block(self, name: str, reference: bytes, number: int) -> bytes:
        key = (reference, number)
        with self._lock:
            block = self._blocks.get(key)
            if block is not None:
                self._blocks.move_to_end(key)
                return block
            size = self._sizes.get(reference)
        if size is None:
            size = self._core.objects.size(name)
        offset = number * self._AHEAD
        length = min(self._AHEAD, size - offset)
        if length <= 0:
            return b''
        block = self._core.objects.get(name, offset, length)
        with self._lock:
            if len(self._sizes) > 10000:
                self._sizes.clear()
            self._sizes[reference] = size
            self._blocks[key] = block
            while len(self._blocks) > self._KEEP:
                self._blocks.popitem(last=False)
        return block


class Tree:
    """The map of one item, read as far as it is asked for.

    Levels above the root exist too, with one child each, so that trees of
    different depth can be walked side by side. Not for several threads.
    """

    def __init__(
        self, reader: NodeReader, root: codec.Entry | None, levels: int
    ) -> None:
        self._reader = reader
        self._root = root
        self.depth = levels
        self._path: dict[int, tuple[int, dict[int, codec.Entry]]] = {}

    def entry(self, level: int, index: int) -> codec.Entry | None:
        """Return the reference to the subtree ``index`` of ``level``.

        Level 0 are the chunks. Levels above the root have no reference.

        :raises Damaged: when a node on the way was altered
        :raises ObjectMissing: when a node on the way is gone
        """
        if level >= self.depth:
            return self._root if (level, index) == (self.depth, 0) else None
        return self.children(level + 1, index // FAN_OUT).get(index % FAN_OUT)

    def children(self, level: int, index: int) -> dict[int, codec.Entry]:
        """Return the node ``index`` of ``level``, empty when all is zero.

        :raises Damaged: when it, or a node on the way, was altered
        :raises ObjectMissing: when it, or a node on the way, is gone
        """
        known = self._path.get(level)
        if known and known[0] == index:
            return known[1]
        entry = self.entry(level, index)
        node = self._reader.load(entry, level) if entry else {}
        self._path[level] = (index, node)
        return node

    def present(self, level: int, index: int) -> bool:
        """Tell whether anything below the subtree is not zero."""
        if level > self.depth:
            return index == 0 and self._root is not None
        return self.entry(level, index) is not None

    def slots(self, level: int, index: int) -> list[int]:
        """Return the children of a node that are not all zero, ascending."""
        if level > self.depth:
            return [0] if self.present(level, index) else []
        return sorted(self.children(level, index))

    def leaves(self) -> Iterator[tuple[int, codec.Entry]]:
        """Return (index, reference) of every leaf, ascending."""
        if self._root:
            yield from self._leaves(self.depth, 0, self._root)

    def _leaves(
        self, level: int, index: int, entry: codec.Entry
    ) -> Iterator[tuple[int, codec.Entry]]:
        if level == 1:
            yield index, entry
            return
        for slot, child in self.children(level, index).items():
            yield from self._leaves(level - 1, index * FAN_OUT + slot, child)


def differing(older: Tree, newer: Tree) -> Iterator[int]:
    """Return the chunks that differ, ascending; shared subtrees cost nothing.

    :raises Damaged: when a node was altered
    :raises ObjectMissing: when a node is gone
    """
    yield from _differing(older, newer, max(older.depth, newer.depth), 0)


def _differing(
    older: Tree, newer: Tree, level: int, index: int
) -> Iterator[int]:
    if level <= min(older.depth, newer.depth):
        one, other = older.entry(level, index), newer.entry(level, index)
        if one is other or (one and other and one.id == other.id):
            return
        if level == 0:
            yield index
            return
    slots = {*older.slots(level, index), *newer.slots(level, index)}
    for slot in sorted(slots):
        yield from _differing(older, newer, level - 1, index * FAN_OUT + slot)
