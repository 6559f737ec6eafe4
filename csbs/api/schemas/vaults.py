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

#: the guide's limits; the operator's narrower ones are checked by the verbs
_CAPACITY: types.Schema = {
    'type': 'integer',
    'minimum': 1,
    'maximum': 1024000,
    'description': 'GiB; from 100 to 1024000 unless the operator says else.',
}
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
        'backup_count': types.COUNT,
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
        'capacity_gb': {'type': 'integer', 'minimum': 0, 'maximum': 1024000},
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
        },
        ['capacity_gb'],
    ),
)
UPDATE = types.wrapped(
    'vault',
    types.record(
        {'name': types.NAME, 'description': types.DESCRIPTION},
        minProperties=1,
    ),
)
EXTEND = types.record({'capacity_gb': _CAPACITY}, ['capacity_gb'])
RENEW = types.record({'months': _MONTHS}, ['months'])
