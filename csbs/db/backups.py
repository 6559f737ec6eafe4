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

"""Backups and their items: rows, moves between statuses, charges."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from csbs import exception
from csbs.db import convert
from csbs.db import models
from csbs.db import paging
from csbs.db import usage
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.domain import model
from csbs.domain import retention
from csbs.domain import states


@dataclasses.dataclass(frozen=True)
class Last:
    """Which backup of a server is its newest, and what it was called."""

    id: str
    server_name: str
    created_at: datetime.datetime


def create(db: Database, backup: model.Backup) -> None:
    """Write a new backup and its items down."""
    columns = {
        field.name: getattr(backup, field.name)
        for field in dataclasses.fields(backup)
        if field.name not in ('items', 'fault')
    }
    columns['server_facts'] = dict(backup.server_facts)
    columns.update(fault_columns(backup.fault))
    with usage.kept(db, backup.id) as session:
        session.add(models.Backup(**columns))
        session.flush()
        _add_items(session, backup.items)


def set_items(
    db: Database, backup_id: str, items: Sequence[model.Item]
) -> None:
    """Replace the items of a backup."""
    with usage.kept(db, backup_id) as session:
        session.execute(
            sa.delete(models.Item).where(models.Item.backup_id == backup_id)
        )
        _add_items(session, items)


def _add_items(session: orm.Session, items: Sequence[model.Item]) -> None:
    for position, item in enumerate(items):
        session.add(models.Item(position=position, **dataclasses.asdict(item)))
    session.flush()


def get(
    db: Database, backup_id: str, project_id: str | None = None
) -> model.Backup:
    """Return one backup.

    :param project_id: None for whatever project's
    :raises BackupNotFound: also when it is another project's
    """
    with db.reader() as session:
        row = session.get(models.Backup, backup_id, populate_existing=True)
        if row is None or project_id not in (None, row.project_id):
            raise exception.BackupNotFound(id=backup_id)
        return convert.backup(row)


def find(
    db: Database,
    project_id: str | None,
    filters: Mapping[str, Any],
    page: paging.Page,
) -> list[model.Backup]:
    """Return one page of backups."""
    with db.reader() as session:
        rows = paging.select_page(
            session, models.Backup, project_id, filters, page
        )
        return [convert.backup(row) for row in rows]


def in_vault(db: Database, vault_id: str) -> list[str]:
    """Return the ids of all backups of a vault, whatever their status."""
    with db.reader() as session:
        return list(
            session.scalars(
                sa.select(models.Backup.id).where(
                    models.Backup.vault_id == vault_id
                )
            )
        )


def update(db: Database, backup_id: str, changes: Mapping[str, Any]) -> None:
    """Set columns of a backup; the status only through :func:`move`."""
    with usage.kept(db, backup_id) as session:
        row = session.get(models.Backup, backup_id)
        if row is None:
            raise exception.BackupNotFound(id=backup_id)
        for name, value in changes.items():
            setattr(row, name, value)
        row.updated_at = paging.utcnow()


def move(
    db: Database,
    backup_id: str,
    status: model.BackupStatus,
    *,
    wanted: Collection[model.BackupStatus] | None = None,
    **changes: Any,
) -> None:
    """Change a backup's status if the table of moves allows it.

    One UPDATE guarded by the statuses it may come from: of two that try the
    same move at once, one gets the error.

    :param wanted: fewer statuses than the table of moves would allow
    :param changes: further columns to set with it; ``fault`` may be one
    :raises BackupNotFound: when it is gone
    :raises BackupBusy: when its status does not allow the move
    """
    sources = states.backup_sources(status)
    if wanted is not None:
        sources &= frozenset(wanted)
    with db.writer():
        if not _guarded(db, backup_id, sources, status=status, **changes):
            raise _busy(db, backup_id, sources)


def touch(
    db: Database,
    backup_id: str,
    wanted: model.BackupStatus,
    **changes: Any,
) -> None:
    """Set columns of a backup that is in a status, and keep it there.

    The row stays locked until the transaction ends.

    :raises BackupBusy: when it is in another status
    """
    with db.writer():
        if not _guarded(db, backup_id, {wanted}, **changes):
            raise _busy(db, backup_id, {wanted})


def _guarded(
    db: Database,
    backup_id: str,
    sources: Collection[model.BackupStatus],
    **changes: Any,
) -> bool:
    if 'fault' in changes:
        changes.update(fault_columns(changes.pop('fault')))
    with usage.kept(db, backup_id) as session:
        result = session.execute(
            sa.update(models.Backup)
            .where(
                models.Backup.id == backup_id,
                models.Backup.status.in_(sources),
            )
            .values(updated_at=paging.utcnow(), **changes)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)


def _busy(
    db: Database, backup_id: str, wanted: Collection[model.BackupStatus]
) -> exception.BackupBusy:
    return exception.BackupBusy(
        id=backup_id,
        status=get(db, backup_id).status,
        wanted=' or '.join(sorted(wanted)),
    )


def delete(db: Database, backup_id: str) -> None:
    """Strike a backup and its items out; fine when it is gone."""
    with usage.kept(db, backup_id) as session:
        for model_, column in (
            (models.Item, models.Item.backup_id),
            (models.Backup, models.Backup.id),
        ):
            session.execute(sa.delete(model_).where(column == backup_id))


def latest(db: Database, server_id: str, vault_id: str) -> model.Backup | None:
    """Return the newest complete backup of a server in a vault."""
    with db.reader() as session:
        row = session.scalar(
            sa.select(models.Backup)
            .where(
                models.Backup.server_id == server_id,
                models.Backup.vault_id == vault_id,
                models.Backup.status.in_(states.COMPLETE),
            )
            .order_by(models.Backup.created_at.desc(), models.Backup.id.desc())
            .limit(1)
        )
        return convert.backup(row) if row is not None else None


def last_of_servers(
    db: Database, project_id: str | None, server_ids: Collection[str]
) -> dict[str, Last]:
    """Return the newest complete backup of each server, in any vault."""
    newest = (
        sa.select(
            models.Backup.server_id,
            sa.func.max(models.Backup.created_at).label('created_at'),
        )
        .where(
            models.Backup.server_id.in_(server_ids),
            models.Backup.status.in_(states.COMPLETE),
        )
        .group_by(models.Backup.server_id)
        .subquery()
    )
    query = sa.select(
        models.Backup.server_id,
        models.Backup.id,
        models.Backup.server_name,
        models.Backup.created_at,
    ).join(
        newest,
        sa.and_(
            models.Backup.server_id == newest.c.server_id,
            models.Backup.created_at == newest.c.created_at,
        ),
    )
    if project_id is not None:
        query = query.where(models.Backup.project_id == project_id)
    with db.reader() as session:
        return {
            row.server_id: Last(row.id, row.server_name, row.created_at)
            for row in session.execute(query)
        }


def made_by(db: Database, policy_id: str) -> list[retention.Made]:
    """Return what a policy's schedule made, as far as it may be cleaned."""
    with db.reader() as session:
        rows = session.execute(
            sa.select(
                models.Backup.id,
                models.Backup.server_id,
                models.Backup.status,
                models.Backup.created_at,
            ).where(
                models.Backup.policy_id == policy_id,
                models.Backup.trigger == model.Trigger.SCHEDULED,
                models.Backup.status.in_(states.STABLE),
            )
        )
        return [
            retention.Made(
                id=row.id,
                server_id=row.server_id,
                status=model.BackupStatus(row.status),
                created_at=row.created_at,
            )
            for row in rows
        ]


def name_taken(db: Database, server_id: str, name: str) -> bool:
    """Tell whether a backup of a server has a name."""
    with db.reader() as session:
        return (
            session.scalar(
                sa.select(models.Backup.id)
                .where(
                    models.Backup.server_id == server_id,
                    models.Backup.name == name,
                )
                .limit(1)
            )
            is not None
        )


def update_item(
    db: Database, item_id: str, changes: Mapping[str, Any]
) -> None:
    """Set columns of an item."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.id == item_id)
            .values(**changes)
        )


def fault_columns(fault: model.Fault | None) -> dict[str, str | None]:
    """Return a fault as columns."""
    return {
        'fault_code': fault.code if fault else None,
        'fault_message': fault.message if fault else None,
    }
