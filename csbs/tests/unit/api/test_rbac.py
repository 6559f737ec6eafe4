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


from csbs import conf as csbs_conf
from csbs import context as csbs_context
from csbs import exception
from csbs.api import rbac
from csbs.api import request
from csbs.tests import base

ROLES = {
    'nobody': [],
    'reader': ['reader'],
    'member': ['member', 'reader'],
    'manager': ['manager', 'member', 'reader'],
    'admin': ['admin', 'manager', 'member', 'reader'],
}
#: the least role that may do it
WANTED = {
    'csbs:vaults:list': 'reader',
    'csbs:vaults:list_all_projects': 'admin',
    'csbs:vaults:create': 'member',
    'csbs:vaults:get': 'reader',
    'csbs:vaults:update': 'member',
    'csbs:vaults:delete': 'manager',
    'csbs:vaults:extend': 'member',
    'csbs:vaults:renew': 'member',
    'csbs:vaults:verify': 'member',
    'csbs:backups:list': 'reader',
    'csbs:backups:list_all_projects': 'admin',
    'csbs:backups:create': 'member',
    'csbs:backups:get': 'reader',
    'csbs:backups:update': 'member',
    'csbs:backups:delete': 'member',
    'csbs:backups:restore': 'member',
    'csbs:backups:verify': 'member',
    'csbs:backups:create_server': 'member',
    'csbs:policies:list': 'reader',
    'csbs:policies:list_all_projects': 'admin',
    'csbs:policies:create': 'member',
    'csbs:policies:get': 'reader',
    'csbs:policies:update': 'member',
    'csbs:policies:delete': 'member',
    'csbs:policies:run': 'member',
    'csbs:policies:add_server': 'member',
    'csbs:policies:remove_server': 'member',
    'csbs:policies:bind_vault': 'member',
    'csbs:policies:unbind_vault': 'member',
    'csbs:tasks:list': 'reader',
    'csbs:tasks:list_all_projects': 'admin',
    'csbs:tasks:get': 'reader',
    'csbs:tasks:cancel': 'member',
    'csbs:servers:list': 'reader',
    'csbs:servers:get': 'reader',
    'csbs:quotas:get_own': 'reader',
    'csbs:quotas:list': 'admin',
    'csbs:quotas:get': 'reader',
    'csbs:quotas:get_all_projects': 'admin',
    'csbs:quotas:update': 'admin',
    'csbs:quotas:reset': 'admin',
    'csbs:statistics:get': 'reader',
    'csbs:statistics:get_all_projects': 'admin',
    'csbs:services:list': 'admin',
}


class RulesTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        conf = csbs_conf.new()
        conf([], project='csbs', default_config_files=[])
        self.enforcer = rbac.make_enforcer(conf)

    def allowed(self, rule: str, **who: object) -> bool:
        context = csbs_context.RequestContext(
            **{'project_id': 'p1', 'overwrite': False, **who}
        )
        try:
            request.authorize(
                self.enforcer, context, rule, {'project_id': 'p1'}
            )
        except exception.Forbidden:
            return False
        return True

    def test_every_rule_is_listed_here(self) -> None:
        names = {rule.name for rule in rbac.list_rules()}
        self.assertEqual(set(WANTED), {name for name in names if ':' in name})

    def test_roles(self) -> None:
        order = list(ROLES)
        for rule, least in WANTED.items():
            for role, roles in ROLES.items():
                self.assertEqual(
                    order.index(role) >= order.index(least),
                    self.allowed(rule, roles=roles),
                    f'{rule} for {role}',
                )

    def test_other_project(self) -> None:
        for rule in WANTED:
            self.assertFalse(
                self.allowed(rule, roles=ROLES['manager'], project_id='p2'),
                rule,
            )

    def test_services_look_and_change_nothing(self) -> None:
        for rule in WANTED:
            verb = rule.rpartition(':')[2]
            looks = verb.partition('_')[0] in ('list', 'get')
            self.assertEqual(
                looks, self.allowed(rule, roles=['service']), rule
            )

    def test_a_request_that_a_service_passed_on_is_the_users(self) -> None:
        passed_on = {'roles': ['reader'], 'service_roles': ['service']}
        for rule, least in WANTED.items():
            self.assertEqual(
                least == 'reader', self.allowed(rule, **passed_on), rule
            )

    def test_other_scopes(self) -> None:
        for scope in ({'system_scope': 'all'}, {'domain_id': 'default'}):
            for rule in WANTED:
                self.assertFalse(
                    self.allowed(
                        rule,
                        roles=[*ROLES['admin'], 'service'],
                        project_id=None,
                        **scope,
                    ),
                    rule,
                )
