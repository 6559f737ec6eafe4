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

"""What vaults hold as figures is what their backups sum up to."""

from collections.abc import Callable
import concurrent.futures
import random
import threading
from typing import Any
import uuid

import sqlalchemy as sa
import testtools

from csbs import exception
from csbs.db import backups
from csbs.db import charges
from csbs.db import models
from csbs.db import session
from csbs.db import vaults
from csbs.domain import model
from csbs.domain import states


def _sums(db: session.Database, vault_id: str) -> tuple[int, int, int]:
    """Return what a vault's backups count, protect, and their number."""
    its = models.Backup.vault_id == vault_id
    with db.reader() as tx:
        charged = tx.scalar(
            sa.select(sa.func.sum(models.Item.charged_bytes))
            .join(models.Backup, models.Backup.id == models.Item.backup_id)
            .where(its)
        )
        count = tx.scalar(
            sa.select(sa.func.count()).select_from(models.Backup).where(its)
        )
        protected = tx.scalar(
            sa.select(sa.func.sum(models.Backup.size)).where(
                its, models.Backup.status.in_(states.COMPLETE)
            )
        )
    return int(charged or 0), int(protected or 0), int(count or 0)


class UsageSuite(testtools.TestCase):
    """Mixed into :class:`suite.DatabaseSuite`, which makes the rows."""

    db: session.Database
    add_vault: Callable[..., model.Vault]
    add_backup: Callable[..., model.Backup]

    def assert_true_figures(self, vault_id: str) -> None:
        vault = vaults.get(self.db, vault_id)
        self.assertEqual(
            _sums(self.db, vault_id),
            (vault.used_bytes, vault.protected_bytes, vault.backup_count),
        )

    def make_items(
        self, backup_id: str, *charges: int
    ) -> tuple[model.Item, ...]:
        return tuple(
            model.Item(
                id=str(uuid.uuid4()),
                backup_id=backup_id,
                volume_id=f'volume-{number}',
                volume_name='disk',
                device='/dev/vda',
                bootable=not number,
                size=1 << 30,
                charged_bytes=charge,
            )
            for number, charge in enumerate(charges)
        )

    def step(self, chance: random.Random, present: list[str]) -> None:
        """Change the charges of some backup in some way."""
        backup_id = chance.choice(present)
        items = backups.get(self.db, backup_id).items
        match chance.randrange(7):
            case 0:
                new = self.make_items(
                    backup_id,
                    *(
                        chance.randrange(1000)
                        for _ in range(chance.choice([0, 3]))
                    ),
                )
                backups.set_items(self.db, backup_id, new)
            case 1 | 2 if items:
                item = chance.choice(items)
                against = chance.choice(present)
                other = backups.get(self.db, against).items
                charges.charge(
                    self.db,
                    item.id,
                    chance.randrange(1000),
                    other[0].id if other else None,
                )
            case 3:
                charges.release(self.db, backup_id)
            case 4 if len(present) > 2:
                backups.delete(self.db, backup_id)
                present.remove(backup_id)
            case 5:
                charges.hand_on(self.db, backup_id)
            case 6:
                self.take_a_step(chance, backup_id)
            case _:
                charges.charge(self.db, str(uuid.uuid4()), 7, None)

    def take_a_step(self, chance: random.Random, backup_id: str) -> None:
        """Let a backup go on in its life, with another size."""
        status = chance.choice(list(model.BackupStatus))
        try:
            backups.move(self.db, backup_id, status)
        except exception.BackupBusy:
            size = chance.randrange(1000)
            backups.update(self.db, backup_id, {'size': size})

    def test_figures_after_whatever_happens(self) -> None:
        chance = random.Random(7)
        vault, other = self.add_vault(), self.add_vault()
        present = [self.add_backup(vault, charged=7).id for _ in range(4)]
        self.add_backup(other, charged=5)
        for _ in range(60):
            if len(present) < 4:
                new = self.add_backup(vault, charged=chance.randrange(1000))
                present.append(new.id)
            self.db.run(lambda: self.step(chance, present))
            self.assert_true_figures(vault.id)
        self.assert_true_figures(other.id)
        for backup_id in present:
            backups.delete(self.db, backup_id)
            backups.delete(self.db, backup_id)
        found = vaults.get(self.db, vault.id)
        self.assertEqual(
            (0, 0, 0),
            (found.used_bytes, found.protected_bytes, found.backup_count),
        )

    def test_figures_of_charges_that_are_handed_on(self) -> None:
        vault = self.add_vault()
        first, second = (self.add_backup(vault, charged=n) for n in (70, 5))
        charges.charge(self.db, second.items[0].id, 5, first.items[0].id)
        self.db.run(lambda: charges.hand_on(self.db, first.id))
        backups.delete(self.db, first.id)
        self.assert_true_figures(vault.id)
        self.assertEqual(75, vaults.get(self.db, vault.id).used_bytes)

    def test_what_is_protected_is_what_is_complete(self) -> None:
        vault = self.add_vault()
        backup = self.add_backup(vault, charged=5)
        seen = []
        for status in (
            model.BackupStatus.BACKING_UP,
            model.BackupStatus.AVAILABLE,
            model.BackupStatus.RESTORING,
            model.BackupStatus.AVAILABLE,
            model.BackupStatus.DELETING,
        ):
            backups.move(self.db, backup.id, status)
            found = vaults.get(self.db, vault.id)
            seen.append(found.protected_bytes)
        size = backup.size
        self.assertEqual([0, size, size, size, 0], seen)

    def test_figures_of_what_is_taken_back(self) -> None:
        vault = self.add_vault()
        backup = self.add_backup(vault, charged=5)

        def work() -> None:
            charges.charge(self.db, backup.items[0].id, 9, None)
            charges.release(self.db, backup.id)
            raise ValueError()

        self.assertRaises(ValueError, self.db.run, work)
        self.assert_true_figures(vault.id)
        self.assertEqual(5, vaults.get(self.db, vault.id).used_bytes)

    def test_figures_when_much_happens_at_once(self) -> None:
        vault = self.add_vault(capacity_gb=100)
        shared = [self.add_backup(vault, charged=3) for _ in range(2)]
        start = threading.Barrier(4)

        def worker(number: int) -> None:
            chance = random.Random(number)
            start.wait(10)
            for _ in range(12):
                item = chance.choice(shared).items[0]
                amount = chance.randrange(1000)

                def work(item: Any = item, amount: int = amount) -> None:
                    vaults.take_room(self.db, vault.id, 1)
                    charges.charge(self.db, item.id, amount, None)

                self.db.run(work)
                own = self.add_backup(vault, charged=amount)
                if chance.random() < 0.5:
                    self.db.run(
                        lambda own=own: backups.delete(self.db, own.id)
                    )

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(worker, number) for number in range(4)]:
                done.result(60)
        self.assert_true_figures(vault.id)

    def test_the_vault_of_two_views_in_one_transaction(self) -> None:
        vault = self.add_vault()

        def work() -> tuple[int, int]:
            before = vaults.get(self.db, vault.id).used_bytes
            self.add_backup(vault, charged=11)
            return before, vaults.get(self.db, vault.id).used_bytes

        self.assertEqual((0, 11), self.db.run(work))
