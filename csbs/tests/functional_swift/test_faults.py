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

"""Whatever goes wrong on the way to Swift ends well, or as the right error.

A proxy that fails as it is told stands between the driver and a real Swift.
"""

import email.utils
import os
import time
from typing import Any

from csbs.store import errors
from csbs.store.objects import base as objects_base
from csbs.tests.functional import faults
from csbs.tests.functional import swift

DATA = os.urandom(3 << 20)


class FaultTestCase(swift.SwiftTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.proxy = self.useFixture(faults.FaultyProxy(self.cluster.url))
        self.store = self.open_faulty()
        self.proxy.clear()

    def open_faulty(self, **changes: Any) -> objects_base.ObjectStore:
        """Open the test's container through the proxy."""
        return self.open_store(
            'one',
            endpoint_override=f'{self.proxy.url}/v1/AUTH_%(project_id)s',
            **changes,
        )


class TestPassing(FaultTestCase):
    """What goes by is waited for."""

    def put_and_get(self) -> None:
        self.store.put('packs/a', DATA)
        self.assertEqual(DATA, self.store.get('packs/a'))

    def test_statuses(self) -> None:
        for status in (408, 429, 499, 500, 502, 503, 504):
            for method in ('PUT', 'GET', 'HEAD', 'DELETE'):
                self.proxy.add('answer', method, status=status, path='packs/')
            self.put_and_get()
            self.assertEqual(len(DATA), self.store.size('packs/a'))
            self.store.delete('packs/a')
        self.assertEqual(14, self.proxy.count('PUT', 'packs/a'))

    def test_lists(self) -> None:
        self.store.put('packs/a', b'x')
        self.proxy.add('answer', 'GET', status=503)
        self.proxy.add('cut', 'GET')
        self.assertEqual([('packs/a', 1)], list(self.store.list('')))

    def test_an_upload_that_is_reset(self) -> None:
        self.proxy.add('truncate', 'PUT')
        self.put_and_get()
        self.assertEqual(2, self.proxy.count('PUT'))

    def test_an_answer_to_an_upload_that_is_lost(self) -> None:
        self.proxy.add('lose', 'PUT', times=2)
        self.put_and_get()
        self.assertEqual(3, self.proxy.count('PUT'))

    def test_a_download_that_breaks_off(self) -> None:
        self.proxy.add('cut', 'GET', times=3)
        self.put_and_get()
        self.proxy.add('cut', 'GET', times=2)
        self.assertEqual(
            DATA[1000:2_000_000], self.store.get('packs/a', 1000, 1_999_000)
        )

    def test_an_upload_that_arrives_altered(self) -> None:
        self.proxy.add('alter_up', 'PUT')
        self.put_and_get()
        self.assertEqual(2, self.proxy.count('PUT'))

    def test_a_download_that_arrives_altered(self) -> None:
        self.proxy.add('alter_down', 'GET')
        self.put_and_get()
        self.assertEqual(2, self.proxy.count('GET'))

    def test_a_service_that_says_nothing(self) -> None:
        store = self.open_faulty(timeout=3, retry_timeout=60)
        self.store.put('packs/a', DATA)
        self.proxy.add('stall', times=1)
        self.assertEqual(DATA, store.get('packs/a'))
        self.proxy.add('stall', 'PUT', times=1)
        store.put('packs/b', DATA)
        self.assertEqual(DATA, store.get('packs/b'))

    def test_retry_after(self) -> None:
        for date in (False, True):
            begin = time.time()
            value = '2'
            if date:
                # In whole seconds, so it says at least one.
                value = email.utils.formatdate(begin + 2, usegmt=True)
            self.proxy.add(
                'answer', 'PUT', status=429, headers={'Retry-After': value}
            )
            self.store.put('packs/a', b'x')
            self.assertGreaterEqual(time.time() - begin, 1)

    def test_an_object_newer_than_the_request(self) -> None:
        """As when the clocks of two proxy servers differ."""
        self.store.put('packs/a', b'old')
        for method, status in (('PUT', 202), ('DELETE', 409)):
            self.proxy.add('answer', method, status=status)
        self.store.put('packs/a', b'new')
        self.assertEqual(b'new', self.store.get('packs/a'))
        self.store.delete('packs/a')
        self.assertEqual([], list(self.store.list('')))
        self.assertEqual(3, self.proxy.count('PUT'))
        self.assertEqual(2, self.proxy.count('DELETE'))

    def test_a_bulk_deletion_that_is_lost_or_fails(self) -> None:
        names = [f'packs/{number}' for number in range(9)]
        for kind in ('lose', 'cut', 'answer'):
            for name in names:
                self.store.put(name, b'')
            self.proxy.add(kind, 'POST')
            self.store.delete_many(names)
            self.assertEqual([], list(self.store.list('')))

    def test_a_token_that_is_refused(self) -> None:
        self.proxy.add('answer', 'PUT', status=401)
        self.put_and_get()
        tokens = {
            headers['X-Auth-Token'] for _method, _path, headers in self.tried()
        }
        self.assertEqual(2, len(tokens))

    def test_a_token_that_is_refused_before_the_body_is_read(self) -> None:
        """The reset may take the 401 along; the token is renewed still."""
        old = self.proxy_token()
        self.proxy.add('refuse', 'PUT', status=401)
        self.proxy.add('answer', 'HEAD', status=401)
        self.store.put('packs/a', DATA)
        self.assertEqual(DATA, self.store.get('packs/a'))
        self.assertNotEqual(old, self.proxy_token())

    def proxy_token(self) -> str:
        """Return the token that is shown at present."""
        self.store.delete('packs/none')
        return self.tried()[-1][2]['X-Auth-Token']

    def tried(self) -> list[Any]:
        return list(self.proxy.seen)


class TestLasting(FaultTestCase):
    """What stays is an error that says what it is."""

    def error(self, *args: Any, kind: type[errors.StoreError]) -> str:
        found = self.assertRaises(kind, *args)
        self.assertIn(self.prefix, str(found))
        return str(found)

    def unwritable(self, *args: Any) -> str:
        return self.error(*args, kind=errors.StoreUnwritable)

    def unreadable(self, *args: Any) -> str:
        return self.error(*args, kind=errors.StoreUnreadable)

    def test_an_end_to_trying(self) -> None:
        store = self.open_faulty(retry_timeout=1)
        self.store.put('packs/a', b'x')
        self.proxy.add(
            'answer', times=999, status=503, headers={'X-Trans-Id': 'tx42'}
        )
        begin = time.monotonic()
        said = self.unwritable(store.put, 'packs/a', b'y')
        self.assertLess(time.monotonic() - begin, 2)
        self.assertIn('503 (transaction tx42)', said)
        self.assertIn('503', self.unreadable(store.get, 'packs/a'))
        self.assertIn('503', self.unreadable(store.get, 'packs/a', 0, 1))
        self.assertIn('503', self.unreadable(store.size, 'packs/a'))
        self.assertIn('503', self.unreadable(list, store.list('')))
        self.assertIn('503', self.unwritable(store.delete, 'packs/a'))
        self.assertIn('503', self.unwritable(store.drop))
        self.assertIn(
            '503', self.unwritable(store.delete_many, ['packs/a', 'packs/b'])
        )
        self.proxy.clear()
        self.assertEqual(b'x', self.store.get('packs/a'))

    def test_refusals(self) -> None:
        for status, word in (
            (403, 'role'),
            (413, 'quota'),
            (507, 'no space'),
            (302, 'leads elsewhere'),
            (412, '412'),
        ):
            self.proxy.clear()
            self.proxy.add('answer', 'PUT', times=9, status=status)
            said = self.unwritable(self.store.put, 'packs/a', b'x')
            self.assertIn(word, said)
            self.assertEqual(1, self.proxy.count('PUT'))

    def test_a_token_that_is_never_accepted(self) -> None:
        store = self.open_faulty(retry_timeout=1)
        self.proxy.add('answer', 'PUT', times=999, status=401)
        said = self.unwritable(store.put, 'packs/a', b'x')
        self.assertIn('credentials', said)

    def test_always_altered(self) -> None:
        store = self.open_faulty(retry_timeout=1)
        self.store.put('packs/a', DATA)
        self.proxy.add('alter_down', 'GET', times=999)
        said = self.unreadable(store.get, 'packs/a')
        self.assertIn('arrived altered', said)
        self.proxy.add('alter_up', 'PUT', times=999)
        self.assertIn('422', self.unwritable(store.put, 'packs/a', b'xx'))
        self.proxy.clear()
        self.assertEqual(DATA, self.store.get('packs/a'))

    def test_ranges_that_are_not_kept_to(self) -> None:
        self.store.put('packs/a', DATA)
        self.proxy.add('answer', 'GET', status=200)
        said = self.unreadable(self.store.get, 'packs/a', 5, 5)
        self.assertIn('200', said)
        self.proxy.add(
            'answer',
            'GET',
            status=206,
            headers={'Content-Range': 'bytes 0-6/100'},
        )
        said = self.unreadable(self.store.get, 'packs/a', 5, 5)
        self.assertIn('another part', said)

    def test_a_container_that_is_gone(self) -> None:
        self.store.drop()
        for said in (
            self.unwritable(self.store.put, 'packs/a', b'x'),
            self.unreadable(self.store.get, 'packs/a'),
            self.unreadable(self.store.size, 'packs/a'),
            self.unreadable(list, self.store.list('')),
        ):
            self.assertIn(f'no container test-{self.prefix}one', said)
        self.store.delete('packs/a')
        self.store.drop()

    def test_a_quota_that_is_used_up(self) -> None:
        """Swift's own, set by whoever owns the account."""
        store: Any = self.store
        store._request(
            errors.StoreUnwritable,
            'POST',
            accept=(204,),
            headers={'X-Container-Meta-Quota-Bytes': '1000'},
        )
        said = self.unwritable(self.store.put, 'packs/a', DATA)
        self.assertIn('no space left, or a quota is used up', said)

    def test_no_one_is_there(self) -> None:
        changes = {'retry_timeout': 0.2}
        for section, word in (
            ({'endpoint_override': 'http://127.0.0.1:9/v1/x'}, 'connection'),
            ({'endpoint_override': 'nonsense'}, 'nonsense'),
            ({'auth_url': 'http://127.0.0.1:9/v3'}, '127.0.0.1:9'),
            ({'password': 'wrong'}, 'Keystone does not give a token'),
            ({'region_name': 'elsewhere'}, 'elsewhere'),
            ({'valid_interfaces': 'admin'}, 'admin'),
            ({'auth_type': None}, 'auth_type'),
            ({'auth_url': None}, 'auth_url'),
            ({'auth_section': 'swiftt'}, 'swiftt'),
        ):
            stores = self.stores(**{**changes, **section})
            error = self.assertRaises(
                errors.StoreUnreadable, stores, f'{self.prefix}one'
            )
            self.assertIn(word, str(error))
