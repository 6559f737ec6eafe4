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

"""Services that are away for a while in the middle of a backup.

The time that a service is away is a minute, or ``CSBS_TEST_OUTAGE`` seconds.
"""

import os
import signal
import time
from typing import Any

from csbs.tests.integration import base
from csbs.tests.integration import cloud

_DATA = 800


class OutageTest(base.IntegrationTestCase):
    """With temporary things in Cinder, so that it is needed to the end."""

    rbd = False
    alone = True
    outage = float(os.environ.get('CSBS_TEST_OUTAGE', '0'))
    options = {
        'scheduler': f'dead_after = {int(2 * outage) + 20}',
        # What Cinder has to make when the message bus goes is never made.
        'openstack': 'volume_timeout = 240',
    }

    @classmethod
    def make_more(cls) -> None:
        cloud.need('CSBS_TEST_LAB')
        cloud.need('CSBS_TEST_OUTAGE')
        cloud.lab('status')
        disks = [
            cls.cloud.volume(
                cls.owner,
                'root',
                volume_type='ceph-cg',
                image_id=cls.cloud.image.id,
            ),
            cls.cloud.volume(cls.owner, 'data', volume_type='ceph-cg'),
        ]
        cls.cloud.fill(disks[1], _DATA, seed=1)
        cls.server = cls.cloud.server(cls.owner, 'outage', disks)

    def start_full_backup(self) -> dict[str, Any]:
        """Start a backup that takes a while; return when data moves."""
        for backup in self.call('GET', '/v1/backups')['backups']:
            path = f'/v1/backups/{backup["id"]}'
            self.finish(self.call('DELETE', path)['backup'])
        asked = self.start_backup(self.server)
        cloud.wait_for(
            lambda: self.task(asked['task_id'])['bytes_done'] > 0,
            'data to move',
            pause=0.05,
        )
        return asked

    def check(self, name: str) -> None:
        """Take a service away during a backup, and see how it ends."""
        asked = self.start_full_backup()
        cloud.lab('stop', name)
        try:
            time.sleep(self.outage)
        finally:
            cloud.lab('start', name)

        def over() -> dict[str, Any] | None:
            task = self.task(asked['task_id'])
            return task if task['finished_at'] else None

        task = cloud.wait_for(over, 'the backup to end', 2 * cloud.DEADLINE)
        if task['status'] != 'succeeded':
            self.assertEqual('failed', task['status'])
            self.assertNotEqual('csbs.internal', task['fault']['code'], task)
        self.assert_nothing_left()
        self.assertEqual(
            'ACTIVE',
            self.cloud.admin.compute.get_server(self.server.id).status,
        )
        self.back_up(self.server)

    def test_rabbitmq(self) -> None:
        self.check('rabbit')

    def test_mariadb(self) -> None:
        self.check('mysql')

    def test_cinder(self) -> None:
        self.check('cinder-api')

    def test_swift(self) -> None:
        self.check('swift-proxy')

    def test_nova(self) -> None:
        self.check('nova-api')

    def test_keystone(self) -> None:
        self.check('keystone')

    def test_tokens_that_expire(self) -> None:
        """The user's and the service's tokens end in the middle."""
        cloud.lab('set-token-lifetime', '60')
        self.addCleanup(cloud.lab, 'set-token-lifetime', '14400')
        self.owner.connection.session.auth.invalidate()
        self.kill('one')
        asked = self.start_backup(self.server)
        time.sleep(65)
        # The user's token, which the group is made with, is no good now.
        self.start('one')
        cloud.wait_for(
            lambda: self.task(asked['task_id'])['bytes_done'] > 0,
            'data to move',
            pause=0.05,
        )
        self.send('one', signal.SIGSTOP)
        time.sleep(65)
        self.send('one', signal.SIGCONT)
        self.finish(asked)
        self.assertEqual('group', self.backup(asked['id'])['snapshot_method'])
        self.assert_nothing_left()
