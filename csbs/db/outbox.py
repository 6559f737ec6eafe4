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

"""The outbox: what changed, written down in the transaction that changed it.

Owns the table of events and the eye on transactions that fills it. Nobody
has to say that something changed: every statement that is about to change a
watched row is seen, the row is locked and looked at, and looked at again at
the end. So no change is forgotten, and none is told that was rolled back.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import datetime
from typing import Any
import uuid

import sqlalchemy as sa
from sqlalchemy import orm

from csbs import context as csbs_context
from csbs import exception
from csbs.db import backups
from csbs.db import models
from csbs.db import paging
from csbs.db import policies
from csbs.db import tasks
from csbs.db import vaults
from csbs.db.session import Database
from csbs.domain import events

#: for so long an event is its own process' to send
_HELD = datetime.timedelta(seconds=60)

#: how to read a watched row
_READERS: dict[type[models.Base], Callable[..., events.Noun]] = {
    models.Vault: vaults.get,
    models.Backup: backups.get,
    models.Policy: policies.get,
    models.Task: tasks.get,
}
#: rows that belong to a watched one: which, and by which column
_PARTS: dict[type[models.Base], tuple[type[models.Base], str]] = {
    models.PolicyServer: (models.Policy, 'policy_id'),
    models.VaultTag: (models.Vault, 'vault_id'),
}
#: what is only history when it is struck out: its end is no event
_HISTORY: frozenset[type[models.Base]] = frozenset({models.Task})

Key = tuple[type[models.Base], str]


@dataclasses.dataclass(frozen=True)
class Letter:
    """An event in the outbox.

    :ivar sequence: grows from change to change of the same thing
    """

    sequence: int
    event: events.Event


class Outbox:
    """Watches transactions; hand it to ``Database.watch``."""

    def __init__(self, deliver: Callable[[Sequence[Letter]], None]) -> None:
        """Make an outbox.

        :param deliver: is given what was committed, to send it; must return
            at once and never fail
        """
        self._deliver = deliver

    def begin(self, session: orm.Session) -> 'Watch':
        """Watch a transaction from now on."""
        return Watch(session, self._deliver)


class Watch:
    """The eye on one transaction."""

    def __init__(
        self,
        session: orm.Session,
        deliver: Callable[[Sequence[Letter]], None],
    ) -> None:
        self._session = session
        self._deliver = deliver
        self._before: dict[Key, events.Noun | None] = {}
        self._letters: list[Letter] = []
        sa.event.listen(session, 'do_orm_execute', self._on_execute)
        sa.event.listen(session, 'before_flush', self._on_flush)

    def close(self) -> None:
        """Write down what changed; the last act of the transaction."""
        self._session.flush()
        now = paging.utcnow()
        actor = csbs_context.current_actor()
        rows = []
        for (model, row_id), before in list(self._before.items()):
            event = events.event(
                str(uuid.uuid4()),
                before,
                self._read(model, row_id),
                occurred_at=now,
                user_id=actor.user_id,
                request_id=actor.request_id,
            )
            if event is not None:
                rows.append(_row(event, now))
        self._session.add_all(rows)
        self._session.flush()
        self._letters = [_letter(row) for row in rows]

    def committed(self) -> None:
        """Hand over what was written down, now that it is true."""
        if self._letters:
            self._deliver(self._letters)

    def _on_execute(self, state: orm.ORMExecuteState) -> None:
        if not (state.is_update or state.is_delete):
            return
        mapper, statement = state.bind_mapper, state.statement
        if mapper is None or not isinstance(statement, sa.Update | sa.Delete):
            return
        model, column = _PARTS.get(mapper.class_, (mapper.class_, 'id'))
        if model not in _READERS or (state.is_delete and model in _HISTORY):
            return
        query = sa.select(getattr(mapper.class_, column))
        if statement.whereclause is not None:
            query = query.where(statement.whereclause)
        found = self._session.connection().execute(query.with_for_update())
        row_ids = set(found.scalars())
        if row_ids and state.is_update and column != 'id':
            # A part may move to another whole, which the values name.
            row_ids.add(statement.compile().params.get(column))
        for row_id in sorted(row_ids - {None}):
            self._remember(model, row_id)

    def _on_flush(self, session: orm.Session, *_: object) -> None:
        for row in session.new:
            if type(row) in _READERS:
                self._before.setdefault((type(row), getattr(row, 'id')), None)
        changed = [row for row in session.dirty if session.is_modified(row)]
        for row in (*changed, *session.deleted):
            if type(row) in _READERS:
                self._remember(type(row), getattr(row, 'id'))
        for row in (*session.new, *changed, *session.deleted):
            if type(row) in _PARTS:
                model, column = _PARTS[type(row)]
                self._remember(model, getattr(row, column))

    def _remember(self, model: type[models.Base], row_id: str) -> None:
        """Lock a row and keep how it is before it changes."""
        if (model, row_id) in self._before:
            return
        self._session.connection().execute(
            sa.select(sa.inspect(model).columns['id'])
            .where(sa.inspect(model).columns['id'] == row_id)
            .with_for_update()
        )
        self._before[model, row_id] = self._read(model, row_id)

    def _read(
        self, model: type[models.Base], row_id: str
    ) -> events.Noun | None:
        try:
            return _READERS[model](_Eye(self._session), row_id)
        except exception.NotFound:
            return None


class _Eye(Database):
    """Reads what is in a transaction by now, apart from its session.

    The session itself may know rows as they were, or as they are to be.
    """

    def __init__(self, session: orm.Session) -> None:
        self._connection = session.connection()

    @contextlib.contextmanager
    def reader(self) -> Iterator[orm.Session]:
        """Give a session that has seen nothing yet."""
        with orm.Session(bind=self._connection) as session:
            yield session


def take(db: Database, now: datetime.datetime, limit: int) -> list[Letter]:
    """Return events that their own process did not send, the oldest first.

    They are the caller's to send for a while; of many that take, each gets
    others.
    """
    free = models.Event.held_until < now
    with db.writer() as session:
        ids = session.scalars(
            sa.select(models.Event.id)
            .where(free)
            .order_by(models.Event.id)
            .limit(limit)
        ).all()
        holder = str(uuid.uuid4())
        session.execute(
            sa.update(models.Event)
            .where(models.Event.id.in_(ids), free)
            .values(holder=holder, held_until=now + _HELD)
            .execution_options(synchronize_session=False)
        )
        rows = session.scalars(
            sa.select(models.Event)
            .where(models.Event.id.in_(ids), models.Event.holder == holder)
            .order_by(models.Event.id)
            .execution_options(populate_existing=True)
        )
        return [_letter(row) for row in rows]


def strike_out(db: Database, sequences: Collection[int]) -> None:
    """Forget events that were sent."""
    with db.writer() as session:
        session.execute(
            sa.delete(models.Event)
            .where(models.Event.id.in_(sequences))
            .execution_options(synchronize_session=False)
        )


def waiting_since(db: Database) -> datetime.datetime | None:
    """Return when the oldest event happened that is not sent yet."""
    with db.reader() as session:
        return session.scalar(
            sa.select(models.Event.created_at)
            .order_by(models.Event.id)
            .limit(1)
        )


def _row(event: events.Event, now: datetime.datetime) -> models.Event:
    return models.Event(
        event_id=event.id,
        type=event.type,
        payload=dict(event.payload),
        created_at=now,
        held_until=now + _HELD,
    )


def _letter(row: models.Event) -> Letter:
    payload: dict[str, Any] = row.payload
    return Letter(row.id, events.Event(row.event_id, row.type, dict(payload)))
