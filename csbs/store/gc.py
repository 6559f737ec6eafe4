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

"""Garbage collection: packs that nothing needs are condemned, then deleted.

Owns the decision what is live. It runs beside backups and restores, in any
number of processes, and may die anywhere.

Why nothing that is needed is ever deleted:

* A pack is deleted only when it was on the list of condemned packs before the
  collection looked at anything else, and the collection itself found it dead.
* A collection lists packs, then leases, then manifests. A writer takes its
  lease before its first pack, and writes its manifest before it drops the
  lease: whoever misses the lease because it was dropped finds the manifest,
  and whoever misses it because it was not there yet lists no pack of it.
* A writer names packs of its parent. Its lease holds the parent's roots, and
  it looks for the parent's manifest once more after it has the lease. A
  collection that missed that lease may find the parent deleted later and
  condemn its packs, but they were live for every collection before, so they
  were not on the list when this one began and it deletes none of them; every
  collection after it finds the lease, or the manifest, and takes them off.
* A writer that goes on with what an earlier attempt left takes the lease,
  then reads the list, then looks for packs, and uses none that are listed.

All of this takes it that a list of objects has every one that is there. An
object store may be late with that, so a caller who knows the vault's backups
names them, and their leases and manifests are looked for by name.
"""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import datetime
import logging
import uuid

from csbs.store import codec
from csbs.store import condemned
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import lease as store_lease
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CollectStats:
    """What a collection did.

    :ivar condemned: packs that are newly condemned
    :ivar deleted: packs that are gone
    :ivar freed_bytes: what these took
    :ivar live_packs: packs that are needed
    :ivar live_bytes: what these take
    :ivar dead_bytes: what condemned packs take that are not yet deleted
    """

    condemned: int
    deleted: int
    freed_bytes: int
    live_packs: int
    live_bytes: int
    dead_bytes: int


def collect(
    core: store_core.Core,
    now: datetime.datetime,
    grace: datetime.timedelta,
    exclusive: bool,
    known: Callable[[], Iterable[uuid.UUID]],
) -> CollectStats:
    """Condemn what is dead, delete what was condemned long enough.

    :param now: the time to compare leases and the list with
    :param grace: how long a pack stays condemned before it is deleted
    :param exclusive: the caller knows that nobody writes to the vault, so
        that what is dead now may be deleted without having been condemned
        earlier
    :param known: returns the backups that are looked for even when they are
        not listed; called after the packs were listed
    :raises Damaged: when a lease, manifest or map cannot be read: then
        nobody can tell what is live, and nothing was done
    """
    times, batches = condemned.read(core)
    packs = {
        reference: size
        for name, size in core.objects.list(names.PACKS)
        if (reference := names.pack_reference(name))
    }
    live = _Live(core, known)
    stale = live.add_leases(now)
    live.add_manifests()
    dead = {
        reference: size
        for reference, size in packs.items()
        if not live.holds(reference)
    }
    # A time to come was noted by a clock that was ahead: it starts anew.
    verdicts = {
        reference: min(times.get(reference, now), now) for reference in dead
    }
    doomed = {
        reference
        for reference, since in verdicts.items()
        if now - since >= grace and (exclusive or reference in times)
    }
    if verdicts != times:
        written = condemned.write(core, verdicts)
        condemned.remove(core, batches)
        batches = written
    doomed = _delete(core, now, doomed, verdicts, batches, known)
    _drop_stale(core, stale, dead.keys() - doomed)
    freed = sum(dead[reference] for reference in doomed)
    return CollectStats(
        condemned=len(dead.keys() - times.keys()),
        deleted=len(doomed),
        freed_bytes=freed,
        live_packs=len(packs) - len(dead),
        live_bytes=sum(packs.values()) - sum(dead.values()),
        dead_bytes=sum(dead.values()) - freed,
    )


def _delete(
    core: store_core.Core,
    now: datetime.datetime,
    doomed: set[bytes],
    verdicts: condemned.Times,
    batches: list[str],
    known: Callable[[], Iterable[uuid.UUID]],
) -> set[bytes]:
    """Delete packs and take them off the list; return which."""
    if not doomed:
        return doomed
    # A backup may have been resumed since the leases were listed, and
    # another collection may have taken its packs off the list.
    again = _Live(core, known)
    again.add_leases(now)
    deleted = {each for each in doomed if not again.holds(each)}
    core.objects.delete_many(names.pack(reference) for reference in deleted)
    left = {
        reference: since
        for reference, since in verdicts.items()
        if reference not in deleted
    }
    condemned.write(core, left)
    condemned.remove(core, batches)
    return deleted


class _Live:
    """What is needed: packs by name, and all of some unfinished backups."""

    def __init__(
        self,
        core: store_core.Core,
        known: Callable[[], Iterable[uuid.UUID]],
    ) -> None:
        self._core = core
        self._known = known
        self._packs: set[bytes] = set()
        self._backups: set[bytes] = set()
        self._nodes = maps.NodeReader(core)
        self._visited: set[bytes] = set()

    def holds(self, reference: bytes) -> bool:
        """Tell whether a pack is needed."""
        return reference in self._packs or reference[:16] in self._backups

    def add_leases(self, now: datetime.datetime) -> list[uuid.UUID]:
        """Take in the leases; return those that are stale."""
        stale = []
        for backup_id in self._ids(names.LEASES):
            try:
                found = store_lease.read(self._core, backup_id)
            except errors.ObjectMissing:
                # Dropped just now: the manifest is listed after this.
                continue
            if found.live(now, self._core.options.lease_ttl):
                self._backups.add(backup_id.bytes)
                for root, depth in found.roots:
                    self._add(root, depth)
            else:
                stale.append(backup_id)
        return stale

    def add_manifests(self) -> None:
        """Take in all finished backups."""
        for backup_id in self._ids(names.MANIFESTS):
            try:
                found = store_manifest.read(self._core, backup_id)
                for item in found.items:
                    if item.root:
                        self._add(item.root, item.depth)
            except errors.BackupMissing:
                continue

    def _ids(self, prefix: str) -> set[uuid.UUID]:
        """Return the backups that have an object there, or may have."""
        listed = {
            backup_id
            for name, _size in self._core.objects.list(prefix)
            if (backup_id := names.backup_id(name))
        }
        return listed.union(self._known())

    def _add(self, root: codec.Entry, depth: int) -> None:
        pending = [(root, depth)]
        while pending:
            entry, level = pending.pop()
            self._packs.add(entry.pack)
            if entry.id in self._visited:
                continue
            self._visited.add(entry.id)
            for child in reversed(self._nodes.load(entry, level).values()):
                if level > 1:
                    pending.append((child, level - 1))
                else:
                    self._packs.add(child.pack)


def _drop_stale(
    core: store_core.Core, stale: list[uuid.UUID], dead: Iterable[bytes]
) -> None:
    """Remove stale leases that have no packs left to tell of."""
    busy = {reference[:16] for reference in dead}
    for backup_id in stale:
        if backup_id.bytes not in busy:
            _LOG.info('Dropping the stale lease of backup %s', backup_id)
            core.objects.delete(names.lease(backup_id))
