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


"""Backups, tasks, servers and services over HTTP."""

import uuid

from csbs.db import services as db_services
from csbs.db import tasks as db_tasks
from csbs.tests.functional import stack

MIB = 1 << 20
NOBODY = '00000000-0000-4000-8000-000000000000'


class QueuedTest(stack.StackTestCase):
    """What can be seen and done while no worker runs."""

    def setUp(self) -> None:
        super().setUp()
        self.make_stack(start=False)
        self.server = self.stack.make_server(
            'web', {'vda': bytes(3 * MIB), 'vdb': bytes(MIB)}
        )
        self.vault_id = self.make_vault()

    def test_create_and_show(self) -> None:
        backup = self.start_backup(
            self.server.id, self.vault_id, name='夜-1', description='d'
        )
        self.assertEqual('夜-1', backup['name'])
        self.assertEqual('d', backup['description'])
        self.assertEqual('creating', backup['status'])
        self.assertEqual('manual', backup['trigger'])
        self.assertEqual('full', backup['kind'])
        self.assertEqual('web', backup['server_name'])
        self.assertEqual(0, backup['progress'])
        self.assertEqual(4 * MIB, backup['size_bytes'])
        self.assertEqual(1, backup['size_gb'])
        self.assertIsNone(backup['consistency'])
        self.assertIsNone(backup['fault'])
        self.assertEqual(
            [('vda', 3 * MIB), ('vdb', MIB)],
            [
                (item['device'].rpartition('/')[2], item['size_bytes'])
                for item in backup['items']
            ],
        )
        self.assertEqual(backup, self.get_backup(backup['id']))

    def test_create_refused(self) -> None:
        def body(**fields: object) -> dict[str, object]:
            return {
                'backup': {
                    'server_id': self.server.id,
                    'vault_id': self.vault_id,
                    **fields,
                }
            }

        for wrong in (
            {},
            {'backup': {'server_id': self.server.id}},
            body(name='a b'),
            body(volumes=[]),
            body(vault_id='x'),
        ):
            self.error('POST', '/v1/backups', wrong, expect=400)
        for wrong, code in (
            (body(vault_id=NOBODY), 'csbs.vault.not_found'),
            (body(server_id=NOBODY), 'csbs.server.not_found'),
        ):
            error = self.error('POST', '/v1/backups', wrong, expect=404)
            self.assertEqual(code, error['code'])

    def test_one_task_a_server(self) -> None:
        first = self.start_backup(self.server.id, self.vault_id)
        error = self.error(
            'POST',
            '/v1/backups',
            {
                'backup': {
                    'server_id': self.server.id,
                    'vault_id': self.vault_id,
                }
            },
            expect=409,
        )
        self.assertEqual('csbs.server.busy', error['code'])
        self.assertIn(first['task_id'], error['detail'])

    def test_update(self) -> None:
        backup = self.start_backup(self.server.id, self.vault_id)
        path = f'/v1/backups/{backup["id"]}'
        changed = self.call(
            'PATCH', path, {'backup': {'name': 'n'}}, expect=200
        )['backup']
        self.assertEqual('n', changed['name'])
        self.error('PATCH', path, {'backup': {'kind': 'full'}}, expect=400)

    def test_not_while_it_is_made(self) -> None:
        path = f'/v1/backups/{self._start()}'
        for method, below, body in (
            ('DELETE', '', None),
            ('POST', '/restore', {'restore': {}}),
            ('POST', '/servers', {'server': {'name': 'x'}}),
        ):
            error = self.error(method, path + below, body, expect=409)
            self.assertTrue(error['code'].startswith('csbs.backup.'), error)

    def test_choices_of_a_new_server(self) -> None:
        path = f'/v1/backups/{self._start()}/servers'
        for server in (
            {},
            {'name': ''},
            {'name': ' x'},
            {'name': 'x', 'networks': 'some'},
            {'name': 'x', 'networks': ['no uuid']},
            {'name': 'x', 'networks': []},
            {'name': 'x', 'volumes': []},
            {'name': 'x', 'power_on': 'yes'},
        ):
            self.error('POST', path, {'server': server}, expect=400)

    def test_filters(self) -> None:
        backup_id = self._start()
        for query, count in (
            (f'server_id={self.server.id}', 1),
            (f'vault_id={self.vault_id}&status=creating', 1),
            ('trigger=manual&kind=full&sort=size_bytes:desc', 1),
            ('trigger=scheduled', 0),
            ('consistency=none', 0),
            (f'id={NOBODY}', 0),
            ('server_name=web', 1),
        ):
            answer = self.call('GET', f'/v1/backups?{query}', expect=200)
            self.assertEqual(
                [backup_id] * count,
                [backup['id'] for backup in answer['backups']],
                query,
            )

    def test_unknown(self) -> None:
        path = f'/v1/backups/{NOBODY}'
        for method, below, body in (
            ('GET', '', None),
            ('PATCH', '', {'backup': {'name': 'x'}}),
            ('DELETE', '', None),
            ('POST', '/restore', {'restore': {}}),
            ('POST', '/servers', {'server': {'name': 'x'}}),
        ):
            error = self.error(method, path + below, body, expect=404)
            self.assertEqual('csbs.backup.not_found', error['code'])

    def test_running_task(self) -> None:
        backup = self.start_backup(self.server.id, self.vault_id)
        task = db_tasks.claim(self.stack.rt.db, 'host-1/abc')
        assert task is not None
        db_tasks.beat(
            self.stack.rt.db,
            task.id,
            'host-1/abc',
            step='reading',
            bytes_done=MIB,
        )
        shown = self.call('GET', f'/v1/tasks/{task.id}', expect=200)['task']
        self.assertEqual(backup['task_id'], shown['id'])
        self.assertEqual('running', shown['status'])
        self.assertEqual('reading', shown['step'])
        self.assertEqual('host-1', shown['host'])
        self.assertEqual(25, shown['progress'])
        self.assertEqual(4 * MIB, shown['bytes_total'])
        self.assertGreater(shown['rate'], 0)
        self.assertGreaterEqual(shown['eta_seconds'], 0)
        self.assertEqual(25, self.get_backup(backup['id'])['progress'])

    def test_cancel_a_queued_task(self) -> None:
        backup = self.start_backup(self.server.id, self.vault_id)
        path = f'/v1/tasks/{backup["task_id"]}'
        self.call('POST', f'{path}/cancel', {}, expect=202)
        self.error('POST', f'/v1/tasks/{NOBODY}/cancel', {}, expect=404)
        self.error('GET', f'/v1/tasks/{NOBODY}', expect=404)
        self.error('POST', f'{path}/cancel', {'force': True}, expect=400)

    def test_list_tasks(self) -> None:
        backup_id = self._start()
        for query, count in (
            (f'backup_id={backup_id}', 1),
            ('kind=backup&status=queued', 1),
            (f'server_id={self.server.id}&sort=status:desc', 1),
            ('kind=restore', 0),
        ):
            answer = self.call('GET', f'/v1/tasks?{query}', expect=200)
            self.assertEqual(count, len(answer['tasks']), query)
        self.error('GET', '/v1/tasks?kind=odd', expect=400)

    def test_servers(self) -> None:
        other = self.stack.make_server('db', {'vda': bytes(MIB)})
        backup = self.start_backup(self.server.id, self.vault_id)
        listed = self.call('GET', '/v1/servers', expect=200)['servers']
        self.assertEqual(['db', 'web'], [one['name'] for one in listed])
        web = listed[1]
        self.assertEqual(backup['task_id'], web['task_id'])
        self.assertEqual(2, len(web['volumes']))
        self.assertEqual(
            web,
            self.call('GET', f'/v1/servers/{self.server.id}', expect=200)[
                'server'
            ],
        )
        page = self.call('GET', '/v1/servers?limit=1', expect=200)
        self.assertEqual([other.id], [one['id'] for one in page['servers']])
        page = self.call('GET', page['servers_links'][0]['href'], expect=200)
        self.assertEqual([web], page['servers'])
        self.assertNotIn('servers_links', page)
        found = self.call('GET', '/v1/servers?name=db', expect=200)
        self.assertEqual([other.id], [one['id'] for one in found['servers']])
        error = self.error('GET', f'/v1/servers/{NOBODY}', expect=404)
        self.assertEqual('csbs.server.not_found', error['code'])

    def test_services(self) -> None:
        started = db_tasks.get(
            self.stack.rt.db,
            self.start_backup(self.server.id, self.vault_id)['task_id'],
        ).created_at
        for host in ('b', 'a'):
            db_services.beat(
                self.stack.rt.db, 'csbs-protection', host, started
            )
        listed = self.call('GET', '/v1/services', expect=200)['services']
        self.assertEqual(['a', 'b'], [one['host'] for one in listed])
        self.assertTrue(all(one['alive'] for one in listed))
        uuid.UUID(listed[0]['id'])
        down = self.call('GET', '/v1/services?alive=false', expect=200)
        self.assertEqual([], down['services'])

    def _start(self) -> str:
        backup = self.start_backup(self.server.id, self.vault_id)
        found: str = backup['id']
        return found


class FinishedTest(stack.StackTestCase):
    def test_figures(self) -> None:
        self.make_stack()
        server = self.stack.make_server(
            'web', {'vda': stack.pattern(2 * MIB) + bytes(MIB)}
        )
        vault_id = self.make_vault()
        backup = self.back_up(server.id, vault_id)
        self.assertEqual(100, backup['progress'])
        self.assertEqual(3 * MIB, backup['size_bytes'])
        self.assertEqual(2 * MIB, backup['transferred_bytes'])
        self.assertIsNotNone(backup['snapshot_at'])
        self.assertIsNotNone(backup['consistency'])
        task = self.call('GET', f'/v1/tasks/{backup["task_id"]}', expect=200)[
            'task'
        ]
        self.assertEqual(100, task['progress'])
        self.assertEqual('test', task['host'])
        self.assertIsNone(task['rate'])
        self.assertIsNotNone(task['finished_at'])
        vault = self.get_vault(vault_id)
        self.assertEqual(1, vault['backup_count'])
        self.assertEqual(3 * MIB, vault['used_bytes'])
        self.assertEqual(1, vault['used_gb'])
        self.assertGreater(vault['stored_bytes'], 0)
        shown = self.call('GET', f'/v1/servers/{server.id}', expect=200)
        self.assertEqual(backup['id'], shown['server']['last_backup_id'])
        error = self.error('DELETE', f'/v1/vaults/{vault_id}', expect=409)
        self.assertEqual('csbs.vault.not_empty', error['code'])
        error = self.error(
            'POST', f'/v1/tasks/{task["id"]}/cancel', {}, expect=409
        )
        self.assertEqual('csbs.task.not_cancellable', error['code'])
