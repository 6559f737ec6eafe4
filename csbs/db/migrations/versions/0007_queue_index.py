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

"""The queue's index, out of the way of lists.

MariaDB used the old one for lists by status, too, and sorted all that it gave.
"""

from alembic import op

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    """Put the columns of the index into another order."""
    op.drop_index('ix_tasks_queue', 'tasks')
    op.create_index(
        'ix_tasks_queue', 'tasks', ['held', 'status', 'created_at']
    )
