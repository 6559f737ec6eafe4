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

"""The processes of csbs, by their signs of life."""

import datetime
import uuid

import sqlalchemy as sa

from csbs.db import models
from csbs.db import paging
from csbs.db.session import Database
from csbs.domain import model

#: a process not heard of for so long counts as down
ALIVE_FOR = datetime.timedelta(seconds=60)


def beat(
    db: Database, binary: str, host: str, started_at: datetime.datetime
) -> None:
    """Show that a process lives."""
    service_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, f'{binary}@{host}'))
    with db.writer() as session:
        row = session.get(models.Service, service_id)
        if row is None:
            row = models.Service(id=service_id, binary=binary, host=host)
            session.add(row)
        row.started_at = started_at
        row.seen_at = paging.utcnow()


def find(db: Database) -> list[model.Service]:
    """Return all processes ever seen, by name and host."""
    oldest = paging.utcnow() - ALIVE_FOR
    with db.reader() as session:
        rows = session.scalars(
            sa.select(models.Service).order_by(
                models.Service.binary, models.Service.host
            )
        )
        return [
            model.Service(
                id=row.id,
                binary=row.binary,
                host=row.host,
                started_at=row.started_at,
                seen_at=row.seen_at,
                alive=row.seen_at > oldest,
            )
            for row in rows
        ]
