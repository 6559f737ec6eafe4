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

"""The contract that every object store driver must keep.

A driver's test case inherits from :class:`ObjectStoreSuite` and says how to
open a container.
"""

import threading

import testtools

from csbs.store import errors
from csbs.store.objects import base


class ObjectStoreSuite(testtools.TestCase):
    """Mixed into a test case that has :meth:`open_store`."""

    def open_store(self, container: str) -> base.ObjectStore:
        raise NotImplementedError

    def setUp(self) -> None:
        super().setUp()
        self.store = self.open_store('one')

    def names(self, prefix: str) -> list[str]:
        return [name for name, _size in self.store.list(prefix)]

    def test_put_then_get(self) -> None:
        self.store.put('packs/a/b', b'hello')
        self.assertEqual(b'hello', self.store.get('packs/a/b'))
        self.assertEqual(5, self.store.size('packs/a/b'))

    def test_put_takes_any_buffer_and_keeps_a_copy(self) -> None:
        data = bytearray(b'0123456789')
        self.store.put('a', memoryview(data)[2:8])
        self.store.put('b', data)
        data[:] = bytes(10)
        self.assertEqual(b'234567', self.store.get('a'))
        self.assertEqual(b'0123456789', self.store.get('b'))

    def test_put_overwrites(self) -> None:
        self.store.put('a', b'a long first version')
        self.store.put('a', b'short')
        self.assertEqual(b'short', self.store.get('a'))

    def test_empty_object(self) -> None:
        self.store.put('a', b'')
        self.assertEqual(b'', self.store.get('a'))
        self.assertEqual([('a', 0)], list(self.store.list('')))

    def test_ranges(self) -> None:
        self.store.put('a', b'0123456789')
        self.assertEqual(b'345', self.store.get('a', 3, 3))
        self.assertEqual(b'789', self.store.get('a', 7))
        self.assertEqual(b'', self.store.get('a', 10))
        self.assertEqual(b'', self.store.get('a', 4, 0))

    def test_range_behind_the_end(self) -> None:
        self.store.put('a', b'0123456789')
        for offset, length in ((8, 3), (11, 0), (11, None), (0, 11)):
            self.assertRaises(
                errors.Damaged, self.store.get, 'a', offset, length
            )

    def test_missing(self) -> None:
        self.store.put('a', b'')
        for name in ('b', 'packs/a', 'a/b'):
            self.assertRaises(errors.ObjectMissing, self.store.get, name)
            self.assertRaises(errors.ObjectMissing, self.store.size, name)

    def test_delete(self) -> None:
        self.store.put('packs/a/b', b'x')
        self.store.put('packs/a/c', b'x')
        self.store.delete('packs/a/b')
        self.store.delete('packs/a/b')
        self.store.delete('never/there')
        self.assertEqual(['packs/a/c'], self.names(''))
        self.store.delete('packs/a/c')
        self.assertEqual([], self.names(''))
        self.store.put('packs/a/b', b'again')
        self.assertEqual(b'again', self.store.get('packs/a/b'))

    def test_delete_many(self) -> None:
        names = [f'packs/{number}' for number in range(7)]
        for name in names:
            self.store.put(name, b'x')
        self.store.delete_many(iter([*names[2:], 'never/there']))
        self.assertEqual(names[:2], self.names(''))
        self.store.delete_many([])
        self.store.delete_many(names[:1])
        self.assertEqual(names[1:2], self.names(''))
        self.assertRaises(ValueError, self.store.delete_many, ['a', '../b'])

    def test_drop(self) -> None:
        self.store.put('packs/a/b', b'x')
        self.assertRaises(errors.StoreUnwritable, self.store.drop)
        self.assertEqual(b'x', self.store.get('packs/a/b'))
        self.store.put('packs/a/c', b'x')
        self.store.delete_many(['packs/a/b', 'packs/a/c'])
        self.store.drop()
        self.store.drop()
        self.store = self.open_store('one')
        self.assertEqual([], self.names(''))
        self.store.put('a', b'y')
        self.assertEqual(b'y', self.store.get('a'))

    def test_list(self) -> None:
        names = ['a-b/c', 'a/b', 'a/bc/d', 'a/c', 'b', 'ab']
        for name in names:
            self.store.put(name, name.encode())
        self.assertEqual(sorted(names), self.names(''))
        self.assertEqual(['a/b', 'a/bc/d', 'a/c'], self.names('a/'))
        self.assertEqual(['a/b', 'a/bc/d'], self.names('a/b'))
        self.assertEqual(['a/bc/d'], self.names('a/bc/'))
        self.assertEqual([], self.names('c'))
        self.assertEqual([], self.names('c/d'))
        self.assertIn(('a/bc/d', 6), list(self.store.list('a/')))

    def test_names_are_checked(self) -> None:
        for name in ('', '/a', 'a/', '../a', 'a/../b', 'a//b', 'A', 'a\n'):
            self.assertRaises(ValueError, self.store.get, name)
            self.assertRaises(ValueError, self.store.put, name, b'')
            self.assertRaises(ValueError, self.store.delete, name)
        self.assertRaises(ValueError, lambda: self.names('../'))
        self.assertRaises(ValueError, self.open_store, '..')
        self.assertRaises(ValueError, self.open_store, 'a/b')

    def test_containers_are_apart(self) -> None:
        other = self.open_store('two')
        self.store.put('a', b'1')
        other.put('a', b'2')
        self.assertEqual(b'1', self.store.get('a'))
        self.assertEqual(b'2', self.open_store('two').get('a'))

    def test_many_threads_put_and_delete(self) -> None:
        failures: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for turn in range(20):
                    name = f'packs/{turn}/{number}'
                    self.store.put(name, name.encode())
                    if self.store.get(name) != name.encode():
                        raise AssertionError(name)
                    self.store.delete(name)
            except BaseException as error:
                failures.append(error)

        threads = [
            threading.Thread(target=work, args=(number,))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([], failures)
        self.assertEqual([], self.names(''))
