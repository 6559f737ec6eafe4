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

"""Running servers of every kind, backed up and put back."""

from typing import Any

from csbs.tests.integration import base
from csbs.tests.integration import cloud

MIB = 1 << 20


class ServersTest(base.IntegrationTestCase):
    """The short way to Ceph."""

    #: volume types of the two disks, by the name of the server
    kinds = {
        'ceph': ('ceph', 'ceph'),
        'ceph-cg': ('ceph-cg', 'ceph-cg'),
        'ceph-luks': ('ceph', 'ceph-luks'),
        'ceph-multi': ('ceph', 'ceph-multi'),
    }

    @classmethod
    def make_more(cls) -> None:
        cls.networks = [
            cls.cloud.network(cls.owner, 'a', '10.71.0.0/24'),
            cls.cloud.network(cls.owner, 'b', '10.72.0.0/24'),
        ]

    def make_server(self, name: str, **data_from: Any) -> Any:
        root, data = self.kinds[name]
        disks = [
            self.cloud.volume(
                self.owner,
                f'{name}-root',
                volume_type=root,
                image_id=self.cloud.image.id,
            ),
            self.cloud.volume(
                self.owner, f'{name}-data', volume_type=data, **data_from
            ),
        ]
        server = self.cloud.server(
            self.owner,
            name,
            disks,
            [{'uuid': self.networks[0].id}],
            metadata={'purpose': 'test'},
        )
        self.addCleanup(self.cloud.remove_servers, self.owner)
        return server

    def check_two_backups(
        self, name: str, **data_from: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Back a running server up in full and again; return the second.

        :param data_from: what its data disk is made from, if anything
        """
        server = self.make_server(name, **data_from)
        first = self.back_up(server)
        self.assertEqual('full', first['kind'])
        self.assertEqual(2 << 30, first['size_bytes'])
        second = self.back_up(server)
        self.assertEqual('incremental', second['kind'])
        # The guest writes a few bytes a second to each disk.
        self.assertGreater(second['changed_bytes'], 0)
        self.assertLess(second['changed_bytes'], 16 * MIB)
        self.assertLess(second['transferred_bytes'], 16 * MIB)
        self.assert_nothing_left()
        return server, second

    def boots(self, backup: dict[str, Any], devices: Any) -> dict[str, str]:
        """Return what the guest wrote at its boots, by device."""
        with self.disks_of(backup['id']) as disks:
            return {
                device: cloud.guest_file(disks[device], '/bootmarker')
                for device in devices
            }

    def check_restore(
        self, server: Any, backup: dict[str, Any], readable: Any
    ) -> None:
        """Restore in place; the guest boots with the disks of the backup."""
        before = self.boots(backup, readable)
        volumes = self.volume_ids(server)
        self.finish(self.start_restore(backup))
        self.cloud.wait_for_boots(self.owner, server, 1)
        self.assertEqual(volumes, self.volume_ids(server))
        self.assert_nothing_left()
        after = self.back_up(server)
        for device, text in self.boots(after, readable).items():
            lines = text.splitlines()
            # One more boot, on top of those of the backup.
            self.assertEqual(before[device].splitlines(), lines[:-1])

    def test_plain(self) -> None:
        server, backup = self.check_two_backups('ceph')
        self.assertEqual('none', backup['consistency'])
        self.assertEqual('sequential', backup['snapshot_method'])
        self.check_restore(server, backup, ('vda', 'vdb'))
        # And again, now that a restore has been.
        self.check_restore(server, backup, ('vda', 'vdb'))

    def test_group(self) -> None:
        server, backup = self.check_two_backups('ceph-cg')
        self.assertEqual('crash_consistent', backup['consistency'])
        self.assertEqual('group', backup['snapshot_method'])
        self.check_restore(server, backup, ('vda', 'vdb'))

    def test_encrypted(self) -> None:
        # An encrypted disk that is new is noise, which the guest lets be.
        image = self.cloud.data_image(self.owner, 'hello')
        server, backup = self.check_two_backups('ceph-luks', image_id=image.id)
        # The data disk is readable to nobody but the guest.
        self.check_restore(server, backup, ('vda',))
        text = self.console(server)
        self.assertIn('LAB-MOUNTED vdb boot=2', text)

    def test_multiattach(self) -> None:
        server, backup = self.check_two_backups('ceph-multi')
        self.check_restore(server, backup, ('vda', 'vdb'))

    def console(self, server: Any) -> str:
        text: str = self.owner.connection.compute.get_server_console_output(
            server.id
        )['output']
        return text


class GenericServersTest(ServersTest):
    """The way through Cinder and os-brick."""

    rbd = False
    kinds = {**ServersTest.kinds, 'loop': ('loop', 'loop')}

    def test_block_devices(self) -> None:
        """Disks that are attached as files of the host's, as by iSCSI."""
        types = self.cloud.admin.block_storage.types()
        if 'loop' not in {each.name for each in types}:
            self.skipTest('there is no volume type "loop"')
        server, backup = self.check_two_backups('loop')
        self.check_restore(server, backup, ('vda', 'vdb'))
