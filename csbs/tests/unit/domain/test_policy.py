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

"""When a policy really starts, and what stands for what was missed."""

import collections
import datetime
from typing import Any
import uuid

import hypothesis
from hypothesis import strategies as st

from csbs.domain import policy as domain
from csbs.domain import recurrence
from csbs.domain import retention
from csbs.tests import base

_NOW = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)
_MINUTE = datetime.timedelta(minutes=1)
_WINDOW = 10 * _MINUTE
_NIGHTLY = recurrence.Schedule(('02:00',), every_days=1)
_EVERY_MINUTE = recurrence.Schedule(
    tuple(
        f'{hour:02}:{minute:02}' for hour in range(24) for minute in range(60)
    ),
    every_days=1,
)


def make(
    schedule: recurrence.Schedule = _NIGHTLY, **fields: Any
) -> domain.Policy:
    values: dict[str, Any] = {
        'id': str(uuid.uuid4()),
        'project_id': 'project',
        'name': 'nightly',
        'enabled': True,
        'vault_id': 'vault',
        'schedule': schedule,
        'retention': retention.Retention(retention.RetentionKind.FOREVER),
        'created_at': _NOW,
        'updated_at': None,
        'next_run_at': None,
        'prune_at': None,
    }
    return domain.Policy(**{**values, **fields})


class NextRunsTest(base.TestCase):
    def test_five_beginning_with_the_next(self) -> None:
        first = _NOW.replace(day=24, hour=2)
        runs = make(next_run_at=first).next_runs()
        self.assertEqual([first + day * _DAY for day in range(5)], runs)

    def test_none_when_it_does_not_run_by_itself(self) -> None:
        self.assertEqual([], make().next_runs())


class PlanTest(base.TestCase):
    def test_only_what_is_enabled_and_bound_runs_by_itself(self) -> None:
        for fields in ({'enabled': False}, {'vault_id': None}):
            policy = make(**fields)
            self.assertEqual(domain.Plan(), policy.plan(_NOW, _WINDOW))
        plan = make().plan(_NOW, _WINDOW)
        self.assertEqual(_NOW + 16 * 60 * _MINUTE, plan.next_run_at)

    def test_ten_thousand_policies_do_not_stampede(self) -> None:
        planned = _NIGHTLY.next_after(_NOW)
        minutes: collections.Counter[int] = collections.Counter()
        for number in range(10000):
            policy = make(id=str(uuid.UUID(int=number)))
            fire_at = policy.fire_time(planned, _WINDOW)
            # The same every time.
            self.assertEqual(fire_at, policy.fire_time(planned, _WINDOW))
            minutes[(fire_at - planned) // _MINUTE] += 1
        self.assertEqual(set(range(10)), set(minutes))
        self.assertLess(max(minutes.values()), 1200)
        self.assertGreater(min(minutes.values()), 800)

    def test_no_spread(self) -> None:
        plan = make().plan(_NOW, datetime.timedelta(0))
        self.assertEqual(plan.next_run_at, plan.fire_at)

    def test_it_is_started_before_its_next_run_is_due(self) -> None:
        policy = make(_EVERY_MINUTE, id='x')
        planned = _EVERY_MINUTE.next_after(_NOW)
        fire_at = policy.fire_time(planned, _WINDOW)
        self.assertLess(fire_at - planned, _MINUTE)

    @hypothesis.given(st.uuids(), st.sampled_from([_NIGHTLY, _EVERY_MINUTE]))
    @hypothesis.settings(deadline=None, max_examples=30)
    def test_no_run_is_left_out_by_being_late(
        self, policy_id: uuid.UUID, schedule: recurrence.Schedule
    ) -> None:
        policy = make(schedule, id=str(policy_id))
        plan = policy.plan(_NOW, _WINDOW)
        for _ in range(4):
            assert plan.next_run_at is not None and plan.fire_at is not None
            due = make(
                schedule,
                id=policy.id,
                next_run_at=plan.next_run_at,
                fire_at=plan.fire_at,
            )
            following = due.plan_behind(plan.fire_at, _WINDOW)
            self.assertEqual(
                schedule.next_after(plan.next_run_at), following.next_run_at
            )
            plan = following

    def test_missed_runs_collapse_into_one(self) -> None:
        planned = _NIGHTLY.next_after(_NOW)
        policy = make(next_run_at=planned, fire_at=planned)
        late = planned + 4 * _DAY + 5 * 60 * _MINUTE
        plan = policy.plan_behind(late, _WINDOW)
        self.assertEqual(planned + 5 * _DAY, plan.next_run_at)
        assert plan.fire_at is not None
        self.assertGreater(plan.fire_at, late)

    def test_cleaning_up(self) -> None:
        policy = make(
            recurrence.Schedule(('02:00',), 'America/New_York', every_days=1)
        )
        self.assertEqual(
            datetime.datetime(2026, 11, 24, 5, tzinfo=datetime.UTC),
            policy.next_prune(_NOW, '00:00'),
        )
        self.assertIsNone(make(enabled=False).next_prune(_NOW, '00:00'))
