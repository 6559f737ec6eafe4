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

"""The first tables: vaults, backups, tasks, the ledger."""

import datetime

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = '0001'
down_revision = None


def _moment() -> sa.types.TypeEngine[datetime.datetime]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql')


def upgrade() -> None:
    """Make the tables."""
    _make_workers()
    _make_tasks()
    _make_vaults()
    _make_backups()
    _make_items()


def _make_workers() -> None:
    op.create_table(
        'resources',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('task_id', sa.String(length=36), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('data', sa.JSON(), nullable=False),
        sa.Column('created_at', _moment(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_resources_task', 'resources', ['task_id', 'position'])
    op.create_table(
        'server_locks',
        sa.Column('server_id', sa.String(length=36), nullable=False),
        sa.Column('task_id', sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint('server_id'),
    )
    op.create_table(
        'services',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('binary_', sa.String(length=64), nullable=False),
        sa.Column('host', sa.String(length=255), nullable=False),
        sa.Column('started_at', _moment(), nullable=False),
        sa.Column('seen_at', _moment(), nullable=False),
        sa.PrimaryKeyConstraint('id'),
    )


def _make_tasks() -> None:
    op.create_table(
        'tasks',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('project_id', sa.String(length=64), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('status', sa.String(length=32), nullable=False),
        sa.Column('backup_id', sa.String(length=36), nullable=True),
        sa.Column('server_id', sa.String(length=36), nullable=True),
        sa.Column('vault_id', sa.String(length=36), nullable=True),
        sa.Column('params', sa.JSON(), nullable=False),
        sa.Column('result', sa.JSON(), nullable=False),
        sa.Column('step', sa.String(length=32), nullable=False),
        sa.Column('bytes_done', sa.BigInteger(), nullable=False),
        sa.Column('bytes_total', sa.BigInteger(), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('cancellable', sa.Boolean(), nullable=False),
        sa.Column('cancel_requested', sa.Boolean(), nullable=False),
        sa.Column('owner', sa.String(length=255), nullable=True),
        sa.Column('request_id', sa.String(length=64), nullable=True),
        sa.Column('user_id', sa.String(length=64), nullable=True),
        sa.Column('created_at', _moment(), nullable=False),
        sa.Column('started_at', _moment(), nullable=True),
        sa.Column('finished_at', _moment(), nullable=True),
        sa.Column('heartbeat_at', _moment(), nullable=True),
        sa.Column('fault_code', sa.String(length=64), nullable=True),
        sa.Column('fault_message', sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_tasks_backup', 'tasks', ['backup_id', 'status'])
    op.create_index(
        'ix_tasks_project', 'tasks', ['project_id', 'created_at', 'id']
    )
    op.create_index('ix_tasks_queue', 'tasks', ['status', 'created_at'])
    op.create_index('ix_tasks_vault', 'tasks', ['vault_id', 'status'])


def _make_vaults() -> None:
    op.create_table(
        'vaults',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('project_id', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=255), nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('capacity_gb', sa.Integer(), nullable=False),
        sa.Column('months', sa.Integer(), nullable=False),
        sa.Column('status', sa.String(length=32), nullable=False),
        sa.Column('key_ref', sa.String(length=255), nullable=False),
        sa.Column('task_id', sa.String(length=36), nullable=True),
        sa.Column('stored_bytes', sa.BigInteger(), nullable=False),
        sa.Column('collect_due_at', _moment(), nullable=True),
        sa.Column('created_at', _moment(), nullable=False),
        sa.Column('updated_at', _moment(), nullable=True),
        sa.Column('expires_at', _moment(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_vaults_collect', 'vaults', ['collect_due_at'])
    op.create_index(
        'ix_vaults_project', 'vaults', ['project_id', 'created_at', 'id']
    )


def _make_backups() -> None:
    op.create_table(
        'backups',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('project_id', sa.String(length=64), nullable=False),
        sa.Column('vault_id', sa.String(length=36), nullable=False),
        sa.Column('server_id', sa.String(length=36), nullable=False),
        sa.Column('server_name', sa.String(length=255), nullable=False),
        sa.Column('name', sa.String(length=255), nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('status', sa.String(length=32), nullable=False),
        sa.Column('kind', sa.String(length=32), nullable=False),
        sa.Column('trigger_', sa.String(length=32), nullable=False),
        sa.Column('consistency', sa.String(length=32), nullable=True),
        sa.Column('policy_id', sa.String(length=36), nullable=True),
        sa.Column('parent_id', sa.String(length=36), nullable=True),
        sa.Column('server_facts', sa.JSON(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('changed_bytes', sa.BigInteger(), nullable=False),
        sa.Column('transferred_bytes', sa.BigInteger(), nullable=False),
        sa.Column('stored_bytes', sa.BigInteger(), nullable=False),
        sa.Column('task_id', sa.String(length=36), nullable=True),
        sa.Column('created_at', _moment(), nullable=False),
        sa.Column('updated_at', _moment(), nullable=True),
        sa.Column('snapshot_at', _moment(), nullable=True),
        sa.Column('fault_code', sa.String(length=64), nullable=True),
        sa.Column('fault_message', sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ['vault_id'],
            ['vaults.id'],
        ),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(
        'ix_backups_project', 'backups', ['project_id', 'created_at', 'id']
    )
    op.create_index(
        'ix_backups_server', 'backups', ['server_id', 'created_at']
    )
    op.create_index('ix_backups_vault', 'backups', ['vault_id', 'created_at'])


def _make_items() -> None:
    op.create_table(
        'items',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('backup_id', sa.String(length=36), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('volume_id', sa.String(length=36), nullable=False),
        sa.Column('volume_name', sa.String(length=255), nullable=False),
        sa.Column('device', sa.String(length=255), nullable=False),
        sa.Column('bootable', sa.Boolean(), nullable=False),
        sa.Column('size', sa.BigInteger(), nullable=False),
        sa.Column('changed_bytes', sa.BigInteger(), nullable=False),
        sa.Column('charged_bytes', sa.BigInteger(), nullable=False),
        sa.Column('charged_against', sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ['backup_id'], ['backups.id'], ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index('ix_items_backup', 'items', ['backup_id'])
    op.create_index('ix_items_volume', 'items', ['volume_id'])
