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

"""Runs one claimed task from its first sign of life to its last row.

Owns the order in which things end: what the task made is taken back before
its rows say that it is over, and the rows of one end go into one
transaction. Knows nothing of what the kinds of tasks do.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import runs
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection import backup
from csbs.protection import collect
from csbs.protection import create_server
from csbs.protection import delete
from csbs.protection import policy_run
from csbs.protection import restore
from csbs.protection import verify
from csbs.protection.run import Run

LOG = log.getLogger(__name__)

Result = dict[str, Any]


def _undo_nothing(run: Run) -> None:
    """Undo no more than what the ledger holds."""


def _nothing_after(run: Run, result: Result) -> None:
    """Do no upkeep."""


def _finish(
    run: Run,
    status: model.TaskStatus,
    result: Result,
    fault: model.Fault | None,
) -> model.TaskStatus:
    """Write the end of the task down."""
    db_tasks.finish(run.rt.db, run.task.id, run.owner, status, fault, result)
    return status


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a kind of task does.

    :ivar work: does it; returns the task's result
    :ivar settle: writes the rows of the end, with the result or the fault,
        as part of the transaction that ends the task
    :ivar end: writes the end of the task itself, before that; returns the
        status it is left in
    :ivar undo: takes back what is not in the ledger, after a failure
    :ivar after: upkeep behind a success; may fail without harm
    :ivar survives: ledger entries that a next attempt goes on with
    """

    work: Callable[[Run], Result]
    settle: Callable[[Run, Result, model.Fault | None], None]
    end: Callable[
        [Run, model.TaskStatus, Result, model.Fault | None], model.TaskStatus
    ] = _finish
    undo: Callable[[Run], None] = _undo_nothing
    after: Callable[[Run, Result], None] = _nothing_after
    survives: frozenset[model.ResourceKind] = frozenset()


KINDS: Mapping[model.TaskKind, Kind] = {
    model.TaskKind.BACKUP: Kind(
        backup.work, backup.settle, undo=backup.undo, after=backup.after
    ),
    model.TaskKind.RESTORE: Kind(
        restore.work,
        restore.settle,
        survives=frozenset({model.ResourceKind.HOLD}),
    ),
    model.TaskKind.CREATE_SERVER: Kind(
        create_server.work, create_server.settle
    ),
    model.TaskKind.DELETE_BACKUP: Kind(delete.work, delete.settle),
    model.TaskKind.COLLECT: Kind(collect.work, collect.settle),
    model.TaskKind.POLICY_RUN: Kind(
        policy_run.work, policy_run.settle, end=policy_run.end
    ),
    model.TaskKind.VERIFY: Kind(verify.work, verify.settle, end=verify.end),
    model.TaskKind.DELETE_VAULT: Kind(
        delete.work_vault, delete.settle_vault, after=delete.after_vault
    ),
}


def execute(run: Run) -> None:
    """Run a task to its end; raises nothing that a task could cause."""
    task, kind = run.task, KINDS[run.task.kind]
    LOG.info(
        'Task %s (%s, attempt %s) begins', task.id, task.kind, task.attempts
    )
    with csbs_context.acting(task.user_id, task.request_id), run.beating():
        try:
            status = _attempt(run, kind)
        except exception.TaskLost:
            LOG.warning('Task %s went to another worker', task.id)
        except exception.TaskInterrupted:
            db_tasks.hand_back(run.rt.db, task.id, run.owner)
            LOG.info('Task %s goes back into the queue', task.id)
        else:
            LOG.info('Task %s (%s) %s', task.id, task.kind, status)


def _attempt(run: Run, kind: Kind) -> model.TaskStatus:
    try:
        run.unseal()
        _take_over(run, kind)
        result = kind.work(run)
        run.ledger.clear(but=frozenset(entry.id for entry in run.kept))
        status = _end(run, kind, model.TaskStatus.SUCCEEDED, result, None)
    except (exception.TaskLost, exception.TaskInterrupted):
        raise
    except exception.TaskCancelled as error:
        return _fail(run, kind, model.TaskStatus.CANCELLED, error.fault)
    except exception.CsbsError as error:
        LOG.warning('Task %s fails: %s', run.task.id, error)
        return _fail(run, kind, model.TaskStatus.FAILED, error.fault)
    except Exception:
        LOG.exception('Task %s fails by an error of ours', run.task.id)
        fault = exception.CsbsError().fault
        return _fail(run, kind, model.TaskStatus.FAILED, fault)
    try:
        kind.after(run, result)
    except Exception:
        LOG.exception('The upkeep behind task %s failed', run.task.id)
    return status


def _take_over(run: Run, kind: Kind) -> None:
    """Clean up behind attempts that died, and count them."""
    run.ledger.clear(
        but=frozenset(
            entry.id
            for entry in run.ledger.entries()
            if entry.kind in kind.survives
        )
    )
    if run.task.attempts > run.rt.conf.protection.max_attempts:
        raise exception.WorkerDied(attempts=run.task.attempts - 1)
    run.check()


def _fail(
    run: Run, kind: Kind, status: model.TaskStatus, fault: model.Fault
) -> model.TaskStatus:
    run.beat()
    run.ledger.clear()
    try:
        kind.undo(run)
    except Exception:
        # Garbage collection finds what is left in the store.
        LOG.exception('Task %s could not undo everything', run.task.id)
    run.kept.clear()
    return _end(run, kind, status, {}, fault)


def _end(
    run: Run,
    kind: Kind,
    status: model.TaskStatus,
    result: Result,
    fault: model.Fault | None,
) -> model.TaskStatus:
    db = run.rt.db

    def work() -> tuple[model.TaskStatus, bool]:
        left_in = kind.end(run, status, result, fault)
        for entry in run.kept:
            db_resources.delete(db, entry.id)
        kind.settle(run, result, fault)
        more = run.task.parent_id is not None and runs.part_ended(db, run.task)
        return left_in, more

    run.beat()
    left_in, more = db.run(work)
    if more:
        run.rt.doorbell.wake()
    return left_in
