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

"""The tables.

Owns the rows' shapes; they never leave ``db``. Chunks are not in SQL: the
object store describes itself.

What a list can be cut or sorted by has an index, behind the project where
the list is one project's: see ``db.paging``.
"""

import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql


class UtcDateTime(sa.TypeDecorator[datetime.datetime]):
    """An aware UTC datetime with microseconds on every database."""

    impl = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql')
    cache_ok = True

    def process_bind_param(
        self, value: datetime.datetime | None, dialect: sa.Dialect
    ) -> datetime.datetime | None:
        if value is None:
            return None
        return value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(
        self, value: datetime.datetime | None, dialect: sa.Dialect
    ) -> datetime.datetime | None:
        return None if value is None else value.replace(tzinfo=datetime.UTC)


class Base(orm.DeclarativeBase):
    """The metadata of all tables."""

    type_annotation_map = {
        datetime.datetime: UtcDateTime,
        dict[str, Any]: sa.JSON,
    }


def _uuid(**kwargs: Any) -> orm.MappedColumn[str]:
    return orm.mapped_column(sa.String(36), **kwargs)


def _nullable_uuid(**kwargs: Any) -> orm.MappedColumn[str | None]:
    return orm.mapped_column(sa.String(36), nullable=True, **kwargs)


def _word(length: int = 32, **kwargs: Any) -> orm.MappedColumn[str]:
    return orm.mapped_column(sa.String(length), **kwargs)


def _bytes() -> orm.MappedColumn[int]:
    return orm.mapped_column(sa.BigInteger, default=0)


def _counted() -> orm.MappedColumn[int]:
    return orm.mapped_column(sa.BigInteger, default=0, server_default='0')


def _list_index(table: str, key: str) -> sa.Index:
    """Return what serves lists of a project by a column."""
    return sa.Index(
        f'ix_{table}_project_{key.rstrip("_")}',
        *('project_id', key, 'created_at', 'id'),
    )


class Locked:
    """A row that a transaction can have to itself.

    Raising the number locks the row. It is written, not only read, so that
    two nodes of a cluster that accept writes find their conflict too.
    """

    revision: orm.Mapped[int] = orm.mapped_column(
        default=0, server_default='0'
    )


class Faulted:
    """The two columns of a fault."""

    fault_code: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    fault_message: orm.Mapped[str | None] = orm.mapped_column(sa.Text)


class Vault(Locked, Base):
    __tablename__ = 'vaults'
    __table_args__ = (
        sa.Index('ix_vaults_project', 'project_id', 'created_at', 'id'),
        sa.Index('ix_vaults_created', 'created_at', 'id'),
        sa.Index('ix_vaults_status', 'status', 'created_at'),
        sa.Index('ix_vaults_collect', 'collect_due_at'),
        sa.Index('ix_vaults_expiry', 'status', 'expires_at'),
    )

    id: orm.Mapped[str] = _uuid(primary_key=True)
    project_id: orm.Mapped[str] = _word(64)
    name: orm.Mapped[str] = _word(255)
    description: orm.Mapped[str] = orm.mapped_column(sa.Text)
    capacity_gb: orm.Mapped[int]
    months: orm.Mapped[int]
    #: days that its backups can't be deleted for; None: not locked
    lock_days: orm.Mapped[int | None]
    status: orm.Mapped[str] = _word()
    key_ref: orm.Mapped[str] = _word(255)
    task_id: orm.Mapped[str | None] = _nullable_uuid()
    stored_bytes: orm.Mapped[int] = _bytes()
    #: the next three are kept by ``db.usage``
    used_bytes: orm.Mapped[int] = _counted()
    protected_bytes: orm.Mapped[int] = _counted()
    backup_count: orm.Mapped[int] = _counted()
    collect_due_at: orm.Mapped[datetime.datetime | None]
    created_at: orm.Mapped[datetime.datetime]
    updated_at: orm.Mapped[datetime.datetime | None]
    expires_at: orm.Mapped[datetime.datetime | None]


class VaultTag(Base):
    __tablename__ = 'vault_tags'

    vault_id: orm.Mapped[str] = orm.mapped_column(
        sa.ForeignKey('vaults.id', ondelete='CASCADE'), primary_key=True
    )
    #: told apart by every character, also where names are not
    tag: orm.Mapped[str] = orm.mapped_column(
        sa.String(64).with_variant(
            mysql.VARCHAR(64, collation='utf8mb4_bin'), 'mysql', 'mariadb'
        ),
        primary_key=True,
    )


class Backup(Faulted, Base):
    __tablename__ = 'backups'
    __table_args__ = (
        sa.Index('ix_backups_project', 'project_id', 'created_at', 'id'),
        sa.Index('ix_backups_created', 'created_at', 'id'),
        sa.Index('ix_backups_status', 'status', 'created_at'),
        sa.Index('ix_backups_policy', 'policy_id', 'created_at'),
        sa.Index('ix_backups_parent', 'parent_id'),
        sa.Index('ix_backups_last', 'server_id', 'status', 'created_at'),
        _list_index('backups', 'name'),
        _list_index('backups', 'status'),
        _list_index('backups', 'kind'),
        _list_index('backups', 'trigger_'),
        _list_index('backups', 'consistency'),
        _list_index('backups', 'server_name'),
        _list_index('backups', 'size'),
        sa.Index('ix_backups_server', 'server_id', 'created_at'),
        sa.Index('ix_backups_vault', 'vault_id', 'created_at'),
    )

    id: orm.Mapped[str] = _uuid(primary_key=True)
    project_id: orm.Mapped[str] = _word(64)
    vault_id: orm.Mapped[str] = orm.mapped_column(sa.ForeignKey('vaults.id'))
    server_id: orm.Mapped[str] = _uuid()
    server_name: orm.Mapped[str] = _word(255)
    name: orm.Mapped[str] = _word(255)
    description: orm.Mapped[str] = orm.mapped_column(sa.Text)
    status: orm.Mapped[str] = _word()
    kind: orm.Mapped[str] = _word()
    trigger: orm.Mapped[str] = orm.mapped_column('trigger_', sa.String(32))
    consistency: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    policy_id: orm.Mapped[str | None] = _nullable_uuid()
    parent_id: orm.Mapped[str | None] = _nullable_uuid()
    server_facts: orm.Mapped[dict[str, Any]]
    size: orm.Mapped[int] = _bytes()
    changed_bytes: orm.Mapped[int] = _bytes()
    transferred_bytes: orm.Mapped[int] = _bytes()
    stored_bytes: orm.Mapped[int] = _bytes()
    task_id: orm.Mapped[str | None] = _nullable_uuid()
    created_at: orm.Mapped[datetime.datetime]
    updated_at: orm.Mapped[datetime.datetime | None]
    snapshot_at: orm.Mapped[datetime.datetime | None]
    snapshot_method: orm.Mapped[str | None] = orm.mapped_column(sa.String(32))
    paused_seconds: orm.Mapped[float | None] = orm.mapped_column(sa.Double)
    items: orm.Mapped[list['Item']] = orm.relationship(
        lazy='selectin',
        order_by='Item.position',
        cascade='all, delete-orphan',
        passive_deletes=True,
    )


class Item(Base):
    __tablename__ = 'items'
    __table_args__ = (
        sa.Index('ix_items_backup', 'backup_id'),
        sa.Index('ix_items_volume', 'volume_id'),
    )

    id: orm.Mapped[str] = _uuid(primary_key=True)
    backup_id: orm.Mapped[str] = orm.mapped_column(
        sa.ForeignKey('backups.id', ondelete='CASCADE')
    )
    position: orm.Mapped[int]
    volume_id: orm.Mapped[str] = _uuid()
    volume_name: orm.Mapped[str] = _word(255)
    device: orm.Mapped[str] = _word(255)
    bootable: orm.Mapped[bool]
    size: orm.Mapped[int] = _bytes()
    changed_bytes: orm.Mapped[int] = _bytes()
    charged_bytes: orm.Mapped[int] = _bytes()
    #: the item it was compared with for the charge; None: charged in full
    charged_against: orm.Mapped[str | None] = _nullable_uuid()
    #: whether that is only known to be no less than it should be
    estimated: orm.Mapped[bool] = orm.mapped_column(
        default=False, server_default=sa.false()
    )


class Task(Faulted, Locked, Base):
    __tablename__ = 'tasks'
    __table_args__ = (
        sa.Index('ix_tasks_project', 'project_id', 'created_at', 'id'),
        sa.Index('ix_tasks_created', 'created_at', 'id'),
        sa.Index('ix_tasks_status', 'status', 'created_at'),
        sa.Index('ix_tasks_server', 'server_id', 'created_at'),
        sa.Index('ix_tasks_vault_created', 'vault_id', 'created_at'),
        _list_index('tasks', 'status'),
        _list_index('tasks', 'kind'),
        sa.Index('ix_tasks_queue', 'held', 'status', 'created_at'),
        sa.Index('ix_tasks_backup', 'backup_id', 'status'),
        sa.Index('ix_tasks_vault', 'vault_id', 'kind', 'status'),
        sa.Index('ix_tasks_policy', 'policy_id', 'created_at'),
        sa.Index('ix_tasks_policy_status', 'policy_id', 'status'),
        sa.Index('ix_tasks_parent', 'parent_id', 'created_at'),
        sa.Index('ix_tasks_finished', 'finished_at'),
    )

    id: orm.Mapped[str] = _uuid(primary_key=True)
    project_id: orm.Mapped[str] = _word(64)
    kind: orm.Mapped[str] = _word()
    status: orm.Mapped[str] = _word()
    backup_id: orm.Mapped[str | None] = _nullable_uuid()
    server_id: orm.Mapped[str | None] = _nullable_uuid()
    vault_id: orm.Mapped[str | None] = _nullable_uuid()
    policy_id: orm.Mapped[str | None] = _nullable_uuid()
    #: the run that it is a part of
    parent_id: orm.Mapped[str | None] = _nullable_uuid()
    #: not to be claimed before another part of the run has ended
    held: orm.Mapped[bool] = orm.mapped_column(
        default=False, server_default=sa.false()
    )
    params: orm.Mapped[dict[str, Any]]
    result: orm.Mapped[dict[str, Any]]
    step: orm.Mapped[str] = _word(default='')
    bytes_done: orm.Mapped[int] = _bytes()
    bytes_total: orm.Mapped[int] = _bytes()
    attempts: orm.Mapped[int] = orm.mapped_column(default=0)
    cancellable: orm.Mapped[bool]
    cancel_requested: orm.Mapped[bool] = orm.mapped_column(default=False)
    owner: orm.Mapped[str | None] = orm.mapped_column(sa.String(255))
    request_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    user_id: orm.Mapped[str | None] = orm.mapped_column(sa.String(64))
    created_at: orm.Mapped[datetime.datetime]
    started_at: orm.Mapped[datetime.datetime | None]
    finished_at: orm.Mapped[datetime.datetime | None]
    heartbeat_at: orm.Mapped[datetime.datetime | None]


class ServerLock(Base):
    """At most one running task a server: a unique row, not a hope."""

    __tablename__ = 'server_locks'

    server_id: orm.Mapped[str] = _uuid(primary_key=True)
    task_id: orm.Mapped[str] = _uuid()


class Resource(Base):
    """The ledger of temporary cloud resources."""

    __tablename__ = 'resources'
    __table_args__ = (sa.Index('ix_resources_task', 'task_id', 'position'),)

    id: orm.Mapped[str] = _uuid(primary_key=True)
    task_id: orm.Mapped[str] = _uuid()
    position: orm.Mapped[int]
    kind: orm.Mapped[str] = _word()
    data: orm.Mapped[dict[str, Any]]
    created_at: orm.Mapped[datetime.datetime]


class Service(Base):
    __tablename__ = 'services'

    id: orm.Mapped[str] = _uuid(primary_key=True)
    binary: orm.Mapped[str] = orm.mapped_column('binary_', sa.String(64))
    host: orm.Mapped[str] = _word(255)
    started_at: orm.Mapped[datetime.datetime]
    seen_at: orm.Mapped[datetime.datetime]


class Policy(Locked, Base):
    __tablename__ = 'policies'
    __table_args__ = (
        sa.Index('ix_policies_project', 'project_id', 'created_at', 'id'),
        sa.Index('ix_policies_created', 'created_at', 'id'),
        sa.Index('ix_policies_vault', 'vault_id'),
        sa.Index('ix_policies_fire', 'fire_at'),
        sa.Index('ix_policies_prune', 'prune_at'),
    )

    id: orm.Mapped[str] = _uuid(primary_key=True)
    project_id: orm.Mapped[str] = _word(64)
    name: orm.Mapped[str] = _word(255)
    enabled: orm.Mapped[bool]
    vault_id: orm.Mapped[str | None] = _nullable_uuid()
    schedule: orm.Mapped[dict[str, Any]]
    retention_kind: orm.Mapped[str] = _word()
    retention_value: orm.Mapped[int | None]
    #: None: as the configuration says
    allow_pause: orm.Mapped[bool | None]
    #: None: as the configuration says
    max_parallel: orm.Mapped[int | None]
    next_run_at: orm.Mapped[datetime.datetime | None]
    #: when the run of ``next_run_at`` is started: a little later
    fire_at: orm.Mapped[datetime.datetime | None]
    prune_at: orm.Mapped[datetime.datetime | None]
    created_at: orm.Mapped[datetime.datetime]
    updated_at: orm.Mapped[datetime.datetime | None]


class PolicyServer(Base):
    """A server is in at most one policy: its id is the key."""

    __tablename__ = 'policy_servers'
    __table_args__ = (sa.Index('ix_policy_servers_policy', 'policy_id'),)

    server_id: orm.Mapped[str] = _uuid(primary_key=True)
    policy_id: orm.Mapped[str] = _uuid()
    #: whether the newest backup that the schedule wanted of it failed
    failing: orm.Mapped[bool] = orm.mapped_column(
        default=False, server_default=sa.false()
    )
    created_at: orm.Mapped[datetime.datetime]


class Quota(Locked, Base):
    """A project's own limits, and the row that its counting locks.

    A column that is NULL leaves the limit to the configuration.
    """

    __tablename__ = 'quotas'

    project_id: orm.Mapped[str] = _word(64, primary_key=True)
    vaults: orm.Mapped[int | None]
    policies: orm.Mapped[int | None]
    policies_per_vault: orm.Mapped[int | None]
    servers_per_policy: orm.Mapped[int | None]
    min_capacity_gb: orm.Mapped[int | None]
    max_capacity_gb: orm.Mapped[int | None]


class Event(Base):
    """What is to be told to others: see ``db.outbox``."""

    __tablename__ = 'events'
    # An id must not be given twice, though most rows live for moments only.
    __table_args__ = {'sqlite_autoincrement': True}

    id: orm.Mapped[int] = orm.mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), 'sqlite'),
        primary_key=True,
    )
    event_id: orm.Mapped[str] = _uuid()
    type: orm.Mapped[str] = _word(64)
    payload: orm.Mapped[dict[str, Any]]
    created_at: orm.Mapped[datetime.datetime]
    held_until: orm.Mapped[datetime.datetime]
    holder: orm.Mapped[str | None] = _nullable_uuid()
