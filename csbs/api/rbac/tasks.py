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


"""The rules of tasks."""

from csbs.api.rbac import base

RULES = [
    base.rule('tasks:list', base.READER, 'List tasks.', 'GET', '/v1/tasks'),
    base.rule(
        'tasks:list_all_projects',
        base.ADMIN_OR_SERVICE,
        "List other projects' tasks, and show any of them.",
        'GET',
        '/v1/tasks?all_projects=true',
    ),
    base.rule(
        'tasks:get',
        base.READER,
        'Show a task.',
        'GET',
        '/v1/tasks/{task_id}',
    ),
    base.rule(
        'tasks:cancel',
        base.MEMBER,
        'Cancel a task.',
        'POST',
        '/v1/tasks/{task_id}/cancel',
    ),
]
