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

"""Vaults, quotas and charges, on whatever database."""

import concurrent.futures
import datetime
import threading
from typing import Any

import testtools

from csbs import exception
from csbs.db import backups
from csbs.db import charges
from csbs.db import paging
from csbs.db import quotas
from csbs.db import session
from csbs.db import statistics
from csbs.db import vaults
from csbs.domain import model

GIB = model.GIB
_DAY = datetime.timedelta(days=1)


class VaultSuite(testtools.TestCase):
    """Mixed into :class:`suite.DatabaseSuite`, which opens the database."""

    db: session.Database
    add_vault: Any
    add_backup: Any
    add_policy: Any

    def together(self, count: int, work: Any) -> list[Any]:
        """Run a transaction in several threads at once."""
        barrier = threading.Barrier(count)

        def one(number: int) -> Any:
            barrier.wait(10)
            return self.db.run(lambda: work(number))

        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count), timeout=60))

    def test_tags_and_policies_of_a_vault(self) -> None:
        vault = self.add_vault(tags=('Web', 'db', '生产', 'web'))
        other = self.add_vault(tags=('db',))
        policy = self.add_policy(vault_id=vault.id)
        found = vaults.get(self.db, vault.id)
        self.assertEqual(('Web', 'db', 'web', '生产'), found.tags)
        self.assertEqual((policy.id,), found.policy_ids)

        def find(*tags: str) -> set[str]:
            page = paging.Page(sort=(('name', False),))
            filters = {'tags': tags, 'name': 'vault'}
            return {
                one.id
                for one in vaults.find(self.db, 'project', filters, page)
            }

        self.assertEqual({vault.id, other.id}, find('db'))
        self.assertEqual({vault.id}, find('db', 'Web'))
        self.assertEqual(set(), find('WEB'))
        self.db.run(lambda: vaults.set_tags(self.db, vault.id, ('new',)))
        self.assertEqual(('new',), vaults.get(self.db, vault.id).tags)
        self.db.run(lambda: vaults.delete(self.db, vault.id))
        self.assertEqual(set(), find('new'))

    def test_a_lock_gets_longer_only(self) -> None:
        vault = self.add_vault()

        def lock(days: int) -> bool:
            return self.db.run(
                lambda: vaults.set_lock_days(self.db, vault.id, days)
            )

        self.assertEqual(
            [True, True, True, False], [lock(days) for days in (5, 5, 7, 6)]
        )
        self.assertEqual(7, vaults.get(self.db, vault.id).lock_days)
        self.together(4, lambda number: lock(20 - number))
        self.assertEqual(20, vaults.get(self.db, vault.id).lock_days)

    def test_a_vault_expires_once(self) -> None:
        now = paging.utcnow()
        vault = self.add_vault(expires_at=now)
        self.add_vault(expires_at=now + _DAY)
        self.add_vault(expires_at=None)
        found = vaults.past_term(self.db, now, 9)
        self.assertEqual([vault.id], [one.id for one in found])
        done = self.together(
            3, lambda _: vaults.expire(self.db, vault.id, now)
        )
        self.assertEqual(1, sum(done))
        self.assertEqual([], vaults.past_term(self.db, now, 9))
        self.assertEqual(
            model.VaultStatus.EXPIRED, vaults.get(self.db, vault.id).status
        )

    def test_who_waited_for_a_row_sees_what_was_done_to_it(self) -> None:
        vault = self.add_vault(capacity_gb=100)

        def add(number: int) -> int:
            # Looked at before it is locked, as a stranger's has to be.
            vaults.get(self.db, vault.id)
            seen = vaults.lock(self.db, vault.id).backup_count
            self.add_backup(vault)
            return seen

        self.assertEqual([0, 1, 2, 3], sorted(self.together(4, add)))

    def test_of_the_last_place_there_is_one(self) -> None:
        def take(number: int) -> bool:
            quotas.lock(self.db, 'project')
            if vaults.count(self.db, 'project') >= 2:
                return False
            self.add_vault()
            return True

        self.assertEqual(2, sum(self.together(6, take)))

    def test_limits_of_a_project(self) -> None:
        self.assertEqual({}, quotas.own(self.db, 'project'))
        self.db.run(
            lambda: quotas.save(
                self.db, 'project', {'vaults': 5, 'policies': -1}
            )
        )
        self.assertEqual(
            {'vaults': 5, 'policies': -1}, quotas.own(self.db, 'project')
        )
        self.assertEqual({}, quotas.own(self.db, 'other'))
        self.db.run(lambda: quotas.save(self.db, 'project', {'vaults': None}))
        self.assertEqual({'policies': -1}, quotas.own(self.db, 'project'))
        self.db.run(lambda: quotas.reset(self.db, 'project'))
        self.assertEqual({}, quotas.own(self.db, 'project'))

    def test_usage_of_a_project(self) -> None:
        empty = quotas.usage(self.db, ['project'])['project']
        self.assertEqual((0, 0, 0, 0, 0, 0), tuple(vars(empty).values()))
        vault = self.add_vault(capacity_gb=100)
        self.add_vault(capacity_gb=200)
        self.add_vault(project_id='other')
        self.add_backup(vault, charged=3 * GIB)
        for _ in range(2):
            self.add_policy(vault_id=vault.id)
        self.add_policy(vault_id=None)
        found = quotas.usage(self.db, ['project'])['project']
        self.assertEqual(
            (2, 3, 2, 0, 300, 3 * GIB), tuple(vars(found).values())
        )

    def test_usage_of_several_projects(self) -> None:
        self.add_vault(capacity_gb=100)
        for name in ('other', 'project', 'third'):
            self.db.run(lambda name=name: quotas.lock(self.db, name))
        self.assertEqual(
            ['other', 'project'], quotas.projects(self.db, None, 2)
        )
        self.assertEqual(['third'], quotas.projects(self.db, 'project', 2))
        found = quotas.usage(self.db, ['other', 'project'])
        self.assertEqual(0, found['other'].vaults)
        self.assertEqual(100, found['project'].capacity_gb)

    def test_statistics(self) -> None:
        for project_id in ('project', None):
            empty = statistics.get(self.db, project_id)
            self.assertEqual((0, 0), (empty.vaults, empty.protected_servers))
            self.assertEqual(({}, None), (empty.backups, empty.last_backup_at))
        vault = self.add_vault(capacity_gb=100)
        self.add_vault(capacity_gb=200, project_id='other')
        done = self.add_backup(vault, status=model.BackupStatus.AVAILABLE)
        self.add_backup(vault, status=model.BackupStatus.ERROR)
        self.add_policy(vault_id=vault.id)
        found = statistics.get(self.db, 'project')
        self.assertEqual((1, 100), (found.vaults, found.capacity_gb))
        self.assertEqual({'available': 1, 'error': 1}, found.backups)
        self.assertEqual(1, found.protected_servers)
        self.assertEqual(done.created_at, found.last_backup_at)
        self.assertEqual((1, {}), (found.policies, found.tasks))
        everybody = statistics.get(self.db, None)
        self.assertEqual((2, 300), (everybody.vaults, everybody.capacity_gb))

    def test_charges_that_are_not_up_to_date(self) -> None:
        vault = self.add_vault()
        available = {'status': model.BackupStatus.AVAILABLE}
        one, two, three = (
            self.add_backup(vault, charged=10, **available) for _ in range(3)
        )
        ids = [backup.items[0].id for backup in (one, two, three)]
        self.assertEqual(['volume'], charges.unbalanced(self.db, vault.id))
        for item_id, before in ((ids[1], ids[0]), (ids[2], ids[1])):
            self.db.run(
                lambda item_id=item_id, before=before: charges.charge(
                    self.db, item_id, 4, before
                )
            )
        self.assertEqual([], charges.unbalanced(self.db, vault.id))
        self.assertEqual(
            ids[2], charges.newest_item(self.db, vault.id, 'volume').id
        )
        # One that goes hands on what it counts to the one behind it.
        self.db.run(lambda: charges.hand_on(self.db, two.id))
        self.db.run(lambda: backups.delete(self.db, two.id))
        self.assertEqual(10 + 4 + 4, vaults.get(self.db, vault.id).used_bytes)
        self.assertEqual(
            ['volume'], charges.unbalanced(self.db, vault.id, ['volume'])
        )
        self.assertEqual(
            [], charges.unbalanced(self.db, vault.id, ['another'])
        )

    def test_what_retention_looks_at(self) -> None:
        vault = self.add_vault()
        scheduled = {
            'policy_id': 'policy',
            'trigger': model.Trigger.SCHEDULED,
        }
        available = {'status': model.BackupStatus.AVAILABLE}
        backup = self.add_backup(vault, **scheduled, **available)
        self.add_backup(vault, **scheduled)
        self.add_backup(vault, **available, policy_id='policy')
        self.add_backup(
            vault, **available, **{**scheduled, 'policy_id': 'other'}
        )
        (made,) = backups.made_by(self.db, 'policy')
        self.assertEqual(
            (backup.id, 'server', backup.status, backup.created_at),
            (made.id, made.server_id, made.status, made.created_at),
        )
        self.assertTrue(backups.name_taken(self.db, 'server', 'nightly'))
        self.assertFalse(backups.name_taken(self.db, 'other', 'nightly'))

    def test_locked_is_what_is_there(self) -> None:
        vault = self.add_vault()
        self.assertEqual(vault, vaults.lock(self.db, vault.id, 'project'))
        for wrong in ((vault.id, 'other'), ('nothing',)):
            self.assertRaises(
                exception.VaultNotFound, vaults.lock, self.db, *wrong
            )
