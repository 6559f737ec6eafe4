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

"""Policies and the servers bound to them."""

import datetime

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

revision = '0002'
down_revision = '0001'


def _moment() -> sa.types.TypeEngine[datetime.datetime]:
    return sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql')


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        'policies',
        sa.Column('id', sa.String(length=36), nullable=False),
        sa.Column('project_id', sa.String(length=64), nullable=False),
        sa.Column('name', sa.String(length=255), nullable=False),
        sa.Column('enabled', sa.Boolean(), nullable=False),
        sa.Column('vault_id', sa.String(length=36), nullable=True),
        sa.Column('schedule', sa.JSON(), nullable=False),
        sa.Column('retention_kind', sa.String(length=32), nullable=False),
        sa.Column('retention_value', sa.Integer(), nullable=True),
        sa.Column('next_run_at', _moment(), nullable=True),
        sa.Column('prune_at', _moment(), nullable=False),
        sa.Column('created_at', _moment(), nullable=False),
        sa.Column('updated_at', _moment(), nullable=True),
        sa.PrimaryKeyConstraint('id'),
    )
    op.create_index(
        'ix_policies_project', 'policies', ['project_id', 'created_at', 'id']
    )
    op.create_index('ix_policies_vault', 'policies', ['vault_id'])
    op.create_index('ix_policies_next_run', 'policies', ['next_run_at'])
    op.create_index('ix_policies_prune', 'policies', ['prune_at'])
    op.create_table(
        'policy_servers',
        sa.Column('server_id', sa.String(length=36), nullable=False),
        sa.Column('policy_id', sa.String(length=36), nullable=False),
        sa.Column('created_at', _moment(), nullable=False),
        sa.PrimaryKeyConstraint('server_id'),
    )
    op.create_index(
        'ix_policy_servers_policy', 'policy_servers', ['policy_id']
    )
