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


"""Tests of a server's folder: what a person may put there, and the locks."""

import json
import os
import subprocess
import threading
from unittest import mock

from csbs import exception
from csbs.cloud import local
from csbs.cloud import local_folder
from csbs.domain import model
from csbs.tests.unit.cloud import fakes

ID = '11111111-2222-3333-4444-555555555555'
VOLUME_ID = '66666666-7777-8888-9999-000000000000'


class DescriptionTest(fakes.LocalCloudTestCase):
    def reason(self, name: str = 'web') -> str:
        reason = self.get(name).unprotectable
        self.assertIsNotNone(reason)
        return str(reason)

    def test_images_alone_make_a_server(self) -> None:
        self.make_server(disks=('b.img', 'a.raw'))
        (self.root / 'servers' / 'web' / 'notes.txt').write_text('no disk')
        server = self.get()
        self.assertEqual('local', server.project_id)
        self.assertIs(model.ServerStatus.ACTIVE, server.status)
        self.assertIsNone(server.unprotectable)
        self.assertFalse(server.locked)
        self.assertEqual(
            [
                ('a.raw', '/dev/vda', True, fakes.MIB, 'in-use'),
                ('b.img', '/dev/vdb', False, fakes.MIB, 'in-use'),
            ],
            [
                (v.name, v.device, v.bootable, v.size, v.status)
                for v in server.volumes
            ],
        )

    def test_derived_ids_stay(self) -> None:
        path = self.make_server()
        first = self.get()
        fakes.make_disk(path / 'more.raw', fakes.MIB, {})
        moved = self.root.rename(self.tmp / 'moved')
        second = local.LocalCloud(moved).server(self.context, first.id)
        known = {v.id for v in first.volumes}
        self.assertLess(known, {v.id for v in second.volumes})

    def test_description_is_used(self) -> None:
        self.make_server(
            'folder',
            id=ID,
            name='数据库',
            project_id='p1',
            status='SHUTOFF',
            locked=True,
            facts={'flavor': {'vcpus': 4}},
            volumes=[
                {
                    'file': 'root.raw',
                    'id': VOLUME_ID,
                    'name': 'system',
                    'device': '/dev/sda',
                    'bootable': True,
                    'facts': {'type': 'ssd'},
                }
            ],
        )
        server = self.get('数据库')
        self.assertEqual(
            (ID, 'p1', True),
            (
                server.id,
                server.project_id,
                server.locked,
            ),
        )
        self.assertIs(model.ServerStatus.SHUTOFF, server.status)
        self.assertEqual({'flavor': {'vcpus': 4}}, server.facts)
        root, data = server.volumes
        self.assertEqual((VOLUME_ID, 'system'), (root.id, root.name))
        self.assertEqual({'type': 'ssd'}, root.facts)
        # an image that the description does not name is a disk as well
        self.assertEqual(('data.img', False), (data.name, data.bootable))

    def test_other_status(self) -> None:
        self.make_server(status='REBUILD')
        server = self.get()
        self.assertIs(model.ServerStatus.OTHER, server.status)
        self.assertEqual('REBUILD', server.raw_status)

    def test_bad_descriptions_harm_their_server_only(self) -> None:
        self.make_server('good')
        for content, words in (
            (b'{', 'not valid JSON'),
            (b'\xff\xfe', 'not valid JSON'),
            (b'[' * 100_000, 'not valid JSON'),
            (b'{"name": "\\ud800"}', 'not valid JSON'),
            (b'[]', 'not a JSON object'),
            (b' ' * (1 << 20) + b'{}', 'too large'),
            (b'{"id": "7"}', 'not a UUID'),
            (b'{"id": 7}', '"id" of server.json is not a string'),
            (b'{"facts": []}', 'not an object'),
            (b'{"locked": "yes"}', 'not true or false'),
            (b'{"volumes": {}}', 'not a list'),
            (b'{"volumes": ["x"]}', 'not a JSON object'),
            (b'{"volumes": [{"file": "../x.raw"}]}', 'name of a file'),
            (b'{"volumes": [{"file": ".."}]}', 'name of a file'),
            (b'{"volumes": [{}]}', 'name of a file'),
            (b'{"volumes": [{"file": "a"}, {"file": "a"}]}', 'twice'),
        ):
            path = self.root / 'servers' / 'web'
            if not path.exists():
                self.make_server()
            (path / 'server.json').write_bytes(content)
            self.assertIn(words, self.reason())
            self.assertEqual((), self.get().volumes)
            self.assertIsNone(self.get('good').unprotectable)

    def test_bad_images(self) -> None:
        self.make_server('gone', volumes=[{'file': 'gone.raw'}])
        self.assertIn('gone.raw is missing', self.reason('gone'))
        (self.make_server('folder') / 'sub.raw').mkdir()
        self.assertIn('sub.raw is not a regular', self.reason('folder'))
        (self.make_server('empty') / 'new.raw').touch()
        self.assertIn('new.raw is empty', self.reason('empty'))
        self.make_server('none', disks=())
        self.assertIn('no *.raw', self.reason('none'))
        os.symlink('loop.raw', self.make_server('loop') / 'loop.raw')
        self.assertIn('loop.raw is unusable', self.reason('loop'))
        self.make_server(
            'twins',
            volumes=[
                {'file': 'root.raw', 'id': VOLUME_ID},
                {'file': 'data.img', 'id': VOLUME_ID},
            ],
        )
        self.assertIn('two of its volumes', self.reason('twins'))

    def test_forbidden_files(self) -> None:
        self.make_server('image')
        # not by the mode: the tests may run as root, who may read anything
        with mock.patch.object(os, 'access', return_value=False):
            self.assertIn('data.img may not be read', self.reason('image'))
        (self.make_server('json') / 'server.json').mkdir()
        self.assertIn('server.json cannot be read', self.reason('json'))

    def test_a_copied_folder_is_no_second_server(self) -> None:
        one = self.make_server('one', id=ID, name='one')
        self.make_server('two', id=ID, name='two')
        self.assertEqual(ID, self.get('one').id)
        self.assertNotEqual(ID, self.get('two').id)
        self.assertIn('same id', self.reason('two'))
        # the folder that is named after its id is the original
        (self.root / 'servers' / 'two').rename(self.root / 'servers' / ID)
        self.assertEqual(ID, self.get('two').id)
        self.assertIsNone(self.get('two').unprotectable)
        self.assertIn(f'folder {ID}', self.reason('one'))
        self.assertTrue(one.exists())

    def test_names_that_are_no_text(self) -> None:
        path = os.path.join(os.fsencode(self.root), b'servers', b'w\xffb')
        os.mkdir(path)
        with open(os.path.join(path, b'd\xff.raw'), 'wb') as disk:
            disk.truncate(512)
        server = self.get('w\N{REPLACEMENT CHARACTER}b')
        self.assertIsNone(server.unprotectable)
        self.assertEqual(
            'd\N{REPLACEMENT CHARACTER}.raw', (server.volumes[0].name)
        )
        json.dumps(server.name, ensure_ascii=False).encode()

    def test_more_disks_than_letters(self) -> None:
        self.make_server(disks=tuple(f'{n:02}.raw' for n in range(28)))
        devices = [v.device for v in self.get().volumes]
        self.assertEqual('/dev/vdz', devices[25])
        self.assertEqual(['/dev/vdaa', '/dev/vdab'], devices[26:])

    def test_update_keeps_what_it_does_not_know(self) -> None:
        path = self.make_server(owner='Li', status='ACTIVE', locked=True)
        local_folder.update(path, status='SHUTOFF', locked=None)
        self.assertEqual(
            {'owner': 'Li', 'status': 'SHUTOFF', 'id': self.get().id},
            json.loads((path / 'server.json').read_text()),
        )


class LockTest(fakes.LocalCloudTestCase):
    def test_writing_needs_a_running_server(self) -> None:
        path = self.make_server(status='SHUTOFF')
        with self.assertRaisesRegex(exception.ServerWrongState, 'is SHUTOFF'):
            local.writing(path).__enter__()

    def test_writing_has_a_deadline(self) -> None:
        path = self.make_server()
        with (
            local_folder.quiet(path, 0) as still,
            self.assertRaisesRegex(exception.CloudError, 'stayed locked'),
            local.writing(path, timeout=0.05),
        ):
            self.fail('wrote to a frozen disk')
        self.assertTrue(still)

    def test_writers_do_not_exclude_each_other(self) -> None:
        path = self.make_server()
        with local.writing(path, timeout=0), local.writing(path, timeout=0):
            pass

    def test_a_shell_can_take_part(self) -> None:
        path = self.make_server()
        with subprocess.Popen(
            ['flock', '--shared', '.io-lock', 'sh', '-c', 'echo; read x'],
            cwd=path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as shell:
            assert shell.stdin and shell.stdout
            shell.stdout.readline()
            with local_folder.quiet(path, 0) as still:
                self.assertFalse(still)
            shell.communicate(b'\n', timeout=30)
        with local_folder.quiet(path, 0) as still:
            self.assertTrue(still)

    def test_descriptions_are_changed_one_at_a_time(self) -> None:
        path = self.make_server(count=0)

        def add() -> None:
            for _ in range(20):
                with local_folder.locked(path, 30):
                    count = local_folder.load(path)['count']
                    local_folder.update(path, count=count + 1)

        threads = [threading.Thread(target=add) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(60, local_folder.load(path)['count'])
        with (
            local_folder.locked(path, 0),
            self.assertRaisesRegex(TimeoutError, 'stays locked'),
            local_folder.locked(path, 0.02),
        ):
            self.fail('had the lock twice')
