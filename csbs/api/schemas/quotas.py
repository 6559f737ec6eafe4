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

"""The schemas of quotas."""

from csbs.api.schemas import types
from csbs.domain import policy

_MOST = 2**31 - 1
_NUMBER: types.Schema = {'type': 'integer', 'minimum': -1, 'maximum': _MOST}
_SERVERS: types.Schema = {
    'type': 'integer',
    'minimum': 0,
    'maximum': policy.MAX_SERVERS,
}
_CAPACITY: types.Schema = {'type': 'integer', 'minimum': 1, 'maximum': _MOST}
_LIMITS = {
    'vaults': _NUMBER,
    'policies': _NUMBER,
    'policies_per_vault': _NUMBER,
    'servers_per_policy': _SERVERS,
    'min_capacity_gb': _CAPACITY,
    'max_capacity_gb': _CAPACITY,
}

_USAGE = {
    'vaults': types.COUNT,
    'policies': types.COUNT,
    'policies_per_vault': types.COUNT,
    'servers_per_policy': types.COUNT,
    'capacity_gb': types.COUNT,
    'used_gb': types.COUNT,
}

QUOTA = types.resource(
    'Quota',
    {
        'project_id': types.ID,
        'limits': types.record(_LIMITS, _LIMITS),
        'usage': types.record(_USAGE, _USAGE),
        'own': {'type': 'array', 'items': types.enum(_LIMITS)},
    },
)

SHOW = types.wrapped('quota', QUOTA)
LIST = types.wrapped_list('quotas', QUOTA)
LIST_QUERY = types.record(
    {'limit': {'type': 'integer', 'minimum': 1}, 'marker': types.ID}
)
UPDATE = types.wrapped(
    'quota',
    types.record(
        {name: types.nullable(schema) for name, schema in _LIMITS.items()},
        minProperties=1,
    ),
)
