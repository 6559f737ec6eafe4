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

"""What counts against a vault, beside a plain model that knows the answer.

Backups, deletions, deaths of workers and collections come in any order, in
two vaults, on volumes that are written to, grow, and are shared by servers.
More examples: ``CSBS_HYPOTHESIS_PROFILE=nightly``.
"""

import dataclasses
import itertools
import os
import types
from typing import Any
import uuid

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from csbs import exception
from csbs.actions import backups as actions
from csbs.db import backups
from csbs.db import charges as db_charges
from csbs.db import session
from csbs.db import vaults
from csbs.domain import charge
from csbs.domain import model
from csbs.protection import charges
from csbs.store import repository
from csbs.tests import base
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.unit.db import suite
from csbs.tests.unit.store import vaults as store_vaults
from csbs.tests.unit.store import volumes

CHUNK = store_vaults.CHUNK
_STATUS = model.BackupStatus

_NIGHTLY = os.environ.get('CSBS_HYPOTHESIS_PROFILE') == 'nightly'
_SETTINGS = hypothesis.settings(
    max_examples=300 if _NIGHTLY else 12,
    stateful_step_count=50 if _NIGHTLY else 24,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
_SERVERS = {'server-1': ('a', 'shared'), 'server-2': ('shared', 'odd')}
_SIZES = {'a': 4 * CHUNK, 'shared': 3 * CHUNK, 'odd': 2 * CHUNK + 100}
#: most goes into one vault, so that much happens there
_VAULT = st.sampled_from([0, 0, 0, 1])


def counts(contents: list[bytes]) -> int:
    """Return what backups of a volume count, by the words of the rule."""
    total = 0
    for number, content in enumerate(contents):
        if number == 0:
            total += len(content)
            continue
        before = contents[number - 1]
        common = min(len(before), len(content))
        for start in range(0, common, CHUNK):
            end = min(start + CHUNK, common)
            if before[start:end] != content[start:end]:
                total += end - start
        total += max(0, len(content) - len(before))
    return total


@dataclasses.dataclass
class Made:
    """A backup, and what the volumes held when it was made."""

    id: str
    contents: dict[str, bytes]


class Vault:
    """A vault's row, its repository, and what should be in it."""

    def __init__(self, db: session.Database) -> None:
        self.row = suite.make_vault(capacity_gb=1)
        db.run(lambda: vaults.create(db, self.row))
        store = store_vaults.Vault()
        self.repository: repository.Repository = store.repository
        self.complete: list[Made] = []
        self.going: list[Made] = []
        #: whether some charge may be too high until somebody looks
        self.stale = False

    def wanted(self) -> int:
        """Return what the complete backups should count."""
        return sum(
            counts(
                [
                    made.contents[volume]
                    for made in self.complete
                    if volume in made.contents
                ]
            )
            for volume in _SIZES
        )


class Machine(stateful.RuleBasedStateMachine):
    """Two vaults, three volumes, and what should count."""

    db: session.Database

    def __init__(self) -> None:
        super().__init__()
        # The database is shared by all examples, the ids are not.
        self.prefix = f'{uuid.uuid4().hex[:12]}-'
        self.volumes = {name: bytearray(size) for name, size in _SIZES.items()}
        self.vaults = [Vault(self.db), Vault(self.db)]
        self.seed = 0

    def used(self, vault: Vault) -> int:
        return vaults.get(self.db, vault.row.id).used_bytes

    @stateful.rule(
        name=st.sampled_from(sorted(_SIZES)),
        chunk=st.integers(0, 7),
        blank=st.booleans(),
    )
    def write(self, name: str, chunk: int, blank: bool) -> None:
        volume = self.volumes[name]
        start = chunk * CHUNK % len(volume)
        length = min(CHUNK, len(volume) - start)
        self.seed += 1
        volume[start : start + length] = (
            bytes(length) if blank else store_vaults.noise(length, self.seed)
        )

    @stateful.rule(chunks=st.integers(1, 3), blank=st.booleans())
    def grow(self, chunks: int, blank: bool) -> None:
        self.seed += 1
        length = chunks * CHUNK
        if len(self.volumes['a']) < 16 * CHUNK:
            self.volumes['a'] += (
                bytes(length)
                if blank
                else store_vaults.noise(length, self.seed)
            )

    @stateful.rule(
        server=st.sampled_from(sorted(_SERVERS)),
        number=_VAULT,
        dies=st.booleans(),
    )
    def back_up(self, server: str, number: int, dies: bool) -> None:
        """Do what a backup's task does; it may die before its upkeep."""
        vault = self.vaults[number]
        server_id = self.prefix + server
        backup, parent = self.begin(vault, server_id, _SERVERS[server])
        self.store(vault, backup, parent)
        self.db.run(
            lambda: backups.move(self.db, backup.id, _STATUS.AVAILABLE)
        )
        vault.complete.append(
            Made(
                backup.id,
                {name: bytes(self.volumes[name]) for name in _SERVERS[server]},
            )
        )
        if dies:
            vault.stale = True
        else:
            self.rebalance(vault, backup)

    def begin(
        self, vault: Vault, server_id: str, names: tuple[str, ...]
    ) -> tuple[model.Backup, model.Backup | None]:
        rt: Any = types.SimpleNamespace(db=self.db)
        parent = backups.latest(self.db, server_id, vault.row.id)
        backup_id = str(uuid.uuid4())
        items = actions.make_items(
            rt,
            vault.row.id,
            backup_id,
            parent,
            [
                model.Volume(
                    id=self.prefix + name,
                    name=name,
                    size=len(self.volumes[name]),
                    device=name,
                    bootable=False,
                )
                for name in names
            ],
        )
        backup = suite.make_backup(
            vault.row.id,
            id=backup_id,
            server_id=server_id,
            items=items,
            status=_STATUS.BACKING_UP,
        )
        self.db.run(lambda: backups.create(self.db, backup))
        return backup, parent

    def store(
        self, vault: Vault, backup: model.Backup, parent: model.Backup | None
    ) -> None:
        older = (
            {item.volume_id: item for item in parent.items} if parent else {}
        )
        with vault.repository.writer(
            uuid.UUID(backup.id), uuid.UUID(parent.id) if parent else None
        ) as writer:
            for item in backup.items:
                before = older.get(item.volume_id)
                stats = writer.write_item(
                    uuid.UUID(item.id),
                    volumes.Volume(self.volumes[item.volume_name]),
                    uuid.UUID(before.id) if before else None,
                )
                charges.charge_new(
                    self.db, vault.row.id, item, before, stats.changed_bytes
                )
            writer.commit({})

    def rebalance(self, vault: Vault, backup: model.Backup) -> None:
        charges.rebalance(
            self.db,
            vault.repository,
            vault.row.id,
            [item.volume_id for item in backup.items],
        )

    @stateful.rule(data=st.data(), number=_VAULT)
    def ask_for_deletion(self, data: Any, number: int) -> None:
        vault = self.vaults[number]
        if vault.complete:
            self.ask(vault, data.draw(st.sampled_from(vault.complete)))

    def ask(self, vault: Vault, made: Made) -> None:
        self.db.run(lambda: backups.move(self.db, made.id, _STATUS.DELETING))
        vault.complete.remove(made)
        vault.going.append(made)

    @stateful.rule(data=st.data(), number=_VAULT, late=st.booleans())
    def delete(self, data: Any, number: int, late: bool) -> None:
        vault = self.vaults[number]
        if vault.going:
            self.end(vault, data.draw(st.sampled_from(vault.going)), late)

    def end(self, vault: Vault, made: Made, late: bool) -> None:
        """Do what a deletion's task does.

        :param late: it looked at the other backups before these were there
        """
        if late:
            vault.stale = True
        else:
            self.rebalance(vault, backups.get(self.db, made.id))
        vault.repository.forget(uuid.UUID(made.id))

        def settle() -> None:
            vaults.lock(self.db, vault.row.id)
            db_charges.hand_on(self.db, made.id)
            backups.delete(self.db, made.id)

        self.db.run(settle)
        vault.going.remove(made)

    @stateful.rule(number=_VAULT)
    def collect(self, number: int) -> None:
        """Do what every collection does beside collecting."""
        vault = self.vaults[number]
        before = self.used(vault)
        charges.rebalance(
            self.db,
            vault.repository,
            vault.row.id,
            db_charges.unbalanced(self.db, vault.row.id),
        )
        # Whoever asks for a deletion makes nothing fuller in the end.
        if not vault.going:
            assert self.used(vault) <= before
        vault.stale = False

    @stateful.invariant()
    def what_counts_is_right(self) -> None:
        for vault in self.vaults:
            used, wanted = self.used(vault), vault.wanted()
            if vault.stale or vault.going:
                assert used >= wanted, (used, wanted)
            else:
                assert used == wanted, (used, wanted)

    def teardown(self) -> None:
        """In the end everybody has looked, and nothing is going on."""
        for number, vault in enumerate(self.vaults):
            for made in [*vault.going]:
                self.end(vault, made, late=False)
            self.collect(number)
        self.what_counts_is_right()


class HistoryTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        db = self.useFixture(csbs_fixtures.DatabaseFixture('sqlite://')).db
        self.machine = type('Machine', (Machine,), {'db': db})

    def test_any_history(self) -> None:
        stateful.run_state_machine_as_test(self.machine, settings=_SETTINGS)

    def start(self, backups_: int) -> tuple[Machine, Vault, list[Made]]:
        """Return a history that begins with backups of a changing volume."""
        machine = self.machine()
        for number in range(backups_):
            machine.write('a', number, False)
            machine.back_up('server-1', 0, False)
            machine.what_counts_is_right()
        vault = machine.vaults[0]
        return machine, vault, [*vault.complete]

    def test_every_order_of_deletes(self) -> None:
        for order in itertools.permutations(range(3)):
            machine, vault, made = self.start(3)
            for number in order:
                machine.ask(vault, made[number])
                machine.end(vault, made[number], late=False)
                machine.what_counts_is_right()
            self.assertEqual(0, machine.used(vault))

    def test_what_it_grew_by_counts_once(self) -> None:
        for blank in (True, False):
            machine, vault, (first,) = self.start(1)
            machine.grow(2, blank)
            machine.back_up('server-1', 0, False)
            machine.what_counts_is_right()
            before = machine.used(vault)
            machine.ask(vault, first)
            machine.end(vault, first, late=False)
            machine.what_counts_is_right()
            self.assertLessEqual(machine.used(vault), before)

    def test_nobody_looked_in_time(self) -> None:
        for order in itertools.permutations(range(3)):
            machine, vault, made = self.start(3)
            for number in order:
                machine.ask(vault, made[number])
                machine.end(vault, made[number], late=True)
                machine.what_counts_is_right()
            machine.collect(0)
            machine.what_counts_is_right()

    def test_deletions_at_the_same_time(self) -> None:
        machine, vault, made = self.start(4)
        for one in made[:3]:
            machine.ask(vault, one)
        for one in (made[1], made[0], made[2]):
            machine.end(vault, one, late=False)
            machine.what_counts_is_right()


class RuleTest(base.TestCase):
    """The words of the rule, by example."""

    def test_what_the_model_counts(self) -> None:
        full, half = bytes(2 * CHUNK), b'x' * CHUNK + bytes(CHUNK)
        self.assertEqual(0, counts([]))
        # The whole volume, not what is used of it.
        self.assertEqual(2 * CHUNK, counts([full]))
        self.assertEqual(3 * CHUNK, counts([full, half]))
        # The middle one goes: changes come together, or come to nothing.
        self.assertEqual(4 * CHUNK, counts([full, half, full]))
        self.assertEqual(2 * CHUNK, counts([full, full]))
        # What a volume grew by counts like a volume that is new.
        self.assertEqual(5 * CHUNK, counts([full, full + bytes(3 * CHUNK)]))

    def test_what_counts_before_anything_is_read(self) -> None:
        item = suite.make_item('backup', size=10)
        for parent, newest, expected in (
            (None, None, 12),
            (item, item, 2),
            (item, suite.make_item('backup', size=10), 12),
            (None, item, 12),
        ):
            self.assertEqual(expected, charge.expected(12, parent, newest))
        self.assertEqual(0, charge.expected(8, item, item))


class OutgrownTest(base.TestCase):
    def test_a_backup_that_outgrows_its_vault(self) -> None:
        db = self.useFixture(csbs_fixtures.DatabaseFixture('sqlite://')).db
        vault = suite.make_vault(capacity_gb=1)
        first = suite.make_backup(vault.id, charged=model.GIB - 10)
        second = suite.make_backup(vault.id)
        db.run(lambda: vaults.create(db, vault))
        for backup in (first, second):
            db.run(lambda backup=backup: backups.create(db, backup))
        db.run(lambda: backups.move(db, first.id, _STATUS.AVAILABLE))
        (parent,), (item,) = first.items, second.items
        charges.charge_new(db, vault.id, item, parent, 10)
        self.assertRaises(
            exception.CapacityExceeded,
            charges.charge_new,
            db,
            vault.id,
            item,
            parent,
            11,
        )
        self.assertEqual(model.GIB, vaults.get(db, vault.id).used_bytes)
