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


"""The rules of vaults."""

from csbs.api.rbac import base

RULES = [
    base.rule('vaults:list', base.READER, 'List vaults.', 'GET', '/v1/vaults'),
    base.rule(
        'vaults:list_all_projects',
        base.ADMIN_OR_SERVICE,
        "List other projects' vaults, and show any of them.",
        'GET',
        '/v1/vaults?all_projects=true',
    ),
    base.rule(
        'vaults:create', base.MEMBER, 'Create a vault.', 'POST', '/v1/vaults'
    ),
    base.rule(
        'vaults:get',
        base.READER,
        'Show a vault.',
        'GET',
        '/v1/vaults/{vault_id}',
    ),
    base.rule(
        'vaults:update',
        base.MEMBER,
        "Change a vault's name, description or tags, or lengthen its lock.",
        'PATCH',
        '/v1/vaults/{vault_id}',
    ),
    base.rule(
        'vaults:delete',
        base.MANAGER,
        'Give an empty vault up, with its key and the rest of its term.',
        'DELETE',
        '/v1/vaults/{vault_id}',
    ),
    base.rule(
        'vaults:extend',
        base.MEMBER,
        'Give a vault more capacity.',
        'POST',
        '/v1/vaults/{vault_id}/extend',
    ),
    base.rule(
        'vaults:renew',
        base.MEMBER,
        "Lengthen a vault's term.",
        'POST',
        '/v1/vaults/{vault_id}/renew',
    ),
    base.rule(
        'vaults:verify',
        base.MEMBER,
        'Look whether all backups of a vault can be restored.',
        'POST',
        '/v1/vaults/{vault_id}/verify',
    ),
]
