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


"""Tests of volumes that their storage freezes together."""

from csbs import exception
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack import test_snapshots
from csbs.tests.unit.cloud.openstack.stub import cinder
from csbs.tests.unit.cloud.openstack.stub import keystone
from csbs.tests.unit.cloud.openstack.stub import nova

_Method = model.SnapshotMethod


class GroupTest(test_snapshots.FreezeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.made = self.make_server('able', 'able')

    def assert_volumes_are_well(self) -> None:
        self.stub.pass_time()
        for volume in self.stub.cinder.volumes.values():
            self.assertEqual(
                ('in-use', None), (volume.status, volume.group_id)
            )

    def test_together(self) -> None:
        found = self.freeze(self.made, allow_pause=True)
        self.assertEqual(_Method.GROUP, found.method)
        self.assertEqual(model.Consistency.CRASH_CONSISTENT, found.consistency)
        self.assertEqual([], self.stub.asked('action pause'))
        # They are nobody's but their owner's while data moves.
        self.assert_volumes_are_well()
        self.assertEqual(
            [b'disk-0', b'disk-1'],
            [
                self.read(found.snapshots[it.volume_id])
                for it in self.made.disks
            ],
        )

    def test_as_the_user(self) -> None:
        self.stub.keystone.roles.pop(fakes.PROJECT)
        token = self.stub.keystone.issue(fakes.PROJECT)
        found = self.freeze(self.made, self.task(token))
        self.assertEqual(_Method.GROUP, found.method)
        made = self.stub.asked('POST volume/groups$')[0]
        self.assertEqual('a-user', made.who.user_id)

    def test_as_a_user_whose_token_has_expired(self) -> None:
        token = self.stub.keystone.issue(fakes.PROJECT)
        self.stub.keystone.tokens[token].expired = True
        found = self.freeze(self.made, self.task(token))
        self.assertEqual(_Method.GROUP, found.method)

    def test_as_a_user_whose_token_was_revoked(self) -> None:
        token = self.stub.keystone.issue(fakes.PROJECT)
        self.stub.keystone.tokens[token].revoked = True
        found = self.freeze(self.made, self.task(token))
        self.assertEqual(_Method.SEQUENTIAL, found.method)

    def test_no_way_into_the_project(self) -> None:
        self.stub.keystone.roles.pop(fakes.PROJECT)
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertEqual([], self.stub.asked('POST volume/groups'))

    def test_storage_that_cannot(self) -> None:
        """Cinder would take a group snapshot, one volume after another."""
        self.stub.cinder.able.clear()
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertEqual([], self.stub.asked('POST volume/groups'))

    def test_volumes_apart(self) -> None:
        made = self.make_server('able', 'plain')
        self.assertEqual(_Method.SEQUENTIAL, self.freeze(made).method)

    def test_no_type_of_groups(self) -> None:
        del self.stub.groups.kinds['consistent-type']
        self.assertEqual(_Method.SEQUENTIAL, self.freeze(self.made).method)

    def test_volume_in_a_group_of_the_user(self) -> None:
        volume = self.stub.cinder.volumes[self.made.disks[0].volume_id]
        volume.group_id = 'of the user'
        self.assertEqual(_Method.SEQUENTIAL, self.freeze(self.made).method)
        self.assertEqual('of the user', volume.group_id)
        volume.group_id = None

    def test_refused(self) -> None:
        self.stub.groups.closed = True
        found = self.freeze(self.made, allow_pause=True)
        self.assertEqual(_Method.PAUSE, found.method)
        self.assertNotIn('group', self.ledger.kinds())

    def test_quota(self) -> None:
        self.stub.cinder.quotas[fakes.PROJECT, 'snapshots'] = 1
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assert_volumes_are_well()

    def test_anything_breaks(self) -> None:
        """Whatever goes wrong, no volume is left in a group or in error."""
        for word in ('group', 'add', 'group snapshot', 'remove'):
            with self.subTest(word):
                self.stub.breaks[word] = 1
                found = self.freeze(self.made)
                self.assertEqual(
                    _Method.GROUP if word == 'remove' else _Method.SEQUENTIAL,
                    found.method,
                )
                self.empty(self.ledger, self.driver)
                self.assert_volumes_are_well()

    def test_volumes_cannot_be_taken_out(self) -> None:
        """Not for a while: they are in use, and look like it."""
        self.stub.breaks['remove'] = 2
        found = self.freeze(self.made)
        self.assertEqual(_Method.GROUP, found.method)
        for volume in self.stub.cinder.volumes.values():
            self.assertEqual('in-use', volume.status)
        self.empty(self.ledger, self.driver)
        self.assert_volumes_are_well()

    def test_group_of_another_back_end(self) -> None:
        """Two serve the type, and the group was given to the other one."""
        self.stub.cinder.types['able'].pool = 'host@other#two'
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertEqual(0, len(self.stub.groups.groups))

    def test_group_that_is_stuck(self) -> None:
        """A change that fails early leaves it changing for ever."""
        self.options = {'snapshot_timeout': 1}
        self.driver = self.ledger.cloud = self.worker()
        self.stub.breaks['stuck group'] = 1
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertEqual(0, len(self.stub.groups.groups))
        self.assert_volumes_are_well()

    def test_capabilities_are_not_told(self) -> None:
        self.stub.fail(403, 'get_pools')
        self.assertRaises(exception.CloudError, self.freeze, self.made)

    def test_group_snapshot_that_comes_late(self) -> None:
        """It keeps the group, which is not ours to keep."""
        self.stub.fail('late', 'POST volume/group_snapshots', seconds=0.1)
        self.stub.breaks['delete group'] = 1
        found = self.freeze(self.made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.stub.come_true()
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.groups.snapshots)

    def test_group_deleted_by_somebody(self) -> None:
        self.freeze(self.made)
        self.stub.groups.snapshots.clear()
        for each in list(self.stub.snapshots.all):
            self.stub.snapshots.forget(each)
        self.stub.groups.groups.clear()
        self.empty(self.ledger, self.driver)
        self.assert_volumes_are_well()


class EncryptedTest(test_snapshots.FreezeTestCase):
    def test_within_its_project(self) -> None:
        made = self.make_server('luks', 'luks')
        found = self.freeze(made)
        for snapshot in self.stub.snapshots.all.values():
            self.assertEqual(fakes.PROJECT, snapshot.project_id)
        self.assertEqual(
            [b'disk-0', b'disk-1'],
            [self.read(found.snapshots[it.volume_id]) for it in made.disks],
        )

    def test_no_way_into_the_project(self) -> None:
        self.stub.keystone.roles.pop(fakes.PROJECT)
        made = self.make_server('plain', 'luks')
        self.assertRaises(exception.CloudRefused, self.freeze, made)

    def test_temporary_volume_of_a_user(self) -> None:
        """The user's token is gone when the sweeper comes."""
        made = self.make_server('luks')
        token = self.stub.keystone.issue(fakes.PROJECT)
        found = self.freeze(made, self.task(token))
        snapshot = next(iter(found.snapshots.values()))
        opened = self.driver.open_snapshot(
            self.task(token), snapshot, self.ledger
        )
        opened.__enter__()
        # The worker dies with the volume in its hands.
        self.life.steps = self.ledger.life.steps = 0
        self.assertRaises(fakes.Died, opened.__exit__, None, None, None)
        self.assertEqual(
            ['snapshot', 'volume', 'attachment'], self.ledger.kinds()
        )
        self.empty(self.ledger, self.worker())


class OthersTest(fakes.OpenStackTestCase):
    def test_things_of_the_service_alone(self) -> None:
        """What is temporary counts against nobody's quota but csbs'."""
        made: nova.Server = self.make_server()
        found = self.freeze(made)
        first = made.disks[0].volume_id
        with self.driver.open_snapshot(
            self.task(), found.snapshots[first], self.ledger
        ):
            temporary: list[cinder.Volume] = [
                it
                for it in self.stub.cinder.volumes.values()
                if it.project_id == keystone.SERVICE_PROJECT
            ]
            self.assertEqual(1, len(temporary))
        for snapshot in self.stub.snapshots.all.values():
            self.assertEqual(keystone.SERVICE_PROJECT, snapshot.project_id)
