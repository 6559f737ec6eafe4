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

"""The Swift driver keeps the contract, on a real Swift."""

from concurrent import futures
import os
from typing import ClassVar
import unittest

from csbs.store import errors
from csbs.tests.functional import swift
from csbs.tests.unit.store import suite


class TestSwiftStore(swift.SwiftTestCase, suite.ObjectStoreSuite):
    def test_large_objects_and_ranges(self) -> None:
        data = os.urandom(20 << 20)
        self.store.put('packs/a', memoryview(data)[1:])
        self.assertEqual(data[1:], self.store.get('packs/a'))
        for offset, length in ((0, 1), (5 << 20, 9 << 20), (len(data) - 2, 1)):
            self.assertEqual(
                data[1:][offset : offset + length],
                self.store.get('packs/a', offset, length),
            )

    def test_long_lists_come_in_pages(self) -> None:
        names = [f'packs/{number:04}' for number in range(1050)]
        # Not removed afterwards: the Swift goes, too.
        store = self.stores()(f'{self.prefix}pages')
        with futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: store.put(name, b''), names))
        listed = [name for name, _size in store.list('')]
        self.assertEqual(names, listed)
        listed = [name for name, _size in store.list('packs/09')]
        self.assertEqual(names[900:1000], listed)
        store.delete_many(names[400:600])
        listed = [name for name, _size in store.list('')]
        self.assertEqual(names[:400] + names[600:], listed)


class TestStoragePolicies(swift.SwiftTestCase):
    def policy(self, container: str) -> str:
        store = self.open_store(container)
        answer = store._request(errors.StoreUnreadable, 'HEAD', accept=(204,))
        return answer.headers['X-Storage-Policy']

    def test_a_new_container_has_the_policy_asked_for(self) -> None:
        store = self.open_store('one', storage_policy='silver')
        store.put('a', b'x')
        self.assertEqual(b'x', store.get('a'))
        self.assertEqual('silver', self.policy('one'))
        self.open_store('two')
        self.assertEqual(swift.POLICIES[0], self.policy('two'))

    def test_an_old_container_is_used_as_it_is(self) -> None:
        self.open_store('one').put('a', b'x')
        with self.assertLogs('csbs.store.objects.swift', 'WARNING') as logs:
            store = self.open_store('one', storage_policy='silver')
        self.assertIn('gold rather than silver', logs.output[0])
        self.assertEqual(b'x', store.get('a'))
        self.assertEqual('gold', self.policy('one'))

    def test_an_unknown_policy(self) -> None:
        error = self.assertRaises(
            errors.StoreUnwritable,
            self.open_store,
            'one',
            storage_policy='bronze',
        )
        self.assertEqual(
            'there is no storage policy bronze; there are: gold, silver',
            str(error),
        )


@unittest.skipUnless(
    os.environ.get('OS_AUTH_URL'), 'OS_AUTH_URL names no cloud with a Swift'
)
class TestGivenSwift(swift.SwiftTestCase, suite.ObjectStoreSuite):
    """The same on the Swift of whatever cloud one is at."""

    section: ClassVar[dict[str, str]] = {
        'auth_type': 'password',
        **{
            name[3:].lower(): value
            for name, value in os.environ.items()
            if name.startswith('OS_')
            and name[3:].lower()
            in (
                'auth_url',
                'username',
                'password',
                'project_name',
                'project_domain_id',
                'project_domain_name',
                'user_domain_id',
                'user_domain_name',
                'region_name',
            )
        },
    }
