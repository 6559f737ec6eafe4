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

"""Services: the running processes of csbs, for administrators."""

from openstack import resource

from csbs.sdk.v1 import _base


class Service(_base.Resource):
    """One process by its last sign of life. Times are RFC 3339."""

    resource_key = 'service'
    resources_key = 'services'
    base_path = '/services'

    allow_list = True

    _query_mapping = resource.QueryParameters(
        'alive', 'binary', 'host', 'sort'
    )

    #: the program, such as ``csbs-protection``
    binary: str = resource.Body('binary')
    #: where it runs
    host: str = resource.Body('host')
    #: when it began
    started_at: str = resource.Body('started_at')
    #: when it last gave a sign of life
    seen_at: str = resource.Body('seen_at')
    #: whether that is recent enough
    alive: bool = resource.Body('alive', type=bool)
