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


"""The schemas of tasks."""

from csbs.api.schemas import types
from csbs.domain import model

_KIND = types.enum(model.TaskKind)
_STATUS = types.enum(model.TaskStatus)

TASK = types.resource(
    'Task',
    {
        'id': types.UUID,
        'project_id': types.ID,
        'kind': _KIND,
        'status': _STATUS,
        'step': types.STRING,
        'progress': types.PERCENT,
        'bytes_done': types.COUNT,
        'bytes_total': types.COUNT,
        'rate': types.described(
            types.nullable({'type': 'integer'}), 'Bytes a second.'
        ),
        'eta_seconds': types.nullable({'type': 'integer'}),
        'backup_id': types.nullable(types.UUID),
        'server_id': types.nullable(types.STRING),
        'vault_id': types.nullable(types.UUID),
        'policy_id': types.nullable(types.UUID),
        'parent_id': types.nullable(types.UUID),
        'trigger': types.nullable(types.enum(model.Trigger)),
        'planned_at': types.nullable(types.TIME),
        'host': types.nullable(types.STRING),
        'attempts': types.COUNT,
        'result': types.ANY_OBJECT,
        'fault': types.FAULT,
        'created_at': types.TIME,
        'started_at': types.nullable(types.TIME),
        'finished_at': types.nullable(types.TIME),
    },
)

SHOW = types.wrapped('task', TASK)
LIST = types.wrapped_list('tasks', TASK)
LIST_QUERY = types.listing(
    {
        'id': types.UUID,
        'kind': _KIND,
        'status': _STATUS,
        'backup_id': types.UUID,
        'server_id': types.ID,
        'vault_id': types.UUID,
        'policy_id': types.UUID,
        'parent_id': types.UUID,
    },
    ['created_at', 'kind', 'status'],
    projects=True,
    times=True,
)
CANCEL = types.record({})
