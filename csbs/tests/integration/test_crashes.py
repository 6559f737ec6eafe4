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

"""Workers that die in the middle of things, as in a power cut."""

from collections.abc import Callable
import hashlib
import pathlib
from typing import Any

from csbs.tests.integration import base
from csbs.tests.integration import cloud

#: MiB that do not compress on the data disk: seconds of work
_DATA = 400


class CrashTestCase(base.IntegrationTestCase):
    """A server, and a worker that dies on it."""

    volume_type = 'ceph'

    @classmethod
    def make_more(cls) -> None:
        disks = [
            cls.cloud.volume(
                cls.owner,
                'root',
                volume_type=cls.volume_type,
                image_id=cls.cloud.image.id,
            ),
            cls.cloud.volume(cls.owner, 'data', volume_type=cls.volume_type),
        ]
        cls.cloud.fill(disks[1], _DATA, seed=1)
        cls.server = cls.cloud.server(cls.owner, 'crash', disks)
        cls.disks = disks

    def setUp(self) -> None:
        super().setUp()
        if 'one' not in self.processes:
            self.start('one')

    def die(
        self, asked: dict[str, Any], when: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Let the worker die as soon as its task looks like that."""
        cloud.wait_for(
            lambda: when(self.task(asked['task_id'])),
            'the moment to die',
            pause=0.02,
        )
        self.kill('one')

    def status(self, server: Any) -> str:
        found: str = self.cloud.admin.compute.get_server(server.id).status
        return found

    def forget_backups(self) -> None:
        """Delete all backups, so that the next one is full."""
        for backup in self.call('GET', '/v1/backups')['backups']:
            path = f'/v1/backups/{backup["id"]}'
            self.finish(self.call('DELETE', path)['backup'])


class CrashTest(CrashTestCase):
    """The short way to Ceph."""

    def test_in_the_pause(self) -> None:
        """The schedulers let the server go on, without any worker."""
        asked = self.start_backup(self.server, allow_pause=True)
        cloud.wait_for(
            lambda: self.status(self.server) == 'PAUSED',
            'the server to be paused',
            pause=0.02,
        )
        self.kill('one')
        cloud.wait_for(
            lambda: self.status(self.server) == 'ACTIVE',
            'the server to go on',
            60,
        )
        self.start('one')
        self.finish(asked)
        self.assertEqual('available', self.backup(asked['id'])['status'])
        self.assert_nothing_left()

    def test_among_the_snapshots(self) -> None:
        asked = self.start_backup(self.server)
        self.die(asked, lambda task: task['step'].startswith('snapshotting'))
        self.start('one')
        self.finish(asked)
        self.assert_nothing_left()

    def test_among_the_data(self) -> None:
        self.forget_backups()
        asked = self.start_backup(self.server)
        self.die(asked, lambda task: task['bytes_done'] > 0)
        self.start('one')
        task = self.finish(asked)
        self.assertEqual(2, task['attempts'])
        self.assert_nothing_left()
        self.assertEqual('incremental', self.back_up(self.server)['kind'])

    def test_in_a_restore(self) -> None:
        backup = self.back_up(self.server)
        self.rewrite(seed=2)
        asked = self.start_restore(backup)
        self.die(
            asked,
            lambda task: task['step'] == 'writing' and task['bytes_done'] > 0,
        )
        found = self.cloud.admin.compute.get_server(self.server.id)
        self.assertEqual('SHUTOFF', found.status)
        self.assertTrue(found.is_locked)
        self.start('one')
        self.finish(asked)
        self.cloud.wait_for_boots(self.owner, self.server, 1)
        found = self.cloud.admin.compute.get_server(self.server.id)
        self.assertFalse(found.is_locked)
        self.assert_nothing_left()
        # What was overwritten is as it was, but for what the guest writes.
        after = self.back_up(self.server)
        with self.disks_of(backup['id']) as disks:
            before = _pieces(disks['vdb'])
        with self.disks_of(after['id']) as disks:
            same = len(before & _pieces(disks['vdb']))
        self.assertGreater(same, _DATA - 40)

    def test_in_a_new_server(self) -> None:
        backup = self.back_up(self.server)
        blocks = self.owner.connection.block_storage
        before = {volume.id for volume in blocks.volumes()}
        for step in ('writing', 'creating_server'):
            asked = self.start_new_server(backup, name=f'new-{step}')
            self.die(asked, lambda task, step=step: task['step'] == step)
            self.start('one')
            task = self.finish(asked)
            made = self.owner.connection.compute.get_server(
                task['result']['server_id']
            )
            self.cloud.wait_for_boots(self.owner, made, 1)
            now = {volume.id for volume in blocks.volumes()}
            self.assertEqual(set(task['result']['volume_ids']), now - before)
            before = now
            found = [
                server.id
                for server in self.owner.connection.compute.servers()
                if server.name == made.name
            ]
            self.assertEqual([made.id], found)
            self.assert_nothing_left()
            self.owner.connection.compute.delete_server(made)

    def rewrite(self, seed: int) -> None:
        """Write something else on the data disk, behind csbs' back."""
        compute = self.owner.connection.compute
        blocks = self.owner.connection.block_storage
        data = self.disks[1]
        compute.stop_server(self.server)
        self.cloud.admin.compute.wait_for_server(
            self.server, 'SHUTOFF', interval=0.5, wait=cloud.DEADLINE
        )
        compute.delete_volume_attachment(self.server, data.id)
        cloud.wait_for(
            lambda: blocks.get_volume(data.id).status == 'available',
            'the disk to be free',
        )
        self.cloud.fill(data, _DATA, seed)
        compute.create_volume_attachment(self.server, volume_id=data.id)
        cloud.wait_for(
            lambda: blocks.get_volume(data.id).status == 'in-use',
            'the disk to be back',
        )
        compute.start_server(self.server)
        compute.wait_for_server(self.server, interval=0.5, wait=cloud.DEADLINE)


def _pieces(disk: pathlib.Path) -> set[bytes]:
    """Return the digests of what was filled in, piece by piece."""
    found = set()
    with open(disk, 'rb') as image:
        image.seek(64 << 20)
        for _piece in range(_DATA):
            found.add(hashlib.sha256(image.read(1 << 20)).digest())
    return found


class GenericCrashTest(CrashTest):
    """With temporary things in Cinder."""

    rbd = False


class GroupCrashTest(CrashTestCase):
    """With the volumes in a group of Cinder's."""

    volume_type = 'ceph-cg'

    def test_in_the_group(self) -> None:
        blocks = self.cloud.admin.block_storage

        def grouped() -> bool:
            return any(
                blocks.get_volume(disk.id).group_id for disk in self.disks
            )

        asked = self.start_backup(self.server, allow_pause=True)
        cloud.wait_for(grouped, 'the volumes to be in a group', pause=0.02)
        self.kill('one')
        self.start('one')
        self.finish(asked)
        self.assertFalse(grouped())
        self.assert_nothing_left()
