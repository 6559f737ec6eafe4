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

"""The rules of statistics."""

from csbs.api.rbac import base

RULES = [
    base.rule(
        'statistics:get',
        base.READER,
        'Show what is protected, stored and going on.',
        'GET',
        '/v1/statistics',
    ),
    base.rule(
        'statistics:get_all_projects',
        base.ADMIN_OR_SERVICE,
        "Show other projects' statistics, and those of all together.",
        'GET',
        '/v1/statistics?all_projects=true',
    ),
]
