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

"""A run of a policy: starts a backup of every server.

The backups are tasks of their own below the run, which goes on without a
worker until the last of them ends. One server's trouble does not keep the
others from theirs.
"""

from collections.abc import Mapping
from typing import Any

from csbs import exception
from csbs.actions import runs
from csbs.db import policies as db_policies
from csbs.db import runs as db_runs
from csbs.domain import model
from csbs.protection.run import Run


def work(run: Run) -> dict[str, Any]:
    """Start the backups that an attempt that died has not started."""
    rt, task = run.rt, run.task
    policy = db_policies.get(rt.db, str(task.policy_id))
    if policy.vault_id is None:
        raise exception.PolicyNotReady(
            id=policy.id, reason='it is bound to no vault'
        )
    started = {part.server_id for part in db_runs.parts(rt.db, task.id)}
    run.step('starting_backups')
    for server_id in policy.server_ids:
        if server_id not in started:
            run.check()
            runs.start_server(rt, run.context, task, policy, server_id)
    return {}


def end(
    run: Run,
    status: model.TaskStatus,
    result: Mapping[str, Any],
    fault: model.Fault | None,
) -> model.TaskStatus:
    """Leave the run to its backups, if there are any."""
    failed = fault if status == model.TaskStatus.FAILED else None
    return runs.leave(run.rt, run.task, run.owner, failed)


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Leave everything to the backups' own tasks."""
