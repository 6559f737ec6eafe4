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

"""Writing a backup: take the lease, store items, write the manifest last.

Owns the order of things, which is what makes a crash at any line harmless.
The work on a volume is in ``itemwriter``.
"""

from collections.abc import Callable
from collections.abc import Mapping
import datetime
import logging
import types
from typing import Any
import uuid

from csbs.store import codec
from csbs.store import condemned
from csbs.store import core as store_core
from csbs.store import damage
from csbs.store import errors
from csbs.store import itemwriter
from csbs.store import known as store_known
from csbs.store import lease as store_lease
from csbs.store import manifest as store_manifest
from csbs.store import names
from csbs.store import sink as store_sink
from csbs.store import volume

_LOG = logging.getLogger(__name__)


class BackupWriter:
    """A backup that is being written; a context manager.

    Leaving it without :meth:`commit` keeps what was stored, and the lease,
    for a writer of the same backup to go on with.
    """

    def __init__(
        self,
        core: store_core.Core,
        backup_id: uuid.UUID,
        parent: uuid.UUID | None,
    ) -> None:
        self._core = core
        self._backup_id = backup_id
        self._wanted = parent
        self._parent: store_manifest.Manifest | None = None
        self._items: list[store_manifest.ManifestItem] = []
        self._committed: store_manifest.Manifest | None = None

    @property
    def parent(self) -> uuid.UUID | None:
        """The backup that this one is really compared with."""
        return self._parent.backup_id if self._parent else None

    def __enter__(self) -> 'BackupWriter':
        """Take the lease.

        :raises BackupExists: when the backup is finished already
        :raises StoreError: when the store fails
        """
        core = self._core
        if core.exists(names.manifest(self._backup_id)):
            raise errors.BackupExists(self._backup_id)
        self._parent = self._read_parent()
        name = names.lease(self._backup_id)
        resumed = store_lease.is_live(core, name)
        self._lease = store_lease.Holder(core, name, self._roots())
        while self._parent:
            again = self._read_parent()
            if again == self._parent:
                break
            # It was deleted, or its chunks were moved, before the lease
            # could protect its packs.
            self._parent = again
            self._lease.set_roots(self._roots())
        self._lease.confirm()
        damaged = damage.read(core)
        self._packs = store_known.PackCatalogue(core, damaged)
        self._known = store_known.Known(core.options.known_chunks)
        self._borrowed = store_known.Borrowed(core, self._lease, damaged)
        self._sink = store_sink.PackSink(core, self._backup_id)
        self._adopted: set[bytes] = set()
        if resumed:
            self._resume()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._sink.stop()

    def write_item(
        self,
        item_id: uuid.UUID,
        reader: volume.VolumeReader,
        parent_item: uuid.UUID | None = None,
        *,
        progress: Callable[[int], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> itemwriter.ItemStats:
        """Store one volume.

        :param parent_item: the item of the parent backup to compare with
        :param progress: gets bytes of the volume that are done, never in two
            threads at once; they add up to the volume's size
        :param check: called often, from any thread; what it raises stops
            the work and comes out unchanged
        :raises StoreError: when the store fails
        :raises OSError: when the volume cannot be read
        :raises ValueError: when the item was written already
        """
        if any(item.id == item_id for item in self._items):
            raise ValueError(f'item {item_id} was written already')
        parent = None
        if self._parent and parent_item:
            item = self._parent.item(parent_item)
            if item:
                parent = itemwriter.Parent(self._parent.backup_id, item)
        self._lease.refresh()
        writer = itemwriter.ItemWriter(
            self._core,
            self._sink,
            self._known,
            self._borrowed,
            self._packs,
            reader,
            parent,
            progress,
            check,
        )
        root, depth, stats = writer.run(self._lease.refresh)
        self._items.append(
            store_manifest.ManifestItem(
                item_id, stats.size, root, depth, self._backup_id
            )
        )
        return stats

    def commit(self, meta: Mapping[str, Any]) -> store_manifest.Manifest:
        """Make the backup exist, with all items written so far.

        :param meta: JSON-able; returned with the manifest, unread
        :raises StoreError: when the store fails; the backup may then be
            written again
        """
        if self._committed:
            return self._committed
        self._sink.flush()
        self._lease.check()
        self._check_packs()
        manifest = store_manifest.Manifest(
            backup_id=self._backup_id,
            parent=self.parent,
            created_at=datetime.datetime.now(datetime.UTC),
            meta=meta,
            items=tuple(self._items),
        )
        store_manifest.write(self._core, manifest)
        self._committed = manifest
        self._lease.release()
        self._borrowed.publish(self._sink.hooks)
        return manifest

    def _roots(self) -> list[store_lease.Root]:
        return store_lease.roots_of([self._parent] if self._parent else [])

    def _read_parent(self) -> store_manifest.Manifest | None:
        if self._wanted is None:
            return None
        try:
            return store_manifest.read(self._core, self._wanted)
        except (errors.BackupMissing, errors.Damaged) as error:
            _LOG.warning('Writing a full backup instead: %s', error)
            return None

    def _resume(self) -> None:
        """Find what an earlier attempt at this backup stored.

        Its lease never ran out, so that none of these packs was condemned.
        The list is looked at all the same, before the packs are, for who
        collects without knowing of this backup.
        """
        dead, _batches = condemned.read(self._core)
        packs = self._packs.packs(self._backup_id.bytes)
        for reference, size in packs.items():
            if self._known.full:
                break
            if reference in dead:
                continue
            found = store_known.read_pack(self._core, reference, size)
            if found is None:
                continue
            sound = [
                (kind, entry)
                for kind, entry in found
                if not self._packs.damage.hurts(entry)
            ]
            for _kind, entry in sound:
                self._known.add(entry)
            self._sink.hooks.add(
                entry for kind, entry in sound if kind is codec.Kind.DATA
            )
            self._adopted.add(reference)

    def _check_packs(self) -> None:
        """Make sure that nobody deleted packs of this backup meanwhile.

        Each is asked for by its name: a listing may be late, in both ways.

        :raises LeaseLost: when somebody did
        """
        needed = self._adopted | self._sink.stored | self._borrowed.used
        store_known.check_there(self._core, needed, self._lease.refresh)
