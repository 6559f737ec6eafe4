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

"""A run of a policy: starts a backup of every server, then tidies up.

The backups are tasks of their own. One server's trouble does not keep the
others from theirs; it is told in the result.
"""

from collections.abc import Mapping
from typing import Any

from csbs import exception
from csbs.actions import backups as actions
from csbs.actions import policies
from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.domain import model
from csbs.protection.run import Run


def work(run: Run) -> dict[str, Any]:
    """Start the backups; return their ids, and the faults by server."""
    rt, params = run.rt, run.task.params
    policy = db_policies.get(rt.db, params['policy_id'])
    if policy.vault_id is None:
        raise exception.PolicyNotReady(
            id=policy.id, reason='it is bound to no vault'
        )
    trigger = model.Trigger(params['trigger'])
    started = _started_before(run, policy.id)
    faults: dict[str, dict[str, str]] = {}
    run.step('starting_backups')
    for server_id in policy.server_ids:
        run.check()
        if server_id in started:
            continue
        try:
            backup = actions.create(
                rt,
                run.context,
                server_id,
                policy.vault_id,
                None,
                '',
                trigger=trigger,
                policy_id=policy.id,
                allow_pause=policy.allow_pause,
            )
        except exception.CsbsError as error:
            faults[server_id] = {'code': error.code, 'message': str(error)}
        else:
            started[server_id] = backup.id
    run.step('pruning')
    gone = policies.prune(rt, policy, paging.utcnow())
    return {'backups': started, 'faults': faults, 'pruned': gone}


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Leave everything to the backups' own tasks."""


def _started_before(run: Run, policy_id: str) -> dict[str, str]:
    """Return what an attempt at this run that died has started already."""
    if run.task.attempts == 1 or run.task.started_at is None:
        return {}
    found = db_backups.find(
        run.rt.db,
        run.task.project_id,
        {'policy_id': policy_id, 'created_since': run.task.started_at},
        paging.Page(),
    )
    return {backup.server_id: backup.id for backup in found}
