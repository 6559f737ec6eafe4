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

"""Three schedulers at once, killed at random: every run is fired once.

Real processes on MariaDB and PostgreSQL, when ``CSBS_TEST_DATABASES`` names
some, on databases of their own.
"""

import collections
import contextlib
import datetime
import os
import random
import signal
import subprocess
import threading
import unittest
import uuid

import sqlalchemy as sa

from csbs.db import migration
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import session
from csbs.db import vaults as db_vaults
from csbs.domain import policy as domain
from csbs.domain import recurrence
from csbs.domain import retention
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.functional import processes
from csbs.tests.functional import stack
from csbs.tests.unit.db import suite

_POLICIES = 240
#: seconds over which the first runs of all policies are due
_SPAN = 20
_KILLS = 12
_EVERY_MINUTE = tuple(
    f'{hour:02}:{minute:02}' for hour in range(24) for minute in range(60)
)


class SchedulersSuite:
    """Mixed with a ``server`` into a test case of one database."""

    server: str | None = None

    def setUp(self) -> None:
        super().setUp()
        database = self.useFixture(
            csbs_fixtures.OwnDatabaseFixture(self.server)
        )
        self.db = session.Database(database.url)
        self.addCleanup(self.db.dispose)
        migration.sync(self.db)
        self.config = self.state / 'csbs.conf'
        self.config.write_text(
            '[DEFAULT]\n'
            f'state_path = {self.state}\n'
            'transport_url = fake:/\n'
            f'[database]\nconnection = {database.url}\n'
            '[scheduler]\ninterval = 1\nspread = 0\n'
            f'[local_cloud]\npath = {self.state}/cloud\n'
        )

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler that can be killed with all its processes."""
        with (self.state / 'log').open('ab') as log:
            process = subprocess.Popen(
                [
                    str(processes.BIN / 'csbs-scheduler'),
                    '--config-file',
                    str(self.config),
                ],
                stdout=log,
                stderr=log,
                cwd=self.state,
                start_new_session=True,
            )
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a scheduler as the failure of its host would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(stack.DEADLINE)

    def make_policies(self) -> dict[str, datetime.datetime]:
        """Return when the first run of each policy is planned.

        Some are due already, as after an outage of all schedulers.
        """
        vault = suite.make_vault()
        self.db.run(lambda: db_vaults.create(self.db, vault))
        now = paging.utcnow()
        made = {}
        for number in range(_POLICIES):
            planned = now + datetime.timedelta(
                seconds=_SPAN * (number / _POLICIES - 0.1)
            )
            policy = domain.Policy(
                id=str(uuid.uuid4()),
                project_id='project',
                name=f'p{number}',
                enabled=True,
                vault_id=vault.id,
                # Those that were fired are soon due again.
                schedule=recurrence.Schedule(_EVERY_MINUTE, every_days=1),
                retention=retention.Retention(retention.RetentionKind.FOREVER),
                created_at=now,
                updated_at=None,
                next_run_at=planned,
                fire_at=planned,
                prune_at=planned,
            )
            self.db.run(lambda policy=policy: self.put(policy))
            made[policy.id] = planned
        return made

    def put(self, policy: domain.Policy) -> None:
        db_policies.create(self.db, policy)
        db_policies.add_server(self.db, policy.id, str(uuid.uuid4()))

    def runs(self) -> dict[str, list[str]]:
        """Return for which moments each policy was run, or left out."""
        found = collections.defaultdict(list)
        with self.db.reader() as tx:
            for policy_id, params in tx.execute(
                sa.text(
                    'SELECT policy_id, params FROM tasks '
                    'ORDER BY created_at, id'
                ).columns(policy_id=sa.String, params=sa.JSON)
            ):
                found[policy_id].append(params['planned_at'])
        return found

    def test_every_run_is_fired_once(self) -> None:
        chance = random.Random(len(self.id()))
        first = self.make_policies()
        running = [self.start_scheduler() for _ in range(3)]
        clock = threading.Event()
        for _ in range(_KILLS):
            clock.wait(chance.uniform(0.5, 3.5))
            victim = running.pop(chance.randrange(len(running)))
            self.kill(victim)
            running.append(self.start_scheduler())
        stack.wait_for(
            lambda: len(self.runs()) == _POLICIES, 'every policy to be run'
        )
        for process in running:
            process.terminate()
            # The last one may have begun just now, and not mind signals yet.
            self.assertIn(process.wait(stack.DEADLINE), (0, -signal.SIGTERM))
        for policy_id, moments in self.runs().items():
            self.assertEqual(
                sorted(set(moments)), moments, 'a run was fired twice'
            )
            self.assertEqual(first[policy_id].isoformat(), moments[0])
            # Nothing was left out but what came due while it was waiting.
            policy = db_policies.get(self.db, policy_id)
            last = datetime.datetime.fromisoformat(moments[-1])
            assert policy.next_run_at is not None
            self.assertGreater(policy.next_run_at, last)


def _url(prefix: str) -> str | None:
    for url in csbs_fixtures.database_urls():
        if url.startswith(prefix):
            return url
    return None


@unittest.skipUnless(
    _url('postgresql'), 'no postgresql URL in CSBS_TEST_DATABASES'
)
class PostgresqlTest(SchedulersSuite, processes.ProcessTestCase):
    server = _url('postgresql')


@unittest.skipUnless(_url('mysql'), 'no mysql URL in CSBS_TEST_DATABASES')
class MysqlTest(SchedulersSuite, processes.ProcessTestCase):
    server = _url('mysql')
