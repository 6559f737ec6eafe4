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

"""Vaults: rows, what counts against their capacity, and their room."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from csbs import exception
from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
from csbs.db.session import hit
from csbs.db.session import take
from csbs.domain import model


def create(db: Database, vault: model.Vault) -> None:
    """Write a new vault down."""
    with db.writer() as session:
        session.add(
            models.Vault(
                id=vault.id,
                project_id=vault.project_id,
                name=vault.name,
                description=vault.description,
                capacity_gb=vault.capacity_gb,
                months=vault.months,
                lock_days=vault.lock_days,
                status=vault.status,
                key_ref=vault.key_ref,
                created_at=vault.created_at,
                expires_at=vault.expires_at,
                stored_bytes=0,
            )
        )
        session.flush()
        set_tags(db, vault.id, vault.tags)


def set_tags(db: Database, vault_id: str, tags: Iterable[str]) -> None:
    """Replace the tags of a vault."""
    with db.writer() as session:
        session.execute(
            sa.delete(models.VaultTag)
            .where(models.VaultTag.vault_id == vault_id)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        for tag in tags:
            session.add(models.VaultTag(vault_id=vault_id, tag=tag))
        session.flush()


def get(
    db: Database, vault_id: str, project_id: str | None = None
) -> model.Vault:
    """Return one vault.

    :param project_id: None for whatever project's
    :raises VaultNotFound: also when it is another project's
    """
    with db.reader() as session:
        row = session.get(models.Vault, vault_id)
        if row is None or project_id not in (None, row.project_id):
            raise exception.VaultNotFound(id=vault_id)
        return _convert(session, [row])[0]


def find(
    db: Database,
    project_id: str | None,
    filters: Mapping[str, Any],
    page: paging.Page,
) -> list[model.Vault]:
    """Return one page of vaults.

    :param filters: beside columns, ``tags``: those that it must all have
    """
    columns = dict(filters)
    conditions = [
        sa.exists().where(
            models.VaultTag.vault_id == models.Vault.id,
            models.VaultTag.tag == tag,
        )
        for tag in columns.pop('tags', ())
    ]
    with db.reader() as session:
        rows = paging.select_page(
            session, models.Vault, project_id, columns, page, *conditions
        )
        return _convert(session, [*rows])


def count(db: Database, project_id: str) -> int:
    """Return how many vaults a project has."""
    with db.reader() as session:
        return (
            session.scalar(
                sa.select(sa.func.count())
                .select_from(models.Vault)
                .where(models.Vault.project_id == project_id)
            )
            or 0
        )


def update(db: Database, vault_id: str, changes: Mapping[str, Any]) -> None:
    """Set columns of a vault.

    :raises VaultNotFound: when it is gone
    """
    with db.writer() as session:
        row = session.get(models.Vault, vault_id)
        if row is None:
            raise exception.VaultNotFound(id=vault_id)
        for name, value in changes.items():
            setattr(row, name, value)
        row.updated_at = paging.utcnow()


def delete(db: Database, vault_id: str) -> None:
    """Strike a vault out; fine when it is gone."""
    with db.writer() as session:
        session.execute(
            sa.delete(models.Vault).where(models.Vault.id == vault_id)
        )


def lock(
    db: Database, vault_id: str, project_id: str | None = None
) -> model.Vault:
    """Return the vault and let no other transaction near its room.

    Whoever adds to what a vault holds, or wants it to hold nothing, locks it
    first; so two backups never get the same room.

    :raises VaultNotFound: when it is gone, or another project's
    """
    with db.writer() as session:
        wanted = [models.Vault.id == vault_id]
        if project_id is not None:
            wanted.append(models.Vault.project_id == project_id)
        if not take(session, models.Vault, *wanted):
            raise exception.VaultNotFound(id=vault_id)
        return get(db, vault_id)


def set_lock_days(db: Database, vault_id: str, days: int) -> bool:
    """Lock a vault's backups for so many days, if that is not fewer."""
    with db.writer() as session:
        result = session.execute(
            sa.update(models.Vault)
            .where(
                models.Vault.id == vault_id,
                sa.or_(
                    models.Vault.lock_days.is_(None),
                    models.Vault.lock_days <= days,
                ),
            )
            .values(lock_days=days, updated_at=paging.utcnow())
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)


def past_term(
    db: Database, now: datetime.datetime, limit: int
) -> list[model.Vault]:
    """Return vaults that are not known yet to have expired by now."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Vault)
            .where(
                models.Vault.status == model.VaultStatus.AVAILABLE,
                models.Vault.expires_at <= now,
            )
            .order_by(models.Vault.expires_at)
            .limit(limit)
        )
        return _convert(session, [*rows])


def expire(db: Database, vault_id: str, now: datetime.datetime) -> bool:
    """Let a vault be expired by compare-and-swap; of many, one does it."""
    with db.writer() as session:
        result = session.execute(
            sa.update(models.Vault)
            .where(
                models.Vault.id == vault_id,
                models.Vault.status == model.VaultStatus.AVAILABLE,
                models.Vault.expires_at <= now,
            )
            .values(status=model.VaultStatus.EXPIRED, updated_at=now)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()
        return hit(result)


def take_room(db: Database, vault_id: str, needed: int) -> model.Vault:
    """Lock the vault and see that ``needed`` more bytes fit into it.

    :raises CapacityExceeded: when they do not
    """
    vault = lock(db, vault_id)
    free = vault.capacity_gb * model.GIB - vault.used_bytes
    if needed > free:
        raise exception.CapacityExceeded(
            id=vault_id,
            needed_gb=-(-needed // model.GIB),
            free_gb=max(free, 0) // model.GIB,
        )
    return vault


def due_for_collection(
    db: Database, now: datetime.datetime
) -> list[model.Vault]:
    """Return the vaults whose garbage should be collected by now."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Vault).where(
                models.Vault.collect_due_at <= now,
                models.Vault.status.in_(
                    (
                        model.VaultStatus.AVAILABLE,
                        model.VaultStatus.EXPIRED,
                    )
                ),
            )
        )
        return _convert(session, [*rows])


def _convert(
    session: orm.Session, rows: Sequence[models.Vault]
) -> list[model.Vault]:
    ids = [row.id for row in rows]
    tags = _lists(session, ids, models.VaultTag.vault_id, models.VaultTag.tag)
    policies = _lists(session, ids, models.Policy.vault_id, models.Policy.id)
    return [
        model.Vault(
            id=row.id,
            project_id=row.project_id,
            name=row.name,
            description=row.description,
            capacity_gb=row.capacity_gb,
            months=row.months,
            status=model.VaultStatus(row.status),
            key_ref=row.key_ref,
            created_at=row.created_at,
            updated_at=row.updated_at,
            expires_at=row.expires_at,
            task_id=row.task_id,
            used_bytes=row.used_bytes,
            stored_bytes=row.stored_bytes,
            protected_bytes=row.protected_bytes,
            backup_count=row.backup_count,
            lock_days=row.lock_days,
            tags=tags[row.id],
            policy_ids=policies[row.id],
        )
        for row in rows
    ]


def _lists(
    session: orm.Session,
    vault_ids: Sequence[str],
    vault_id: orm.InstrumentedAttribute[Any],
    value: orm.InstrumentedAttribute[str],
) -> dict[str, tuple[str, ...]]:
    """Return what another table has of each vault, sorted."""
    found: dict[str, list[str]] = {one: [] for one in vault_ids}
    for owner, one in session.execute(
        sa.select(vault_id, value).where(vault_id.in_(vault_ids))
    ):
        found[owner].append(one)
    return {owner: tuple(sorted(ones)) for owner, ones in found.items()}
