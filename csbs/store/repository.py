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

"""The one class callers use: a vault's objects as backups.

Owns nothing but the way to the other modules of the store.
"""

from collections.abc import Callable
from collections.abc import Iterator
import datetime
import uuid

from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import gc
from csbs.store import keys as store_keys
from csbs.store import lease as store_lease
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names
from csbs.store import options as store_options
from csbs.store import reader
from csbs.store import survey as store_survey
from csbs.store import verify
from csbs.store import volume
from csbs.store import writer
from csbs.store.objects import base
from csbs.store.objects import limited

Options = store_options.Options
Manifest = store_manifest.Manifest
ManifestItem = store_manifest.ManifestItem
BackupWriter = writer.BackupWriter
Known = store_survey.Known

DEFAULTS = Options()


class Repository:
    """An opened vault. May be used by several threads."""

    def __init__(self, core: store_core.Core) -> None:
        """Use :meth:`create` or :meth:`open` instead."""
        self._core = core

    @classmethod
    def create(
        cls,
        objects: base.ObjectStore,
        vault_id: uuid.UUID,
        key: bytes,
        options: Options = DEFAULTS,
    ) -> 'Repository':
        """Make a vault in an empty container; fine when it is there already.

        :param key: the vault's key, 32 bytes
        :raises WrongKey: when it is there with another key
        :raises StoreError: when the store fails
        """
        keys = store_keys.Keys(key, vault_id)
        try:
            objects.size(names.HEADER)
        except errors.ObjectMissing:
            store_core.create_header(
                objects, vault_id, keys, options.chunk_size
            )
        return cls.open(objects, vault_id, key, options)

    @classmethod
    def open(
        cls,
        objects: base.ObjectStore,
        vault_id: uuid.UUID,
        key: bytes,
        options: Options = DEFAULTS,
    ) -> 'Repository':
        """Open a vault that is there.

        :raises ObjectMissing: when there is none
        :raises WrongKey: when the key is not its own
        :raises Damaged: when its header was altered
        :raises UnsupportedFormat: when a newer csbs made it
        """
        keys = store_keys.Keys(key, vault_id)
        if options.bandwidth:
            objects = limited.LimitedStore(objects, options.bandwidth)
        options = options.fitted()
        chunk_size = store_core.read_header(objects, vault_id, keys)
        return cls(
            store_core.Core(objects, vault_id, keys, chunk_size, options)
        )

    @property
    def chunk_size(self) -> int:
        """Bytes of volume in one chunk."""
        return self._core.chunk_size

    def writer(
        self, backup_id: uuid.UUID, parent: uuid.UUID | None = None
    ) -> writer.BackupWriter:
        """Return a context manager that writes a backup.

        Entering it raises :class:`.errors.BackupExists` when the backup is
        finished already. A parent that is missing or damaged is done
        without.
        """
        return writer.BackupWriter(self._core, backup_id, parent)

    def backups(self) -> Iterator[uuid.UUID]:
        """Return the ids of all finished backups."""
        for name, _size in self._core.objects.list(names.MANIFESTS):
            backup_id = names.backup_id(name)
            if backup_id:
                yield backup_id

    def leases(self) -> Iterator[uuid.UUID]:
        """Return the ids of all backups that have a lease, dead ones too."""
        for name, _size in self._core.objects.list(names.LEASES):
            backup_id = names.backup_id(name)
            if backup_id:
                yield backup_id

    def manifest(self, backup_id: uuid.UUID) -> Manifest:
        """Return what a finished backup holds.

        :raises BackupMissing: when there is no such backup
        :raises Damaged: when its manifest was altered
        """
        return store_manifest.read(self._core, backup_id)

    def forget(self, backup_id: uuid.UUID) -> None:
        """Make a backup cease to exist; fine when it does not exist.

        What only it needed is garbage from now on.
        """
        # The lease goes first. One that outlived its manifest would let
        # abandon() take packs for those of an unfinished backup, though
        # later backups use them.
        self._core.objects.delete(names.lease(backup_id))
        self._core.objects.delete(names.manifest(backup_id))
        self._core.objects.delete(names.roots(backup_id))

    def abandon(self, backup_id: uuid.UUID) -> None:
        """Give up an unfinished backup that nobody writes any more.

        Removes its lease, and its packs unless the backup is finished. Does
        nothing when there is no lease: then the packs may be in use by later
        backups, and are the collection's business.
        """
        objects = self._core.objects
        try:
            objects.size(names.lease(backup_id))
        except errors.ObjectMissing:
            return
        prefix = names.packs_of(backup_id)
        packs = [name for name, _size in objects.list(prefix)]
        try:
            objects.size(names.manifest(backup_id))
        except errors.ObjectMissing:
            # The lease goes last, so that a crash on the way can be gone on
            # from.
            objects.delete_many(packs)
        objects.delete(names.lease(backup_id))

    def restore_item(
        self,
        item: ManifestItem,
        target: volume.VolumeWriter,
        *,
        owner: uuid.UUID | None = None,
        progress: Callable[[int], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> reader.RestoreStats:
        """Write an item onto a volume of at least its size.

        What the volume has behind the item's end is left alone. Progress and
        check are as in :meth:`.writer.BackupWriter.write_item`.

        :param owner: id that collections know to be at work, see
            :class:`.survey.Known`
        :raises TargetTooSmall: when the item does not fit
        :raises BackupMissing: when the backup was deleted
        :raises Damaged: when an object was altered; no byte of it was written
        :raises OSError: when the volume cannot be read or written
        """
        with store_lease.pinned(self._core, [item.backup_id], owner) as pin:
            for manifest in pin.manifests:
                # Its chunks may have been moved since it was read.
                item = manifest.item(item.id) or item
            if not pin.manifests:
                raise errors.BackupMissing(item.backup_id)
            work = reader.ItemReader(self._core, item, target, progress, check)
            return work.run(pin.refresh)

    def changed_bytes(
        self, older: ManifestItem | None, newer: ManifestItem
    ) -> int:
        """Return the bytes of the newer item's grid that differ.

        Everything counts when there is no older one.

        :raises BackupMissing: when a backup was deleted
        :raises Damaged: when a map was altered
        """
        if older is None:
            return newer.size
        while True:
            try:
                return self._differing(older, newer)
            except errors.ObjectMissing:
                # Maps may have been moved since the items were read.
                again = self._current(older), self._current(newer)
                if again == (older, newer):
                    raise
                older, newer = again

    def _differing(self, older: ManifestItem, newer: ManifestItem) -> int:
        nodes = maps.NodeReader(self._core)
        size = self._core.chunk_size
        total = 0
        for chunk in maps.differing(
            maps.Tree(nodes, older.root, older.depth),
            maps.Tree(nodes, newer.root, newer.depth),
        ):
            total += max(0, min(size, newer.size - chunk * size))
        return total

    def _current(self, item: ManifestItem) -> ManifestItem:
        return self.manifest(item.backup_id).item(item.id) or item

    def stored_bytes(self) -> int:
        """Return the sum of the sizes of all objects."""
        return sum(size for _name, size in self._core.objects.list(''))

    def collect(
        self,
        *,
        now: datetime.datetime | None = None,
        grace: datetime.timedelta = datetime.timedelta(hours=1),
        exclusive: bool = False,
        known: store_survey.Knowing = Known,
        owner: uuid.UUID | None = None,
        check: Callable[[], None] | None = None,
    ) -> gc.CollectStats:
        """Condemn and delete packs that no backup needs; see :mod:`.gc`.

        What is needed is taken out of packs of which little is.

        :param known: returns who is there, so that it is found even where a
            list is late
        :param owner: id that other collections know to be at work
        :param check: called often; what it raises ends the collection
        :raises Damaged: when a lease, manifest or map cannot be read: then
            nothing was done
        """
        now = now or datetime.datetime.now(datetime.UTC)
        return gc.collect(
            self._core,
            now,
            grace,
            exclusive=exclusive,
            known=known,
            owner=owner or uuid.uuid4(),
            check=check,
        )

    def verify(
        self,
        backup_id: uuid.UUID | None = None,
        *,
        deep: bool,
        percent: float = 100,
        owner: uuid.UUID | None = None,
        begin: Callable[[int], None] | None = None,
        progress: Callable[[int], None] | None = None,
        check: Callable[[], None] | None = None,
    ) -> verify.VerifyReport:
        """Look whether a backup, or all of them, can be restored.

        What is found damaged is noted, so that later backups do not rely on
        it but store it anew.

        :param deep: decrypt every chunk, rather than compare digests only
        :param percent: of the packs, chosen by chance, that are read; maps
            are always walked, and every pack must be there
        :param owner: as in :meth:`restore_item`
        :param begin: gets the bytes that will be read, once that is known
        :param progress: gets bytes that were read; they add up to these
        :param check: called often, from any thread; what it raises ends the
            work and comes out unchanged
        :raises BackupMissing: when there is no such backup
        :raises StoreUnreadable: when the store does not answer
        """
        if backup_id and not self._core.exists(names.manifest(backup_id)):
            raise errors.BackupMissing(backup_id)
        work = verify.Verifier(
            self._core,
            deep=deep,
            percent=percent,
            owner=owner,
            begin=begin,
            progress=progress,
            check=check,
        )
        return work.run([backup_id] if backup_id else self.backups())


def destroy(objects: base.ObjectStore) -> None:
    """Remove every object of a vault, the header last, and the container.

    Needs no key. Fine when some are gone, or all.

    :raises StoreUnwritable: when anything may still be there
    """
    for prefix in (names.MANIFESTS, ''):
        found = [name for name, _size in objects.list(prefix)]
        objects.delete_many(name for name in found if name != names.HEADER)
    objects.delete(names.HEADER)
    objects.drop()
