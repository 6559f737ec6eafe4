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
from typing import Any

import sqlalchemy as sa

from csbs import exception
from csbs.db import convert
from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.domain import model
from csbs.domain import states


@dataclasses.dataclass(frozen=True)
class ChainItem:
    """An item of a complete backup, with what its charge was taken against.

    :ivar charged_against: item id, or None when it is charged in full
    """

    item: model.Item
    charged_against: str | None


def create(db: Database, backup: model.Backup) -> None:
    """Write a new backup and its items down."""
    columns = {
        field.name: getattr(backup, field.name)
        for field in dataclasses.fields(backup)
        if field.name not in ('items', 'fault')
    }
    columns['server_facts'] = dict(backup.server_facts)
    with db.writer() as session:
        session.add(models.Backup(**columns))
        session.flush()
        set_items(db, backup.id, backup.items)


def set_items(
    db: Database, backup_id: str, items: Sequence[model.Item]
) -> None:
    """Replace the items of a backup."""
    with db.writer() as session:
        session.execute(
            sa.delete(models.Item).where(models.Item.backup_id == backup_id)
        )
        for position, item in enumerate(items):
            session.add(
                models.Item(position=position, **dataclasses.asdict(item))
            )
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
    with db.writer() as session:
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
    with db.writer() as session:
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
    with db.writer() as session:
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
) -> dict[str, model.Backup]:
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
    )
    if project_id is not None:
        newest = newest.where(models.Backup.project_id == project_id)
    newest_of = newest.subquery()
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Backup).join(
                newest_of,
                sa.and_(
                    models.Backup.server_id == newest_of.c.server_id,
                    models.Backup.created_at == newest_of.c.created_at,
                ),
            )
        )
        return {row.server_id: convert.backup(row) for row in rows}


def chain(db: Database, vault_id: str, volume_id: str) -> list[ChainItem]:
    """Return the items of a volume in a vault's complete backups.

    Oldest first. Backups that are being deleted are not in it.
    """
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Item)
            .join(models.Backup, models.Backup.id == models.Item.backup_id)
            .where(
                models.Item.volume_id == volume_id,
                models.Backup.vault_id == vault_id,
                models.Backup.status.in_(states.COMPLETE),
            )
            .order_by(models.Backup.created_at, models.Backup.id)
        )
        return [
            ChainItem(convert.item(row), row.charged_against) for row in rows
        ]


def charge(
    db: Database, item_id: str, charged_bytes: int, against: str | None
) -> None:
    """Set what an item counts against its vault; fine when it is gone."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.id == item_id)
            .values(charged_bytes=charged_bytes, charged_against=against)
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


def release_charges(db: Database, backup_id: str) -> None:
    """Let a backup that came to nothing count nothing."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.backup_id == backup_id)
            .values(charged_bytes=0, charged_against=None)
        )


def fault_columns(fault: model.Fault | None) -> dict[str, str | None]:
    """Return a fault as columns."""
    return {
        'fault_code': fault.code if fault else None,
        'fault_message': fault.message if fault else None,
    }
