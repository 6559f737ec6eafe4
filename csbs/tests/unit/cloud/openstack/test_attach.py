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


"""Tests of volumes that are attached to this host."""

import os
import pathlib

from csbs import exception
from csbs.cloud import base
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import nova


class AttachTestCase(fakes.OpenStackTestCase):
    def held(self) -> nova.Server:
        made = self.make_server('plain')
        self.driver.hold(self.task(), self.get(made), self.ledger)
        return made

    def write(self, made: nova.Server) -> None:
        with self.driver.open_volume(
            made.id, made.disks[0].volume_id, self.ledger
        ) as writer:
            writer.write(0, memoryview(b'new'))

    def assert_only_novas(self, made: nova.Server) -> None:
        self.assertEqual(
            [it.attachment_id for it in made.disks],
            list(self.stub.attachments.all),
        )
        volume = self.stub.cinder.volumes[made.disks[0].volume_id]
        self.assertEqual('in-use', volume.status)


class OpenedTest(AttachTestCase):
    def test_second_attachment(self) -> None:
        made = self.held()
        volume_id = made.disks[0].volume_id
        with self.driver.open_volume(made.id, volume_id, self.ledger):
            (_novas, ours) = self.stub.attachments.of(volume_id)
            self.assertEqual(made.id, ours.instance)
            # The rest of the cloud can go on with it.
            self.assertEqual('attached', ours.status)
            self.assertEqual(
                'in-use', self.stub.cinder.volumes[volume_id].status
            )
        self.assert_only_novas(made)

    def test_read(self) -> None:
        made = self.make_server('plain')
        (snapshot,) = self.freeze(made).snapshots.values()
        with self.driver.open_snapshot(
            self.task(), snapshot, self.ledger
        ) as reader:
            self.assertEqual(model.GIB, reader.size)
            self.assertEqual(1, len(list(reader.extents())))
            request = self.stub.asked('POST volume/attachments$')[0]
            self.assertEqual('ro', request.body['attachment']['mode'])
        self.assertEqual(['snapshot'], self.ledger.kinds())

    def test_refused(self) -> None:
        made = self.held()
        self.stub.fail(400, 'POST volume/attachments$')
        self.assertRaises(exception.VolumeUnwritable, self.write, made)
        self.assertEqual(['hold'], self.ledger.kinds())
        self.assert_only_novas(made)

    def test_lost_answers(self) -> None:
        for where in ('POST volume/attachments$', 'os-complete'):
            for kind in ('lost', 'cut', 500, 503):
                with self.subTest(where=where, kind=kind):
                    made = self.held()
                    self.stub.fail(kind, where)
                    self.assertRaises(
                        exception.VolumeUnwritable, self.write, made
                    )
                    self.empty(self.ledger, self.driver)
                    self.assert_only_novas(made)
                    self.stub.nova.remove(made)

    def test_device_gone(self) -> None:
        made = self.held()
        self.stub.cinder.path(made.disks[0].volume_id).unlink()
        self.assertRaises(exception.VolumeUnwritable, self.write, made)
        self.assert_only_novas(made)

    def test_host_that_cannot(self) -> None:
        made = self.held()
        connection = self.stub.attachments.connection
        for change in (
            {'driver_volume_type': 'telepathy'},
            {'format': 'qcow2'},
            {'driver_volume_type': 'rbd', 'name': 'volumes/volume-1'},
        ):
            with self.subTest(**change):
                self.stub.attachments.connection = {**connection, **change}
                self.assertRaises(exception.VolumeUnwritable, self.write, made)
                self.assert_only_novas(made)

    def test_volume_detached_meanwhile(self) -> None:
        """By an administrator: the server is locked."""
        made = self.held()
        volume_id = made.disks[0].volume_id
        with self.driver.open_volume(made.id, volume_id, self.ledger):
            self.stub.nova.detach(made, volume_id)
        volume = self.stub.cinder.volumes[volume_id]
        self.assertEqual('available', volume.status)

    def test_volume_deleted_meanwhile(self) -> None:
        made = self.held()
        volume_id = made.disks[0].volume_id
        self.stub.nova.remove(made)
        del self.stub.cinder.volumes[volume_id]
        self.assertRaises(exception.CsbsError, self.write, made)

    def test_new_volume(self) -> None:
        spec = base.VolumeSpec('n', model.GIB, '/dev/vda', True, {})
        _entry, volume = self.driver.create_volume(
            self.task(), spec, self.ledger
        )
        with self.driver.open_new_volume(volume, self.ledger) as writer:
            writer.write(4096, memoryview(b'x'))
            writer.zero(4096, 1)
            writer.flush()
        path = pathlib.Path(self.stub.cinder.path(volume.id))
        self.assertEqual(model.GIB, os.stat(path).st_size)
        self.assertEqual({}, self.stub.attachments.all)


class DiscardTest(AttachTestCase):
    def test_other_tasks_attachment(self) -> None:
        """An entry without an id, of an earlier restore, takes none away."""
        made = self.held()
        volume_id = made.disks[0].volume_id
        stale = self.make_ledger()
        entry = stale.plan(
            model.ResourceKind.ATTACHMENT,
            volume_id=volume_id,
            server_id=made.id,
            host='worker',
        )
        with self.driver.open_volume(made.id, volume_id, self.ledger):
            self.assertRaises(exception.CloudUnsettled, stale.discard, entry)
            self.assertEqual(2, len(self.stub.attachments.of(volume_id)))

    def test_of_nova_and_others(self) -> None:
        made = self.make_server('plain')
        volume_id = made.disks[0].volume_id
        # Nova moves the server to another host just now.
        moving = self.stub.attachments.attach(volume_id, made.id, '/dev/vda')
        entry = self.ledger.plan(
            model.ResourceKind.ATTACHMENT,
            volume_id=volume_id,
            server_id=made.id,
            host='worker',
        )
        self.assertRaises(exception.CloudUnsettled, self.ledger.discard, entry)
        self.assertIn(moving, self.stub.attachments.all)
