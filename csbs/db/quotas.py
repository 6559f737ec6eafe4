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

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

from oslo_db import exception as oslo_db_exception
import sqlalchemy as sa

from csbs.db import models
from csbs.db.session import Database
from csbs.db.session import take
from csbs.domain.quota import Limits
from csbs.domain.quota import Usage

_Query = sa.Select[*tuple[Any, ...]]

_NAMES = tuple(field.name for field in dataclasses.fields(Limits))


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


def projects(db: Database, after: str | None, limit: int) -> list[str]:
    """Return the projects that have or had anything, in order.

    :param after: the last one that was seen
    """
    query = sa.select(models.Quota.project_id).order_by(
        models.Quota.project_id
    )
    if after is not None:
        query = query.where(models.Quota.project_id > after)
    with db.reader() as session:
        return list(session.scalars(query.limit(limit)))


def usage(db: Database, project_ids: Collection[str]) -> dict[str, Usage]:
    """Return what projects have of everything that is limited."""
    vault, policy = models.Vault, models.Policy
    bound = (
        sa.select(policy.project_id, sa.func.count().label('number'))
        .where(policy.vault_id.is_not(None))
        .group_by(policy.project_id, policy.vault_id)
    )
    servers = (
        sa.select(policy.project_id, sa.func.count().label('number'))
        .join(models.PolicyServer, policy.id == models.PolicyServer.policy_id)
        .group_by(policy.project_id, models.PolicyServer.policy_id)
    )
    with db.reader() as session:

        def read(
            query: _Query,
        ) -> dict[str, Sequence[int]]:
            owner = query.selected_columns.project_id
            rows = session.execute(query.where(owner.in_(project_ids)))
            return {row[0]: [int(one or 0) for one in row[1:]] for row in rows}

        def most(query: _Query) -> dict[str, int]:
            owner = query.selected_columns.project_id
            found: dict[str, int] = {}
            for row in session.execute(query.where(owner.in_(project_ids))):
                found[row[0]] = max(found.get(row[0], 0), int(row[1]))
            return found

        vaults = read(
            sa.select(
                vault.project_id,
                sa.func.count(),
                sa.func.sum(vault.capacity_gb),
                sa.func.sum(vault.used_bytes),
            ).group_by(vault.project_id)
        )
        policies = read(
            sa.select(policy.project_id, sa.func.count()).group_by(
                policy.project_id
            )
        )
        of_vaults, of_policies = most(bound), most(servers)
    found = {}
    for project_id in project_ids:
        number, capacity_gb, used_bytes = vaults.get(project_id, (0, 0, 0))
        found[project_id] = Usage(
            vaults=number,
            policies=policies.get(project_id, (0,))[0],
            policies_per_vault=of_vaults.get(project_id, 0),
            servers_per_policy=of_policies.get(project_id, 0),
            capacity_gb=capacity_gb,
            used_bytes=used_bytes,
        )
    return found
