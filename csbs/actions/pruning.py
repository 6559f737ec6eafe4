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

"""Deleting what policies keep no longer."""

import datetime

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import backups
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import policies as db_policies
from csbs.domain import policy as domain
from csbs.domain import retention


def prune(
    rt: Runtime,
    policy: domain.Policy,
    now: datetime.datetime,
    limit: int,
) -> tuple[int, bool]:
    """Delete what a policy keeps no longer.

    A backup that is being read, that its vault's lock protects, or that is
    deleted already, is left for the next time.

    :param limit: how many may go at once
    :returns: how many go, and whether that is all
    """
    ctx = csbs_context.RequestContext.for_service(policy.project_id)
    expired = retention.expired(
        policy.retention,
        db_backups.made_by(rt.db, policy.id),
        now,
        db_policies.failing(rt.db, policy.id),
    )
    gone = 0
    for one in expired:
        if gone == limit:
            return gone, False
        try:
            backups.delete(rt, ctx, one.backup.id)
        except (exception.Conflict, exception.NotFound):
            continue
        gone += 1
    return gone, True
