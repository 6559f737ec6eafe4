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

"""Tests of the SDK against a service on loopback."""

from typing import Any

import openstack
from openstack import exceptions as sdk_exceptions
import requests

from csbs import sdk
from csbs.sdk import exceptions
from csbs.sdk.v1 import _proxy
from csbs.sdk.v1 import task as _task
from csbs.tests import base
from csbs.tests.unit.sdk import keystone
from csbs.tests.unit.sdk import loopback


def connect(endpoint: str) -> openstack.connection.Connection:
    """Return a connection that needs no Keystone."""
    return openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth_type='none',
        auth={'endpoint': endpoint},
    )


class ProxyTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = loopback.start(self.addCleanup)
        connection = connect(self.service.url)
        self.addCleanup(connection.close)
        self.csbs = sdk.register(connection)


class TestRegister(ProxyTestCase):
    def _paths(self) -> list[str]:
        return [request[1] for request in self.service.requests]

    def _list(self, **config: Any) -> None:
        connection = openstack.connect(
            load_yaml_config=False, load_envvars=False, **config
        )
        self.addCleanup(connection.close)
        self.service.requests.clear()
        csbs = sdk.register(connection)
        self.assertIsInstance(csbs, _proxy.Proxy)
        self.assertEqual([], list(csbs.vaults()))
        self.assertEqual('/v1/vaults', self._paths()[-1])
        for attribute in ('csbs', 'server_backup'):
            self.assertIs(csbs, getattr(connection, attribute))

    def test_without_keystone(self) -> None:
        for path in ('', '/', '/v1', '/v1/'):
            self._list(
                auth_type='none', auth={'endpoint': self.service.url + path}
            )

    def test_with_a_token_and_an_endpoint(self) -> None:
        for path in ('', '/v1'):
            self._list(
                auth_type='admin_token',
                auth={'endpoint': self.service.url + path, 'token': 't'},
            )

    def test_with_an_endpoint_in_the_configuration(self) -> None:
        for path in ('', '/v1'):
            self._list(
                auth_type='none',
                auth={},
                server_backup_endpoint_override=self.service.url + path,
            )

    def test_with_keystone(self) -> None:
        self._list(
            auth_type='password',
            auth={
                'auth_url': f'{self.service.url}/identity/v3',
                'username': 'demo',
                'password': keystone.PASSWORD,
                'project_name': 'demo',
                'user_domain_id': 'default',
                'project_domain_id': 'default',
            },
        )

    def test_twice(self) -> None:
        connection = connect(self.service.url)
        self.addCleanup(connection.close)

        self.assertIs(sdk.register(connection), sdk.register(connection))

    def test_a_cloud_without_the_service(self) -> None:
        connection = connect('http://127.0.0.1:1')
        self.addCleanup(connection.close)

        error = self.assertRaises(
            sdk_exceptions.ServiceDiscoveryException, sdk.register, connection
        )

        self.assertIn('The server-backup service does not answer.', str(error))
        self.assertIn('http://127.0.0.1:1', str(error))


class TestErrors(ProxyTestCase):
    def test_the_sentence_and_the_code_are_kept(self) -> None:
        error = self.assertRaises(
            exceptions.NotFound, self.csbs.get_vault, 'x'
        )

        self.assertIsInstance(error, sdk_exceptions.NotFoundException)
        self.assertEqual('csbs.vault.not_found', error.code)
        self.assertEqual(404, error.status_code)
        self.assertEqual('req-1', error.request_id)
        self.assertEqual(
            'There is no vault x. (csbs.vault.not_found)', str(error)
        )

    def test_by_status(self) -> None:
        for status, cls in (
            (400, exceptions.BadRequest),
            (403, exceptions.Forbidden),
            (404, exceptions.NotFound),
            (409, exceptions.Conflict),
            (500, exceptions.ApiError),
        ):
            response = requests.Response()
            response.status_code = status
            response.headers['content-type'] = 'application/json'
            response._content = b'{"errors": [{"detail": "No.", "code": "c"}]}'

            error = self.assertRaises(
                cls, exceptions.raise_from_response, response
            )

            self.assertIs(cls, type(error))
            self.assertEqual('No. (c)', str(error))

    def test_an_operators_fault_names_the_request(self) -> None:
        task = self.service.add_task('backup')
        self.service.away = 1

        error = self.assertRaises(
            exceptions.ApiError, self.csbs.get_task, task['id']
        )

        self.assertEqual('Back in a moment. (csbs.away, req-1)', str(error))

    def test_errors_of_others_are_left_to_openstacksdk(self) -> None:
        for content_type, content in (
            ('text/html', b'<h1>Bad Gateway</h1>'),
            ('application/json', b'{"error": {"message": "No token."}}'),
            ('application/json', b'{"errors": "many"}'),
            ('application/json', b'no json at all'),
            ('application/json', b'[]'),
        ):
            response = requests.Response()
            response.status_code = 502
            response.headers['content-type'] = content_type
            response._content = content

            exceptions.raise_from_response(response)

    def test_a_raw_response_can_be_had(self) -> None:
        response = self.csbs.get('/vaults/x', raise_exc=False)

        self.assertEqual(404, response.status_code)


class TestLists(ProxyTestCase):
    def test_pages_are_followed_on_the_same_host(self) -> None:
        names = [self.service.add_vault(name)['name'] for name in 'abcde']

        found = [vault.name for vault in self.csbs.vaults(limit=2)]

        self.assertEqual(names, found)
        ids = list(self.service.tables['vaults'])
        self.assertEqual(
            [None, ids[1], ids[3]],
            [
                query.get('marker')
                for _, path, query, _, _ in self.service.requests
                if path == '/v1/vaults'
            ],
        )

    def test_max_items_asks_for_no_page_too_many(self) -> None:
        for name in 'abcde':
            self.service.add_vault(name)
        self.service.requests.clear()

        found = list(self.csbs.vaults(max_items=2))

        self.assertEqual(['a', 'b'], [vault.name for vault in found])
        self.assertEqual(1, len(self.service.requests))

    def test_max_items_above_a_page(self) -> None:
        self.service.add_vault('a')

        self.assertEqual(1, len(list(self.csbs.vaults(max_items=5000))))
        self.assertEqual({'limit': '1000'}, self.service.requests[-1][2])

    def test_all_that_can_be_listed(self) -> None:
        self.service.add_server('web')
        self.service.add_task('collect')
        self.service.add_backup('b')
        self.service.tables['services']['s'] = {'id': 's', 'binary': 'x'}

        self.assertEqual(['web'], [s.name for s in self.csbs.servers()])
        self.assertEqual(['collect'], [t.kind for t in self.csbs.tasks()])
        self.assertEqual(['b'], [b.name for b in self.csbs.backups()])
        self.assertEqual(['x'], [s.binary for s in self.csbs.services()])

    def test_switches_are_written_as_in_json(self) -> None:
        list(self.csbs.vaults(all_projects=True))

        self.assertEqual(
            {'all_projects': 'true'}, self.service.requests[-1][2]
        )


class TestFind(ProxyTestCase):
    def test_by_name_and_id(self) -> None:
        vault = self.service.add_vault('a')
        server = self.service.add_server('s')
        backup = self.service.add_backup('b')

        for find, row in (
            (self.csbs.find_vault, vault),
            (self.csbs.find_server, server),
            (self.csbs.find_backup, backup),
        ):
            for word in (row['name'], row['id']):
                found: Any = find(word)
                self.assertEqual(row['id'], found.id)

    def test_an_id_that_is_no_uuid(self) -> None:
        self.service.tables['servers']['i-1'] = {'id': 'i-1', 'name': 'web'}

        found = self.csbs.find_server('i-1', ignore_missing=False)

        self.assertEqual('web', found.name)

    def test_a_name_that_looks_like_an_id(self) -> None:
        name = '00000000-0000-4000-8000-000000000000'
        vault = self.service.add_vault(name)

        found = self.csbs.find_vault(name, ignore_missing=False)

        self.assertEqual(vault['id'], found.id)

    def test_a_name_never_becomes_a_path(self) -> None:
        self.service.add_vault('a')
        for word in ('../backups', 'a/extend', 'a?x=y', '..', 'a#b', ''):
            self.service.requests.clear()

            self.assertIsNone(self.csbs.find_vault(word))

            self.assertEqual(
                {'/v1/vaults'},
                {request[1] for request in self.service.requests},
            )

    def test_a_name_of_any_letters(self) -> None:
        for name in ('my vault', '每日', 'a/b?c', '50%'):
            vault = self.service.add_vault(name)

            found = self.csbs.find_vault(name, ignore_missing=False)

            self.assertEqual(vault['id'], found.id)

    def test_nothing(self) -> None:
        self.assertIsNone(self.csbs.find_backup('x'))
        self.assertRaises(
            sdk_exceptions.NotFoundException,
            self.csbs.find_backup,
            'x',
            ignore_missing=False,
        )

    def test_candidates_are_told_apart(self) -> None:
        ids = [self.service.add_backup('b')['id'] for _ in range(3)]

        error = self.assertRaises(
            sdk_exceptions.DuplicateResource, self.csbs.find_backup, 'b'
        )

        self.assertIn("There are 3 backups named 'b'", str(error))
        for backup_id in ids:
            self.assertIn(
                f'{backup_id} (of server web-1, created {loopback.NOW})',
                str(error),
            )


class TestWork(ProxyTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = self.service.add_vault('daily')
        self.server = self.service.add_server('web-1')

    def _back_up(self) -> str:
        backup = self.csbs.create_backup(
            server_id=self.server['id'], vault_id=self.vault['id'], name='b'
        )
        return backup.id

    def _wait(self, task_id: str | None) -> _task.Task:
        assert task_id is not None
        return self.csbs.wait_for_task(task_id, interval=0)

    def test_a_vaults_life(self) -> None:
        vault = self.csbs.create_vault(name='v', capacity_gb=100)
        vault = self.csbs.update_vault(vault.id, description='d')
        self.assertEqual('d', vault.description)
        self.assertEqual(
            200, self.csbs.extend_vault(vault.id, 200).capacity_gb
        )
        self.assertEqual(3, self.csbs.renew_vault(vault, 2).months)
        self.csbs.delete_vault(vault)
        self.assertEqual('deleting', vault.status)
        self._wait(vault.task_id)
        self.assertIsNone(self.csbs.find_vault(vault.id))
        self.assertIsNone(self.csbs.delete_vault(vault.id))
        self.assertRaises(
            exceptions.NotFound,
            self.csbs.delete_vault,
            vault.id,
            ignore_missing=False,
        )

    def test_a_backups_life(self) -> None:
        backup = self.csbs.wait_for_backup(self._back_up(), interval=0)
        self.assertEqual('available', backup.status)
        self.assertEqual(
            [volume['id'] for volume in self.server['volumes']],
            [item['volume_id'] for item in backup.backup_items],
        )
        self.assertEqual('c', self.csbs.update_backup(backup, name='c').name)

        backup = self.csbs.restore_backup(backup.id, power_on=True)
        self.assertEqual('restoring', backup.status)
        self.assertEqual(
            'available', self.csbs.wait_for_backup(backup, interval=0).status
        )

        backup = self.csbs.create_server_from_backup(backup, name='new')
        result = self._wait(backup.task_id).result or {}
        self.assertEqual(36, len(result['server_id']))

        self.csbs.delete_backup(backup)
        self._wait(backup.task_id)
        self.assertEqual({}, self.service.tables['backups'])

    def test_waiting_calls_back(self) -> None:
        backup = self.csbs.get_backup(self._back_up())
        seen: list[tuple[str, int]] = []

        def callback(task: _task.Task) -> None:
            seen.append((task.status, task.progress))

        self.csbs.wait_for_backup(backup, interval=0, callback=callback)

        self.assertEqual([('running', 45), ('succeeded', 100)], seen)

    def test_a_failed_task_is_raised(self) -> None:
        self.server['name'] = 'broken'
        backup = self.csbs.get_backup(self._back_up())

        error = self.assertRaises(
            exceptions.TaskFailed,
            self.csbs.wait_for_backup,
            backup,
            interval=0,
        )

        self.assertEqual('csbs.volume.unreadable', error.code)
        self.assertEqual(backup.task_id, error.task.id)
        self.assertEqual(
            'Volume 7 cannot be read: it is gone. (csbs.volume.unreadable)',
            str(error),
        )

    def test_waiting_outlives_a_restart_of_the_api(self) -> None:
        backup_id = self._back_up()
        self.service.away = 3

        backup = self.csbs.wait_for_backup(backup_id, interval=0)

        self.assertEqual('available', backup.status)
        self.assertEqual(0, self.service.away)

    def test_waiting_ends_when_time_is_up(self) -> None:
        task = self.service.add_task('collect')
        self.service.halted = True

        self.assertRaises(
            sdk_exceptions.ResourceTimeout,
            self.csbs.wait_for_task,
            task['id'],
            timeout=0.05,
            interval=0.01,
        )
        self.assertEqual('queued', task['status'])

    def test_waiting_for_what_is_not_there(self) -> None:
        self.assertRaises(
            exceptions.NotFound, self.csbs.wait_for_task, 'x', interval=0
        )

    def test_cancel(self) -> None:
        task = self.service.add_task('collect')

        self.assertEqual('cancelled', self.csbs.cancel_task(task['id']).status)
        self.assertRaises(
            exceptions.Conflict, self.csbs.cancel_task, task['id']
        )
