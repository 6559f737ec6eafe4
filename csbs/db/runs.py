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

"""Tasks that are parts of a run, and the history of tasks.

A run of a policy is a task with the backups of its servers below it. Owns
how many of them may be claimed at a time: the others are held.
"""

from collections.abc import Sequence
import dataclasses
import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import convert
from csbs.db import models
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.domain import model
from csbs.domain import states


def with_progress(
    session: orm.Session, tasks: Sequence[model.Task]
) -> list[model.Task]:
    """Return tasks, the unfinished runs with what their parts have done."""
    ids = [
        task.id
        for task in tasks
        if task.kind == model.TaskKind.POLICY_RUN
        and task.status == model.TaskStatus.RUNNING
    ]
    if not ids:
        return list(tasks)
    sums: dict[str | None, tuple[int, int]] = {
        parent_id: (int(done), int(total))
        for parent_id, done, total in session.execute(
            sa.select(
                models.Task.parent_id,
                sa.func.sum(models.Task.bytes_done),
                sa.func.sum(models.Task.bytes_total),
            )
            .where(models.Task.parent_id.in_(ids))
            .group_by(models.Task.parent_id)
        )
    }
    return [
        dataclasses.replace(
            task, bytes_done=sums[task.id][0], bytes_total=sums[task.id][1]
        )
        if task.id in sums
        else task
        for task in tasks
    ]


def parts(db: Database, run_id: str) -> list[model.Task]:
    """Return the tasks below a run, the oldest first."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Task)
            .where(models.Task.parent_id == run_id)
            .order_by(models.Task.created_at, models.Task.id)
        )
        return [convert.task(row) for row in rows]


def unfinished(db: Database, policy_id: str) -> model.Task | None:
    """Return a run of a policy that is not over, or None."""
    with db.reader() as session:
        row = session.scalar(
            sa.select(models.Task)
            .where(
                models.Task.policy_id == policy_id,
                models.Task.kind == model.TaskKind.POLICY_RUN,
                models.Task.status.in_(states.ACTIVE_TASK),
            )
            .limit(1)
        )
        return convert.task(row) if row is not None else None


def claimable(db: Database, run_id: str) -> int:
    """Return how many parts of a run are at work, or free to be claimed."""
    with db.reader() as session:
        return (
            session.scalar(
                sa.select(sa.func.count())
                .select_from(models.Task)
                .where(
                    models.Task.parent_id == run_id,
                    models.Task.status.in_(states.ACTIVE_TASK),
                    models.Task.held.is_(False),
                )
            )
            or 0
        )


def release(db: Database, run_id: str, limit: int) -> int:
    """Let held parts of a run be claimed, until so many can be.

    :returns: how many were let go
    """
    free = limit - claimable(db, run_id)
    if free <= 0:
        return 0
    with db.writer() as session:
        held = session.scalars(
            sa.select(models.Task.id)
            .where(
                models.Task.parent_id == run_id,
                models.Task.status == model.TaskStatus.QUEUED,
                models.Task.held.is_(True),
            )
            .order_by(models.Task.created_at, models.Task.id)
            .limit(free)
        ).all()
        released = [
            hit(
                session.execute(
                    sa.update(models.Task)
                    .where(
                        models.Task.id == task_id, models.Task.held.is_(True)
                    )
                    .values(held=False)
                    .execution_options(synchronize_session=False)
                )
            )
            for task_id in held
        ]
        session.expire_all()
        return sum(released)


def forget(db: Database, before: datetime.datetime, limit: int) -> int:
    """Strike out tasks that ended before a moment; return how many.

    A run goes with its parts. A task stays while its ledger holds something.
    """
    old = (
        sa.select(models.Task.id)
        .where(
            models.Task.finished_at < before,
            models.Task.parent_id.is_(None),
            ~sa.exists().where(models.Resource.task_id == models.Task.id),
        )
        .order_by(models.Task.finished_at)
        .limit(limit)
    )
    with db.writer() as session:
        ids = session.scalars(old).all()
        parts_of = models.Task.parent_id.in_(ids)
        busy = session.scalars(
            sa.select(models.Task.parent_id).where(
                parts_of,
                sa.exists().where(models.Resource.task_id == models.Task.id),
            )
        ).all()
        ids = [task_id for task_id in ids if task_id not in busy]
        ids += session.scalars(
            sa.select(models.Task.id).where(models.Task.parent_id.in_(ids))
        ).all()
        session.execute(
            sa.delete(models.Task)
            .where(models.Task.id.in_(ids))
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return len(ids)
