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

"""Taking what is needed out of packs of which little is needed.

Owns the choice of packs, and the moving. Chunks are copied to new packs, maps
that name them are written anew, and the roots of backups are replaced. The
old packs are not touched: nobody needs them any more, so that a collection
finds them dead. A pin keeps all that is read, and what is written, until the
new roots are there; dying anywhere leaves packs that nobody needs.
"""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import logging
import threading
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import coverage
from csbs.store import errors
from csbs.store import known as store_known
from csbs.store import lease as store_lease
from csbs.store import lookup
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store import pipeline
from csbs.store import reader
from csbs.store import sink as store_sink
from csbs.store import survey as store_survey

_LOG = logging.getLogger(__name__)

#: bytes that one round takes out of packs; bounds the memory for places
_ROUND = 8 << 30

#: bytes of a pack that its index and other things may take
_FRAME = 2 << 10

#: where a blob was, and where it is now
_Moved = dict[tuple[bytes, int], codec.Entry]


def move(
    core: store_core.Core,
    survey: store_survey.Survey,
    packs: dict[bytes, int],
    victims: Iterable[bytes],
    owner: uuid.UUID,
    check: Callable[[], None] | None,
) -> int:
    """Move what is needed out of some packs, for all backups.

    :param packs: references and sizes of all packs
    :param owner: id of the pin, and of the new packs
    :returns: the bytes that were moved, 0 when nothing changed
    :raises Damaged: when a manifest or map cannot be read
    :raises LeaseLost: when somebody else took the pin, or deleted what was
        written
    """
    return _Round(core, survey, packs, victims, owner, check).run()


def choose(
    core: store_core.Core,
    survey: store_survey.Survey,
    packs: dict[bytes, int],
) -> list[bytes]:
    """Return the packs to take things out of: the worst ones first.

    Nothing is done before a share of all is waste; then as much is done as
    halves the share that is allowed, so as not to come back for every byte.
    """
    waste = {
        pack: packs[pack] - survey.parts.size(pack)
        for pack in survey.parts
        if pack in packs and not survey.in_use(pack)
    }
    size = sum(packs[pack] for pack in waste)
    waste = {pack: count for pack, count in waste.items() if count > _FRAME}
    left = sum(waste.values())
    share = core.options.waste_share
    if left <= share * size:
        return []
    victims = []
    room = _ROUND
    for pack in sorted(waste, key=lambda each: -waste[each] / packs[each]):
        if left <= share / 2 * size or room <= 0:
            break
        real = _waste(core, survey, pack, packs[pack])
        # The index of many small chunks is no waste.
        left -= waste[pack]
        if real > _FRAME:
            victims.append(pack)
            size -= waste[pack]
            room -= packs[pack] - waste[pack]
    return victims


def waste_bytes(survey: store_survey.Survey, packs: dict[bytes, int]) -> int:
    """Return what packs hold beside what is needed, indexes included."""
    return sum(
        packs[pack] - survey.parts.size(pack)
        for pack in survey.parts
        if pack in packs and not survey.in_use(pack)
    )


def _waste(
    core: store_core.Core, survey: store_survey.Survey, pack: bytes, size: int
) -> int:
    """Return the bytes of the blobs in a pack that nobody needs."""
    needed = survey.parts.parts(pack)
    try:
        return sum(
            entry.stored
            for _kind, entry in store_pack.read_index(core, pack, size)
            if not coverage.within(needed, entry.offset)
        )
    except (errors.Damaged, errors.ObjectMissing) as error:
        # It stays as it is; verifying the vault tells of it.
        _LOG.warning('A pack cannot be compacted: %s', error)
        return 0


class _Round:
    """Takes what is needed out of some packs. Used once."""

    def __init__(
        self,
        core: store_core.Core,
        survey: store_survey.Survey,
        packs: dict[bytes, int],
        victims: Iterable[bytes],
        owner: uuid.UUID,
        check: Callable[[], None] | None,
    ) -> None:
        self._core = core
        self._survey = survey
        self._packs = packs
        self._victims = set(victims)
        self._check = check
        self._owner = owner
        self._lock = threading.Lock()
        self._moved: _Moved = {}
        self._bytes = 0
        self._nodes = maps.NodeReader(core)
        self._done: _Moved = {}

    def run(self) -> int:
        """Move everything; return the bytes that were moved."""
        core = self._core
        pin = store_lease.Pin(core, self._owner, self._survey.finished)
        sink = store_sink.PackSink(core, self._owner)
        try:
            work: pipeline.Pipeline[bytes] = pipeline.Pipeline(
                iter(sorted(self._victims)),
                [
                    lambda pack: self._empty(sink, pack)
                    for _ in range(core.options.threads)
                ],
                self._check,
            )
            work.run(pin.refresh)
            changed = [
                again
                for manifest in pin.manifests
                if (again := self._rewrite(sink, pin, manifest)) != manifest
            ]
            sink.flush()
            store_known.check_there(core, sink.stored, pin.refresh)
            for manifest in changed:
                if self._check:
                    self._check()
                pin.check()
                # Deleted meanwhile: its roots would tell of nothing.
                if core.exists(names.manifest(manifest.backup_id)):
                    store_manifest.write_roots(core, manifest)
            lookup.publish(core, sink.hooks)
        finally:
            sink.stop()
            pin.release()
        return self._bytes if changed else 0

    def _empty(self, sink: store_sink.PackSink, pack: bytes) -> None:
        """Copy what is needed of the chunks of a pack."""
        needed = self._survey.parts.parts(pack)
        size = self._packs[pack]
        try:
            entries = [
                (0, entry)
                for kind, entry in store_pack.read_index(
                    self._core, pack, size
                )
                if kind is codec.Kind.DATA
                and coverage.within(needed, entry.offset)
            ]
            moved = {}
            for group in reader.fetches(
                entries, self._core.options.fetch_size
            ):
                for entry, flags, packed in reader.read_packed(
                    self._core, group
                ):
                    moved[pack, entry.offset] = sink.add(
                        codec.Kind.DATA, entry.id, entry.raw, flags, packed
                    )
        except (errors.Damaged, errors.ObjectMissing) as error:
            # It stays as it is; verifying the vault tells of it.
            _LOG.warning('A pack cannot be compacted: %s', error)
            with self._lock:
                self._victims.discard(pack)
            return
        with self._lock:
            self._moved |= moved
            self._bytes += sum(entry.stored for entry in moved.values())

    def _rewrite(
        self,
        sink: store_sink.PackSink,
        pin: store_lease.Pin,
        manifest: store_manifest.Manifest,
    ) -> store_manifest.Manifest:
        """Return a backup with maps that name nothing in the old packs."""
        items = []
        for item in manifest.items:
            root = item.root
            if root:
                root = self._node(sink, pin, root, item.depth)
            items.append(dataclasses.replace(item, root=root))
        return dataclasses.replace(manifest, items=tuple(items))

    def _node(
        self,
        sink: store_sink.PackSink,
        pin: store_lease.Pin,
        entry: codec.Entry,
        level: int,
    ) -> codec.Entry:
        place = entry.pack, entry.offset
        known = self._done.get(place)
        if known:
            return known
        if self._check:
            self._check()
        pin.refresh()
        node = self._nodes.load(entry, level)
        if level > 1:
            again = {
                slot: self._node(sink, pin, child, level - 1)
                for slot, child in node.items()
            }
        else:
            again = {
                slot: self._moved.get((child.pack, child.offset), child)
                for slot, child in node.items()
            }
        result = entry
        if entry.pack in self._victims or again != node:
            data = maps.encode(level, again)
            flags, packed = codec.Compressor(self._core.options.zstd_level)(
                data
            )
            result = sink.add(
                codec.Kind.MAP,
                self._core.keys.map_id(data),
                len(data),
                flags,
                packed,
            )
            if entry.pack in self._victims:
                self._bytes += result.stored
        self._done[place] = result
        return result
