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

"""Restoring an item: the shortest way from packs onto a volume.

Owns the plan of what to fetch and the work on each chunk. Writes nothing that
was not authenticated, and onto a volume that is not blank only what differs.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import threading

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names
from csbs.store import pipeline
from csbs.store import ranges
from csbs.store import volume

_LEAF = maps.FAN_OUT

#: bytes between two chunks of a pack that are fetched rather than asked
#: around
_GAP = 128 << 10


@dataclasses.dataclass
class RestoreStats:
    """What restoring one item came to, in bytes.

    :ivar size: of the item
    :ivar written_bytes: of data written to the volume
    :ivar zeroed_bytes: made zero on the volume
    :ivar fetched_bytes: read from the store, maps aside
    """

    size: int = 0
    written_bytes: int = 0
    zeroed_bytes: int = 0
    fetched_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class _Unit:
    """Chunks [first, end) of the volume.

    :ivar entries: those that are not zero
    :ivar runs: those that may not be zero on the volume as it is
    """

    first: int
    end: int
    entries: dict[int, codec.Entry]
    runs: list[ranges.Run]


def fetches(
    entries: list[tuple[int, codec.Entry]], most: int
) -> Iterator[list[tuple[int, codec.Entry]]]:
    """Group entries into what to fetch with one request each.

    :param most: bytes of one request, unless a single chunk has more
    """
    group: list[tuple[int, codec.Entry]] = []
    start = end = 0
    for chunk, entry in sorted(
        entries, key=lambda each: (each[1].pack, each[1].offset)
    ):
        stop = entry.offset + entry.stored
        if (
            group
            and group[-1][1].pack == entry.pack
            and entry.offset <= end + _GAP
            and stop - start <= most
        ):
            end = max(end, stop)
        else:
            if group:
                yield group
            group = []
            start, end = entry.offset, stop
        group.append((chunk, entry))
    if group:
        yield group


def read_packed(
    core: store_core.Core, group: list[tuple[int, codec.Entry]]
) -> Iterator[tuple[codec.Entry, int, bytes]]:
    """Fetch neighbours in a pack; return entry, flags and bytes to store.

    They are authentic, and compressed as they were.

    :raises Damaged: when a chunk is not what was stored
    :raises ObjectMissing: when the pack is gone
    """
    cipher = core.keys.pack_cipher(group[0][1].pack)
    for _chunk, entry, part in _fetch(core, group):
        try:
            packed = codec.decrypt_blob(
                cipher, core.vault, codec.Kind.DATA, entry, part
            )
        except ValueError as error:
            raise errors.Damaged(names.pack(entry.pack), str(error)) from error
        yield entry, entry.flags, packed


def _fetch(
    core: store_core.Core, group: list[tuple[int, codec.Entry]]
) -> Iterator[tuple[int, codec.Entry, memoryview]]:
    name = names.pack(group[0][1].pack)
    start = group[0][1].offset
    end = max(entry.offset + entry.stored for _chunk, entry in group)
    data = memoryview(core.objects.get(name, start, end - start))
    for chunk, entry in group:
        begin = entry.offset - start
        yield chunk, entry, data[begin : begin + entry.stored]


def read_group(
    core: store_core.Core, group: list[tuple[int, codec.Entry]]
) -> Iterator[tuple[int, codec.Entry, bytes]]:
    """Fetch neighbours in a pack; return chunk, entry and plain bytes.

    :raises Damaged: when a chunk is not what was stored
    :raises ObjectMissing: when the pack is gone
    """
    reference = group[0][1].pack
    name = names.pack(reference)
    cipher = core.keys.pack_cipher(reference)
    for chunk, entry, part in _fetch(core, group):
        try:
            plain = codec.open_blob(
                cipher, core.vault, codec.Kind.DATA, entry, part
            )
        except ValueError as error:
            raise errors.Damaged(name, str(error)) from error
        if not core.check_id(codec.Kind.DATA, entry, plain):
            raise errors.Damaged(name, 'a chunk is another one')
        yield chunk, entry, plain


class ItemReader:
    """Restores one item. Used once."""

    def __init__(
        self,
        core: store_core.Core,
        item: store_manifest.ManifestItem,
        target: volume.VolumeWriter,
        progress: Callable[[int], None] | None,
        check: Callable[[], None] | None,
    ) -> None:
        self._core = core
        self._item = item
        self._target = target
        self._blank = target.blank
        self._progress = pipeline.Progress(progress)
        self._check = check
        self._chunk = core.chunk_size
        self._count = maps.chunks(item.size, self._chunk)
        self._is_zero = store_core.ZeroCheck(self._chunk)
        self._held: ranges.Cursor | None = None
        self._lock = threading.Lock()
        self._stats = RestoreStats(size=item.size)

    def run(self, tick: Callable[[], None] | None = None) -> RestoreStats:
        """Restore everything.

        :param tick: called every second or so meanwhile
        :raises TargetTooSmall: when the item does not fit; nothing was done
        :raises StoreError: when the store fails or an object is damaged
        :raises OSError: when the volume cannot be written
        """
        if self._target.size < self._item.size:
            raise errors.TargetTooSmall(
                f'the volume has {self._target.size} bytes, '
                f'the backup {self._item.size}'
            )
        work: pipeline.Pipeline[_Unit] = pipeline.Pipeline(
            self._units(),
            [self._worker() for _ in range(self._core.options.threads)],
            self._check,
        )
        work.run(tick)
        self._target.flush()
        return self._stats

    def _units(self) -> Iterator[_Unit]:
        if not self._blank:
            self._held = ranges.cursor(
                self._target.extents(), self._chunk, self._item.size
            )
        nodes = maps.NodeReader(self._core)
        tree = maps.Tree(nodes, self._item.root, self._item.depth)
        done = 0
        for index, entry in tree.leaves():
            first = index * _LEAF
            yield from self._cut(done, first, {})
            done = min(first + _LEAF, self._count)
            node = nodes.load(entry, 1)
            self._check_node(entry, first, node)
            yield from self._cut(first, done, node)
        yield from self._cut(done, self._count, {})

    def _check_node(
        self, ref: codec.Entry, first: int, node: dict[int, codec.Entry]
    ) -> None:
        """Refuse a leaf that does not fit the item's size."""
        for slot, entry in node.items():
            if entry.raw != self._span(first + slot, first + slot + 1):
                raise errors.Damaged(
                    names.pack(ref.pack), 'a map does not fit its item'
                )

    def _cut(
        self, first: int, end: int, node: dict[int, codec.Entry]
    ) -> Iterator[_Unit]:
        """Cut a part of the volume into units of a bounded size."""
        if self._blank and not node:
            self._progress(self._span(first, end))
            return
        step = max(1, self._core.options.fetch_size // self._chunk)
        base = first - first % _LEAF
        for low in range(first, end, step):
            high = min(low + step, end)
            entries = {
                chunk: node[chunk - base]
                for chunk in (range(low, high) if node else ())
                if chunk - base in node
            }
            yield _Unit(low, high, entries, self._runs(low, high))

    def _runs(self, low: int, high: int) -> list[ranges.Run]:
        """Return what of [low, high) may hold data already."""
        if self._blank:
            return []
        return self._held.take(low, high) if self._held else [(low, high)]

    def _span(self, low: int, high: int) -> int:
        """Return the bytes of the chunks [low, high)."""
        size = self._item.size
        return max(0, min(high * self._chunk, size) - low * self._chunk)

    def _worker(self) -> Callable[[_Unit], None]:
        buffer = memoryview(b'')
        if not self._blank:
            step = max(1, self._core.options.run_size // self._chunk)
            buffer = memoryview(
                bytearray(min(step, self._count) * self._chunk)
            )

        def work(unit: _Unit) -> None:
            wanted = self._compare(unit, buffer)
            written = fetched = 0
            for group in fetches(wanted, self._core.options.fetch_size):
                for chunk, entry, plain in read_group(self._core, group):
                    offset = chunk * self._chunk
                    self._target.write(offset, memoryview(plain))
                    written += entry.raw
                    fetched += entry.stored
            with self._lock:
                self._stats.written_bytes += written
                self._stats.fetched_bytes += fetched
            self._progress(self._span(unit.first, unit.end))

        return work

    def _compare(
        self, unit: _Unit, buffer: memoryview
    ) -> list[tuple[int, codec.Entry]]:
        """Zero what has to be zero; return the chunks that differ."""
        wanted = dict(unit.entries)
        step = max(1, len(buffer) // self._chunk)
        for first, end in unit.runs:
            for low in range(first, end, step):
                self._compare_run(low, min(low + step, end), wanted, buffer)
        return list(wanted.items())

    def _compare_run(
        self,
        low: int,
        high: int,
        wanted: dict[int, codec.Entry],
        buffer: memoryview,
    ) -> None:
        """Zero what has to be zero of [low, high); drop what is the same."""
        run = buffer[: self._span(low, high)]
        self._target.read_into(low * self._chunk, run)
        zero: list[int] = []
        for chunk in range(low, high):
            begin = (chunk - low) * self._chunk
            data = run[begin : begin + self._chunk]
            entry = wanted.get(chunk)
            if entry is None:
                if not self._is_zero(data):
                    zero.append(chunk)
            elif self._core.check_id(codec.Kind.DATA, entry, data):
                del wanted[chunk]
        while zero:
            first = end = zero.pop(0)
            while zero and zero[0] == end + 1:
                end = zero.pop(0)
            length = self._span(first, end + 1)
            self._target.zero(first * self._chunk, length)
            with self._lock:
                self._stats.zeroed_bytes += length
