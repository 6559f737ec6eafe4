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

Owns the decision what is dead. It runs beside backups and restores, in any
number of processes, and may die anywhere.

Why nothing that is needed is ever deleted:

* A pack is deleted only when it was on the list of condemned packs before the
  collection looked at anything else, the collection found it dead, marked it
  as doomed, looked at everything again, and found it dead again.
* A writer takes its lease before its first pack, and writes its manifest
  before it drops the lease. A survey looks for leases, then for manifests:
  whoever misses the lease because it was dropped finds the manifest.
* A writer names packs of its parent. Its lease holds the parent's roots, and
  it looks for the parent's manifest once more after it has the lease. Whoever
  reads a backup, or moves its chunks, does the same with a pin.
* A writer that wants to name a pack that other backups use puts it into its
  lease, then looks for its mark, and leaves the pack alone when it has one.
  Either the second look finds the lease, or the writer finds the mark: it
  stays until the pack is gone, or until no collection can be at work any more
  that knows it as doomed.
* A writer goes on with what an earlier attempt left only if the lease of that
  never ran out: then none of its packs was condemned.

Leases, pins, manifests and marks are found by name; lists may be late. Who is
there to have any is told by the caller, and by the lists for who is not known
to the caller.
"""

from collections.abc import Callable
from collections.abc import Set
import dataclasses
import datetime
import logging
import time
import uuid

from csbs.store import compact
from csbs.store import condemned
from csbs.store import core as store_core
from csbs.store import damage
from csbs.store import lookup
from csbs.store import names
from csbs.store import survey as store_survey

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
    :ivar waste_bytes: what packs that are needed hold beside what is needed
    :ivar moved_bytes: taken out of packs of which little was needed
    """

    condemned: int
    deleted: int
    freed_bytes: int
    live_packs: int
    live_bytes: int
    dead_bytes: int
    waste_bytes: int
    moved_bytes: int


def collect(
    core: store_core.Core,
    now: datetime.datetime,
    grace: datetime.timedelta,
    *,
    exclusive: bool,
    known: store_survey.Knowing,
    owner: uuid.UUID,
    check: Callable[[], None] | None,
) -> CollectStats:
    """Condemn what is dead, delete what was condemned long enough.

    :param now: the time to compare leases and the list with
    :param grace: how long a pack stays condemned before it is deleted
    :param exclusive: the caller knows that nobody writes to the vault, so
        that what is dead now may be deleted without having been condemned
        earlier
    :param known: returns who is there even when no list tells; called after
        the packs were listed, and again before any is deleted
    :param owner: id for what the collection itself needs while it runs
    :param check: called often; what it raises ends the collection
    :raises Damaged: when a lease, manifest or map cannot be read: then
        nobody can tell what is live, and nothing was done
    """
    view = _View(core, now, known, check)
    moved = 0
    while victims := compact.choose(core, view.survey, view.packs):
        done = compact.move(
            core, view.survey, view.packs, victims, owner, check
        )
        if not done:
            break
        moved += done
        view = _View(core, now, known, check)
    packs, survey = view.packs, view.survey
    dead = {pack for pack in packs if not survey.holds(pack)}
    # A time to come was noted by a clock that was ahead: it starts anew.
    verdicts = {pack: min(view.times.get(pack, now), now) for pack in dead}
    doomed = {
        pack
        for pack in dead
        if now - verdicts[pack] >= grace and (exclusive or pack in view.times)
    }
    deleted = _delete(core, view, verdicts, doomed, now)
    alive = packs.keys() - deleted
    _tidy(core, view, dead - deleted, now)
    lookup.tidy(core, view.lookup, alive)
    damage.tidy(core, view.damaged, alive)
    freed = sum(packs[pack] for pack in deleted)
    live = packs.keys() - dead
    return CollectStats(
        condemned=len(dead - view.times.keys()),
        deleted=len(deleted),
        freed_bytes=freed,
        live_packs=len(live),
        live_bytes=sum(packs[pack] for pack in live),
        dead_bytes=sum(packs[pack] for pack in dead) - freed,
        waste_bytes=compact.waste_bytes(survey, packs),
        moved_bytes=moved,
    )


class _View:
    """The vault as a collection sees it; what is read first matters.

    :ivar times: what was condemned before anything else was looked at
    :ivar batches: the objects that say so
    :ivar packs: reference and size of those that are there
    :ivar stale: leases and pins of the dead
    """

    def __init__(
        self,
        core: store_core.Core,
        now: datetime.datetime,
        known: store_survey.Knowing,
        check: Callable[[], None] | None,
    ) -> None:
        self.times, self.batches = condemned.read(core)
        self.lookup = list(core.objects.list(names.LOOKUP))
        self.damaged = [
            name for name, _size in core.objects.list(names.DAMAGED)
        ]
        self.packs = store_survey.pack_sizes(core)
        self.survey = store_survey.Survey(core, known, check)
        self.stale = self.survey.look(now)


def _delete(
    core: store_core.Core,
    view: _View,
    verdicts: condemned.Times,
    doomed: Set[bytes],
    now: datetime.datetime,
) -> Set[bytes]:
    """Write the list, and delete what is doomed and still dead."""
    if not doomed and verdicts == view.times:
        return set()
    written = condemned.write(core, verdicts)
    core.objects.delete_many(view.batches)
    if not doomed:
        return set()
    begun = time.monotonic(), time.time()
    condemned.doom(core, doomed)
    view.survey.look(now)
    spent = max(time.monotonic() - begun[0], time.time() - begun[1])
    if spent > core.options.lease_ttl.total_seconds() / 2:
        # Somebody may take the marks for those of the dead.
        _LOG.warning('Nothing is deleted: a last look took too long')
        return set()
    deleted = {pack for pack in doomed if not view.survey.holds(pack)}
    core.objects.delete_many(names.pack(pack) for pack in deleted)
    core.objects.delete_many(names.doomed(pack) for pack in deleted)
    left = {
        pack: since for pack, since in verdicts.items() if pack not in deleted
    }
    condemned.write(core, left)
    core.objects.delete_many(written)
    return deleted


def _tidy(
    core: store_core.Core,
    view: _View,
    dead: Set[bytes],
    now: datetime.datetime,
) -> None:
    """Remove what tells of nothing any more.

    A stale lease stays while there are packs of its backup.
    """
    busy = {pack[:16] for pack in dead}
    old = []
    for name in view.stale:
        owner = names.backup_id(name)
        if owner and owner.bytes not in busy:
            _LOG.info('Dropping %s, which is stale', name)
            old.append(name)
    for backup_id in store_survey.backup_ids(core, names.ROOTS):
        if not core.exists(names.manifest(backup_id)):
            old.append(names.roots(backup_id))
    core.objects.delete_many(old)
    condemned.spare(core, now - core.options.lease_ttl)
