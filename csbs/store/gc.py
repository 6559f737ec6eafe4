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
  on the list as doomed, looked at everything again, and found it dead again.
* A writer takes its lease before its first pack, and writes its manifest
  before it drops the lease. A survey lists leases, then manifests: whoever
  misses the lease because it was dropped finds the manifest.
* A writer names packs of its parent. Its lease holds the parent's roots, and
  it looks for the parent's manifest once more after it has the lease. Whoever
  reads a backup, or moves its chunks, does the same with a pin.
* A writer that wants to name another pack, one that an earlier attempt left
  or that other backups use, puts it into its lease, then reads the list, and
  leaves the pack alone when it is on it. Either the second look finds the
  lease, or the writer finds the pack doomed: a doomed pack stays on the list
  until it is gone, or until the collection that doomed it has spared it.
"""

from collections.abc import Callable
from collections.abc import Set
import dataclasses
import datetime
import logging

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
    exclusive: bool,
    check: Callable[[], None] | None,
) -> CollectStats:
    """Condemn what is dead, delete what was condemned long enough.

    :param now: the time to compare leases and the list with
    :param grace: how long a pack stays condemned before it is deleted
    :param exclusive: the caller knows that nobody writes to the vault, so
        that what is dead now may be deleted without having been condemned
        earlier
    :param check: called often; what it raises ends the collection
    :raises Damaged: when a lease, manifest or map cannot be read: then
        nobody can tell what is live, and nothing was done
    """
    view = _View(core, now, check)
    moved = 0
    while victims := compact.choose(core, view.survey, view.packs):
        done = compact.move(core, view.survey, view.packs, victims, check)
        if not done:
            break
        moved += done
        view = _View(core, now, check)
    listed, packs, survey = view.listed, view.packs, view.survey
    dead = {pack for pack in packs if not survey.holds(pack)}
    # A time to come was noted by a clock that was ahead: it starts anew.
    verdicts = {
        pack: min(listed.times.get(pack, now), now)
        for pack in dead | (listed.doomed & packs.keys())
    }
    doomed = {
        pack
        for pack in dead
        if now - verdicts[pack] >= grace
        and (exclusive or pack in listed.times)
    }
    deleted = _delete(core, view, verdicts, doomed, now)
    alive = packs.keys() - deleted
    _tidy(core, view.stale, dead - deleted)
    lookup.tidy(core, view.lookup, alive)
    damage.tidy(core, view.damaged, alive)
    freed = sum(packs[pack] for pack in deleted)
    live = packs.keys() - dead
    return CollectStats(
        condemned=len(dead - listed.times.keys()),
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

    :ivar listed: what was condemned before anything else was looked at
    :ivar packs: reference and size of those that are there
    :ivar stale: leases and pins of the dead
    """

    def __init__(
        self,
        core: store_core.Core,
        now: datetime.datetime,
        check: Callable[[], None] | None,
    ) -> None:
        self.listed = condemned.read(core)
        self.lookup = list(core.objects.list(names.LOOKUP))
        self.damaged = [
            name for name, _size in core.objects.list(names.DAMAGED)
        ]
        self.packs = store_survey.pack_sizes(core)
        self.survey = store_survey.Survey(core, check)
        self.stale = self.survey.look(now)


def _delete(
    core: store_core.Core,
    view: _View,
    verdicts: condemned.Times,
    doomed: Set[bytes],
    now: datetime.datetime,
) -> set[bytes]:
    """Write the list, and delete what is doomed and still dead."""
    listed, survey = view.listed, view.survey
    others = listed.doomed & verdicts.keys()
    if not doomed and verdicts == listed.times:
        return set()
    written = condemned.write(core, verdicts, doomed | others)
    condemned.remove(core, listed.batches)
    if not doomed:
        return set()
    survey.look(now)
    deleted = {pack for pack in doomed if not survey.holds(pack)}
    for pack in deleted:
        core.objects.delete(names.pack(pack))
    left = {
        pack: since for pack, since in verdicts.items() if pack not in deleted
    }
    condemned.write(core, left, others - deleted)
    condemned.remove(core, written)
    return deleted


def _tidy(
    core: store_core.Core,
    stale: list[str],
    dead: Set[bytes],
) -> None:
    """Remove what tells of nothing any more.

    A stale lease stays while there are packs of its backup.
    """
    busy = {pack[:16] for pack in dead}
    for name in stale:
        owner = names.backup_id(name)
        if owner and owner.bytes not in busy:
            _LOG.info('Dropping %s, which is stale', name)
            core.objects.delete(name)
    for backup_id in list(store_survey.backup_ids(core, names.ROOTS)):
        if not core.exists(names.manifest(backup_id)):
            core.objects.delete(names.roots(backup_id))
