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

"""Which status may follow which, for backups and tasks.

Pure tables and one check; ``db`` uses them as the guard of every move.
"""

from csbs.domain.model import BackupStatus
from csbs.domain.model import TaskStatus

#: the statuses in which nothing is going on with a backup
STABLE = frozenset(
    {
        BackupStatus.AVAILABLE,
        BackupStatus.ERROR,
        BackupStatus.ERROR_DELETING,
    }
)

#: what a user may delete (product rule)
DELETABLE = STABLE

#: the statuses of a backup that is being made
IN_MAKING = frozenset(
    {
        BackupStatus.CREATING,
        BackupStatus.PREPARING_SNAPSHOT,
        BackupStatus.SNAPSHOTTING_CONSISTENT,
        BackupStatus.SNAPSHOTTING_INCONSISTENT,
        BackupStatus.BACKING_UP,
    }
)

#: the statuses of a backup whose data is complete and stays
COMPLETE = frozenset({BackupStatus.AVAILABLE, BackupStatus.RESTORING})

_BACKUP_MOVES: dict[BackupStatus, frozenset[BackupStatus]] = {
    # A worker that takes over from a dead one starts again at the second
    # step, so every step of the making may go back there.
    **{
        status: IN_MAKING | {BackupStatus.AVAILABLE, BackupStatus.ERROR}
        for status in IN_MAKING
    },
    BackupStatus.AVAILABLE: frozenset(
        {
            BackupStatus.RESTORING,
            BackupStatus.DELETING,
        }
    ),
    BackupStatus.RESTORING: frozenset({BackupStatus.AVAILABLE}),
    BackupStatus.ERROR: frozenset({BackupStatus.DELETING}),
    BackupStatus.DELETING: frozenset({BackupStatus.ERROR_DELETING}),
    BackupStatus.ERROR_DELETING: frozenset({BackupStatus.DELETING}),
}

#: the statuses of a task that is not over
ACTIVE_TASK = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING})


def backup_sources(target: BackupStatus) -> frozenset[BackupStatus]:
    """Return the statuses from which a backup may become ``target``."""
    return frozenset(
        status for status, moves in _BACKUP_MOVES.items() if target in moves
    )
