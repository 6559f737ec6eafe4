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

"""The ledger: temporary cloud resources, written down before they exist."""

from collections.abc import Mapping
from typing import Any
import uuid

import sqlalchemy as sa

from csbs.db import convert
from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
from csbs.domain import model


def create(
    db: Database,
    task_id: str,
    kind: model.ResourceKind,
    data: Mapping[str, Any],
) -> model.Resource:
    """Write a resource down, durable on return."""
    with db.writer() as session:
        last = session.scalar(
            sa.select(sa.func.max(models.Resource.position)).where(
                models.Resource.task_id == task_id
            )
        )
        row = models.Resource(
            id=str(uuid.uuid4()),
            task_id=task_id,
            position=(last or 0) + 1,
            kind=kind,
            data=dict(data),
            created_at=paging.utcnow(),
        )
        session.add(row)
        session.flush()
        return convert.resource(row)


def set_data(db: Database, resource_id: str, data: Mapping[str, Any]) -> None:
    """Replace what is known of a resource."""
    with db.writer() as session:
        session.execute(
            sa.update(models.Resource)
            .where(models.Resource.id == resource_id)
            .values(data=dict(data))
        )


def of_task(db: Database, task_id: str) -> list[model.Resource]:
    """Return a task's resources, newest first: the order to undo them in."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Resource)
            .where(models.Resource.task_id == task_id)
            .order_by(models.Resource.position.desc())
        )
        return [convert.resource(row) for row in rows]


def delete(db: Database, resource_id: str) -> None:
    """Strike a resource out; fine when it is gone."""
    with db.writer() as session:
        session.execute(
            sa.delete(models.Resource).where(models.Resource.id == resource_id)
        )


def of_kind(db: Database, kind: model.ResourceKind) -> list[model.Resource]:
    """Return all resources of a kind, whose task ever."""
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Resource).where(models.Resource.kind == kind)
        )
        return [convert.resource(row) for row in rows]


def orphans(db: Database) -> list[model.Resource]:
    """Return the resources of tasks that are over, newest first."""
    over = sa.select(models.Task.id).where(
        models.Task.status.not_in(('queued', 'running'))
    )
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Resource)
            .where(models.Resource.task_id.in_(over))
            .order_by(models.Resource.position.desc())
        )
        return [convert.resource(row) for row in rows]
