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


"""The schemas of backups and of what is made from them."""

from csbs.api.schemas import types
from csbs.domain import model

_STATUS = types.enum(model.BackupStatus)
_KIND = types.enum(model.BackupKind)
_TRIGGER = types.enum(model.Trigger)
_CONSISTENCY = types.enum(model.Consistency)
_METHOD = types.enum(model.SnapshotMethod)

ITEM = types.resource(
    'Item',
    {
        'id': types.UUID,
        'volume_id': types.ID,
        'volume_name': types.STRING,
        'device': types.STRING,
        'bootable': types.BOOLEAN,
        'size_bytes': types.COUNT,
        'size_gb': types.COUNT,
        'changed_bytes': types.COUNT,
    },
)

BACKUP = types.resource(
    'Backup',
    {
        'id': types.UUID,
        'project_id': types.ID,
        'vault_id': types.UUID,
        'server_id': types.ID,
        'server_name': types.STRING,
        'name': types.STRING,
        'description': types.STRING,
        'status': _STATUS,
        'kind': _KIND,
        'trigger': _TRIGGER,
        'consistency': types.nullable(_CONSISTENCY),
        'snapshot_method': types.nullable(_METHOD),
        'paused_seconds': types.nullable(types.SECONDS),
        'policy_id': types.nullable(types.UUID),
        'parent_id': types.nullable(types.UUID),
        'size_bytes': types.COUNT,
        'size_gb': types.COUNT,
        'changed_bytes': types.COUNT,
        'transferred_bytes': types.COUNT,
        'stored_bytes': types.COUNT,
        'progress': types.PERCENT,
        'fault': types.FAULT,
        'task_id': types.nullable(types.UUID),
        'created_at': types.TIME,
        'updated_at': types.nullable(types.TIME),
        'snapshot_at': types.nullable(types.TIME),
        'items': {'type': 'array', 'items': ITEM},
        'server': types.ANY_OBJECT,
    },
)

SHOW = types.wrapped('backup', BACKUP)
LIST = types.wrapped_list('backups', BACKUP)
LIST_QUERY = types.listing(
    {
        'id': types.UUID,
        'name': types.STRING,
        'status': _STATUS,
        'kind': _KIND,
        'trigger': _TRIGGER,
        'consistency': _CONSISTENCY,
        'vault_id': types.UUID,
        'server_id': types.ID,
        'server_name': types.STRING,
        'policy_id': types.UUID,
        'parent_id': types.UUID,
    },
    [
        'created_at',
        'name',
        'status',
        'server_name',
        'kind',
        'size_bytes',
    ],
    projects=True,
    times=True,
)
CREATE = types.wrapped(
    'backup',
    types.record(
        {
            'server_id': types.ID,
            'vault_id': types.UUID,
            'name': types.NAME,
            'description': types.DESCRIPTION,
            'allow_pause': types.BOOLEAN,
        },
        ['server_id', 'vault_id'],
    ),
)
UPDATE = types.wrapped(
    'backup',
    types.record(
        {'name': types.NAME, 'description': types.DESCRIPTION},
        minProperties=1,
    ),
)
RESTORE = types.wrapped('restore', types.record({'power_on': types.BOOLEAN}))
CREATE_SERVER = types.wrapped(
    'server',
    types.record(
        {
            'name': {
                'type': 'string',
                'minLength': 1,
                'maxLength': 255,
                'pattern': '^\\S(.*\\S)?$(?!\\n)',
                'x-reason': 'may not begin or end with a space',
            },
            'networks': {
                'anyOf': [
                    {'type': 'string', 'enum': ['auto', 'none']},
                    {
                        'type': 'array',
                        'items': types.UUID,
                        'minItems': 1,
                        'maxItems': 64,
                        'uniqueItems': True,
                    },
                ],
                'x-reason': (
                    'must be "auto", "none" or a list of network ids'
                ),
            },
            'key_name': types.ID,
            'admin_pass': types.ID,
            'security_groups': {
                'type': 'array',
                'items': types.ID,
                'maxItems': 64,
                'uniqueItems': True,
            },
            'flavor_id': types.ID,
            'availability_zone': types.ID,
            'power_on': types.BOOLEAN,
        },
        ['name'],
    ),
)
