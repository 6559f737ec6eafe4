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

"""The Swift driver keeps the contract, and says what is wrong."""

import logging
from typing import Any

from csbs.store import errors
from csbs.store.objects import base as objects_base
from csbs.store.objects import swift
from csbs.store.objects import swift_client
from csbs.tests import base
from csbs.tests.unit.store import suite
from csbs.tests.unit.store.objects import swift_server


class SwiftCase(base.TestCase):
    def setUp(self) -> None:
        self.service: swift_server.Service | None = None
        super().setUp()

    def open_store(
        self, container: str, **options: Any
    ) -> objects_base.ObjectStore:
        if self.service is None:
            self.service = swift_server.start(self.addCleanup)
        return swift.SwiftStore.from_options(
            {
                'session': self.service.session(),
                'connect_timeout': 5.0,
                'timeout': 5.0,
                'retry_timeout': 5.0,
                'container_prefix': 'csbs-',
                **options,
            },
            container,
        )


class TestSwiftStore(SwiftCase, suite.ObjectStoreSuite):
    pass


class TestRequests(SwiftCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = self.open_store('one')
        self.service.seen.clear()

    def seen(self) -> list[str]:
        return [
            f'{method} {path.removeprefix("/v1/AUTH_one")}'
            for method, path, _query, _headers in self.service.seen
        ]

    def headers(self) -> dict[str, str]:
        return self.service.seen[-1][3]

    def test_an_upload_has_its_length_and_digest(self) -> None:
        for data in (bytes(1 << 20), b''):
            self.store.put('packs/a', memoryview(data))
            headers = self.headers()
            self.assertEqual(str(len(data)), headers['Content-Length'])
            self.assertNotIn('Transfer-Encoding', headers)
            self.assertEqual(32, len(headers['Etag']))
        self.assertEqual(['PUT /csbs-one/packs/a'] * 2, self.seen())

    def test_when_large_objects_have_a_digest(self) -> None:
        for checksums, plain, secure in (
            ('auto', True, False),
            ('always', True, True),
            ('never', False, False),
        ):
            store = self.open_store('one', checksums=checksums)
            store.put('packs/a', bytes(2 << 20))
            self.assertEqual(plain, 'Etag' in self.headers())
            store.put('packs/b', bytes(1 << 20))
            self.assertIn('Etag', self.headers())
            store = self.open_store('one', checksums=checksums)
            store._client.endpoint = 'https://127.0.0.1/v1'
            self.assertEqual(secure, store._checks_large)

    def test_what_is_overwritten_is_read_as_the_newest(self) -> None:
        self.store.put('a', b'0123')
        for read in (self.store.get, self.store.size):
            read('a')
            self.assertEqual('true', self.headers()['X-Newest'])
        self.store.get('a', 1, 2)
        self.assertNotIn('X-Newest', self.headers())

    def test_objects_are_deleted_with_few_requests(self) -> None:
        names = [f'packs/{number}' for number in range(9)]
        for name in names:
            self.store.put(name, b'')
        self.service.seen.clear()
        self.store.delete_many(names)
        self.assertEqual(
            ['GET /info', 'POST ', 'POST ', 'DELETE /csbs-one/packs/8'],
            self.seen(),
        )
        self.assertEqual([], list(self.store.list('')))

    def test_a_cluster_without_bulk_deletion(self) -> None:
        for known in ({'swift': {}}, [], None):
            store = self.open_store('one')
            self.service.info = known
            for name in ('a', 'b'):
                store.put(name, b'')
            self.service.seen.clear()
            store.delete_many(['a', 'b'])
            self.assertEqual(
                ['GET /info', 'DELETE /csbs-one/a', 'DELETE /csbs-one/b'],
                self.seen(),
            )

    def test_what_a_bulk_deletion_leaves_is_deleted_singly(self) -> None:
        for name in ('a', 'b'):
            self.store.put(name, b'')
        self.store.delete_many(['none', 'nor'])
        failed = (
            b'{"Response Status": "400 Bad Request", "Number Deleted": 0,'
            b' "Errors": [["/csbs-one/a", "503 Service Unavailable"]]}'
        )
        self.service.next.append((200, {}, failed))
        self.store.delete_many(['a', 'b'])
        self.assertEqual([], list(self.store.list('')))
        self.service.next.append((200, {}, b'rubbish'))
        self.assertRaises(
            errors.StoreUnwritable, self.store.delete_many, ['a', 'b']
        )

    def test_a_token_that_is_refused(self) -> None:
        self.service.next.append((401, {}, b''))
        self.store.put('a', memoryview(b'x' * 700_000))
        self.assertEqual('token-2', self.headers()['X-Auth-Token'])
        self.assertEqual(700_000, self.store.size('a'))

    def test_an_answer_that_is_short_is_asked_for_again(self) -> None:
        self.store.put('a', b'0123456789')
        short = (200, {'Content-Length': '10'}, b'012')
        self.service.next.append(short)
        self.assertEqual(b'0123456789', self.store.get('a'))
        self.service.next.append((206, {'Content-Length': '3'}, b'4'))
        self.assertEqual(b'456', self.store.get('a', 4, 3))

    def test_answers_that_are_not_right(self) -> None:
        self.store.put('a', b'0123456789')
        for call, answer in (
            (lambda: self.store.get('a', 4, 3), (206, {}, b'456')),
            (lambda: self.store.get('a', 4, 3), (200, {}, b'0123456789')),
            (lambda: list(self.store.list('')), (200, {}, b'{')),
            (lambda: list(self.store.list('')), (200, {}, b'[{"name": 1}]')),
            (lambda: list(self.store.list('')), (404, {}, b'')),
            (lambda: self.store.get('a'), (301, {'Location': '/b'}, b'')),
        ):
            self.service.next.append(answer)
            self.assertRaises(errors.StoreUnreadable, call)

    def test_large_objects_of_other_tools_are_read(self) -> None:
        """Their ETag is not of their bytes."""
        self.service.next.append(
            (
                200,
                {'X-Static-Large-Object': 'True', 'Etag': f'"{"0" * 32}"'},
                b'abc',
            )
        )
        self.assertEqual(b'abc', self.store.get('a'))

    def test_nothing_secret_is_logged(self) -> None:
        with self.assertLogs(level=logging.DEBUG) as logs:
            logging.getLogger().debug('something, for there must be')
            self.service.next.append((503, {}, b''))
            self.store.put('a', b'secret body')
            self.store.get('a')
        for record in logs.output:
            self.assertNotIn('secret body', record)
            self.assertNotIn('token-1', record)


class TestContainers(SwiftCase):
    def test_the_policy_of_a_new_container(self) -> None:
        self.open_store('one', storage_policy='silver')
        self.open_store('two')
        self.assertEqual(
            {'csbs-one': 'silver', 'csbs-two': 'gold'}, self.service.policies
        )

    def test_one_with_another_policy_is_used(self) -> None:
        self.open_store('one')
        with self.assertLogs('csbs.store.objects.swift', 'WARNING'):
            store = self.open_store('one', storage_policy='silver')
        store.put('a', b'')
        # Made by another process just now.
        self.service.next += [(404, {}, b''), (409, {}, b'')]
        with self.assertLogs('csbs.store.objects.swift', 'WARNING'):
            self.open_store('one', storage_policy='silver')

    def test_an_unknown_policy(self) -> None:
        self.open_store('one')
        for info, words in (
            (self.service.info, 'no storage policy bronze; there are: gold,'),
            ({'swift': {'policies': []}}, 'with the storage policy bronze'),
        ):
            self.service.info = info
            error = self.assertRaises(
                errors.StoreUnwritable,
                self.open_store,
                'two',
                storage_policy='bronze',
            )
            self.assertIn(words, str(error))

    def test_where_the_cluster_tells_of_itself(self) -> None:
        """Ceph has its own path before that of Swift."""
        store = self.open_store('one')
        for endpoint, where in (
            ('/v1/AUTH_one', '/info'),
            ('/swift/v1', '/swift/info'),
            ('/swift/v1/AUTH_one', '/swift/info'),
        ):
            store._client.endpoint = self.service.url + endpoint
            vars(store).pop('_capabilities', None)
            self.assertIsInstance(store._capabilities, dict)
            self.assertEqual(where, self.service.seen[-1][1])
            self.assertNotIn('X-Auth-Token', self.service.seen[-1][3])


class TestBody(base.TestCase):
    def test_it_is_never_copied_and_never_used_up(self) -> None:
        data = bytearray(range(256)) * 4096
        body = swift_client.Body.of(memoryview(data))
        self.assertEqual(len(data), len(body))
        for _turn in range(2):
            parts = list(body)
            self.assertEqual(data, b''.join(parts))
            self.assertTrue(all(part.obj is data for part in parts))
        self.assertGreater(len(parts), 1)
        self.assertEqual(b'', swift_client.Body.of(memoryview(b'')))
