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

"""Statistics over HTTP: of a project, and of all of them."""

from typing import Any

from csbs.tests.functional import stack


class StatisticsTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)

    def get(self, query: str = '') -> dict[str, Any]:
        answer = self.call('GET', f'/v1/statistics{query}', expect=200)
        found: dict[str, Any] = answer['statistics']
        return found

    def test_nothing_yet(self) -> None:
        figures = self.get()
        self.assertEqual('local', figures.pop('project_id'))
        self.assertIsNone(figures.pop('last_backup_at'))
        counts = [*figures.pop('backups').values()]
        counts += figures.pop('tasks').values()
        self.assertEqual({0}, {*counts, *figures.values()})

    def test_what_there_is(self) -> None:
        vault_id = self.make_vault()
        for name in ('web', 'db'):
            server = self.stack.make_server(name, {'vda': b'x' * 512})
            self.start_backup(server.id, vault_id)
        schedule = {'times': ['02:00'], 'every_days': 1}
        for enabled in (True, False):
            policy = {'schedule': schedule, 'enabled': enabled}
            self.call('POST', '/v1/policies', {'policy': policy}, expect=201)
        self.assertEqual({'queued': 2, 'running': 0}, self.get()['tasks'])
        self.stack.run_queue(limit=1)

        figures = self.get()
        self.assertEqual((1, 100), (figures['vaults'], figures['capacity_gb']))
        self.assertEqual(
            (2, 1), (figures['policies'], figures['enabled_policies'])
        )
        self.assertEqual({'queued': 1, 'running': 0}, figures['tasks'])
        counts = {
            name: count for name, count in figures['backups'].items() if count
        }
        self.assertEqual({'available': 1, 'creating': 1}, counts)
        self.assertEqual(1, figures['protected_servers'])
        self.assertIsNotNone(figures['last_backup_at'])
        vault = self.call('GET', f'/v1/vaults/{vault_id}', expect=200)['vault']
        for name in ('used_bytes', 'protected_bytes', 'stored_bytes'):
            self.assertEqual(vault[name], figures[name], name)

    def test_other_projects(self) -> None:
        self.make_vault()
        for query in ('?project_id=other', '?all_projects=true'):
            answer = self.stack.http.get(
                f'/v1/statistics{query}', headers={'X-Roles': 'member'}
            )
            self.assertEqual(403, answer.status_code)
        self.assertEqual(0, self.get('?project_id=other')['vaults'])
        everybody = self.get('?all_projects=true')
        self.assertEqual(
            (None, 1), (everybody['project_id'], everybody['vaults'])
        )
