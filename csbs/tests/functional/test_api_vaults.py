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


"""Vaults over HTTP."""

import datetime
from typing import Any

from csbs.tests.functional import stack

NOBODY = '00000000-0000-4000-8000-000000000000'


class VaultsTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)

    def create(self, expect: int = 201, **fields: Any) -> dict[str, Any]:
        body = {'vault': {'capacity_gb': 100, **fields}}
        answer = self.call('POST', '/v1/vaults', body, expect=expect)
        found: dict[str, Any] = answer['vault']
        return found

    def names(self, query: str = '') -> list[str]:
        answer = self.call('GET', f'/v1/vaults{query}', expect=200)
        return [vault['name'] for vault in answer['vaults']]

    def test_create_and_show(self) -> None:
        vault = self.create(name='存储库-1', description='für alles', months=3)
        self.assertEqual('存储库-1', vault['name'])
        self.assertEqual('für alles', vault['description'])
        self.assertEqual(100, vault['capacity_gb'])
        self.assertEqual(3, vault['months'])
        self.assertEqual('available', vault['status'])
        self.assertEqual('local', vault['project_id'])
        for name in ('used_gb', 'used_bytes', 'stored_bytes', 'backup_count'):
            self.assertEqual(0, vault[name])
        created = datetime.datetime.fromisoformat(vault['created_at'])
        expires = datetime.datetime.fromisoformat(vault['expires_at'])
        self.assertEqual(datetime.timedelta(days=90), expires - created)
        self.assertEqual(vault, self.get_vault(vault['id']))

    def test_create_with_as_little_as_can_be(self) -> None:
        vault = self.create()
        self.assertTrue(vault['name'].startswith('Vault-'))
        self.assertEqual('', vault['description'])
        self.assertEqual(1, vault['months'])

    def test_create_refused(self) -> None:
        for vault in (
            {},
            {'capacity_gb': 99},
            {'capacity_gb': 1024001},
            {'capacity_gb': '100'},
            {'capacity_gb': 100, 'months': 0},
            {'capacity_gb': 100, 'name': 'a b'},
            {'capacity_gb': 100, 'status': 'error'},
        ):
            error = self.error(
                'POST', '/v1/vaults', {'vault': vault}, expect=400
            )
            self.assertEqual('csbs.request.invalid', error['code'])
            self.assertIn(': ', error['detail'])
        self.assertEqual([], self.names())

    def test_quota(self) -> None:
        for _ in range(10):
            self.create()
        error = self.error(
            'POST',
            '/v1/vaults',
            {'vault': {'capacity_gb': 100}},
            expect=403,
        )
        self.assertEqual('csbs.quota.exceeded', error['code'])

    def test_update(self) -> None:
        vault = self.create(name='old', description='kept')
        path = f'/v1/vaults/{vault["id"]}'
        body = {'vault': {'name': 'new'}}
        changed = self.call('PATCH', path, body, expect=200)['vault']
        self.assertEqual('new', changed['name'])
        self.assertEqual('kept', changed['description'])
        self.assertIsNotNone(changed['updated_at'])
        self.assertEqual(changed, self.get_vault(vault['id']))
        for wrong in ({}, {'capacity_gb': 200}, {'name': ''}):
            self.error('PATCH', path, {'vault': wrong}, expect=400)

    def test_extend(self) -> None:
        path = f'/v1/vaults/{self.create()["id"]}/extend'
        vault = self.call('POST', path, {'capacity_gb': 101}, expect=200)
        self.assertEqual(101, vault['vault']['capacity_gb'])
        for capacity in (101, 100, 1024001):
            self.error('POST', path, {'capacity_gb': capacity}, expect=400)

    def test_renew(self) -> None:
        vault = self.create()
        path = f'/v1/vaults/{vault["id"]}/renew'
        renewed = self.call('POST', path, {'months': 2}, expect=200)['vault']
        self.assertEqual(3, renewed['months'])
        self.assertLess(vault['expires_at'], renewed['expires_at'])
        self.error('POST', path, {'months': -1}, expect=400)

    def test_delete(self) -> None:
        path = f'/v1/vaults/{self.create()["id"]}'
        vault = self.call('DELETE', path, expect=202)['vault']
        self.assertEqual('deleting', vault['status'])
        task = self.call('GET', f'/v1/tasks/{vault["task_id"]}', expect=200)[
            'task'
        ]
        self.assertEqual('delete_vault', task['kind'])
        self.assertEqual('queued', task['status'])
        self.assertEqual(vault['id'], task['vault_id'])

    def test_unknown(self) -> None:
        path = f'/v1/vaults/{NOBODY}'
        for method, below, body in (
            ('GET', '', None),
            ('PATCH', '', {'vault': {'name': 'x'}}),
            ('DELETE', '', None),
            ('POST', '/extend', {'capacity_gb': 200}),
            ('POST', '/renew', {'months': 1}),
        ):
            error = self.error(method, path + below, body, expect=404)
            self.assertEqual('csbs.vault.not_found', error['code'])
            self.assertIn(NOBODY, error['detail'])

    def test_pages(self) -> None:
        wanted = [f'v{number}' for number in range(5)]
        for name in reversed(wanted):
            self.create(name=name)
        self.assertEqual(wanted, self.names())
        seen = []
        path = '/v1/vaults?limit=2&sort=name:desc'
        while path:
            answer = self.call('GET', path, expect=200)
            self.assertLessEqual(len(answer['vaults']), 2)
            seen += [vault['name'] for vault in answer['vaults']]
            (link,) = answer.get('vaults_links') or [{'href': ''}]
            path = link['href']
        self.assertEqual(wanted[::-1], seen)
        self.error('GET', f'/v1/vaults?marker={NOBODY}', expect=400)

    def test_filters(self) -> None:
        self.create(name='a', capacity_gb=100)
        self.create(name='b', capacity_gb=200)
        self.assertEqual(['b'], self.names('?capacity_gb=200'))
        self.assertEqual(['a'], self.names('?name=a&status=available'))
        self.assertEqual([], self.names('?status=deleting'))
        self.assertEqual(
            ['a', 'b'],
            self.names('?created_since=2020-01-01T00:00:00Z&sort=name'),
        )
        self.assertEqual(
            [], self.names('?created_before=2020-01-01T00:00:00%2B08:00')
        )
        self.error('GET', '/v1/vaults?status=odd', expect=400)
        self.error('GET', '/v1/vaults?key_ref=x', expect=400)


class OtherProjectsTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.vault_id = self.make_vault()

    def get(self, path: str, **headers: str) -> Any:
        return self.stack.http.get(
            path,
            headers={
                name.replace('_', '-'): value
                for name, value in headers.items()
            },
        )

    def test_are_not_there(self) -> None:
        other = {'X_Project_Id': 'other', 'X_Roles': 'member'}
        self.assertEqual([], self.get('/v1/vaults', **other).json['vaults'])
        path = f'/v1/vaults/{self.vault_id}'
        self.assertEqual(404, self.get(path, **other).status_code)
        self.assertEqual(200, self.get(path).status_code)
        answer = self.stack.http.delete(
            path, headers={'X-Project-Id': 'other'}
        )
        self.assertEqual(404, answer.status_code)
        marker = f'/v1/vaults?marker={self.vault_id}'
        self.assertEqual(400, self.get(marker, **other).status_code)

    def test_administrators_list_all(self) -> None:
        for query in ('all_projects=true', 'project_id=local'):
            path = f'/v1/vaults?{query}'
            answer = self.get(path, X_Project_Id='other')
            self.assertEqual(
                [self.vault_id],
                [vault['id'] for vault in answer.json['vaults']],
            )
            answer = self.get(path, X_Project_Id='other', X_Roles='member')
            self.assertEqual(403, answer.status_code)
