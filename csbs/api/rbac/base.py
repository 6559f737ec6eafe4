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


"""The roles that the rules of all nouns are made of.

Every rule wants a token that is scoped to a project. reader, member, manager
and admin imply one another in Keystone, so a rule names the least of them.
``service`` stands beside them: other services of the cloud, such as those
that bill and watch, may look at every project and change nothing. Only a
token of the service's own counts; that a service passed a user's request on
gives the user nothing.
"""

from oslo_policy import policy

ADMIN = 'rule:admin_api'
ADMIN_OR_SERVICE = 'rule:admin_or_service'
READER = 'rule:project_reader_or_admin'
MEMBER = 'rule:project_member_or_admin'
MANAGER = 'rule:project_manager_or_admin'

_OWN = 'project_id:%(project_id)s'

RULES = [
    policy.RuleDefault(
        'admin_api', 'role:admin', 'Administrators of the cloud.'
    ),
    policy.RuleDefault(
        'admin_or_service',
        'rule:admin_api or role:service',
        'Administrators, and other services of the cloud by themselves.',
    ),
    policy.RuleDefault(
        'project_reader_or_admin',
        f'rule:admin_or_service or (role:reader and {_OWN})',
        'Who may look at what a project has.',
    ),
    policy.RuleDefault(
        'project_member_or_admin',
        f'rule:admin_api or (role:member and {_OWN})',
        "Who may use what a project has: the project's daily work.",
    ),
    policy.RuleDefault(
        'project_manager_or_admin',
        f'rule:admin_api or (role:manager and {_OWN})',
        'Who may do what binds or costs a whole project and what nobody in '
        'it can take back.',
    ),
]


def rule(
    name: str, check: str, description: str, method: str, path: str
) -> policy.DocumentedRuleDefault:
    """Return the rule of one operation.

    :param name: ``<noun>:<verb>``, without the service's prefix
    """
    return policy.DocumentedRuleDefault(
        name=f'csbs:{name}',
        check_str=check,
        description=description,
        operations=[{'method': method, 'path': path}],
        scope_types=['project'],
    )
