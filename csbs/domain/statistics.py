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

"""What a project, or everybody, has protected: figures at a glance."""

import dataclasses
import datetime


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Figures of one project, or of all of them.

    :ivar project_id: None for all
    :ivar used_bytes: what counts against the capacity
    :ivar protected_bytes: what all backups would take as full copies
    :ivar stored_bytes: what is stored for that
    :ivar backups: how many there are in each status
    :ivar protected_servers: servers that have a backup to restore
    :ivar tasks: how many are queued or running, by status
    :ivar last_backup_at: when the newest backup to restore was started
    """

    project_id: str | None
    vaults: int
    capacity_gb: int
    used_bytes: int
    protected_bytes: int
    stored_bytes: int
    policies: int
    enabled_policies: int
    backups: dict[str, int]
    protected_servers: int
    tasks: dict[str, int]
    last_backup_at: datetime.datetime | None
