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

"""The key file."""

import concurrent.futures
import json
import os
import pathlib
import stat

import fixtures

from csbs import exception
from csbs.keys import base as keys_base
from csbs.keys import file
from csbs.tests import base


class KeyFileTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'state' / 'keys.json'
        self.keys = file.KeyFile(self.path)

    def test_a_key_comes_back(self) -> None:
        ref = self.keys.create('a vault')
        key = self.keys.get(ref)
        self.assertEqual(keys_base.KEY_BYTES, len(key))
        self.assertEqual(key, file.KeyFile(self.path).get(ref))
        self.assertNotEqual(key, self.keys.get(self.keys.create('other')))

    def test_only_the_service_reads_it(self) -> None:
        self.keys.create('a vault')
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_the_check_touches_nothing(self) -> None:
        # Who runs it need not be who the file must belong to.
        self.keys.check()
        self.assertFalse(self.path.parent.exists())

    def test_a_deleted_key_is_gone(self) -> None:
        ref, other = self.keys.create('one'), self.keys.create('two')
        self.keys.delete(ref)
        self.keys.delete(ref)
        self.assertRaises(exception.KeyMissing, self.keys.get, ref)
        self.keys.get(other)

    def test_no_key_is_lost_to_another_writer(self) -> None:
        others = [file.KeyFile(self.path) for _ in range(4)]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            refs = list(
                pool.map(lambda n: others[n % 4].create(str(n)), range(20))
            )
        for ref in refs:
            self.keys.get(ref)

    def test_what_is_no_key_is_refused(self) -> None:
        ref = self.keys.create('a vault')
        for content, code in (
            ('{', 'csbs.key.unavailable'),
            ('[]', 'csbs.key.unavailable'),
            (json.dumps({ref: {'key': '!'}}), 'csbs.key.missing'),
            (json.dumps({ref: {'key': 'AAAA'}}), 'csbs.key.missing'),
            (json.dumps({ref: 5}), 'csbs.key.missing'),
        ):
            self.path.write_text(content)
            error = self.assertRaises(exception.KeyMissing, self.keys.get, ref)
            self.assertEqual(code, error.code)

    def test_a_broken_file_is_not_written_over(self) -> None:
        self.keys.create('a vault')
        self.path.write_text('{broken')
        self.assertRaises(exception.KeyUnavailable, self.keys.create, 'x')
        self.assertRaises(exception.KeyUnavailable, self.keys.delete, 'x')
        self.assertRaises(exception.KeyUnavailable, self.keys.check)
        self.assertEqual('{broken', self.path.read_text())

    def test_a_place_that_cannot_be_written(self) -> None:
        self.path.parent.write_text('a file, not a folder')
        error = self.assertRaises(
            exception.KeyUnavailable, self.keys.create, 'x'
        )
        self.assertIn('cannot be written', str(error))
        self.assertFalse(os.path.isdir(self.path.parent))
