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

"""Proof that backups can be restored, or a list of what is wrong.

Owns the checks. The quick one reads every pack that is needed and compares
digests; the deep one decrypts every chunk and compares ids, too. Both walk
all maps first, so that nothing that is missing stays unnoticed.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import secrets
import threading
import uuid

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import coverage
from csbs.store import damage
from csbs.store import errors
from csbs.store import lease as store_lease
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import names
from csbs.store import pack as store_pack
from csbs.store import pipeline
from csbs.store import survey as store_survey
from csbs.store.objects import base

_CHANCE = secrets.SystemRandom()

#: how many problems are listed; more would not help anybody
_MOST = 1000

#: what is reported; a store that does not answer is not
_WRONG = (errors.Damaged, errors.ObjectMissing, errors.UnsupportedFormat)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that is wrong.

    :ivar name: of the object
    :ivar reason: a sentence
    :ivar backups: that cannot be restored whole because of it
    """

    name: str
    reason: str
    backups: tuple[uuid.UUID, ...] = ()

    def __str__(self) -> str:
        return self.reason


@dataclasses.dataclass(frozen=True)
class VerifyReport:
    """What a verification found.

    :ivar backups: that were looked at
    :ivar packs: that were read
    :ivar chunks: that the maps name, shared parts of maps counted once
    :ivar bytes: of volume that the chunks stand for
    :ivar problems: at most 1000
    """

    backups: tuple[uuid.UUID, ...]
    deep: bool
    packs: int
    chunks: int
    bytes: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether all is sound as far as was looked."""
        return not self.problems


class Verifier:
    """Verifies some backups. Used once."""

    def __init__(
        self,
        core: store_core.Core,
        *,
        deep: bool,
        percent: float,
        owner: uuid.UUID | None,
        begin: Callable[[int], None] | None,
        progress: Callable[[int], None] | None,
        check: Callable[[], None] | None,
    ) -> None:
        self._core = core
        self._deep = deep
        self._percent = percent
        self._owner = owner
        self._begin = begin
        self._progress = pipeline.Progress(progress)
        self._check = check
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], set[damage.Place]] = {}
        self._read = 0

    def run(self, backup_ids: Iterable[uuid.UUID]) -> VerifyReport:
        """Look at everything; damage is reported and not raised.

        :raises StoreUnreadable: when the store does not answer
        """
        survey = store_survey.Survey(
            self._core, check=self._check, wrong=self._wrong
        )
        sound = list(self._manifests(backup_ids))
        ids = [each.backup_id for each in sound]
        with store_lease.pinned(self._core, ids, self._owner) as pin:
            for manifest in pin.manifests:
                survey.add(manifest)
                pin.refresh()
            self._packs(survey.parts, pin)
            problems = tuple(self._problems())
        places = set().union(*self._found.values())
        damage.note(self._core, places - damage.read(self._core).places)
        return VerifyReport(
            tuple(ids),
            self._deep,
            self._read,
            survey.chunks,
            survey.bytes,
            problems,
        )

    def _manifests(
        self, backup_ids: Iterable[uuid.UUID]
    ) -> Iterator[store_manifest.Manifest]:
        for backup_id in backup_ids:
            try:
                yield from store_manifest.read_all(self._core, [backup_id])
            except _WRONG as error:
                self._wrong(error)

    def _wrong(self, error: Exception) -> None:
        name = getattr(error, 'name', '')
        self._note(name, error, set())

    def _note(
        self, name: str, reason: Exception, places: set[damage.Place]
    ) -> None:
        with self._lock:
            key = name, str(reason)
            if key in self._found or len(self._found) < _MOST:
                self._found.setdefault(key, set()).update(places)

    def _packs(self, parts: coverage.Coverage, pin: store_lease.Pin) -> None:
        """Look at the packs that are needed, or at a sample of them."""
        there = store_survey.pack_sizes(self._core)
        chosen = []
        for pack in parts:
            if pack not in there:
                # A list may be late.
                try:
                    there[pack] = self._core.objects.size(names.pack(pack))
                except errors.ObjectMissing as missing:
                    self._note(missing.name, missing, {(pack, damage.WHOLE)})
                    continue
            if self._chosen():
                chosen.append(pack)
        if self._begin:
            self._begin(sum(there[pack] for pack in chosen))
        work: pipeline.Pipeline[bytes] = pipeline.Pipeline(
            iter(chosen),
            [
                lambda pack: self._pack(pack, there[pack], parts)
                for _ in range(self._core.options.threads)
            ],
            self._check,
        )
        work.run(pin.refresh)

    def _chosen(self) -> bool:
        """Tell whether the next pack is in the sample."""
        if self._percent >= 100:
            return True
        return _CHANCE.uniform(0, 100) < self._percent

    def _pack(self, pack: bytes, size: int, parts: coverage.Coverage) -> None:
        with self._lock:
            self._read += 1
            needed = parts.parts(pack)
        name = names.pack(pack)
        try:
            data = store_pack.read(self._core.objects, name, size)
            store_pack.check_whole(name, data)
        except _WRONG as error:
            self._note(name, error, {(pack, damage.WHOLE)})
        else:
            if needed[-1][1] > size:
                short = errors.Damaged(name, 'it ends before a chunk does')
                self._note(name, short, {(pack, damage.WHOLE)})
            elif self._deep:
                self._blobs(pack, data, needed)
        self._progress(size)

    def _blobs(
        self, pack: bytes, data: bytes, needed: list[tuple[int, int]]
    ) -> None:
        """Decrypt what is needed of a pack, every blob of it."""
        core, name = self._core, names.pack(pack)
        cipher = core.keys.pack_cipher(pack)
        view = memoryview(data)
        seen = coverage.Coverage()
        bad = set()
        try:
            for kind, entry in store_pack.open_index(core, pack, data):
                if not coverage.within(needed, entry.offset):
                    continue
                seen.add([entry])
                end = entry.offset + entry.stored
                try:
                    plain = codec.open_blob(
                        cipher,
                        core.vault,
                        kind,
                        entry,
                        view[entry.offset : end],
                    )
                except ValueError as error:
                    bad.add((pack, entry.offset))
                    self._note(name, errors.Damaged(name, str(error)), bad)
                    continue
                if not core.check_id(kind, entry, plain):
                    bad.add((pack, entry.offset))
                    other = errors.Damaged(name, 'a chunk is another one')
                    self._note(name, other, bad)
        except _WRONG as error:
            self._note(name, error, {(pack, damage.WHOLE)})
            return
        if seen.parts(pack) != needed:
            other = errors.Damaged(name, 'a map names what is not in it')
            self._note(name, other, {(pack, damage.WHOLE)})

    def _problems(self) -> Iterator[Problem]:
        """Return what is wrong, and whom it hurts in all of the vault."""
        if not self._found:
            return
        ids = store_survey.backup_ids(self._core, names.MANIFESTS)
        hurt = Hurt(self._core, set().union(*self._found.values()))
        for backup_id in ids:
            hurt.look(backup_id)
        for (name, reason), places in self._found.items():
            backups = {
                backup
                for place in places
                for backup in hurt.backups.get(place, ())
            }
            backups |= hurt.objects.get(name, set())
            yield Problem(name, reason, tuple(sorted(backups)))


class Hurt:
    """Which backups need places that are damaged.

    :ivar backups: by place
    :ivar objects: by name of an object without which a map cannot be read
    """

    def __init__(
        self, core: store_core.Core, places: set[damage.Place]
    ) -> None:
        self._core = core
        self._places = places
        self._whole = {
            pack for pack, offset in places if offset == damage.WHOLE
        }
        self._nodes = maps.NodeReader(core)
        self._seen: dict[
            tuple[bytes, int], tuple[frozenset[damage.Place], frozenset[str]]
        ] = {}
        self.backups: dict[damage.Place, set[uuid.UUID]] = {}
        self.objects: dict[str, set[uuid.UUID]] = {}

    def look(self, backup_id: uuid.UUID) -> None:
        """Take in one backup."""
        try:
            (manifest,) = store_manifest.read_all(self._core, [backup_id]) or (
                None,
            )
        except _WRONG as error:
            name = getattr(error, 'name', '')
            self.objects.setdefault(name, set()).add(backup_id)
            return
        for item in manifest.items if manifest else ():
            if item.root:
                places, objects = self._node(item.root, item.depth)
                for place in places:
                    self.backups.setdefault(place, set()).add(backup_id)
                for name in objects:
                    self.objects.setdefault(name, set()).add(backup_id)

    def _node(
        self, entry: codec.Entry, level: int
    ) -> tuple[frozenset[damage.Place], frozenset[str]]:
        """Return what is wrong at a node and below it."""
        key = entry.pack, entry.offset
        known = self._seen.get(key)
        if known is not None:
            return known
        places = set(self._hit(entry))
        objects: set[str] = set()
        try:
            node = self._nodes.load(entry, level)
        except _WRONG as error:
            objects.add(getattr(error, 'name', ''))
            node = {}
        for child in node.values():
            if level == 1:
                places.update(self._hit(child))
            else:
                more, others = self._node(child, level - 1)
                places |= more
                objects |= others
        result = frozenset(places), frozenset(objects)
        self._seen[key] = result
        return result

    def _hit(self, entry: codec.Entry) -> Iterator[damage.Place]:
        if entry.pack in self._whole:
            yield entry.pack, damage.WHOLE
        if (entry.pack, entry.offset) in self._places:
            yield entry.pack, entry.offset


def scrub(
    objects: base.ObjectStore, check: Callable[[], None] | None = None
) -> list[Problem]:
    """Look for rot in all objects of a vault; needs no key.

    What is not there any more is not missed: that takes the key.

    :param check: called for every object; what it raises ends the work
    :raises StoreUnreadable: when the store does not answer
    """
    problems = []
    for name, size in objects.list(''):
        if check:
            check()
        try:
            if name == names.HEADER:
                store_core.check_header(objects.get(name))
            elif name.startswith(names.PACKS):
                data = store_pack.read(objects, name, size)
                store_pack.check_whole(name, data)
            else:
                codec.check_sealed(name, objects.get(name))
        except errors.ObjectMissing:
            # It was deleted since it was listed.
            continue
        except (errors.Damaged, errors.UnsupportedFormat) as error:
            problems.append(Problem(name, str(error)))
    return problems
