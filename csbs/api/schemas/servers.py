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


"""The schemas of servers, as far as they can be protected."""

from csbs.api.schemas import types

VOLUME = types.resource(
    'Volume',
    {
        'id': types.STRING,
        'name': types.STRING,
        'size_bytes': types.COUNT,
        'size_gb': types.COUNT,
        'device': types.STRING,
        'bootable': types.BOOLEAN,
        'status': types.STRING,
    },
)

SERVER = types.resource(
    'Server',
    {
        'id': types.STRING,
        'project_id': types.ID,
        'name': types.STRING,
        'status': types.STRING,
        'volumes': {'type': 'array', 'items': VOLUME},
        'size_gb': types.COUNT,
        'policy_id': types.nullable(types.UUID),
        'last_backup_id': types.nullable(types.UUID),
        'last_backup_at': types.nullable(types.TIME),
        'task_id': types.nullable(types.UUID),
        'protectable': types.BOOLEAN,
        'reason': types.nullable(types.STRING),
        'notice': types.nullable(types.STRING),
    },
)

SHOW = types.wrapped('server', SERVER)
LIST = types.wrapped_list('servers', SERVER)
LIST_QUERY = types.listing(
    {
        'id': types.ID,
        'name': types.STRING,
        'status': types.STRING,
        'policy_id': types.UUID,
        'protectable': types.BOOLEAN,
    },
    ['name', 'status', 'size_gb', 'last_backup_at', 'id'],
)
