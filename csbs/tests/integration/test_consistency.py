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

"""Are the disks of a backup really of one instant?

The guest writes a counter to disk after disk, as fast as it can. In a backup
of one instant the disks have the same count, or the first is one ahead.
"""

import os
import pathlib
from typing import Any

from csbs.tests.integration import base
from csbs.tests.integration import cloud

_TIMES = int(os.environ.get('CSBS_TEST_TIMES', '10'))


class ConsistencyTest(base.IntegrationTestCase):
    @classmethod
    def make_more(cls) -> None:
        cls.data = cls.cloud.data_image(cls.owner, 'fast')

    def make_server(self, volume_type: str) -> Any:
        disks = [
            self.cloud.volume(
                self.owner,
                name,
                volume_type=volume_type,
                image_id=image.id,
            )
            for name, image in (
                ('root', self.cloud.image),
                ('data', self.data),
            )
        ]
        server = self.cloud.server(self.owner, volume_type, disks)
        self.addCleanup(self.cloud.remove_servers, self.owner)
        return server

    def distance(self, disks: dict[str, pathlib.Path]) -> int:
        """Return how far the first disk's count is ahead of the second's."""
        counts = []
        for device in ('vda', 'vdb'):
            text = cloud.guest_file(disks[device], '/seq').strip()
            seconds, _dot, tenths = text.partition('.')
            counts.append(10 * int(seconds) + int(tenths or 0))
        return counts[0] - counts[1]

    def check(self, server: Any, method: str, **choices: Any) -> None:
        for _time in range(_TIMES):
            backup = self.back_up(server, **choices)
            self.assertEqual('crash_consistent', backup['consistency'])
            self.assertEqual(method, backup['snapshot_method'])
            with self.disks_of(backup['id']) as disks:
                self.assertIn(self.distance(disks), (0, 1), backup)
            if method == 'pause':
                self.assertLess(0, backup['paused_seconds'])
            else:
                self.assertIsNone(backup['paused_seconds'])
        described = self.owner.connection.compute.get_server(server.id)
        self.assertEqual('ACTIVE', described.status)
        self.assert_nothing_left()

    def test_group(self) -> None:
        self.check(self.make_server('ceph-cg'), 'group')

    def test_pause(self) -> None:
        server = self.make_server('ceph')
        self.check(server, 'pause', allow_pause=True)
        backup = self.back_up(server, allow_pause=False)
        self.assertEqual('none', backup['consistency'])
        self.assertEqual('sequential', backup['snapshot_method'])

    def test_shut_off(self) -> None:
        server = self.make_server('ceph')
        self.owner.connection.compute.stop_server(server)
        self.cloud.admin.compute.wait_for_server(
            server, 'SHUTOFF', interval=0.5, wait=cloud.DEADLINE
        )
        backup = self.back_up(server)
        self.assertEqual('shut_off', backup['consistency'])
        self.assertEqual('shut_off', backup['snapshot_method'])


class GenericConsistencyTest(ConsistencyTest):
    """With the snapshots of Cinder in place of Ceph's own."""

    rbd = False
