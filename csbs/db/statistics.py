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

"""Figures of a project or of all, counted when they are asked for."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import models
from csbs.db.session import Database
from csbs.domain import model
from csbs.domain import states
from csbs.domain.statistics import Statistics

_Query = sa.Select[*tuple[Any, ...]]
_Row = sa.Row[*tuple[Any, ...]]


def get(db: Database, project_id: str | None) -> Statistics:
    """Return the figures.

    :param project_id: None for all projects together
    """
    vault, policy, backup = models.Vault, models.Policy, models.Backup
    whole = backup.status == model.BackupStatus.AVAILABLE
    with db.reader() as session:

        def row(
            query: _Query,
        ) -> _Row:
            return session.execute(_of(query, project_id)).one()

        vaults = row(
            sa.select(
                sa.func.count(vault.id),
                sa.func.sum(vault.capacity_gb),
                sa.func.sum(vault.used_bytes),
                sa.func.sum(vault.protected_bytes),
                sa.func.sum(vault.stored_bytes),
            )
        )
        policies = row(
            sa.select(
                sa.func.count(policy.id),
                sa.func.sum(sa.case((policy.enabled, 1), else_=0)),
            )
        )
        servers, last = row(
            sa.select(
                sa.func.count(sa.distinct(backup.server_id)),
                sa.func.max(backup.created_at),
            ).where(whole)
        )
        return Statistics(
            project_id=project_id,
            vaults=int(vaults[0]),
            capacity_gb=int(vaults[1] or 0),
            used_bytes=int(vaults[2] or 0),
            protected_bytes=int(vaults[3] or 0),
            stored_bytes=int(vaults[4] or 0),
            policies=int(policies[0]),
            enabled_policies=int(policies[1] or 0),
            backups=_by_status(session, backup, project_id),
            protected_servers=int(servers),
            tasks=_by_status(
                session,
                models.Task,
                project_id,
                models.Task.status.in_(states.ACTIVE_TASK),
            ),
            last_backup_at=last,
        )


def _of(query: _Query, project_id: str | None) -> _Query:
    if project_id is None:
        return query
    (table,) = query.get_final_froms()
    return query.where(table.c.project_id == project_id)


def _by_status(
    session: orm.Session,
    table: type[models.Backup] | type[models.Task],
    project_id: str | None,
    *conditions: sa.ColumnElement[bool],
) -> dict[str, int]:
    query = (
        sa.select(table.status, sa.func.count())
        .where(*conditions)
        .group_by(table.status)
    )
    rows = session.execute(_of(query, project_id))
    return {status: int(number) for status, number in rows}
