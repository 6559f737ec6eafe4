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

"""Proof that a backup can be restored, or a list of what is wrong.

Owns the checks. The quick one reads every pack a backup needs and compares
digests; the deep one decrypts every chunk.
"""

from collections.abc import Callable
import dataclasses
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store import pipeline
from csbs.store import reader

#: how many problems are listed; more would not help anybody
_MOST = 1000

#: what is reported; a store that does not answer is not
_WRONG = (errors.Damaged, errors.ObjectMissing, errors.UnsupportedFormat)


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """What a verification found.

    :ivar chunks: that the maps name
    :ivar packs: that were looked at
    :ivar bytes: of volume that the chunks stand for
    :ivar problems: a sentence each, at most 1000
    """

    backup_id: uuid.UUID
    deep: bool
    packs: int
    chunks: int
    bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the backup is sound as far as was looked."""
        return not self.problems


class Verifier:
    """Verifies one backup. Used once."""

    def __init__(
        self,
        core: store_core.Core,
        progress: Callable[[int], None] | None,
        check: Callable[[], None] | None,
    ) -> None:
        self._core = core
        self._progress = pipeline.Progress(progress)
        self._check = check or (lambda: None)
        self._nodes = maps.NodeReader(core)
        self._sizes: dict[bytes, int | None] = {}
        self._problems: list[str] = []
        self._chunks = 0
        self._bytes = 0

    def run(self, backup_id: uuid.UUID, deep: bool) -> VerifyReport:
        """Look at everything; damage is reported and not raised.

        :raises BackupMissing: when there is no such backup
        :raises StoreUnreadable: when the store does not answer
        """
        try:
            found = store_manifest.read(self._core, backup_id)
        except _WRONG as error:
            self._problem(error)
        else:
            for item in found.items:
                self._item(item, deep)
        return VerifyReport(
            backup_id,
            deep,
            len(self._sizes),
            self._chunks,
            self._bytes,
            tuple(self._problems),
        )

    def _problem(self, error: Exception) -> None:
        if len(self._problems) < _MOST:
            self._problems.append(str(error))

    def _item(self, item: store_manifest.ManifestItem, deep: bool) -> None:
        done = 0
        pending = [(item.root, item.depth, 0)] if item.root else []
        while pending:
            self._check()
            entry, level, index = pending.pop()
            self._place(entry)
            try:
                node = self._nodes.load(entry, level)
            except _WRONG as error:
                self._problem(error)
                continue
            if level > 1:
                pending += [
                    (child, level - 1, index * maps.FAN_OUT + slot)
                    for slot, child in reversed(node.items())
                ]
                continue
            self._leaf(item, index, node, deep)
            end = (index + 1) * maps.FAN_OUT * self._core.chunk_size
            self._progress(min(end, item.size) - done)
            done = min(end, item.size)
        self._progress(item.size - done)

    def _leaf(
        self,
        item: store_manifest.ManifestItem,
        index: int,
        node: dict[int, codec.Entry],
        deep: bool,
    ) -> None:
        size = self._core.chunk_size
        sound = []
        for slot, entry in node.items():
            self._chunks += 1
            self._bytes += entry.raw
            offset = (index * maps.FAN_OUT + slot) * size
            if entry.raw != min(size, item.size - offset):
                self._problem(
                    errors.Damaged(
                        names.pack(entry.pack), 'a map does not fit its item'
                    )
                )
            elif self._place(entry):
                sound.append((slot, entry))
        if deep:
            most = self._core.options.run_size
            for group in reader.fetches(sound, most):
                self._check()
                self._group(group)

    def _group(self, group: list[tuple[int, codec.Entry]]) -> None:
        try:
            for _chunk in reader.read_group(self._core, group):
                pass
        except _WRONG as error:
            self._problem(error)

    def _place(self, entry: codec.Entry) -> bool:
        """Tell whether an entry lies within a pack that is sound."""
        if entry.pack not in self._sizes:
            self._sizes[entry.pack] = self._pack(entry.pack)
        size = self._sizes[entry.pack]
        if size is None:
            return False
        if entry.offset + entry.stored > size:
            name = names.pack(entry.pack)
            self._problem(errors.Damaged(name, 'it ends before a chunk does'))
            return False
        return True

    def _pack(self, reference: bytes) -> int | None:
        try:
            size = self._core.objects.size(names.pack(reference))
            store_pack.check_digest(self._core, reference, size, self._check)
        except _WRONG as error:
            self._problem(error)
            return None
        return size
