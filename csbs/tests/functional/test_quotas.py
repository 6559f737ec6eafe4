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

"""Quotas of projects over HTTP: limits, usage, an administrator's word."""

from typing import Any

from csbs.tests.functional import stack

_SCHEDULE = {'times': ['02:00'], 'every_days': 1}
_DEFAULTS = {
    'vaults': 10,
    'policies': 20,
    'policies_per_vault': 10,
    'servers_per_policy': 10,
    'min_capacity_gb': 100,
    'max_capacity_gb': 1024000,
}


class QuotasTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)

    def quota(self, path: str = '/v1/quotas') -> dict[str, Any]:
        found: dict[str, Any] = self.call('GET', path, expect=200)['quota']
        return found

    def put(self, expect: int = 200, **limits: Any) -> Any:
        return self.call(
            'PUT', '/v1/quotas/local', {'quota': limits}, expect=expect
        )

    def as_member(
        self, method: str, path: str, project: str = 'local', **kwargs: Any
    ) -> Any:
        return self.stack.http.open(
            path,
            method=method,
            headers={'X-Project-Id': project, 'X-Roles': 'member,reader'},
            **kwargs,
        )

    def new_policy(self, expect: int = 201) -> str:
        answer = self.call(
            'POST',
            '/v1/policies',
            {'policy': {'schedule': _SCHEDULE}},
            expect=expect,
        )
        return answer['policy']['id'] if expect == 201 else ''

    def test_the_guide_s_limits(self) -> None:
        quota = self.quota()
        self.assertEqual(_DEFAULTS, quota['limits'])
        self.assertEqual('local', quota['project_id'])
        self.assertEqual([], quota['own'])
        self.assertEqual({0}, set(quota['usage'].values()))
        self.assertEqual(quota, self.quota('/v1/quotas/local'))

    def test_quotas_of_all_projects(self) -> None:
        self.make_vault()
        for project in ('other', 'third'):
            self.as_member(
                'POST',
                '/v1/vaults',
                project,
                json={'vault': {'capacity_gb': 300}},
            )
        self.put(vaults=-1)

        answer = self.call('GET', '/v1/quotas/all?limit=2', expect=200)
        local, other = answer['quotas']
        self.assertEqual(self.quota(), local)
        self.assertEqual(['vaults'], local['own'])
        self.assertEqual(_DEFAULTS, other['limits'])
        self.assertEqual(300, other['usage']['capacity_gb'])
        self.assertEqual(1, other['usage']['vaults'])
        (link,) = answer['quotas_links']
        answer = self.call('GET', link['href'], expect=200)
        self.assertEqual(
            ['third'], [quota['project_id'] for quota in answer['quotas']]
        )
        self.assertNotIn('quotas_links', answer)
        refused = self.as_member('GET', '/v1/quotas/all')
        self.assertEqual(403, refused.status_code)

    def test_usage(self) -> None:
        vault_id = self.make_vault()
        server = self.stack.make_server('web', {'vda': b'x'})
        first, second = (self.new_policy() for _ in range(2))
        for policy_id in (first, second):
            path = f'/v1/vaults/{vault_id}/policies/{policy_id}'
            self.call('PUT', path, expect=200)
        path = f'/v1/policies/{first}/servers/{server.id}'
        self.call('PUT', path, expect=200)
        self.start_backup(server.id, vault_id)
        self.assertEqual(
            {
                'vaults': 1,
                'policies': 2,
                'policies_per_vault': 2,
                'servers_per_policy': 1,
                'capacity_gb': 100,
                'used_gb': 1,
            },
            self.quota()['usage'],
        )

    def test_ten_vaults_and_twenty_policies(self) -> None:
        vault = {'vault': {'capacity_gb': 100}}
        for _ in range(10):
            self.call('POST', '/v1/vaults', vault, expect=201)
        error = self.error('POST', '/v1/vaults', vault, expect=403)
        self.assertEqual('csbs.quota.exceeded', error['code'])
        self.assertIn('10 vaults', error['detail'])
        ids = [self.new_policy() for _ in range(20)]
        self.new_policy(expect=403)
        # And ten policies of one vault.
        found = self.call('GET', '/v1/vaults?limit=1', expect=200)['vaults']
        path = f'/v1/vaults/{found[0]["id"]}/policies'
        for policy_id in ids[:10]:
            self.call('PUT', f'{path}/{policy_id}', expect=200)
        self.call('PUT', f'{path}/{ids[0]}', expect=200)
        error = self.error('PUT', f'{path}/{ids[10]}', expect=403)
        self.assertIn('10 policies of a vault', error['detail'])

    def test_ten_servers_and_never_more_than_64(self) -> None:
        policy_id = self.new_policy()
        path = f'/v1/policies/{policy_id}/servers'
        ids = [
            self.stack.make_server(f's{number}', {'vda': b'x'}).id
            for number in range(65)
        ]
        for server_id in ids[:10]:
            self.call('PUT', f'{path}/{server_id}', expect=200)
        error = self.error('PUT', f'{path}/{ids[10]}', expect=403)
        self.assertIn('10 servers of a policy', error['detail'])
        for wrong in (65, -1):
            self.put(400, servers_per_policy=wrong)
        self.put(servers_per_policy=64)
        for server_id in ids[10:64]:
            self.call('PUT', f'{path}/{server_id}', expect=200)
        error = self.error('PUT', f'{path}/{ids[64]}', expect=403)
        self.assertIn('64 servers of a policy', error['detail'])
        body = {'policy': {'schedule': _SCHEDULE, 'server_ids': ids}}
        self.error('POST', '/v1/policies', body, expect=400)

    def test_an_administrator_s_word(self) -> None:
        quota = self.put(vaults=1, policies=-1, max_capacity_gb=2000000)
        limits = {
            **_DEFAULTS,
            'vaults': 1,
            'policies': -1,
            'max_capacity_gb': 2000000,
        }
        self.assertEqual(limits, quota['quota']['limits'])
        self.assertEqual(
            ['max_capacity_gb', 'policies', 'vaults'], quota['quota']['own']
        )
        self.assertEqual(quota['quota'], self.quota())
        self.make_vault(2000000)
        body = {'vault': {'capacity_gb': 100}}
        self.error('POST', '/v1/vaults', body, expect=403)
        for _ in range(21):
            self.new_policy()
        # Another project has what it had.
        self.assertEqual(
            _DEFAULTS,
            self.as_member('GET', '/v1/quotas', 'other').json['quota'][
                'limits'
            ],
        )
        self.assertEqual(
            {**limits, 'vaults': 10},
            self.put(vaults=None)['quota']['limits'],
        )
        answer = self.call('DELETE', '/v1/quotas/local', expect=200)
        self.assertEqual(_DEFAULTS, answer['quota']['limits'])
        # What it has beyond that stays.
        self.assertEqual(21, self.quota()['usage']['policies'])
        self.new_policy(expect=403)

    def test_capacity_of_a_vault(self) -> None:
        self.put(min_capacity_gb=10, max_capacity_gb=50)
        vault_id = self.make_vault(10)
        path = f'/v1/vaults/{vault_id}/extend'
        for wrong in (9, 51):
            body = {'vault': {'capacity_gb': wrong}}
            self.error('POST', '/v1/vaults', body, expect=400)
            self.error('POST', path, {'capacity_gb': wrong}, expect=400)
        self.call('POST', path, {'capacity_gb': 50}, expect=200)

    def test_limits_that_cannot_be_kept(self) -> None:
        for wrong in (
            {},
            {'vaults': -2},
            {'vaults': '5'},
            {'colour': 1},
            {'min_capacity_gb': 2000000},
            {'min_capacity_gb': 0},
            {'max_capacity_gb': 99},
        ):
            self.put(400, **wrong)
        self.assertEqual(_DEFAULTS, self.quota()['limits'])
        path = f'/v1/quotas/{"x" * 65}'
        self.error('PUT', path, {'quota': {'vaults': 1}}, expect=400)

    def test_who_may(self) -> None:
        for method in ('PUT', 'DELETE'):
            for project in ('local', 'other'):
                answer = self.as_member(
                    method,
                    '/v1/quotas/local',
                    project,
                    json={'quota': {'vaults': 99}},
                )
                self.assertEqual(403, answer.status_code)
        self.assertEqual(
            200, self.as_member('GET', '/v1/quotas/local').status_code
        )
        # A stranger hears nothing, an administrator all.
        answer = self.as_member('GET', '/v1/quotas/local', 'other')
        self.assertEqual(404, answer.status_code)
        self.assertEqual('other', self.quota('/v1/quotas/other')['project_id'])
