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


"""Tests of the local cloud on real directories."""

import errno
import json
import os
import pathlib
import struct
import threading
from unittest import mock
import uuid

from oslo_config import cfg

from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base
from csbs.cloud import disk
from csbs.cloud import local
from csbs.conf import local_cloud
from csbs.domain import model
from csbs.tests.unit.cloud import fakes

MIB = fakes.MIB


class ListTest(fakes.LocalCloudTestCase):
    def test_servers_of_the_project_by_name(self) -> None:
        for folder in ('c', 'a', 'b'):
            self.make_server(folder)
        self.make_server('other', project_id='other')
        (self.root / 'servers' / 'a file').write_text('')
        (self.root / 'servers' / '.hidden').mkdir()
        self.assertEqual(
            ['a', 'b', 'c'],
            [server.name for server in self.cloud.servers(self.context)],
        )

    def test_another_projects_server_is_not_found(self) -> None:
        self.make_server('other', project_id='other')
        server = self.get('other')
        error = self.assertRaises(
            exception.ServerNotFound,
            self.cloud.server,
            self.context,
            server.id,
        )
        self.assertIn(server.id, str(error))
        admin = csbs_context.RequestContext.for_service('local')
        self.assertEqual(server, self.cloud.server(admin, server.id))
        self.assertEqual([], self.cloud.servers(admin))

    def test_unknown_server(self) -> None:
        self.assertRaises(
            exception.ServerNotFound,
            self.cloud.server,
            self.context,
            str(uuid.uuid4()),
        )

    def test_from_conf(self) -> None:
        conf = cfg.ConfigOpts()
        local_cloud.register_opts(conf)
        conf.set_override('path', str(self.root), 'local_cloud')
        self.make_server()
        cloud = local.LocalCloud.from_conf(conf)
        self.assertEqual([self.get()], cloud.servers(self.context))
        self.assertEqual(
            ['local_cloud'],
            [group.name for group, _ in local_cloud.list_opts()],
        )

    def test_a_directory_that_cannot_be_made(self) -> None:
        (self.tmp / 'file').write_text('')
        with self.assertRaisesRegex(exception.CloudError, 'cannot be made'):
            local.LocalCloud(self.tmp / 'file' / 'cloud')


class SnapshotTest(fakes.LocalCloudTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.fallbacks: list[str] = []

    def snapshot(self, server: model.Server) -> base.SnapshotSet:
        return self.cloud.snapshot(
            self.context,
            server,
            self.ledger,
            backup_id=str(uuid.uuid4()),
            allow_pause=True,
            fallback=lambda: self.fallbacks.append(server.id),
        )

    def read(self, snapshot: base.Snapshot) -> bytes:
        with self.cloud.open_snapshot(
            self.context, snapshot, self.ledger
        ) as reader:
            buffer = bytearray(reader.size)
            reader.read_into(0, memoryview(buffer))
        return bytes(buffer)

    def test_frozen_and_taken_back(self) -> None:
        path = self.make_server()
        server = self.get()
        before = fakes.tree(self.root)
        root = (path / 'root.raw').read_bytes()
        taken = self.snapshot(server)
        fakes.make_disk(path / 'root.raw', MIB, {0: b'later'})
        self.assertIs(model.Consistency.CRASH_CONSISTENT, taken.consistency)
        self.assertIs(model.SnapshotMethod.PAUSE, taken.method)
        self.assertLess(0, taken.paused_seconds or 0)
        # root.raw is the second in the order of names
        self.assertEqual(
            [volume.id for volume in server.volumes],
            list(taken.snapshots),
        )
        volume = server.volumes[1]
        snapshot = taken.snapshots[volume.id]
        self.assertEqual((volume.id, MIB), (snapshot.volume_id, snapshot.size))
        self.assertEqual(root, self.read(snapshot))
        (entry,) = self.ledger.entries()
        self.assertIs(model.ResourceKind.SNAPSHOT, entry.kind)
        for _again in range(2):
            self.cloud.discard(self.context, entry)
        (path / 'root.raw').write_bytes(root)
        self.assertEqual(before, fakes.tree(self.root))
        error = self.assertRaises(
            exception.VolumeUnreadable, self.read, snapshot
        )
        self.assertIn('No such file', str(error))

    def test_shut_off(self) -> None:
        self.make_server(status='SHUTOFF')
        taken = self.snapshot(self.get())
        self.assertIs(model.Consistency.SHUT_OFF, taken.consistency)
        self.assertIs(model.SnapshotMethod.SHUT_OFF, taken.method)
        self.assertIsNone(taken.paused_seconds)

    def test_writers_that_do_not_pause(self) -> None:
        path = self.make_server()
        self.cloud = local.LocalCloud(self.root, freeze_timeout=0.02)
        with local.writing(path):
            taken = self.snapshot(self.get())
        self.assertIs(model.Consistency.NONE, taken.consistency)
        self.assertEqual(1, len(self.fallbacks))
        for snapshot in taken.snapshots.values():
            self.assertEqual(MIB, len(self.read(snapshot)))

    def test_writers_that_do_not_ask_are_found_out(self) -> None:
        path = self.make_server()
        copy = disk.copy

        def write_meanwhile(source: pathlib.Path, target: pathlib.Path) -> int:
            size = copy(source, target)
            with open(path / 'data.img', 'r+b') as disk:
                disk.write(b'changed')
            os.utime(path / 'data.img')
            return size

        with mock.patch.object(disk, 'copy', write_meanwhile):
            taken = self.snapshot(self.get())
        self.assertIs(model.Consistency.NONE, taken.consistency)

    def test_one_instant_while_two_disks_are_written(self) -> None:
        path = self.make_server()
        server = self.get()
        data, root = (volume.id for volume in server.volumes)
        written = threading.Event()
        stop = threading.Event()

        def write() -> None:
            count = 0
            with (
                open(path / 'root.raw', 'r+b', 0) as first,
                open(path / 'data.img', 'r+b', 0) as second,
            ):
                while not stop.is_set():
                    count += 1
                    with local.writing(path):
                        os.pwrite(first.fileno(), struct.pack('<Q', count), 0)
                        os.pwrite(second.fileno(), struct.pack('<Q', count), 0)
                    written.set()

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join, 30)
        self.addCleanup(stop.set)
        counts = []
        for _ in range(25):
            self.assertTrue(written.wait(30))
            written.clear()
            taken = self.snapshot(server)
            self.assertIs(
                model.Consistency.CRASH_CONSISTENT, taken.consistency
            )
            first, second = (
                struct.unpack('<Q', self.read(taken.snapshots[volume])[:8])[0]
                for volume in (root, data)
            )
            self.assertEqual(first, second)
            counts.append(first)
            self.ledger.discard_all()
        self.assertEqual(sorted(counts), counts)
        self.assertGreater(counts[-1], counts[0])

    def test_full_disk_leaves_nothing(self) -> None:
        self.make_server()
        before = fakes.tree(self.root)
        full = OSError(errno.ENOSPC, 'No space left on device')
        copies = [mock.DEFAULT, full]
        with (
            mock.patch.object(
                disk, 'copy', wraps=disk.copy, side_effect=copies
            ),
            self.assertRaisesRegex(
                exception.CloudError, 'too little room .* of server web'
            ),
        ):
            self.snapshot(self.get())
        self.assertEqual(before, fakes.tree(self.root))
        self.assertEqual([], self.ledger.entries())

    def test_vanished_image(self) -> None:
        path = self.make_server()
        server = self.get()
        before = fakes.tree(self.root)
        (path / 'root.raw').rename(path / 'root.raw.old')
        error = self.assertRaises(
            exception.VolumeUnreadable, self.snapshot, server
        )
        self.assertIn(server.volumes[1].id, str(error))
        (path / 'root.raw.old').rename(path / 'root.raw')
        self.assertEqual(before, fakes.tree(self.root))
        self.assertEqual([], self.ledger.entries())

    def test_vanished_server(self) -> None:
        path = self.make_server()
        server = self.get()
        path.rename(self.tmp / 'elsewhere')
        self.assertRaises(exception.ServerNotFound, self.snapshot, server)

    def test_no_path_is_made_of_a_ref(self) -> None:
        for ref in ('../../x', '', f'{uuid.uuid4()}/../../../etc/passwd'):
            self.assertRaises(
                exception.VolumeUnreadable,
                self.read,
                base.Snapshot(str(uuid.uuid4()), 1, ref),
            )


class HoldTest(fakes.LocalCloudTestCase):
    def hold(self) -> model.Resource:
        return self.cloud.hold(self.context, self.get(), self.ledger)

    def state(self) -> tuple[str, bool]:
        server = self.get()
        return server.raw_status, server.locked

    def description(self) -> dict[str, object]:
        path = self.root / 'servers' / 'web' / 'server.json'
        return dict(json.loads(path.read_text()))

    def test_stopped_and_started_again(self) -> None:
        self.make_server()
        entry = self.hold()
        self.assertEqual(('SHUTOFF', True), self.state())
        for _again in range(2):
            self.ledger.discard(entry)
            self.assertEqual(('ACTIVE', False), self.state())
        self.assertNotIn('held', self.description())

    def test_what_was_off_stays_off(self) -> None:
        self.make_server(status='SHUTOFF', locked=True, locked_reason='by Li')
        self.ledger.discard(self.hold())
        self.assertEqual(('SHUTOFF', True), self.state())
        self.assertEqual('by Li', self.description()['locked_reason'])

    def test_power_on_is_obeyed(self) -> None:
        self.make_server()
        for power_on, status in ((False, 'SHUTOFF'), (True, 'ACTIVE')):
            entry = self.ledger.update(self.hold(), power_on=power_on)
            self.ledger.discard(entry)
            self.assertEqual((status, False), self.state())

    def test_half_restored_until_the_next_restore(self) -> None:
        self.make_server()
        entry = self.ledger.update(self.hold(), keep_stopped=True)
        for _again in range(2):
            self.cloud.discard(self.context, entry)
        self.assertEqual(('SHUTOFF', True), self.state())
        self.assertIn('did not finish', str(self.description()))
        self.open_fails('not stopped and locked')
        again = self.hold()
        self.cloud.discard(self.context, entry)
        self.assertEqual(('SHUTOFF', True), self.state())
        self.cloud.discard(self.context, again)
        self.assertEqual(('ACTIVE', False), self.state())
        self.assertNotIn('locked_reason', self.description())

    def test_after_a_dead_worker(self) -> None:
        self.make_server()
        dead = self.hold()
        living = self.hold()
        self.cloud.discard(self.context, dead)
        self.assertEqual(('SHUTOFF', True), self.state())
        self.cloud.discard(self.context, living)
        self.assertEqual(('ACTIVE', False), self.state())

    def test_not_while_it_is_written(self) -> None:
        path = self.make_server()
        self.cloud = local.LocalCloud(self.root, freeze_timeout=0.02)
        with (
            local.writing(path),
            self.assertRaisesRegex(exception.CloudError, 'keeps writing'),
        ):
            self.hold()
        self.assertEqual(('ACTIVE', False), self.state())
        self.assertEqual([], self.ledger.entries())

    def test_not_in_another_state(self) -> None:
        self.make_server(status='REBUILD')
        with self.assertRaisesRegex(exception.CloudError, 'is REBUILD'):
            self.hold()

    def test_the_server_vanished(self) -> None:
        path = self.make_server()
        entry = self.hold()
        path.rename(self.tmp / 'elsewhere')
        self.cloud.discard(self.context, entry)

    def open_fails(self, words: str) -> None:
        server = self.get()
        with (
            self.assertRaisesRegex(exception.VolumeUnwritable, words),
            self.cloud.open_volume(
                server.id, server.volumes[0].id, self.ledger
            ),
        ):
            self.fail('opened')

    def test_volumes_open_only_while_held(self) -> None:
        path = self.make_server(status='SHUTOFF')
        self.open_fails('not stopped and locked')
        entry = self.hold()
        server = self.get()
        with self.cloud.open_volume(
            server.id, server.volumes[0].id, self.ledger
        ) as writer:
            self.assertFalse(writer.blank)
            self.assertEqual(MIB, writer.size)
            writer.write(7, memoryview(b'restored'))
            writer.flush()
        self.assertEqual(b'restored', (path / 'data.img').read_bytes()[7:15])
        with (
            self.assertRaisesRegex(
                exception.VolumeUnwritable, 'no such volume'
            ),
            self.cloud.open_volume(server.id, str(uuid.uuid4()), self.ledger),
        ):
            self.fail('opened')
        (path / 'data.img').rename(path / 'other.img')
        self.cloud.discard(self.context, entry)
        self.open_fails('not stopped and locked')


class NewServerTest(fakes.LocalCloudTestCase):
    def volume(
        self, device: str = '/dev/vda', bootable: bool = True
    ) -> tuple[model.Resource, model.Volume]:
        return self.cloud.create_volume(
            self.context,
            base.VolumeSpec('root', MIB, device, bootable, {'type': 'ssd'}),
            self.ledger,
        )

    def create(
        self, *volumes: model.Volume, **choices: object
    ) -> tuple[model.Resource, model.Server]:
        facts = {'flavor': {'vcpus': 2}, 'networks': ['a'], 'key_name': 'k'}
        return self.cloud.create_server(
            self.context,
            base.ServerSpec('again', facts, choices),
            volumes,
            self.ledger,
        )

    def test_made_from_volumes(self) -> None:
        data_entry, data = self.volume('/dev/vdb', False)
        root_entry, root = self.volume()
        with self.cloud.open_new_volume(root, self.ledger) as writer:
            self.assertTrue(writer.blank)
            writer.write(0, memoryview(b'boot'))
            writer.flush()
        entry, server = self.create(
            data, root, admin_pass='secret', networks=['b'], flavor_id='f'
        )
        self.assertEqual(server, self.cloud.server(self.context, server.id))
        self.assertEqual('again', server.name)
        self.assertIs(model.ServerStatus.ACTIVE, server.status)
        self.assertEqual(
            {'flavor': {'id': 'f'}, 'networks': ['b'], 'key_name': 'k'},
            server.facts,
        )
        self.assertEqual(
            [(root.id, '/dev/vda', True), (data.id, '/dev/vdb', False)],
            [(v.id, v.device, v.bootable) for v in server.volumes],
        )
        self.assertEqual({'type': 'ssd'}, server.volumes[0].facts)
        path = self.root / 'servers' / server.id
        self.assertEqual(b'boot', (path / 'vda.raw').read_bytes()[:4])
        self.assertNotIn('secret', (path / 'server.json').read_text())
        # the server's disks outlive the entries of the volumes
        before = fakes.tree(self.root)
        self.ledger.keep(entry)
        for volume_entry in (root_entry, data_entry):
            self.ledger.discard(volume_entry)
        self.assertEqual(before, fakes.tree(self.root))

    def test_left_off_when_asked(self) -> None:
        _entry, volume = self.volume()
        _entry, server = self.create(volume, power_on=False)
        self.assertIs(model.ServerStatus.SHUTOFF, server.status)

    def test_two_volumes_of_one_device(self) -> None:
        volumes = [self.volume()[1] for _ in range(2)]
        _entry, server = self.create(*volumes)
        self.assertIsNone(server.unprotectable)
        self.assertEqual(
            [v.id for v in volumes], [v.id for v in server.volumes]
        )

    def test_a_volume_that_is_gone(self) -> None:
        self.make_server()
        before = fakes.tree(self.root)
        _entry, one = self.volume()
        gone_entry, gone = self.volume('/dev/vdb', False)
        self.ledger.discard(gone_entry)
        with self.assertRaisesRegex(exception.CloudError, 'cannot be made'):
            self.create(one, gone)
        self.assertEqual(before, fakes.tree(self.root))
        self.ledger.discard_all()
        with (
            self.assertRaisesRegex(exception.VolumeUnwritable, gone.id),
            self.cloud.open_new_volume(gone, self.ledger),
        ):
            self.fail('opened')

    def test_a_volume_of_an_impossible_size(self) -> None:
        with self.assertRaisesRegex(
            exception.CloudError, 'Volume huge cannot be made'
        ):
            self.cloud.create_volume(
                self.context,
                base.VolumeSpec('huge', 1 << 62, '/dev/vda', True, {}),
                self.ledger,
            )
        self.assertEqual([], self.ledger.entries())
        self.assertEqual([], os.listdir(self.root / 'volumes'))
