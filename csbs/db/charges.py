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

"""What the items of backups are charged: rows, and their order.

A charge is what an item counts against its vault, and the item that it was
reckoned against. What it should be is not known here.
"""

from collections.abc import Collection
import dataclasses

import sqlalchemy as sa

from csbs.db import convert
from csbs.db import models
from csbs.db import usage
from csbs.db.session import Database
from csbs.domain import model
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


def hand_on(db: Database, backup_id: str) -> None:
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


def release(db: Database, backup_id: str) -> None:
    """Let a backup that came to nothing count nothing."""
    with usage.kept(db, backup_id) as session:
        session.execute(
            sa.update(models.Item)
            .where(models.Item.backup_id == backup_id)
            .values(charged_bytes=0, charged_against=None, estimated=False)
        )


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


def _backups_of(db: Database, item_id: str) -> list[str]:
    with db.reader() as session:
        return list(
            session.scalars(
                sa.select(models.Item.backup_id).where(
                    models.Item.id == item_id
                )
            )
        )
