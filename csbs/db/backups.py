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
class ChainItem:
    """An item of a complete backup, with what its charge was taken against.

    :ivar charged_against: item id, or None when it is charged in full
    :ivar estimated: whether the charge may be higher than it should be
    """

    item: model.Item
    charged_against: str | None
    estimated: bool


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
            ChainItem(convert.item(row), row.charged_against, row.estimated)
            for row in rows
        ]


def newest_item(
    db: Database, vault_id: str, volume_id: str
) -> model.Item | None:
    """Return the last item of a volume's :func:`chain`, or None."""
    with db.reader() as session:
        row = session.scalar(
            sa.select(models.Item)
            .join(models.Backup, models.Backup.id == models.Item.backup_id)
            .where(
                models.Item.volume_id == volume_id,
                models.Backup.vault_id == vault_id,
                models.Backup.status.in_(states.COMPLETE),
            )
            .order_by(models.Backup.created_at.desc(), models.Backup.id.desc())
            .limit(1)
        )
        return convert.item(row) if row is not None else None


def charge(
    db: Database,
    item_id: str,
    charged_bytes: int,
    against: str | None,
    *,
    estimated: bool = False,
) -> None:
    """Set what an item counts against its vault; fine when it is gone.

    :param against: the item it was compared with, None for the whole
    :param estimated: whether that may be more than it should be
    """
    with usage.kept(db, *_backups_of(db, item_id)) as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.id == item_id)
            .values(
                charged_bytes=charged_bytes,
                charged_against=against,
                estimated=estimated,
            )
        )


def hand_on_charges(db: Database, backup_id: str) -> None:
    """Let what a backup counts be counted where its items were compared.

    Part of the transaction that strikes it out. Usually nobody is compared
    with it any more; a backup that became complete meanwhile may be, and
    must not count too little until its charge is reckoned anew.
    """
    with db.writer() as session:
        going = session.execute(
            sa.select(
                models.Item.id,
                models.Item.volume_id,
                models.Item.charged_bytes,
                models.Item.charged_against,
            ).where(models.Item.backup_id == backup_id)
        ).all()
        heirs = session.scalars(
            sa.select(models.Item.backup_id)
            .where(
                models.Item.volume_id.in_([row.volume_id for row in going]),
                models.Item.charged_against.in_([row.id for row in going]),
            )
            .distinct()
        ).all()
    with usage.kept(db, *heirs) as session:
        for item_id, volume_id, charged, against in going:
            session.execute(
                sa.update(models.Item)
                .where(
                    models.Item.volume_id == volume_id,
                    models.Item.charged_against == item_id,
                )
                .values(
                    charged_bytes=models.Item.charged_bytes + charged,
                    charged_against=against,
                    estimated=True,
                )
                .execution_options(synchronize_session=False)
            )
        session.expire_all()


def unbalanced(
    db: Database, vault_id: str, volume_ids: Collection[str] | None = None
) -> list[str]:
    """Return the volumes of which an item's charge is not up to date.

    :param volume_ids: those to look at; None for all of the vault
    """
    before = sa.func.lag(models.Item.id).over(
        partition_by=models.Item.volume_id,
        order_by=(models.Backup.created_at, models.Backup.id),
    )
    query = (
        sa.select(
            models.Item.volume_id,
            models.Item.charged_against,
            models.Item.estimated,
            before.label('before'),
        )
        .join(models.Backup, models.Backup.id == models.Item.backup_id)
        .where(
            models.Backup.vault_id == vault_id,
            models.Backup.status.in_(states.COMPLETE),
        )
    )
    if volume_ids is not None:
        query = query.where(models.Item.volume_id.in_(volume_ids))
    chains = query.subquery()
    with db.reader() as session:
        return list(
            session.scalars(
                sa.select(chains.c.volume_id)
                .where(
                    sa.or_(
                        chains.c.estimated.is_(True),
                        chains.c.charged_against.is_distinct_from(
                            chains.c.before
                        ),
                    )
                )
                .distinct()
            )
        )


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


def _backups_of(db: Database, item_id: str) -> list[str]:
    with db.reader() as session:
        return list(
            session.scalars(
                sa.select(models.Item.backup_id).where(
                    models.Item.id == item_id
                )
            )
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
    with usage.kept(db, backup_id) as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.backup_id == backup_id)
            .values(charged_bytes=0, charged_against=None, estimated=False)
        )


def fault_columns(fault: model.Fault | None) -> dict[str, str | None]:
    """Return a fault as columns."""
    return {
        'fault_code': fault.code if fault else None,
        'fault_message': fault.message if fault else None,
    }
