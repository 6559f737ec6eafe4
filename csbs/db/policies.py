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

"""Policies: rows, the servers bound to them, and what is due."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
from typing import Any

from oslo_db import exception as oslo_db_exception
import sqlalchemy as sa
from sqlalchemy import orm

from csbs import exception
from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.db.session import take
from csbs.domain import policy as domain
from csbs.domain import recurrence
from csbs.domain import retention


def create(db: Database, policy: domain.Policy) -> None:
    """Write a new policy down, without servers."""
    with db.writer() as session:
        session.add(
            models.Policy(
                id=policy.id,
                created_at=policy.created_at,
                project_id=policy.project_id,
                **_columns(policy),
            )
        )
        session.flush()


def get(
    db: Database, policy_id: str, project_id: str | None = None
) -> domain.Policy:
    """Return one policy.

    :param project_id: None for whatever project's
    :raises PolicyNotFound: also when it is another project's
    """
    with db.reader() as session:
        row = session.get(models.Policy, policy_id, populate_existing=True)
        if row is None or project_id not in (None, row.project_id):
            raise exception.PolicyNotFound(id=policy_id)
        return _convert(session, [row])[0]


def lock(
    db: Database, policy_id: str, project_id: str | None = None
) -> domain.Policy:
    """Return a policy that no other transaction changes meanwhile.

    :raises PolicyNotFound: also when it is another project's
    """
    with db.writer() as session:
        wanted = [models.Policy.id == policy_id]
        if project_id is not None:
            wanted.append(models.Policy.project_id == project_id)
        if not take(session, models.Policy, *wanted):
            raise exception.PolicyNotFound(id=policy_id)
        return get(db, policy_id)


def find(
    db: Database,
    project_id: str | None,
    filters: Mapping[str, Any],
    page: paging.Page,
) -> list[domain.Policy]:
    """Return one page of policies."""
    with db.reader() as session:
        rows = paging.select_page(
            session, models.Policy, project_id, filters, page
        )
        return _convert(session, rows)


def save(db: Database, policy: domain.Policy) -> None:
    """Write a policy over its row; the servers are left as they are."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Policy)
            .where(models.Policy.id == policy.id)
            .values(updated_at=paging.utcnow(), **_columns(policy))
            .execution_options(synchronize_session=False)
        )
        session.expire_all()


def count(db: Database, project_id: str) -> int:
    """Return how many policies a project has."""
    return _count(db, models.Policy.project_id == project_id)


def count_of_vault(db: Database, vault_id: str) -> int:
    """Return how many policies are bound to a vault."""
    return _count(db, models.Policy.vault_id == vault_id)


def _count(db: Database, condition: sa.ColumnElement[bool]) -> int:
    with db.reader() as session:
        return (
            session.scalar(
                sa.select(sa.func.count())
                .select_from(models.Policy)
                .where(condition)
            )
            or 0
        )


def name_taken(db: Database, project_id: str, name: str) -> bool:
    """Tell whether a policy of a project has a name."""
    return (
        _count(
            db,
            sa.and_(
                models.Policy.project_id == project_id,
                models.Policy.name == name,
            ),
        )
        > 0
    )


def delete(db: Database, policy_id: str) -> None:
    """Strike a policy out and free its servers; fine when it is gone."""
    with db.writer() as session:
        for column in (models.PolicyServer.policy_id, models.Policy.id):
            session.execute(
                sa.delete(column.class_)
                .where(column == policy_id)
                .execution_options(synchronize_session=False)
            )
        session.expire_all()


def add_server(db: Database, policy_id: str, server_id: str) -> None:
    """Bind a server, taking it from the policy that it is bound to."""
    columns = {
        'policy_id': policy_id,
        'failing': False,
        'created_at': paging.utcnow(),
    }
    while not _move_server(db, server_id, columns):
        try:
            with db.writer() as session, session.begin_nested():
                session.add(
                    models.PolicyServer(server_id=server_id, **columns)
                )
                session.flush()
        except oslo_db_exception.DBDuplicateEntry:
            # Another transaction bound it first: now it can be moved.
            continue
        return


def _move_server(
    db: Database, server_id: str, columns: Mapping[str, Any]
) -> bool:
    with db.writer() as session:
        result = session.execute(
            sa.update(models.PolicyServer)
            .where(models.PolicyServer.server_id == server_id)
            .values(**columns)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)


def remove_server(
    db: Database, server_id: str, policy_id: str | None = None
) -> None:
    """Free a server; fine when it is bound to no policy, or another."""
    query = sa.delete(models.PolicyServer).where(
        models.PolicyServer.server_id == server_id
    )
    if policy_id is not None:
        query = query.where(models.PolicyServer.policy_id == policy_id)
    with db.writer() as session:
        session.execute(query.execution_options(synchronize_session=False))
        session.expire_all()


def of_servers(db: Database, server_ids: Collection[str]) -> dict[str, str]:
    """Return the policies that the servers are bound to, by server id."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.PolicyServer).where(
                models.PolicyServer.server_id.in_(server_ids)
            )
        )
        return {row.server_id: row.policy_id for row in rows}


def set_failing(
    db: Database,
    policy_id: str,
    failing: bool,
    server_id: str | None = None,
) -> None:
    """Note how the newest scheduled backup of a server ended.

    :param server_id: None for all servers of the policy
    """
    query = sa.update(models.PolicyServer).where(
        models.PolicyServer.policy_id == policy_id
    )
    if server_id is not None:
        query = query.where(models.PolicyServer.server_id == server_id)
    with db.writer() as session:
        session.execute(
            query.values(failing=failing).execution_options(
                synchronize_session=False
            )
        )
        session.expire_all()


def failing(db: Database, policy_id: str) -> set[str]:
    """Return the servers whose newest scheduled backup failed."""
    with db.reader() as session:
        return set(
            session.scalars(
                sa.select(models.PolicyServer.server_id).where(
                    models.PolicyServer.policy_id == policy_id,
                    models.PolicyServer.failing.is_(True),
                )
            )
        )


def unbind_vault(db: Database, vault_id: str) -> None:
    """Let every policy of a vault go; none of them runs by itself then."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Policy)
            .where(models.Policy.vault_id == vault_id)
            .values(vault_id=None, next_run_at=None, fire_at=None)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()


def due(
    db: Database, now: datetime.datetime, limit: int
) -> list[domain.Policy]:
    """Return policies whose run is to be started by now, the oldest first."""
    return _due(db, models.Policy.fire_at, now, limit)


def due_for_pruning(
    db: Database, now: datetime.datetime, limit: int
) -> list[domain.Policy]:
    """Return policies whose backups should be looked through by now."""
    return _due(db, models.Policy.prune_at, now, limit)


def take_run(db: Database, policy: domain.Policy, plan: domain.Plan) -> bool:
    """Take a due run by compare-and-swap; of many schedulers one gets it.

    The policy is this transaction's alone then.

    :param plan: the run behind it
    """
    return _take(
        db,
        policy,
        models.Policy.next_run_at == policy.next_run_at,
        models.Policy.fire_at == policy.fire_at,
        next_run_at=plan.next_run_at,
        fire_at=plan.fire_at,
    )


def take_pruning(
    db: Database,
    policy: domain.Policy,
    following: datetime.datetime | None,
) -> bool:
    """Take a due look through the backups, as :func:`take_run`."""
    return _take(
        db,
        policy,
        models.Policy.prune_at == policy.prune_at,
        prune_at=following,
    )


def prune_soon(db: Database, policy_id: str, now: datetime.datetime) -> None:
    """Have a policy's backups looked through; fine when it is gone."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Policy)
            .where(models.Policy.id == policy_id)
            .values(prune_at=now)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()


def _take(
    db: Database,
    policy: domain.Policy,
    *conditions: sa.ColumnElement[bool],
    **columns: Any,
) -> bool:
    with db.writer() as session:
        result = session.execute(
            sa.update(models.Policy)
            .where(models.Policy.id == policy.id, *conditions)
            .values(revision=models.Policy.revision + 1, **columns)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)


def _due(
    db: Database,
    column: orm.InstrumentedAttribute[datetime.datetime | None],
    now: datetime.datetime,
    limit: int,
) -> list[domain.Policy]:
    query = sa.select(models.Policy).where(column <= now).order_by(column)
    with db.reader() as session:
        return _convert(session, [*session.scalars(query.limit(limit))])


def _columns(policy: domain.Policy) -> dict[str, Any]:
    return {
        'name': policy.name,
        'enabled': policy.enabled,
        'vault_id': policy.vault_id,
        'schedule': dataclasses.asdict(policy.schedule),
        'retention_kind': policy.retention.kind.value,
        'retention_value': policy.retention.value,
        'allow_pause': policy.allow_pause,
        'max_parallel': policy.max_parallel,
        'next_run_at': policy.next_run_at,
        'fire_at': policy.fire_at,
        'prune_at': policy.prune_at,
    }


def _convert(
    session: orm.Session, rows: Sequence[models.Policy]
) -> list[domain.Policy]:
    servers: dict[str, list[str]] = {row.id: [] for row in rows}
    for policy_id, server_id in session.execute(
        sa.select(models.PolicyServer.policy_id, models.PolicyServer.server_id)
        .where(models.PolicyServer.policy_id.in_(servers))
        .order_by(models.PolicyServer.created_at)
    ):
        servers[policy_id].append(server_id)
    return [
        domain.Policy(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            enabled=row.enabled,
            vault_id=row.vault_id,
            allow_pause=row.allow_pause,
            max_parallel=row.max_parallel,
            schedule=recurrence.Schedule(
                times=tuple(row.schedule['times']),
                timezone=row.schedule['timezone'],
                weekdays=tuple(row.schedule['weekdays']),
                every_days=row.schedule['every_days'],
            ),
            retention=retention.Retention(
                retention.RetentionKind(row.retention_kind),
                row.retention_value,
            ),
            created_at=row.created_at,
            updated_at=row.updated_at,
            next_run_at=row.next_run_at,
            fire_at=row.fire_at,
            prune_at=row.prune_at,
            server_ids=tuple(servers[row.id]),
        )
        for row in rows
    ]
