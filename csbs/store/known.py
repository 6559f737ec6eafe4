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

Owns two small memories: which packs are there, so that nothing refers to one
that is lost, and which chunks this very backup stored already.
"""

import threading
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names
from csbs.store import pack as store_pack


class PackCatalogue:
    """Which packs are there, asked once for every backup that made some."""

    def __init__(self, core: store_core.Core) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._packs: dict[bytes, dict[bytes, int]] = {}

    def holds(self, entry: codec.Entry) -> bool:
        """Tell whether the pack of an entry is there, and long enough.

        Packs made after the first question about their backup are unknown.

        :raises StoreUnreadable: when the store does not answer
        """
        size = self.packs(entry.pack[:16]).get(entry.pack, 0)
        return entry.offset + entry.stored <= size

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

    def adopt(
        self, core: store_core.Core, reference: bytes, size: int
    ) -> bool:
        """Remember what an earlier attempt left in a pack.

        :returns: False when the pack is no good, which harms nothing
        :raises StoreUnreadable: when the store does not answer
        """
        try:
            for _kind, entry in store_pack.read_index(core, reference, size):
                if self.full:
                    break
                self.add(entry)
        except (
            errors.Damaged,
            errors.ObjectMissing,
            errors.UnsupportedFormat,
        ):
            return False
        return True
