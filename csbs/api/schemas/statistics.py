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

"""The schemas of statistics."""

from csbs.api.schemas import types
from csbs.domain import model
from csbs.domain import states

_BACKUPS = {status.value: types.COUNT for status in model.BackupStatus}
_TASKS = {status.value: types.COUNT for status in sorted(states.ACTIVE_TASK)}

STATISTICS = types.resource(
    'Statistics',
    {
        'project_id': types.nullable(types.ID),
        'vaults': types.COUNT,
        'capacity_gb': types.COUNT,
        'used_bytes': types.COUNT,
        'protected_bytes': types.COUNT,
        'stored_bytes': types.COUNT,
        'saved_percent': types.PERCENT,
        'policies': types.COUNT,
        'enabled_policies': types.COUNT,
        'backups': types.record(_BACKUPS, _BACKUPS),
        'protected_servers': types.COUNT,
        'tasks': types.record(_TASKS, _TASKS),
        'last_backup_at': types.nullable(types.TIME),
    },
)

SHOW = types.wrapped('statistics', STATISTICS)
SHOW_QUERY = types.record(
    {'all_projects': types.BOOLEAN, 'project_id': types.ID}
)
