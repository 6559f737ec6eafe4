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

"""How volumes were frozen, and whether a server may be paused for it."""

from alembic import op
import sqlalchemy as sa

revision = '0003'
down_revision = '0002'


def upgrade() -> None:
    """Add the columns."""
    for column in (
        sa.Column('snapshot_method', sa.String(length=32), nullable=True),
        sa.Column('paused_seconds', sa.Double(), nullable=True),
    ):
        op.add_column('backups', column)
    op.add_column(
        'policies', sa.Column('allow_pause', sa.Boolean(), nullable=True)
    )
