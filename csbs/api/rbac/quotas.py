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

"""The rules of quotas."""

from csbs.api.rbac import base

RULES = [
    base.rule(
        'quotas:get_own',
        base.READER,
        "Show the quota of the caller's project.",
        'GET',
        '/v1/quotas',
    ),
    base.rule(
        'quotas:list',
        base.ADMIN_OR_SERVICE,
        'List the quotas of all projects.',
        'GET',
        '/v1/quotas/all',
    ),
    base.rule(
        'quotas:get',
        base.READER,
        'Show the quota of a project; of another project than the '
        "caller's only with quotas:get_all_projects.",
        'GET',
        '/v1/quotas/{project_id}',
    ),
    base.rule(
        'quotas:get_all_projects',
        base.ADMIN_OR_SERVICE,
        "Show other projects' quotas.",
        'GET',
        '/v1/quotas/{project_id}?all_projects',
    ),
    base.rule(
        'quotas:update',
        base.ADMIN,
        'Give a project limits of its own.',
        'PUT',
        '/v1/quotas/{project_id}',
    ),
    base.rule(
        'quotas:reset',
        base.ADMIN,
        'Leave the limits of a project to the configuration.',
        'DELETE',
        '/v1/quotas/{project_id}',
    ),
]
