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

"""Who comes at the same time gets no more than who comes one by one.

On SQLite, and on MariaDB and PostgreSQL when ``CSBS_TEST_DATABASES`` names
some; the tests make databases of their own on them.
"""

from collections.abc import Callable
import concurrent.futures
import json
import threading
from typing import Any
import unittest

from csbs import exception
from csbs.actions import backups
from csbs.actions import policies
from csbs.actions import quotas
from csbs.actions import restores
from csbs.actions import runs
from csbs.actions import vaults
from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import runs as db_runs
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.domain import policy as domain_policy
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.functional import stack

_SCHEDULE = {'times': ['02:00'], 'every_days': 1}
_FOREVER = {'kind': 'forever'}


class ConcurrencySuite:
    """Mixed with a ``server`` into a test case of one database."""

    server: str | None = None

    def setUp(self) -> None:
        super().setUp()
        database = self.useFixture(
            csbs_fixtures.OwnDatabaseFixture(self.server)
        )
        self.make_stack(start=False, database__connection=database.url)
        self.rt, self.ctx = self.stack.rt, self.stack.context

    def race(self, works: list[Callable[[], Any]]) -> list[Any]:
        """Do all at once; return what each returned, or was refused with."""
        barrier = threading.Barrier(len(works))

        def one(work: Callable[[], Any]) -> Any:
            barrier.wait(stack.DEADLINE)
            try:
                return work()
            except exception.CsbsError as error:
                return error

        with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
            return list(pool.map(one, works, timeout=stack.DEADLINE))

    def won(self, results: list[Any], refusal: type[Exception]) -> list[Any]:
        """Return what was not refused; the rest was, for the right reason."""
        good = [one for one in results if not isinstance(one, Exception)]
        for one in results:
            if isinstance(one, Exception):
                self.assertIsInstance(one, refusal)
        return good

    def limit(self, **limits: int) -> None:
        quotas.update(self.rt, 'local', limits)

    def new_vault(self) -> model.Vault:
        wish = vaults.Wish(capacity_gb=100)
        return vaults.create(self.rt, self.ctx, wish)[0]

    def new_policy(self, **fields: Any) -> domain_policy.Policy:
        wish = policies.Wish(schedule=_SCHEDULE, retention=_FOREVER, **fields)
        return policies.create(self.rt, self.ctx, wish)

    def new_server(self, name: str, size: int = 65536) -> str:
        server = self.stack.make_server(name, {'vda': b''})
        with (self.stack.servers / name / 'vda.raw').open('r+b') as disk:
            disk.truncate(size)
        return server.id

    def test_vaults_of_a_project(self) -> None:
        self.limit(vaults=2)
        results = self.race([self.new_vault] * 5)
        self.assertEqual(2, len(self.won(results, exception.QuotaExceeded)))
        self.assertEqual(2, db_vaults.count(self.rt.db, 'local'))
        # What was not made left no key behind.
        keys = json.loads((self.stack.state / 'keys.json').read_text())
        self.assertEqual(2, len(keys))

    def test_policies_of_a_project(self) -> None:
        self.limit(policies=2)
        results = self.race([self.new_policy] * 5)
        self.assertEqual(2, len(self.won(results, exception.QuotaExceeded)))
        self.assertEqual(2, db_policies.count(self.rt.db, 'local'))

    def test_policies_of_a_vault(self) -> None:
        self.limit(policies_per_vault=2)
        vault = self.new_vault()
        made = [self.new_policy() for _ in range(4)]
        results = self.race(
            [
                lambda policy=policy: policies.bind_vault(
                    self.rt, self.ctx, vault.id, policy.id
                )
                for policy in made
            ]
            + [lambda: self.new_policy(vault_id=vault.id)]
        )
        self.assertEqual(2, len(self.won(results, exception.QuotaExceeded)))
        found = db_vaults.get(self.rt.db, vault.id)
        self.assertEqual(2, len(found.policy_ids))

    def test_a_policy_is_bound_to_one_vault(self) -> None:
        policy = self.new_policy()
        found = [self.new_vault() for _ in range(3)]
        results = self.race(
            [
                lambda vault=vault: policies.bind_vault(
                    self.rt, self.ctx, vault.id, policy.id
                )
                for vault in found
            ]
        )
        (bound,) = self.won(results, exception.PolicyBound)
        self.assertEqual(
            bound.vault_id, db_policies.get(self.rt.db, policy.id).vault_id
        )

    def test_servers_of_a_policy(self) -> None:
        self.limit(servers_per_policy=2)
        policy = self.new_policy()
        ids = [self.new_server(f'server-{number}') for number in range(4)]
        results = self.race(
            [
                lambda server_id=server_id: policies.bind_server(
                    self.rt, self.ctx, policy.id, server_id
                )
                for server_id in ids
            ]
        )
        self.assertEqual(2, len(self.won(results, exception.QuotaExceeded)))
        found = db_policies.get(self.rt.db, policy.id)
        self.assertEqual(2, len(found.server_ids))

    def test_a_server_is_in_one_policy(self) -> None:
        server_id = self.new_server('web')
        made = [self.new_policy() for _ in range(4)]
        results = self.race(
            [
                lambda policy=policy: policies.bind_server(
                    self.rt, self.ctx, policy.id, server_id
                )
                for policy in made
            ]
        )
        self.assertEqual(4, len(self.won(results, AssertionError)))
        having = [
            policy.id
            for policy in made
            if db_policies.get(self.rt.db, policy.id).server_ids
        ]
        self.assertEqual(1, len(having))

    def test_backups_into_one_vault(self) -> None:
        vault = self.new_vault()
        ids = [
            self.new_server(f'server-{number}', 45 << 30)
            for number in range(4)
        ]
        results = self.race(
            [
                lambda server_id=server_id: backups.create(
                    self.rt, self.ctx, server_id, vault.id, backups.Wish()
                )
                for server_id in ids
            ]
        )
        self.assertEqual(2, len(self.won(results, exception.CapacityExceeded)))
        found = db_vaults.get(self.rt.db, vault.id)
        self.assertEqual((2, 90), (found.backup_count, found.used_gb))

    def test_backups_of_one_server(self) -> None:
        vault = self.new_vault()
        server_id = self.new_server('web')
        create = [
            lambda: backups.create(
                self.rt, self.ctx, server_id, vault.id, backups.Wish()
            )
        ]
        self.assertEqual(
            1, len(self.won(self.race(create * 4), exception.ServerBusy))
        )

    def test_runs_of_one_policy(self) -> None:
        vault = self.new_vault()
        policy = self.new_policy(
            vault_id=vault.id, server_ids=[self.new_server('web')]
        )
        results = self.race(
            [lambda: runs.start_now(self.rt, self.ctx, policy.id)] * 4
        )
        ((_policy, run_id),) = self.won(results, exception.PolicyRunning)
        found = db_runs.unfinished(self.rt.db, policy.id)
        self.assertEqual(run_id, found.id if found else None)

    def test_a_reader_or_the_deletion(self) -> None:
        vault = self.new_vault()
        server_id = self.new_server('web')
        for _ in range(4):
            backup = backups.create(
                self.rt, self.ctx, server_id, vault.id, backups.Wish()
            )
            self.stack.run_queue()
            results = self.race(
                [
                    lambda: backups.delete(self.rt, self.ctx, backup.id),
                    lambda: restores.new_server(
                        self.rt, self.ctx, backup.id, {'name': 'copy'}
                    ),
                    lambda: restores.in_place(
                        self.rt, self.ctx, backup.id, None
                    ),
                ]
            )
            good = self.won(results, exception.Conflict)
            if not isinstance(results[0], Exception):
                self.assertEqual(1, len(good))
            self.stack.run_queue()
        left = db_backups.find(self.rt.db, 'local', {}, paging.Page())
        for backup in left:
            self.assertEqual(model.BackupStatus.AVAILABLE, backup.status)

    def test_a_vault_is_given_up_or_used(self) -> None:
        server_id = self.new_server('web')
        for _ in range(3):
            vault = self.new_vault()
            results = self.race(
                [
                    lambda: vaults.delete(self.rt, self.ctx, vault.id),
                    lambda: backups.create(
                        self.rt, self.ctx, server_id, vault.id, backups.Wish()
                    ),
                ]
            )
            self.assertEqual(1, len(self.won(results, exception.Conflict)))
            self.stack.run_queue()


def _url(prefix: str) -> str | None:
    for url in csbs_fixtures.database_urls():
        if url.startswith(prefix):
            return url
    return None


class SqliteTest(ConcurrencySuite, stack.StackTestCase):
    pass


@unittest.skipUnless(
    _url('postgresql'), 'no postgresql URL in CSBS_TEST_DATABASES'
)
class PostgresqlTest(ConcurrencySuite, stack.StackTestCase):
    server = _url('postgresql')


@unittest.skipUnless(_url('mysql'), 'no mysql URL in CSBS_TEST_DATABASES')
class MysqlTest(ConcurrencySuite, stack.StackTestCase):
    server = _url('mysql')
