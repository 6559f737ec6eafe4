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

"""The file driver keeps the contract, and leaves nothing half written."""

import errno
import os
import pathlib
from unittest import mock

import fixtures

from csbs.store import errors
from csbs.store.objects import base as objects_base
from csbs.store.objects import file
from csbs.tests import base
from csbs.tests.unit.store import suite


class TestFileStore(suite.ObjectStoreSuite, base.TestCase):
    def setUp(self) -> None:
        self.path = pathlib.Path(self.temporary_directory())
        super().setUp()

    def temporary_directory(self) -> str:
        temporary = fixtures.TempDir()
        temporary.setUp()
        self.addCleanup(temporary.cleanUp)
        return str(temporary.path)

    def open_store(self, container: str) -> objects_base.ObjectStore:
        options = {'path': str(self.path)}
        return file.FileStore.from_options(options, container)

    def test_needs_a_path(self) -> None:
        self.assertRaises(ValueError, file.FileStore.from_options, {}, 'one')

    def test_objects_are_files(self) -> None:
        self.store.put('packs/a/b', b'hello')
        path = self.path / 'one' / 'packs' / 'a' / 'b'
        self.assertEqual(b'hello', path.read_bytes())

    def test_failed_put_leaves_the_old_object_and_nothing_else(self) -> None:
        self.store.put('a', b'old')
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch('os.fsync', side_effect=full):
            error = self.assertRaises(
                errors.StoreUnwritable, self.store.put, 'a', b'new'
            )
        self.assertIn('no space left', str(error))
        self.assertEqual(b'old', self.store.get('a'))
        self.assertEqual([], list((self.path / 'one' / '.tmp').iterdir()))

    def test_a_short_write_is_gone_on_with(self) -> None:
        write = os.write
        with mock.patch(
            'os.write', side_effect=lambda fd, data: write(fd, data[:3])
        ):
            self.store.put('a', b'0123456789')
        self.assertEqual(b'0123456789', self.store.get('a'))

    def test_old_temporary_files_are_swept_and_young_ones_are_not(
        self,
    ) -> None:
        folder = self.path / 'one' / '.tmp'
        (folder / 'old').write_bytes(b'x')
        (folder / 'young').write_bytes(b'x')
        os.utime(folder / 'old', (1, 1))
        store = self.open_store('one')
        self.assertEqual(['young'], [path.name for path in folder.iterdir()])
        self.assertEqual([], list(store.list('')))

    def test_a_directory_that_cannot_be_made(self) -> None:
        (self.path / 'three').write_bytes(b'')
        self.assertRaises(errors.StoreUnwritable, self.open_store, 'three')

    def test_an_object_that_cannot_be_read(self) -> None:
        self.store.put('a', b'x')
        broken = OSError(errno.EIO, os.strerror(errno.EIO))
        with mock.patch('os.pread', side_effect=broken):
            self.assertRaises(errors.StoreUnreadable, self.store.get, 'a')
