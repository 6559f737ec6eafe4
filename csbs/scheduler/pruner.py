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

"""Looks through the backups of policies: once a day, and behind each run."""

import dataclasses
import datetime
import functools

from oslo_log import log

from csbs.actions import pruning
from csbs.actions.runtime import Runtime
from csbs.db import policies as db_policies
from csbs.domain import policy as domain

LOG = log.getLogger(__name__)

#: how many policies are looked at, and how many backups of each may go,
#: before the other duties have their turn
_AT_ONCE = 50
_OF_EACH = 100
#: when another scheduler looks, should this one die over it
_LEASE = datetime.timedelta(minutes=10)


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Delete what policies keep no longer; return how many backups."""
    count = 0
    for policy in db_policies.due_for_pruning(rt.db, now, _AT_ONCE):
        try:
            count += _look_through(rt, policy, now)
        except Exception:
            # One policy's trouble must not keep the others from theirs.
            LOG.exception('Policy %s could not clean up', policy.id)
    return count


def _look_through(
    rt: Runtime, policy: domain.Policy, now: datetime.datetime
) -> int:
    lease = now + _LEASE
    if not _take(rt, policy, lease):
        return 0
    gone, all_gone = pruning.prune(rt, policy, now, _OF_EACH)
    # Not taken when a run ended meanwhile: that wants one more look.
    _take(
        rt,
        dataclasses.replace(policy, prune_at=lease),
        policy.next_prune(now, rt.conf.scheduler.prune_time)
        if all_gone
        else now,
    )
    return gone


def _take(
    rt: Runtime,
    policy: domain.Policy,
    following: datetime.datetime | None,
) -> bool:
    return rt.db.run(
        functools.partial(db_policies.take_pruning, rt.db, policy, following)
    )
