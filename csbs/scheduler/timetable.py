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

"""Fires the policies that are due.

Of many schedulers the one whose compare-and-swap moves the policy's next run
on queues the run, in the same transaction. Runs missed while no scheduler
was up collapse into one.
"""

import datetime
import functools

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import policies
from csbs.actions.runtime import Runtime
from csbs.db import policies as db_policies
from csbs.domain import model
from csbs.domain import policy as domain

#: policies that one look takes; the next look takes the next
_AT_ONCE = 100


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Queue a run of the policies that are due; return how many."""
    return sum(
        rt.db.run(functools.partial(_fire, rt, policy, now))
        for policy in db_policies.due(rt.db, now, _AT_ONCE)
    )


def _fire(rt: Runtime, policy: domain.Policy, now: datetime.datetime) -> bool:
    if not db_policies.take_run(rt.db, policy, policy.next_after(now)):
        return False
    if not policy.server_ids:
        return False
    skipped = None
    if policies.run_by_hand_unfinished(rt, policy):
        # The product's rule: a run by hand wins over the schedule.
        skipped = exception.PolicyRunning(id=policy.id).fault
    ctx = csbs_context.RequestContext.for_service(policy.project_id)
    policies.put_run(rt, ctx, policy, model.Trigger.SCHEDULED, skipped)
    return skipped is None
