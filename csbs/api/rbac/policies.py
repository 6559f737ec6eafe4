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

"""The rules of policies."""

from csbs.api.rbac import base

RULES = [
    base.rule(
        'policies:list',
        base.READER,
        'List policies.',
        'GET',
        '/v1/policies',
    ),
    base.rule(
        'policies:list_all_projects',
        base.ADMIN_OR_SERVICE,
        "List other projects' policies, and show any of them.",
        'GET',
        '/v1/policies?all_projects=true',
    ),
    base.rule(
        'policies:create',
        base.MEMBER,
        'Create a policy.',
        'POST',
        '/v1/policies',
    ),
    base.rule(
        'policies:get',
        base.READER,
        'Show a policy.',
        'GET',
        '/v1/policies/{policy_id}',
    ),
    base.rule(
        'policies:update',
        base.MEMBER,
        'Change a policy.',
        'PATCH',
        '/v1/policies/{policy_id}',
    ),
    base.rule(
        'policies:delete',
        base.MEMBER,
        'Delete a policy.',
        'DELETE',
        '/v1/policies/{policy_id}',
    ),
    base.rule(
        'policies:run',
        base.MEMBER,
        'Back every server of a policy up now.',
        'POST',
        '/v1/policies/{policy_id}/run',
    ),
    base.rule(
        'policies:add_server',
        base.MEMBER,
        'Bind a server to a policy.',
        'PUT',
        '/v1/policies/{policy_id}/servers/{server_id}',
    ),
    base.rule(
        'policies:remove_server',
        base.MEMBER,
        'Free a server from a policy.',
        'DELETE',
        '/v1/policies/{policy_id}/servers/{server_id}',
    ),
    base.rule(
        'policies:bind_vault',
        base.MEMBER,
        'Bind a policy to a vault.',
        'PUT',
        '/v1/vaults/{vault_id}/policies/{policy_id}',
    ),
    base.rule(
        'policies:unbind_vault',
        base.MEMBER,
        'Take a policy off a vault.',
        'DELETE',
        '/v1/vaults/{vault_id}/policies/{policy_id}',
    ),
]
