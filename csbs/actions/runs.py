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

"""The verbs of runs: a policy backing its servers up.

A run is a task with the backups of its servers below it. A worker starts it,
then lets it go on without one; whoever ends the last backup ends the run, in
the same transaction.
"""

import datetime
from typing import Any

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import backups
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import runs as db_runs
from csbs.db import session
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.domain import policy as domain
from csbs.domain import states

#: what a run does that has started all its backups
WAITING = 'waiting_for_backups'


def start_now(
    rt: Runtime, ctx: csbs_context.RequestContext, policy_id: str
) -> tuple[domain.Policy, str]:
    """Back every server of a policy up; return it and the run's task.

    :raises PolicyNotReady: when it has no vault or no server
    :raises VaultExpired: or VaultUnavailable, when the vault takes nothing
    :raises ServerBusy: when one of its servers is being worked on
    :raises PolicyRunning: when a run of it is not finished
    """

    def work() -> tuple[domain.Policy, str]:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        if policy.vault_id is None:
            raise exception.PolicyNotReady(
                id=policy.id, reason='it is bound to no vault'
            )
        if not policy.server_ids:
            raise exception.PolicyNotReady(
                id=policy.id, reason='it has no server'
            )
        checks.vault_takes_backups(db_vaults.get(rt.db, policy.vault_id))
        _check_idle(rt, policy)
        return policy, put(rt, ctx, policy, model.Trigger.RUN_NOW)

    result = rt.db.run(work)
    rt.doorbell.wake()
    return result


def _check_idle(rt: Runtime, policy: domain.Policy) -> None:
    """See that nothing works on a policy's servers.

    :raises ServerBusy: when something does, with the servers' names
    :raises PolicyRunning: when a run of it is not finished
    """
    busy = db_tasks.locks(rt.db, policy.server_ids)
    if busy:
        known = db_tasks.server_names(rt.db, busy.values())
        named = sorted(
            f'{known[task_id]} ({server_id})'
            if task_id in known
            else server_id
            for server_id, task_id in busy.items()
        )
        raise exception.ServerBusy(
            'These servers of the policy are being worked on: '
            f'{", ".join(named)}.'
        )
    run = db_runs.unfinished(rt.db, policy.id)
    if run is not None:
        raise exception.PolicyRunning(id=policy.id, task_id=run.id)


def fire(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy: domain.Policy,
    planned_at: datetime.datetime,
) -> bool:
    """Queue a run that is due, or put on record why it is left out.

    Part of the transaction that has the policy's row.

    :returns: whether it was queued
    """
    fault = None
    run = db_runs.unfinished(rt.db, policy.id)
    if run is not None:
        # The product's rule: a run by hand wins over the schedule.
        fault = exception.PolicyRunning(id=policy.id, task_id=run.id).fault
    else:
        try:
            checks.vault_takes_backups(
                db_vaults.get(rt.db, str(policy.vault_id))
            )
        except exception.CsbsError as error:
            fault = error.fault
            db_policies.set_failing(rt.db, policy.id, True)
    put(rt, ctx, policy, model.Trigger.SCHEDULED, planned_at, fault)
    return fault is None


def put(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy: domain.Policy,
    trigger: model.Trigger,
    planned_at: datetime.datetime | None = None,
    skipped: model.Fault | None = None,
) -> str:
    """Write a run down, in the caller's transaction; return its id.

    :param planned_at: the schedule's time
    :param skipped: why it is not to be done
    """
    params: dict[str, Any] = {
        'trigger': str(trigger),
        'planned_at': planned_at.isoformat() if planned_at else None,
        'max_parallel': policy.max_parallel or rt.conf.protection.max_parallel,
    }
    return queue.put(
        rt,
        ctx,
        model.TaskKind.POLICY_RUN,
        project_id=policy.project_id,
        vault_id=policy.vault_id,
        policy_id=policy.id,
        params=params,
        status=(
            model.TaskStatus.SKIPPED if skipped else model.TaskStatus.QUEUED
        ),
        fault=skipped,
    )


def start_server(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    run: model.Task,
    policy: domain.Policy,
    server_id: str,
) -> None:
    """Start a run's backup of one server, or put on record why not.

    :raises TaskCancelled: when the run is cancelled
    """
    vault_id = str(policy.vault_id)
    wish = backups.Wish(
        trigger=model.Trigger(run.params['trigger']),
        policy_id=policy.id,
        allow_pause=policy.allow_pause,
        run_id=run.id,
        max_parallel=run.params['max_parallel'],
    )
    try:
        backups.create(rt, ctx, server_id, vault_id, wish)
    except exception.ServerBusy as error:
        fault = error.fault
        rt.db.run(
            lambda: queue.put(
                rt,
                ctx,
                model.TaskKind.BACKUP,
                project_id=policy.project_id,
                server_id=server_id,
                vault_id=vault_id,
                policy_id=policy.id,
                parent_id=run.id,
                params={'trigger': run.params['trigger']},
                status=model.TaskStatus.SKIPPED,
                fault=fault,
            )
        )
    except exception.TaskCancelled:
        raise
    except exception.CsbsError as error:
        backups.put_failed(rt, ctx, server_id, vault_id, wish, error.fault)


def leave(
    rt: Runtime,
    run: model.Task,
    owner: str,
    fault: model.Fault | None,
) -> model.TaskStatus:
    """Let a run go on without a worker, or end it if nothing goes on.

    Part of the caller's transaction.

    :param fault: why the run itself failed, if it did
    :returns: the run's status from now on
    :raises TaskLost: when the task is no longer this worker's
    """
    current = db_tasks.lock(rt.db, run.id)
    if fault is not None and not current.cancel_requested:
        db_tasks.finish(
            rt.db, run.id, owner, model.TaskStatus.FAILED, fault, {}
        )
        return model.TaskStatus.FAILED
    if current.cancel_requested:
        cancel_parts(rt.db, run.id)
    parts = db_runs.parts(rt.db, run.id)
    if any(part.status in states.ACTIVE_TASK for part in parts):
        db_tasks.leave(rt.db, run.id, owner, WAITING)
        return model.TaskStatus.RUNNING
    return _end(rt.db, current, owner, parts)


def part_ended(db: session.Database, part: model.Task) -> bool:
    """Go on with the run that a task was a part of, or end it.

    Part of the transaction that ends the task.

    :returns: whether another part may be claimed now
    """
    try:
        run = db_tasks.lock(db, str(part.parent_id))
    except exception.TaskNotFound:
        return False
    if db_runs.release(db, run.id, run.params['max_parallel']):
        return True
    if run.status == model.TaskStatus.RUNNING and run.owner is None:
        parts = db_runs.parts(db, run.id)
        if not any(one.status in states.ACTIVE_TASK for one in parts):
            _end(db, run, None, parts)
    return False


def cancel_parts(db: session.Database, run_id: str) -> list[str]:
    """Ask what is below a run to stop; return the tasks' ids."""
    asked = []
    for part in db_runs.parts(db, run_id):
        try:
            db_tasks.request_cancel(db, part.id)
        except exception.TaskNotCancellable:
            continue
        asked.append(part.id)
    return asked


def _end(
    db: session.Database,
    run: model.Task,
    owner: str | None,
    parts: list[model.Task],
) -> model.TaskStatus:
    bad = [part for part in parts if part.status != model.TaskStatus.SUCCEEDED]
    status, fault = model.TaskStatus.SUCCEEDED, None
    if run.cancel_requested:
        status = model.TaskStatus.CANCELLED
        fault = exception.TaskCancelled().fault
    elif bad:
        status = model.TaskStatus.FAILED
        fault = exception.RunIncomplete(
            failed=len(bad), count=len(parts)
        ).fault
    db_tasks.finish(
        db,
        run.id,
        owner,
        status,
        fault,
        {
            'backups': {
                part.server_id: part.backup_id
                for part in parts
                if part.status == model.TaskStatus.SUCCEEDED
            },
            'faults': {
                part.server_id: {
                    'code': part.fault.code,
                    'message': part.fault.message,
                }
                for part in bad
                if part.fault
            },
        },
        bytes_done=sum(part.bytes_done for part in parts),
        bytes_total=sum(part.bytes_total for part in parts),
    )
    # A run is followed by a look at what it makes superfluous.
    db_policies.prune_soon(db, str(run.policy_id), paging.utcnow())
    return status
