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

"""Reading one volume into the store: what is new goes into packs.

Owns the plan of what to read, the work on each chunk and the building of the
item's map. Goes through the volume in sections of 65536 chunks, so that
memory does not grow with the volume. Decides nothing about when a backup is
finished.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import logging
import threading
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import known as store_known
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import pipeline
from csbs.store import ranges
from csbs.store import sink as store_sink
from csbs.store import volume

_LOG = logging.getLogger(__name__)

_LEAF = maps.FAN_OUT
_SECTION = maps.FAN_OUT**2


@dataclasses.dataclass
class ItemStats:
    """What writing one item came to, in bytes.

    :ivar size: of the volume
    :ivar changed_bytes: of the grid that differ from the parent; without a
        parent, that are not zero
    :ivar transferred_bytes: plain bytes of the chunks that were stored
    :ivar stored_bytes: added to the store, maps included
    """

    size: int = 0
    changed_bytes: int = 0
    transferred_bytes: int = 0
    stored_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Parent:
    """The same item in an earlier backup."""

    backup_id: uuid.UUID
    item: store_manifest.ManifestItem


@dataclasses.dataclass
class _Leaf:
    """A leaf being made: up to 256 chunks of the volume.

    :ivar first: its first chunk
    :ivar old: the parent's entries, by slot
    :ivar old_ref: the parent's leaf, used again when nothing changed
    :ivar left: runs that are not read yet
    """

    first: int
    count: int
    old: dict[int, codec.Entry]
    old_ref: codec.Entry | None
    entries: dict[int, codec.Entry] = dataclasses.field(default_factory=dict)
    left: int = 0


_Unit = tuple[_Leaf, int, int]


class ItemWriter:
    """Writes one item. Used once."""

    def __init__(
        self,
        core: store_core.Core,
        sink: store_sink.PackSink,
        known: store_known.Known,
        borrowed: store_known.Borrowed,
        packs: store_known.PackCatalogue,
        reader: volume.VolumeReader,
        parent: Parent | None,
        progress: Callable[[int], None] | None,
        check: Callable[[], None] | None,
    ) -> None:
        self._core = core
        self._sink = sink
        self._known = known
        self._borrowed = borrowed
        self._packs = packs
        self._reader = reader
        self._parent = parent
        self._progress = pipeline.Progress(progress)
        self._check = check
        self._size = reader.size
        self._chunk = core.chunk_size
        self._count = maps.chunks(self._size, self._chunk)
        self._is_zero = store_core.ZeroCheck(self._chunk)
        self._lock = threading.Lock()
        self._stats = ItemStats(size=self._size)
        self._nodes = maps.NodeReader(core)
        self._tree = maps.Tree(self._nodes, None, 1)
        #: chunks that parent and volume have in common, whole ones
        self._common = 0
        self._same_size = False
        if parent:
            item = parent.item
            self._tree = maps.Tree(self._nodes, item.root, item.depth)
            self._common = min(self._size, item.size) // self._chunk
            self._same_size = self._size == item.size
            if self._same_size:
                self._common = self._count

    def run(
        self, tick: Callable[[], None]
    ) -> tuple[codec.Entry | None, int, ItemStats]:
        """Read the volume; return root and depth of its map, and figures.

        :raises StoreError: when the store fails
        :raises OSError: when the volume cannot be read
        """
        grid = self._chunk, self._size
        self._data = ranges.cursor(self._reader.extents(), *grid)
        self._touched = None
        if self._parent:
            changes = self._reader.changes(self._parent.backup_id)
            self._touched = ranges.cursor(changes, *grid)
        tools = [
            (
                codec.Compressor(self._core.options.zstd_level),
                memoryview(bytearray(self._run_chunks * self._chunk)),
            )
            for _ in range(self._core.options.threads)
        ]
        depth = maps.depth(self._count)
        nodes: dict[int, codec.Entry] = {}
        for section in range(-(-self._count // _SECTION)):
            leaves: dict[int, codec.Entry] = {}
            work: pipeline.Pipeline[_Unit] = pipeline.Pipeline(
                self._units(section, leaves),
                [self._worker(leaves, *each) for each in tools],
                self._check,
            )
            work.run(tick)
            if depth == 1:
                return leaves.get(0), depth, self._stats
            entry = self._node(2, leaves, self._old_node(2, section))
            if entry:
                nodes[section] = entry
        return self._top(nodes, depth), depth, self._stats

    @property
    def _run_chunks(self) -> int:
        most = self._core.options.run_size // self._chunk
        return max(1, min(most, self._count, _LEAF))

    def _top(
        self, nodes: dict[int, codec.Entry], depth: int
    ) -> codec.Entry | None:
        """Build what is above the sections; return the root."""
        for level in range(3, depth + 1):
            above: dict[int, dict[int, codec.Entry]] = {}
            for index, entry in nodes.items():
                group = above.setdefault(index // _LEAF, {})
                group[index % _LEAF] = entry
            nodes = {}
            for index, group in above.items():
                node = self._node(level, group, self._old_node(level, index))
                if node:
                    nodes[index] = node
        return nodes.get(0)

    # The plan: what to read, what to keep, what is zero.

    def _units(
        self, section: int, leaves: dict[int, codec.Entry]
    ) -> Iterator[_Unit]:
        """Return the runs of chunks of a section that have to be read.

        Leaves of which nothing has to be read are finished on the way.
        """
        low = section * _SECTION
        high = min(low + _SECTION, self._count)
        data = [(low, high)]
        if self._data:
            data = self._data.take(low, high)
        old, sound = self._old_leaves(section)
        touched = [(low, high)]
        if self._touched:
            changed = self._touched.take(low, high)
            if sound:
                touched = [*changed, (self._common, high)]
        read = ranges.marks(data, low, high)
        compare = ranges.marks(touched, low, high)
        for first in range(low, high, _LEAF):
            part = slice(first - low, min(first + _LEAF, high) - low)
            slot = (first - low) // _LEAF
            yield from self._leaf_units(
                first, read[part], compare[part], old.get(slot), leaves
            )

    def _old_leaves(self, section: int) -> tuple[dict[int, codec.Entry], bool]:
        """Return the parent's leaves of a section, and whether it has them.

        A parent that cannot be read is no reason to fail: what it held is
        stored anew.
        """
        try:
            if self._tree.depth > 1:
                return self._tree.children(2, section), True
            root = None if section else self._tree.entry(1, 0)
            return ({0: root} if root else {}), True
        except (errors.Damaged, errors.ObjectMissing) as error:
            _LOG.warning('Storing part of a volume anew: %s', error)
            return {}, False

    def _old_entries(
        self, entry: codec.Entry | None
    ) -> tuple[dict[int, codec.Entry], bool]:
        """Return the parent's entries of a leaf, and whether it has them."""
        try:
            return (self._nodes.load(entry, 1) if entry else {}), True
        except (errors.Damaged, errors.ObjectMissing) as error:
            _LOG.warning('Storing part of a volume anew: %s', error)
            return {}, False

    def _leaf_units(
        self,
        first: int,
        read: bytearray,
        compare: bytearray,
        old_ref: codec.Entry | None,
        leaves: dict[int, codec.Entry],
    ) -> Iterator[_Unit]:
        """Return the runs of one leaf that have to be read.

        :param read: by slot, whether it may hold anything but zeros
        :param compare: by slot, whether it may differ from the parent
        """
        count = len(read)
        if not old_ref and 1 not in read:
            self._progress(self._span(first, first + count))
            return
        # The leaf of a larger parent may have chunks behind the end.
        whole = first + _LEAF <= self._common or self._same_size
        unchanged = whole and 1 not in compare and not self._packs.damage
        if old_ref and unchanged and self._packs.holds(old_ref):
            leaves[first // _LEAF % _LEAF] = old_ref
            self._progress(self._span(first, first + count))
            return
        found, sound = self._old_entries(old_ref)
        old = {slot: entry for slot, entry in found.items() if slot < count}
        leaf = _Leaf(first, count, old, old_ref)
        held = self._packs.holds_all(old.values())
        for slot in range(count):
            if compare[slot] or not sound:
                continue
            entry = old.get(slot)
            if entry is None:
                read[slot] = 0
            elif held or self._packs.holds(entry):
                leaf.entries[slot] = entry
                read[slot] = 0
            else:
                read[slot] = 1
        units = list(self._cut(leaf, read))
        skipped = self._span(first, first + count)
        skipped -= sum(self._span(low, high) for _leaf, low, high in units)
        self._progress(skipped)
        leaf.left = len(units)
        if units:
            yield from units
        else:
            self._finish(leaf, leaves)

    def _cut(self, leaf: _Leaf, read: bytearray) -> Iterator[_Unit]:
        """Cut what is to be read of a leaf into runs of a bounded size."""
        slot = read.find(1)
        while slot >= 0:
            end = read.find(0, slot)
            end = leaf.count if end < 0 else end
            for low in range(slot, end, self._run_chunks):
                high = min(low + self._run_chunks, end)
                yield leaf, leaf.first + low, leaf.first + high
            slot = read.find(1, end)

    def _span(self, low: int, high: int) -> int:
        """Return the bytes of the chunks [low, high)."""
        return min(high * self._chunk, self._size) - low * self._chunk

    # The work on chunks, in several threads.

    def _worker(
        self,
        leaves: dict[int, codec.Entry],
        compress: codec.Compressor,
        buffer: memoryview,
    ) -> Callable[[_Unit], None]:
        def work(unit: _Unit) -> None:
            leaf, low, high = unit
            run = buffer[: self._span(low, high)]
            self._reader.read_into(low * self._chunk, run)
            sent = stored = 0
            for chunk, part, blob_id in self._identified(low, run):
                entry, new = self._store(leaf, chunk, part, blob_id, compress)
                leaf.entries[chunk - leaf.first] = entry
                sent += entry.raw if new else 0
                stored += entry.stored if new else 0
            with self._lock:
                self._stats.transferred_bytes += sent
                self._stats.stored_bytes += stored
                leaf.left -= 1
                finished = not leaf.left
            if finished:
                self._finish(leaf, leaves)
            self._progress(len(run))

        return work

    def _identified(
        self, first: int, run: memoryview
    ) -> list[tuple[int, memoryview, bytes]]:
        """Return chunk, data and id of what in a run is not zero.

        All of a run at once: threads that wait for each other after every
        step are a sixth slower where there is little to compress.
        """
        found = []
        for begin in range(0, len(run), self._chunk):
            data = run[begin : begin + self._chunk]
            if not self._is_zero(data):
                blob_id = self._core.keys.chunk_id(data)
                found.append((first + begin // self._chunk, data, blob_id))
        return found

    def _store(
        self,
        leaf: _Leaf,
        chunk: int,
        data: memoryview,
        blob_id: bytes,
        compress: codec.Compressor,
    ) -> tuple[codec.Entry, bool]:
        """Return where a chunk is, and whether it was stored just now."""
        entry = leaf.old.get(chunk - leaf.first)
        if entry and entry.id == blob_id and self._packs.holds(entry):
            return entry, False
        entry = self._known.get(blob_id) or self._borrowed.get(blob_id)
        if entry:
            return entry, False
        flags, packed = compress(data)
        entry = self._sink.add(
            codec.Kind.DATA, blob_id, len(data), flags, packed
        )
        self._known.add(entry)
        return entry, True

    def _finish(self, leaf: _Leaf, leaves: dict[int, codec.Entry]) -> None:
        """Put a leaf into the map; all its chunks are known."""
        changed = 0
        for slot in leaf.entries.keys() | leaf.old.keys():
            one, other = leaf.old.get(slot), leaf.entries.get(slot)
            if one is other:
                continue
            if not one or not other or one.id != other.id:
                chunk = leaf.first + slot
                changed += self._span(chunk, chunk + 1)
        with self._lock:
            self._stats.changed_bytes += changed
        entry = self._node(1, leaf.entries, leaf.old_ref)
        if entry:
            leaves[leaf.first // _LEAF % _LEAF] = entry

    def _node(
        self,
        level: int,
        node: dict[int, codec.Entry],
        old: codec.Entry | None,
    ) -> codec.Entry | None:
        """Return where a node is, storing it when the parent has another."""
        if not node:
            return None
        data = maps.encode(level, node)
        blob_id = self._core.keys.map_id(data)
        if old and old.id == blob_id and self._packs.holds(old):
            return old
        entry = self._known.get(blob_id)
        if entry:
            return entry
        compress = codec.Compressor(self._core.options.zstd_level)
        flags, packed = compress(data)
        entry = self._sink.add(
            codec.Kind.MAP, blob_id, len(data), flags, packed
        )
        with self._lock:
            self._stats.stored_bytes += entry.stored
        return entry

    def _old_node(self, level: int, index: int) -> codec.Entry | None:
        """Return the parent's node at a place, if it can be had."""
        try:
            return self._tree.entry(level, index)
        except (errors.Damaged, errors.ObjectMissing):
            return None
