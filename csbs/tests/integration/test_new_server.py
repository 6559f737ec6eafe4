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

"""New servers from backups, and in-place restores of changed ones."""

import random
from typing import Any

from csbs.tests.integration import base
from csbs.tests.integration import cloud

GIB = 1 << 30


class NewServerTest(base.IntegrationTestCase):
    @classmethod
    def make_more(cls) -> None:
        cls.networks = [
            cls.cloud.network(cls.owner, 'a', '10.71.0.0/24'),
            cls.cloud.network(cls.owner, 'b', '10.72.0.0/24'),
        ]

    def make_server(self, **more: Any) -> Any:
        disks = [
            self.cloud.volume(
                self.owner,
                'root',
                volume_type='ceph',
                image_id=self.cloud.image.id,
            ),
            self.cloud.volume(self.owner, 'data', volume_type='ceph'),
        ]
        server = self.cloud.server(
            self.owner,
            'source',
            disks,
            [{'uuid': self.networks[0].id}],
            **more,
        )
        self.addCleanup(self.cloud.remove_servers, self.owner)
        return server

    def test_other_network(self) -> None:
        source = self.make_server(
            metadata={'purpose': 'test'},
            tags=['blue'],
            description='the first one',
            user_data='IyEvYmluL3NoCg==',
        )
        backup = self.back_up(source)
        task = self.finish(
            self.start_new_server(
                backup, name='copy', networks=[self.networks[1].id]
            )
        )
        compute = self.owner.connection.compute
        made = compute.get_server(task['result']['server_id'])
        self.cloud.wait_for_boots(self.owner, made, 1)
        self.assertEqual('copy', made.name)
        self.assertEqual({'purpose': 'test'}, made.metadata)
        self.assertEqual('the first one', made.description)
        self.assertEqual(['blue'], made.tags)
        self.assertEqual([self.networks[1].name], list(made.addresses))
        self.assertEqual(self.owner.user.id, made.user_id)
        self.assertEqual(self.owner.project.id, made.project_id)
        text = compute.get_server_console_output(made.id)['output']
        for device in ('vda', 'vdb'):
            self.assertIn(f'LAB-MOUNTED {device} boot=2', text)
        blocks = self.owner.connection.block_storage
        volumes = [blocks.get_volume(one) for one in self.volume_ids(made)]
        self.assertEqual(
            task['result']['volume_ids'], [volume.id for volume in volumes]
        )
        self.assertEqual(
            ['copy-root', 'copy-data'], [volume.name for volume in volumes]
        )
        self.assertTrue(volumes[0].is_bootable)
        self.assertEqual(
            self.cloud.image.name,
            volumes[0].volume_image_metadata['image_name'],
        )
        self.assert_nothing_left()
        # The copy is a server like any other.
        self.assertEqual('full', self.back_up(made)['kind'])

    def test_what_does_not_fit_leaves_nothing(self) -> None:
        backup = self.back_up(self.make_server())
        before = {
            volume.id
            for volume in self.owner.connection.block_storage.volumes()
        }
        asked = self.start_new_server(
            backup, name='copy', networks=[self.cloud.image.id]
        )
        task = self.finish(asked, 'failed')
        self.assertEqual('csbs.cloud.refused', task['fault']['code'])
        self.assertIn(self.cloud.image.id, task['fault']['message'])
        self.assert_nothing_left()
        after = {
            volume.id
            for volume in self.owner.connection.block_storage.volumes()
        }
        self.assertEqual(before, after)

    def test_grown_and_more_disks(self) -> None:
        server = self.make_server()
        backup = self.back_up(server)
        root, data = self.volume_ids(server)
        blocks = self.owner.connection.block_storage
        blocks.extend_volume(data, 2)
        cloud.wait_for(
            lambda: blocks.get_volume(data).size == 2, 'the volume to grow'
        )
        more = self.cloud.volume(self.owner, 'more', volume_type='ceph')
        compute = self.owner.connection.compute
        compute.create_volume_attachment(server, volume_id=more.id)
        cloud.wait_for(
            lambda: blocks.get_volume(more.id).status == 'in-use',
            'the third disk',
        )
        grown = self.back_up(server)
        self.assertEqual(4 * GIB, grown['size_bytes'])
        self.finish(self.start_restore(backup))
        self.cloud.wait_for_boots(self.owner, server, 1)
        self.assertEqual(2, blocks.get_volume(data).size)
        self.assertEqual([root, data, more.id], self.volume_ids(server))
        self.assertEqual(4 * GIB, self.back_up(server)['size_bytes'])

    def test_a_large_thin_disk(self) -> None:
        """Little changed on 100 GB: seconds, not minutes."""
        data = self.cloud.volume(
            self.owner, 'large', volume_type='ceph', size=100
        )
        root = self.cloud.volume(
            self.owner,
            'root',
            volume_type='ceph',
            image_id=self.cloud.image.id,
        )
        self._write(data, seed=1)
        server = self.cloud.server(self.owner, 'large', [root, data])
        self.addCleanup(self.cloud.remove_servers, self.owner)
        compute = self.owner.connection.compute
        self.back_up(server)
        compute.stop_server(server)
        self.cloud.admin.compute.wait_for_server(
            server, 'SHUTOFF', interval=0.5, wait=cloud.DEADLINE
        )
        compute.delete_volume_attachment(server, data.id)
        blocks = self.owner.connection.block_storage
        cloud.wait_for(
            lambda: blocks.get_volume(data.id).status == 'available',
            'the disk to be free',
        )
        self._write(data, seed=2)
        compute.create_volume_attachment(server, volume_id=data.id)
        cloud.wait_for(
            lambda: blocks.get_volume(data.id).status == 'in-use',
            'the disk to be back',
        )
        backup = self.back_up(server)
        self.assertEqual('incremental', backup['kind'])
        self.assertLess(50 << 20, backup['changed_bytes'])
        self.assertLess(backup['changed_bytes'], 120 << 20)
        task = self.task(backup['task_id'])
        seconds = cloud.seconds(task['started_at'], task['finished_at'])
        self.assertLess(seconds, 30)

    def _write(self, volume: Any, seed: int) -> None:
        """Write 50 MiB in pieces all over a disk."""
        chance = random.Random(seed)
        with self.cloud.attached(volume.id) as handle:
            for _piece in range(50):
                handle.seek(chance.randrange(1, volume.size * 1024) << 20)
                handle.write(chance.randbytes(1 << 20))
            handle.flush()

    def test_who_may_not(self) -> None:
        """A server without volumes is refused, and a shared disk is safe."""
        compute = self.owner.connection.compute
        flavor = self.cloud.admin.compute.find_flavor('lab.disk')
        if flavor:
            plain = compute.create_server(
                name='plain',
                flavor_id=flavor.id,
                image_id=self.cloud.image.id,
                networks='none',
            )
            self.addCleanup(self.cloud.remove_servers, self.owner)
            compute.wait_for_server(plain, wait=cloud.DEADLINE)
            shown = self.call('GET', f'/v1/servers/{plain.id}')['server']
            self.assertFalse(shown['protectable'])
            self.assertIn('not a volume', shown['reason'])
            body = {'server_id': plain.id, 'vault_id': self.vault()}
            answer = self.call(
                'POST', '/v1/backups', {'backup': body}, expect=409
            )
            self.assertEqual(
                'csbs.server.unprotectable', answer['errors'][0]['code']
            )

    def test_shared_disk(self) -> None:
        shared = self.cloud.volume(
            self.owner, 'shared', volume_type='ceph-multi'
        )
        servers = []
        for name in ('left', 'right'):
            root = self.cloud.volume(
                self.owner,
                name,
                volume_type='ceph',
                image_id=self.cloud.image.id,
            )
            servers.append(self.cloud.server(self.owner, name, [root, shared]))
            self.addCleanup(self.cloud.remove_servers, self.owner)
        left, right = servers
        backup = self.back_up(left)
        answer = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/restore',
            {'restore': {}},
            expect=409,
        )
        self.assertEqual('csbs.volume.shared', answer['errors'][0]['code'])
        self.assertIn(right.id, answer['errors'][0]['detail'])
        self.owner.connection.compute.stop_server(right)
        self.cloud.admin.compute.wait_for_server(
            right, 'SHUTOFF', interval=0.5, wait=cloud.DEADLINE
        )
        self.finish(self.start_restore(backup))
        self.cloud.wait_for_boots(self.owner, left, 1)
        self.assert_nothing_left()
