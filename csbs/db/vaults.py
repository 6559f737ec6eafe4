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

from collections.abc import Mapping
import datetime
from typing import Any

import sqlalchemy as sa

from csbs import exception
from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
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
                status=vault.status,
                key_ref=vault.key_ref,
                created_at=vault.created_at,
                expires_at=vault.expires_at,
                stored_bytes=0,
            )
        )


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
        return _convert(row)


def find(
    db: Database,
    project_id: str | None,
    filters: Mapping[str, Any],
    page: paging.Page,
) -> list[model.Vault]:
    """Return one page of vaults."""
    with db.reader() as session:
        rows = paging.select_page(
            session, models.Vault, project_id, filters, page
        )
        return [_convert(row) for row in rows]


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


def lock(db: Database, vault_id: str) -> model.Vault:
    """Return the vault and let no other transaction near its room.

    Whoever adds to what a vault holds, or wants it to hold nothing, locks it
    first; so two backups never get the same room.

    :raises VaultNotFound: when it is gone
    """
    with db.writer() as session:
        row = session.scalar(
            sa.select(models.Vault)
            .where(models.Vault.id == vault_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise exception.VaultNotFound(id=vault_id)
        return _convert(row)


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
                models.Vault.status == model.VaultStatus.AVAILABLE,
            )
        )
        return [_convert(row) for row in rows]


def _convert(row: models.Vault) -> model.Vault:
    return model.Vault(
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
        backup_count=row.backup_count,
    )
