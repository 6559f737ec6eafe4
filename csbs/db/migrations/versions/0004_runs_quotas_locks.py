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

"""Runs with tasks below them, quotas of projects, locks and tags of vaults."""

import datetime

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = '0004'
down_revision = '0003'


def _moment() -> sa.types.TypeEngine[datetime.datetime]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql')


def upgrade() -> None:
    """Add the columns and the tables."""
    for table in ('vaults', 'policies', 'tasks'):
        op.add_column(
            table,
            sa.Column(
                'revision', sa.Integer(), nullable=False, server_default='0'
            ),
        )
    _vaults()
    _policies()
    _tasks()
    op.create_index(
        'ix_backups_policy', 'backups', ['policy_id', 'created_at']
    )
    op.add_column(
        'items',
        sa.Column(
            'estimated',
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
        ),
    )
    op.create_table(
        'quotas',
        sa.Column('project_id', sa.String(length=64), nullable=False),
        sa.Column('vaults', sa.Integer(), nullable=True),
        sa.Column('policies', sa.Integer(), nullable=True),
        sa.Column('policies_per_vault', sa.Integer(), nullable=True),
        sa.Column('servers_per_policy', sa.Integer(), nullable=True),
        sa.Column('min_capacity_gb', sa.Integer(), nullable=True),
        sa.Column('max_capacity_gb', sa.Integer(), nullable=True),
        sa.Column(
            'revision', sa.Integer(), nullable=False, server_default='0'
        ),
        sa.PrimaryKeyConstraint('project_id'),
    )


def _vaults() -> None:
    op.add_column('vaults', sa.Column('lock_days', sa.Integer()))
    op.create_index('ix_vaults_expiry', 'vaults', ['status', 'expires_at'])
    op.create_table(
        'vault_tags',
        sa.Column('vault_id', sa.String(length=36), nullable=False),
        sa.Column(
            'tag',
            sa.String(length=64).with_variant(
                mysql.VARCHAR(64, collation='utf8mb4_bin'), 'mysql', 'mariadb'
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ['vault_id'], ['vaults.id'], ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('vault_id', 'tag'),
    )


def _policies() -> None:
    op.add_column('policies', sa.Column('max_parallel', sa.Integer()))
    op.add_column('policies', sa.Column('fire_at', _moment()))
    op.execute('UPDATE policies SET fire_at = next_run_at')
    op.add_column(
        'policy_servers',
        sa.Column(
            'failing', sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    op.drop_index('ix_policies_next_run', 'policies')
    op.create_index('ix_policies_fire', 'policies', ['fire_at'])
    with op.batch_alter_table('policies') as table:
        table.alter_column('prune_at', existing_type=_moment(), nullable=True)
    # A policy that is switched off does not clean up by itself.
    policies = sa.table(
        'policies',
        sa.column('enabled', sa.Boolean()),
        sa.column('prune_at', _moment()),
    )
    op.execute(
        policies.update()
        .where(policies.c.enabled.is_(False))
        .values(prune_at=None)
    )


def _tasks() -> None:
    for name in ('policy_id', 'parent_id'):
        op.add_column('tasks', sa.Column(name, sa.String(length=36)))
    op.add_column(
        'tasks',
        sa.Column(
            'held', sa.Boolean(), nullable=False, server_default=sa.false()
        ),
    )
    op.drop_index('ix_tasks_queue', 'tasks')
    op.create_index(
        'ix_tasks_queue', 'tasks', ['status', 'held', 'created_at']
    )
    op.create_index('ix_tasks_policy', 'tasks', ['policy_id', 'created_at'])
    op.create_index('ix_tasks_parent', 'tasks', ['parent_id', 'created_at'])
    op.create_index('ix_tasks_finished', 'tasks', ['finished_at'])
