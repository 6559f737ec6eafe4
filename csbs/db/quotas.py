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

"""Quotas: the limits that projects have of their own, and their usage."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from oslo_db import exception as oslo_db_exception
import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import models
from csbs.db.session import Database
from csbs.db.session import take
from csbs.domain import quota

_NAMES = tuple(field.name for field in dataclasses.fields(quota.Limits))


def own(db: Database, project_id: str) -> dict[str, int]:
    """Return the limits that were set for a project, by name."""
    with db.reader() as session:
        row = session.get(models.Quota, project_id, populate_existing=True)
        found = {name: getattr(row, name, None) for name in _NAMES}
        return {
            name: value for name, value in found.items() if value is not None
        }


def lock(db: Database, project_id: str) -> None:
    """Let no other transaction count what a project has.

    Whoever adds to what is counted locks it first, counts, and adds.
    """
    while True:
        with db.writer() as session:
            if take(
                session, models.Quota, models.Quota.project_id == project_id
            ):
                return
        try:
            with db.writer() as session, session.begin_nested():
                session.add(models.Quota(project_id=project_id))
                session.flush()
        except oslo_db_exception.DBDuplicateEntry:
            # Another transaction made the row: now it can be locked.
            continue
        return


def save(
    db: Database, project_id: str, changes: Mapping[str, int | None]
) -> None:
    """Set limits of a project; None leaves one to the configuration."""
    lock(db, project_id)
    values: dict[str, Any] = dict(changes)
    with db.writer() as session:
        session.execute(
            sa.update(models.Quota)
            .where(models.Quota.project_id == project_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        session.expire_all()


def reset(db: Database, project_id: str) -> None:
    """Leave all limits of a project to the configuration."""
    save(db, project_id, dict.fromkeys(_NAMES))


def usage(db: Database, project_id: str) -> quota.Usage:
    """Return what a project has of everything that is limited."""
    vaults = models.Vault.project_id == project_id
    policies = models.Policy.project_id == project_id
    bound = (
        sa.select(sa.func.count().label('number'))
        .where(policies, models.Policy.vault_id.is_not(None))
        .group_by(models.Policy.vault_id)
        .subquery()
    )
    servers = (
        sa.select(sa.func.count().label('number'))
        .select_from(models.PolicyServer)
        .join(models.Policy, models.Policy.id == models.PolicyServer.policy_id)
        .where(policies)
        .group_by(models.PolicyServer.policy_id)
        .subquery()
    )
    with db.reader() as session:

        def number(query: sa.Select[Any]) -> int:
            return int(session.scalar(query) or 0)

        def rows(
            table: type[models.Base], condition: sa.ColumnElement[bool]
        ) -> int:
            return number(
                sa.select(sa.func.count()).select_from(table).where(condition)
            )

        def total(column: orm.InstrumentedAttribute[int]) -> int:
            return number(sa.select(sa.func.sum(column)).where(vaults))

        return quota.Usage(
            vaults=rows(models.Vault, vaults),
            policies=rows(models.Policy, policies),
            policies_per_vault=number(sa.select(sa.func.max(bound.c.number))),
            servers_per_policy=number(
                sa.select(sa.func.max(servers.c.number))
            ),
            capacity_gb=total(models.Vault.capacity_gb),
            used_bytes=total(models.Vault.used_bytes),
        )
