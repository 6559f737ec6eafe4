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

"""Looks through the backups of every policy once a day."""

import datetime
import functools

from csbs.actions import policies
from csbs.actions.runtime import Runtime
from csbs.db import policies as db_policies

#: policies that one look takes; the next look takes the next
_AT_ONCE = 50


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Delete what policies keep no longer; return how many backups."""
    count = 0
    for policy in db_policies.due_for_pruning(rt.db, now, _AT_ONCE):
        following = policy.next_prune(now, rt.conf.scheduler.prune_time)
        taken = rt.db.run(
            functools.partial(
                db_policies.take_pruning, rt.db, policy, following
            )
        )
        if taken:
            count += len(policies.prune(rt, policy, now))
    return count
