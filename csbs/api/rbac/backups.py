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


"""The rules of backups."""

from csbs.api.rbac import base

RULES = [
    base.rule(
        'backups:list', base.READER, 'List backups.', 'GET', '/v1/backups'
    ),
    base.rule(
        'backups:list_all_projects',
        base.ADMIN_OR_SERVICE,
        "List other projects' backups, and show any of them.",
        'GET',
        '/v1/backups?all_projects=true',
    ),
    base.rule(
        'backups:create',
        base.MEMBER,
        'Back up a server.',
        'POST',
        '/v1/backups',
    ),
    base.rule(
        'backups:get',
        base.READER,
        'Show a backup.',
        'GET',
        '/v1/backups/{backup_id}',
    ),
    base.rule(
        'backups:update',
        base.MEMBER,
        "Change a backup's name or description.",
        'PATCH',
        '/v1/backups/{backup_id}',
    ),
    base.rule(
        'backups:delete',
        base.MEMBER,
        'Delete a backup.',
        'DELETE',
        '/v1/backups/{backup_id}',
    ),
    base.rule(
        'backups:restore',
        base.MEMBER,
        "Write a backup over its server's volumes.",
        'POST',
        '/v1/backups/{backup_id}/restore',
    ),
    base.rule(
        'backups:verify',
        base.MEMBER,
        'Look whether a backup can be restored.',
        'POST',
        '/v1/backups/{backup_id}/verify',
    ),
    base.rule(
        'backups:create_server',
        base.MEMBER,
        'Make a new server from a backup.',
        'POST',
        '/v1/backups/{backup_id}/servers',
    ),
]
