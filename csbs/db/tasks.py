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

"""Tasks: the queue, the claims, the locks on servers.

The claim is a compare-and-swap: whoever's UPDATE hits the row has the task.
Every later write of a worker names itself as the owner, so that one whose
task was given to another finds out at its next write.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import functools
from typing import Any

from oslo_db import exception as oslo_db_exception
import sqlalchemy as sa

from csbs import exception
from csbs.db import backups
from csbs.db import convert
from csbs.db import models
from csbs.db import paging
from csbs.db import runs
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.db.session import take
from csbs.domain import model
from csbs.domain import states

#: the parameter with encrypted secrets, gone when the task is over
SEALED = 'sealed'


def create(db: Database, task: model.Task, *, cancellable: bool) -> None:
    """Put a task into the queue."""
    columns = {
        field.name: getattr(task, field.name)
        for field in dataclasses.fields(task)
        if field.name != 'fault'
    }
    columns['params'] = dict(task.params)
    columns['result'] = dict(task.result)
    columns.update(backups.fault_columns(task.fault))
    with db.writer() as session:
        session.add(models.Task(cancellable=cancellable, **columns))
        session.flush()


def get(
    db: Database, task_id: str, project_id: str | None = None
) -> model.Task:
    """Return one task.

    :param project_id: None for whatever project's
    :raises TaskNotFound: also when it is another project's
    """
    with db.reader() as session:
        row = session.get(models.Task, task_id, populate_existing=True)
        if row is None or project_id not in (None, row.project_id):
            raise exception.TaskNotFound(id=task_id)
        return runs.with_progress(session, [convert.task(row)])[0]


def get_many(db: Database, task_ids: Collection[str]) -> dict[str, model.Task]:
    """Return those of the tasks that are there, by id."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Task).where(models.Task.id.in_(task_ids))
        )
        return {
            task.id: task
            for task in runs.with_progress(
                session, [convert.task(row) for row in rows]
            )
        }


def find(
    db: Database,
    project_id: str | None,
    filters: Mapping[str, Any],
    page: paging.Page,
) -> list[model.Task]:
    """Return one page of tasks."""
    with db.reader() as session:
        rows = paging.select_page(
            session, models.Task, project_id, filters, page
        )
        return runs.with_progress(session, [convert.task(row) for row in rows])


def active(db: Database, **columns: Any) -> list[model.Task]:
    """Return the tasks that are not over and have these column values."""
    query = sa.select(models.Task).where(
        models.Task.status.in_(states.ACTIVE_TASK)
    )
    for name, value in columns.items():
        query = query.where(getattr(models.Task, name) == value)
    with db.reader() as session:
        return [convert.task(row) for row in session.scalars(query)]


def claim(db: Database, owner: str) -> model.Task | None:
    """Take the oldest queued task for ``owner``, or None if there is none.

    Several workers may try the same row; the one whose UPDATE hits it wins
    and the others go on to the next.
    """
    while True:
        with db.reader() as session:
            task_id = session.scalar(
                sa.select(models.Task.id)
                .where(
                    models.Task.status == model.TaskStatus.QUEUED,
                    # MySQL and MariaDB look "IS false" up in no index.
                    models.Task.held == sa.false(),
                )
                .order_by(models.Task.created_at, models.Task.id)
                .limit(1)
            )
        if task_id is None:
            return None
        if db.run(functools.partial(_claim, db, task_id, owner)):
            return get(db, task_id)


def _claim(db: Database, task_id: str, owner: str) -> bool:
    now = paging.utcnow()
    return _update(
        db,
        task_id,
        models.Task.status == model.TaskStatus.QUEUED,
        models.Task.held.is_(False),
        status=model.TaskStatus.RUNNING,
        owner=owner,
        heartbeat_at=now,
        started_at=sa.func.coalesce(models.Task.started_at, now),
        attempts=models.Task.attempts + 1,
    )


def beat(db: Database, task_id: str, owner: str, **columns: Any) -> model.Task:
    """Show that a task's worker lives, and write its progress down.

    :param columns: bytes_done, bytes_total, step
    :raises TaskLost: when the task is no longer this worker's
    """

    def work() -> model.Task:
        if not _update(
            db,
            task_id,
            models.Task.owner == owner,
            models.Task.status == model.TaskStatus.RUNNING,
            heartbeat_at=paging.utcnow(),
            **columns,
        ):
            raise exception.TaskLost()
        return get(db, task_id)

    return db.run(work)


def close_to_cancel(db: Database, task_id: str, owner: str) -> None:
    """Pass the point behind which a task can't be cancelled any more.

    :raises TaskCancelled: when the wish to cancel came first
    :raises TaskLost: when the task is no longer this worker's
    """

    def work() -> None:
        if _update(
            db,
            task_id,
            models.Task.owner == owner,
            models.Task.status == model.TaskStatus.RUNNING,
            models.Task.cancel_requested.is_(False),
            cancellable=False,
        ):
            return
        if beat(db, task_id, owner).cancel_requested:
            raise exception.TaskCancelled()

    db.run(work)


def request_cancel(db: Database, task_id: str) -> None:
    """Ask a task's worker, present or future, to stop.

    One that is held waits no more: a worker can end it.

    :raises TaskNotCancellable: when it is over or past the point
    """

    def work() -> None:
        if not _update(
            db,
            task_id,
            models.Task.status.in_(states.ACTIVE_TASK),
            models.Task.cancellable.is_(True),
            cancel_requested=True,
            held=False,
        ):
            task = get(db, task_id)
            raise exception.TaskNotCancellable(id=task_id, status=task.status)

    db.run(work)


def finish(
    db: Database,
    task_id: str,
    owner: str | None,
    status: model.TaskStatus,
    fault: model.Fault | None = None,
    result: Mapping[str, Any] | None = None,
    **figures: int,
) -> None:
    """End a task and free its server; part of the caller's transaction.

    :param owner: None for one that no worker has
    :param figures: bytes_done and bytes_total, when they are to be written
    :raises TaskLost: when the task is no longer this worker's
    """
    columns: dict[str, Any] = dict(backups.fault_columns(fault))
    if result is not None:
        columns['result'] = dict(result)
    with db.writer() as session:
        params = get(db, task_id).params
        if SEALED in params:
            columns['params'] = {
                name: value for name, value in params.items() if name != SEALED
            }
        if not _update(
            db,
            task_id,
            models.Task.owner == owner,
            models.Task.status == model.TaskStatus.RUNNING,
            status=status,
            finished_at=paging.utcnow(),
            step='',
            **figures,
            **columns,
        ):
            raise exception.TaskLost()
        session.execute(
            sa.delete(models.ServerLock).where(
                models.ServerLock.task_id == task_id
            )
        )


def leave(db: Database, task_id: str, owner: str, step: str) -> None:
    """Let a task go on without a worker; part of the caller's transaction.

    Whoever ends what it waits for ends it.

    :raises TaskLost: when the task is no longer this worker's
    """
    if not _update(
        db,
        task_id,
        models.Task.owner == owner,
        models.Task.status == model.TaskStatus.RUNNING,
        owner=None,
        heartbeat_at=None,
        step=step,
    ):
        raise exception.TaskLost()


def lock(db: Database, task_id: str) -> model.Task:
    """Return a task that no other transaction changes meanwhile.

    :raises TaskNotFound: when it is gone
    """
    with db.writer() as session:
        if not take(session, models.Task, models.Task.id == task_id):
            raise exception.TaskNotFound(id=task_id)
        return get(db, task_id)


def put_back(
    db: Database, task_id: str, owner: str, older_than: datetime.datetime
) -> bool:
    """Queue a dead worker's task again, if it is still dead.

    :param older_than: the worker lives if it was heard of since
    """
    return db.run(
        lambda: _update(
            db,
            task_id,
            models.Task.owner == owner,
            models.Task.status == model.TaskStatus.RUNNING,
            models.Task.heartbeat_at < older_than,
            status=model.TaskStatus.QUEUED,
            owner=None,
        )
    )


def hand_back(db: Database, task_id: str, owner: str) -> bool:
    """Queue a task again that its own, living worker can't go on with."""
    return db.run(
        lambda: _update(
            db,
            task_id,
            models.Task.owner == owner,
            models.Task.status == model.TaskStatus.RUNNING,
            status=model.TaskStatus.QUEUED,
            owner=None,
            attempts=models.Task.attempts - 1,
        )
    )


def dead(db: Database, older_than: datetime.datetime) -> list[model.Task]:
    """Return the running tasks not heard of since ``older_than``."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Task).where(
                models.Task.status == model.TaskStatus.RUNNING,
                models.Task.heartbeat_at < older_than,
            )
        )
        return [convert.task(row) for row in rows]


def lock_server(db: Database, server_id: str, task_id: str) -> None:
    """Let this task be the only one that works on the server.

    Call it in a transaction of its own or as the last step of one.

    :raises ServerBusy: when another task does
    """
    try:
        with db.writer() as session, session.begin_nested():
            session.add(
                models.ServerLock(server_id=server_id, task_id=task_id)
            )
            session.flush()
    except oslo_db_exception.DBDuplicateEntry:
        other = locks(db, [server_id]).get(server_id, 'unknown')
        raise exception.ServerBusy(id=server_id, task_id=other) from None


def locks(db: Database, server_ids: Collection[str]) -> dict[str, str]:
    """Return the tasks that work on the servers, by server id."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.ServerLock).where(
                models.ServerLock.server_id.in_(server_ids)
            )
        )
        return {row.server_id: row.task_id for row in rows}


def server_names(db: Database, task_ids: Iterable[str]) -> dict[str, str]:
    """Return the names of the servers that tasks work on, by task id."""
    with db.reader() as session:
        rows = session.execute(
            sa.select(models.Task.id, models.Backup.server_name)
            .join(models.Backup, models.Backup.id == models.Task.backup_id)
            .where(
                models.Task.id.in_(list(task_ids)),
                models.Task.server_id == models.Backup.server_id,
            )
        )
        return {row.id: row.server_name for row in rows}


def _update(
    db: Database,
    task_id: str,
    *conditions: sa.ColumnElement[bool],
    **columns: Any,
) -> bool:
    with db.writer() as session:
        result = session.execute(
            sa.update(models.Task)
            .where(models.Task.id == task_id, *conditions)
            .values(**columns)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)
