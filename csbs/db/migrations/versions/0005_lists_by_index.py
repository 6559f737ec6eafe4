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

"""Indexes for every list, and what vaults hold as figures of their own.

Reads every backup and item once, and builds indexes over them.
"""

from alembic import op
import sqlalchemy as sa

revision = '0005'
down_revision = '0004'

_LISTS = {
    'backups': (
        'name',
        'status',
        'kind',
        'trigger_',
        'consistency',
        'server_name',
        'size',
    ),
    'tasks': ('status', 'kind'),
}
_INDEXES: dict[str, dict[str, tuple[str, ...]]] = {
    'vaults': {
        'created': ('created_at', 'id'),
        'status': ('status', 'created_at'),
    },
    'backups': {
        'created': ('created_at', 'id'),
        'status': ('status', 'created_at'),
        'parent': ('parent_id',),
        'last': ('server_id', 'status', 'created_at'),
    },
    'tasks': {
        'created': ('created_at', 'id'),
        'status': ('status', 'created_at'),
        'vault': ('vault_id', 'kind', 'status'),
        'server': ('server_id', 'created_at'),
        'vault_created': ('vault_id', 'created_at'),
        'policy_status': ('policy_id', 'status'),
    },
    'policies': {'created': ('created_at', 'id')},
}


def upgrade() -> None:
    """Make the indexes and reckon the figures."""
    for table, columns in _LISTS.items():
        for column in columns:
            op.create_index(
                f'ix_{table}_project_{column.rstrip("_")}',
                table,
                ['project_id', column, 'created_at', 'id'],
            )
    op.drop_index('ix_tasks_vault', 'tasks')
    for table, indexes in _INDEXES.items():
        for name, names in indexes.items():
            op.create_index(f'ix_{table}_{name}', table, list(names))
    for name in ('used_bytes', 'protected_bytes', 'backup_count'):
        op.add_column(
            'vaults',
            sa.Column(
                name, sa.BigInteger(), nullable=False, server_default='0'
            ),
        )
    _reckon()


def _reckon() -> None:
    vaults = sa.table(
        'vaults',
        *map(sa.column, ('id', 'used_bytes', 'protected_bytes')),
        sa.column('backup_count'),
    )
    backups = sa.table(
        'backups', *map(sa.column, ('id', 'vault_id', 'status', 'size'))
    )
    items = sa.table('items', *map(sa.column, ('backup_id', 'charged_bytes')))
    its = backups.c.vault_id == vaults.c.id
    charged = (
        sa.select(sa.func.coalesce(sa.func.sum(items.c.charged_bytes), 0))
        .select_from(items.join(backups, backups.c.id == items.c.backup_id))
        .where(its)
        .scalar_subquery()
    )
    count = (
        sa.select(sa.func.count())
        .select_from(backups)
        .where(its)
        .scalar_subquery()
    )
    protected = (
        sa.select(sa.func.coalesce(sa.func.sum(backups.c.size), 0))
        .where(its, backups.c.status.in_(('available', 'restoring')))
        .scalar_subquery()
    )
    op.execute(
        vaults.update().values(
            used_bytes=charged, protected_bytes=protected, backup_count=count
        )
    )
