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
import random

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import runs
from csbs.actions.runtime import Runtime
from csbs.db import policies as db_policies

LOG = log.getLogger(__name__)

_CHANCE = random.SystemRandom()

#: how many are started before the other duties have their turn
_AT_ONCE = 100


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Queue a run of the policies that are due; return how many."""
    count = 0
    due = db_policies.due(rt.db, now, _AT_ONCE)
    # Other schedulers see the same ones: let them begin elsewhere.
    _CHANCE.shuffle(due)
    for policy in due:
        try:
            count += rt.db.run(functools.partial(_fire, rt, policy.id, now))
        except Exception:
            # One policy's trouble must not keep the others from theirs.
            LOG.exception('Policy %s could not be run', policy.id)
    return count


def _fire(rt: Runtime, policy_id: str, now: datetime.datetime) -> bool:
    try:
        policy = db_policies.lock(rt.db, policy_id)
    except exception.PolicyNotFound:
        return False
    planned_at, fire_at = policy.next_run_at, policy.fire_at
    if planned_at is None or fire_at is None or fire_at > now:
        # Another scheduler was faster, or the policy was changed.
        return False
    window = datetime.timedelta(seconds=rt.conf.scheduler.spread)
    plan = policy.plan_behind(now, window)
    if not db_policies.take_run(rt.db, policy, plan):
        return False
    if not policy.server_ids:
        return False
    ctx = csbs_context.RequestContext.for_service(policy.project_id)
    return runs.fire(rt, ctx, policy, planned_at)
