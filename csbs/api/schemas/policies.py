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

"""The schemas of policies."""

from csbs.api.schemas import types
from csbs.domain import policy
from csbs.domain import recurrence
from csbs.domain import retention

_TIMES: types.Schema = {
    'type': 'array',
    'items': {
        'type': 'string',
        'pattern': '^([01][0-9]|2[0-3]):[0-5][0-9]$(?!\\n)',
        'x-reason': 'must be a time of day such as 02:00',
    },
    'minItems': 1,
    'maxItems': 1440,
    'uniqueItems': True,
}
_WEEKDAYS: types.Schema = {
    'type': 'array',
    'items': types.enum(recurrence.WEEKDAYS),
    'uniqueItems': True,
}
_EVERY_DAYS: types.Schema = {
    'type': 'integer',
    'minimum': 1,
    'maximum': recurrence.MAX_EVERY_DAYS,
}
_VALUE: types.Schema = {
    'type': 'integer',
    'minimum': 1,
    'maximum': retention.MAX_VALUE,
}
_MAX_PARALLEL: types.Schema = {
    'type': 'integer',
    'minimum': 1,
    'maximum': policy.MAX_SERVERS,
}
_KIND = types.enum(retention.RetentionKind)

SCHEDULE = types.record(
    {
        'times': _TIMES,
        'timezone': types.ID,
        'weekdays': _WEEKDAYS,
        'every_days': types.nullable(_EVERY_DAYS),
    },
    ['times'],
)
RETENTION = types.record(
    {'kind': _KIND, 'value': types.nullable(_VALUE)}, ['kind']
)

POLICY = types.resource(
    'Policy',
    {
        'id': types.UUID,
        'project_id': types.ID,
        'name': types.STRING,
        'enabled': types.BOOLEAN,
        'vault_id': types.nullable(types.UUID),
        'server_ids': {
            'type': 'array',
            'items': types.ID,
            'maxItems': policy.MAX_SERVERS,
        },
        'schedule': types.record(
            {
                'times': _TIMES,
                'timezone': types.STRING,
                'weekdays': _WEEKDAYS,
                'every_days': types.nullable(_EVERY_DAYS),
            },
            ['times', 'timezone', 'weekdays', 'every_days'],
        ),
        'retention': types.record(
            {'kind': _KIND, 'value': types.nullable(_VALUE)},
            ['kind', 'value'],
        ),
        'allow_pause': types.nullable(types.BOOLEAN),
        'max_parallel': types.nullable(_MAX_PARALLEL),
        'next_run_at': types.nullable(types.TIME),
        'next_runs': {
            'type': 'array',
            'items': types.TIME,
            'maxItems': policy.SHOWN_RUNS,
        },
        'task_id': types.nullable(types.UUID),
        'created_at': types.TIME,
        'updated_at': types.nullable(types.TIME),
    },
)

SHOW = types.wrapped('policy', POLICY)
LIST = types.wrapped_list('policies', POLICY)
LIST_QUERY = types.listing(
    {
        'id': types.UUID,
        'name': types.STRING,
        'enabled': types.BOOLEAN,
        'vault_id': types.UUID,
    },
    ['created_at', 'name', 'next_run_at', 'id'],
    projects=True,
    times=True,
)
CREATE = types.wrapped(
    'policy',
    types.record(
        {
            'name': types.NAME,
            'enabled': types.BOOLEAN,
            'schedule': SCHEDULE,
            'retention': RETENTION,
            'allow_pause': types.nullable(types.BOOLEAN),
            'max_parallel': types.nullable(_MAX_PARALLEL),
            'vault_id': types.UUID,
            'server_ids': {
                'type': 'array',
                'items': types.ID,
                'maxItems': policy.MAX_SERVERS,
                'uniqueItems': True,
            },
        },
        ['schedule'],
    ),
)
UPDATE = types.wrapped(
    'policy',
    types.record(
        {
            'name': types.NAME,
            'enabled': types.BOOLEAN,
            'schedule': SCHEDULE,
            'retention': RETENTION,
            'allow_pause': types.nullable(types.BOOLEAN),
            'max_parallel': types.nullable(_MAX_PARALLEL),
        },
        minProperties=1,
    ),
)
RUN = types.record({})
