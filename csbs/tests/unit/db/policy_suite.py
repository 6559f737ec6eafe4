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

"""What the database layer must do with policies, on whatever database."""

import concurrent.futures
import dataclasses
import datetime
import threading
from typing import Any
import uuid

import testtools

from csbs import exception
from csbs.db import paging
from csbs.db import policies
from csbs.db import session
from csbs.domain import policy as domain_policy
from csbs.domain import recurrence
from csbs.domain import retention


def new_id() -> str:
    return str(uuid.uuid4())


class PolicySuite(testtools.TestCase):
    """Mixed into :class:`suite.DatabaseSuite`, which opens the database."""

    db: session.Database

    def add_policy(self, **changes: Any) -> domain_policy.Policy:
        now = paging.utcnow()
        policy = dataclasses.replace(
            domain_policy.Policy(
                id=new_id(),
                project_id='project',
                name='nightly',
                enabled=True,
                vault_id=new_id(),
                schedule=recurrence.Schedule(
                    ('02:00', '14:30'), 'Europe/Berlin', ('mon', 'fri')
                ),
                retention=retention.Retention(
                    retention.RetentionKind.COUNT, 7
                ),
                created_at=now,
                updated_at=None,
                next_run_at=now,
                fire_at=now,
                prune_at=now,
                max_parallel=3,
            ),
            **changes,
        )
        self.db.run(lambda: policies.create(self.db, policy))
        return policy

    def test_policy_comes_back_as_it_was(self) -> None:
        policy = self.add_policy()
        self.assertEqual(policy, policies.get(self.db, policy.id))
        self.assertRaises(
            exception.PolicyNotFound,
            policies.get,
            self.db,
            policy.id,
            'other',
        )
        changed = dataclasses.replace(
            policy,
            name='weekly',
            retention=retention.Retention(retention.RetentionKind.FOREVER),
            schedule=recurrence.Schedule(('01:00',), every_days=3),
        )
        self.db.run(lambda: policies.save(self.db, changed))
        found = policies.find(
            self.db, 'project', {'name': 'weekly'}, paging.Page()
        )
        self.assertEqual(
            [changed],
            [dataclasses.replace(one, updated_at=None) for one in found],
        )

    def test_server_is_in_one_policy(self) -> None:
        one, two = self.add_policy(), self.add_policy()
        for policy in (one, two, two):
            policies.add_server(self.db, policy.id, 'server')
        self.assertEqual((), policies.get(self.db, one.id).server_ids)
        self.assertEqual(('server',), policies.get(self.db, two.id).server_ids)
        policies.remove_server(self.db, 'server', one.id)
        self.assertEqual(
            {'server': two.id}, policies.of_servers(self.db, ['server', 'x'])
        )
        policies.delete(self.db, two.id)
        self.assertEqual({}, policies.of_servers(self.db, ['server']))

    def test_server_is_in_one_policy_whoever_binds_it(self) -> None:
        made = [self.add_policy() for _ in range(4)]
        both = threading.Barrier(len(made))

        def bind(policy: domain_policy.Policy) -> None:
            both.wait(10)
            self.db.run(
                lambda: policies.add_server(self.db, policy.id, 'server')
            )

        with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(bind, made, timeout=30))
        bound = [
            policy.id
            for policy in made
            if policies.get(self.db, policy.id).server_ids
        ]
        self.assertEqual(1, len(bound))
        self.assertEqual(
            {'server': bound[0]}, policies.of_servers(self.db, ['server'])
        )

    def test_of_two_that_take_a_run_one_gets_it(self) -> None:
        policy = self.add_policy()
        self.add_policy(next_run_at=None, fire_at=None, prune_at=None)
        now = policy.created_at
        later = now + datetime.timedelta(hours=1)
        plan = domain_policy.Plan(later, later)
        self.assertEqual([policy], policies.due(self.db, now, 9))
        got = [policies.take_run(self.db, policy, plan) for _ in range(2)]
        self.assertEqual([True, False], got)
        self.assertEqual([], policies.due(self.db, now, 9))
        got = [policies.take_pruning(self.db, policy, later) for _ in range(2)]
        self.assertEqual([True, False], got)
        self.assertEqual([], policies.due_for_pruning(self.db, now, 9))
        policies.prune_soon(self.db, policy.id, now)
        (found,) = policies.due_for_pruning(self.db, now, 9)
        self.assertEqual(now, found.prune_at)

    def test_what_is_due_comes_in_order_and_not_all_at_once(self) -> None:
        now = paging.utcnow()
        made = [
            self.add_policy(fire_at=now - datetime.timedelta(minutes=minutes))
            for minutes in (1, 3, 2)
        ]
        self.add_policy(fire_at=now + datetime.timedelta(minutes=1))
        self.assertEqual(
            [made[1].id, made[2].id],
            [policy.id for policy in policies.due(self.db, now, 2)],
        )

    def test_servers_that_fail(self) -> None:
        policy = self.add_policy()
        for server_id in ('a', 'b'):
            policies.add_server(self.db, policy.id, server_id)
        policies.set_failing(self.db, policy.id, True)
        policies.set_failing(self.db, policy.id, False, 'a')
        self.assertEqual({'b'}, policies.failing(self.db, policy.id))

    def test_what_is_due_longest_comes_first(self) -> None:
        policy = self.add_policy()
        hour = datetime.timedelta(hours=1)
        now = policy.prune_at + 4 * hour
        order = [
            self.add_policy(
                fire_at=now - hours * hour, prune_at=now - hours * hour
            ).id
            for hours in (3, 1, 2)
        ]
        for due in (policies.due, policies.due_for_pruning):
            self.assertEqual(
                [policy.id, order[0], order[2]],
                [one.id for one in due(self.db, now, 3)],
            )

    def test_policies_of_a_vault_that_goes(self) -> None:
        policy = self.add_policy()
        policies.unbind_vault(self.db, str(policy.vault_id))
        found = policies.get(self.db, policy.id)
        self.assertIsNone(found.vault_id)
        self.assertIsNone(found.next_run_at)
        self.assertIsNone(found.fire_at)
