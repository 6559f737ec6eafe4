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


"""The schemas of what is there without a project: versions and health."""

from csbs.api.schemas import types

VERSION = types.resource(
    'Version',
    {
        'id': types.STRING,
        'status': types.enum(['CURRENT', 'SUPPORTED', 'DEPRECATED']),
        'min_version': types.STRING,
        'version': types.STRING,
        'max_version': types.STRING,
        'links': {'type': 'array', 'items': types.LINK},
    },
)

VERSIONS = types.record(
    {'versions': {'type': 'array', 'items': VERSION}}, ['versions']
)
SHOW_VERSION = types.wrapped('version', VERSION)
HEALTH = types.record({'status': types.enum(['ok'])}, ['status'])
OPENAPI: types.Schema = {
    'type': 'object',
    'required': ['openapi', 'info', 'paths'],
}
