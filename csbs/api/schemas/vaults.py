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


"""The schemas of vaults."""

from csbs.api.schemas import types
from csbs.domain import model

#: the limits of a project are checked by the verbs
_CAPACITY: types.Schema = {
    'type': 'integer',
    'minimum': 1,
    'maximum': 2**31 - 1,
    'description': 'GiB; from 100 to 1024000 unless the quota says else.',
}
_LOCK_DAYS: types.Schema = {'type': 'integer', 'minimum': 1, 'maximum': 36500}
_TAGS: types.Schema = {
    'type': 'array',
    'items': {
        'type': 'string',
        'minLength': 1,
        'maxLength': 60,
        'pattern': '^[^,/\\s]([^,/]*[^,/\\s])?$(?!\\n)',
        'x-reason': (
            'may hold no "," and no "/", and no space at its begin or end'
        ),
    },
    'maxItems': 50,
    'uniqueItems': True,
}
_FIRST_BACKUP = types.record(
    {
        'server_id': types.ID,
        'name': types.NAME,
        'description': types.DESCRIPTION,
        'allow_pause': types.BOOLEAN,
    },
    ['server_id'],
)
_MONTHS: types.Schema = {'type': 'integer', 'minimum': 1, 'maximum': 1200}
_STATUS = types.enum(model.VaultStatus)

VAULT = types.resource(
    'Vault',
    {
        'id': types.UUID,
        'project_id': types.ID,
        'name': types.STRING,
        'description': types.STRING,
        'capacity_gb': types.COUNT,
        'months': types.COUNT,
        'status': _STATUS,
        'used_gb': types.COUNT,
        'used_bytes': types.COUNT,
        'stored_bytes': types.COUNT,
        'protected_bytes': types.COUNT,
        'saved_percent': types.PERCENT,
        'backup_count': types.COUNT,
        'policy_ids': {'type': 'array', 'items': types.UUID},
        'lock_days': types.nullable(types.COUNT),
        'tags': {'type': 'array', 'items': types.STRING},
        'task_id': types.nullable(types.UUID),
        'created_at': types.TIME,
        'updated_at': types.nullable(types.TIME),
        'expires_at': types.nullable(types.TIME),
    },
)

SHOW = types.wrapped('vault', VAULT)
LIST = types.wrapped_list('vaults', VAULT)
LIST_QUERY = types.listing(
    {
        'id': types.UUID,
        'name': types.STRING,
        'status': _STATUS,
        'capacity_gb': {'type': 'integer', 'minimum': 0},
        'tags': types.described(
            types.STRING, 'Tags that it must all have, separated by commas.'
        ),
    },
    ['created_at', 'name', 'status', 'capacity_gb', 'expires_at', 'id'],
    projects=True,
    times=True,
)
CREATE = types.wrapped(
    'vault',
    types.record(
        {
            'name': types.NAME,
            'description': types.DESCRIPTION,
            'capacity_gb': _CAPACITY,
            'months': _MONTHS,
            'lock_days': _LOCK_DAYS,
            'tags': _TAGS,
            'policy_ids': {
                'type': 'array',
                'items': types.UUID,
                'maxItems': 64,
                'uniqueItems': True,
            },
            'backup': _FIRST_BACKUP,
        },
        ['capacity_gb'],
    ),
)
UPDATE = types.wrapped(
    'vault',
    types.record(
        {
            'name': types.NAME,
            'description': types.DESCRIPTION,
            'lock_days': _LOCK_DAYS,
            'tags': _TAGS,
        },
        minProperties=1,
    ),
)
EXTEND = types.record({'capacity_gb': _CAPACITY}, ['capacity_gb'])
RENEW = types.record({'months': _MONTHS}, ['months'])
