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


"""Tests of the ways of freezing volumes, and of what is said of them."""

from collections.abc import Callable
from typing import Any

from csbs import exception
from csbs.cloud.openstack import snapshots
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import wire

_Method = model.SnapshotMethod


class FreezeTestCase(fakes.OpenStackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.see_nothing_left)

    def see_nothing_left(self) -> None:
        """Empty the ledger, and see that all is as it was."""
        self.stub.faults.clear()
        self.stub.breaks.clear()
        self.empty(self.ledger, self.driver)
        self.assertEqual([], list(self.stub.snapshots.all))
        self.assertEqual([], list(self.stub.groups.groups))
        self.assertEqual([], list(self.stub.groups.snapshots))
        for volume in self.stub.cinder.volumes.values():
            self.assertEqual(
                ('in-use', None), (volume.status, volume.group_id)
            )

    def at(self, where: str, work: Callable[[], Any]) -> None:
        """Do something just before a request is answered."""
        serve = self.stub.serve

        def first(request: wire.Request) -> Any:
            if where in request.text and work in left:
                left.remove(work)
                work()
            return serve(request)

        left = [work]
        self.stub.serve = first


class WaysTest(FreezeTestCase):
    def test_shut_off(self) -> None:
        made = self.make_server(status='SHUTOFF')
        found = self.freeze(made)
        self.assertEqual(_Method.SHUT_OFF, found.method)
        self.assertEqual(model.Consistency.SHUT_OFF, found.consistency)
        self.assertEqual(
            [b'disk-0', b'disk-1'],
            [self.read(found.snapshots[it.volume_id]) for it in made.disks],
        )

    def test_started_while_shut_off(self) -> None:
        made = self.make_server(status='SHUTOFF')
        self.at(
            'POST volume/snapshots',
            lambda: self.stub.nova.change(made, 'ACTIVE'),
        )
        found = self.freeze(made)
        self.assertEqual(_Method.SEQUENTIAL, found.method)

    def test_started_and_stopped_while_shut_off(self) -> None:
        made = self.make_server(status='SHUTOFF')
        self.at(
            'POST volume/snapshots',
            lambda: self.stub.nova.change(made, 'SHUTOFF'),
        )
        self.assertEqual(_Method.SEQUENTIAL, self.freeze(made).method)

    def test_started_before_it_is_looked_at(self) -> None:
        """It was shut off when the task saw it, and runs since."""
        made = self.make_server(status='SHUTOFF')
        server = self.get(made)
        self.stub.nova.change(made, 'ACTIVE')
        found = self.driver.snapshot(
            self.task(),
            server,
            self.ledger,
            backup_id=self.backup_id,
            allow_pause=False,
            fallback=lambda: None,
        )
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertEqual(model.Consistency.NONE, found.consistency)

    def test_only_volume_of_a_server_that_is_started(self) -> None:
        made = self.make_server('plain', status='SHUTOFF')
        self.at(
            'POST volume/snapshots',
            lambda: self.stub.nova.change(made, 'ACTIVE'),
        )
        found = self.freeze(made)
        self.assertEqual(_Method.SINGLE, found.method)
        self.assertEqual(model.Consistency.CRASH_CONSISTENT, found.consistency)

    def test_single(self) -> None:
        made = self.make_server('plain')
        found = self.freeze(made)
        self.assertEqual(_Method.SINGLE, found.method)
        self.assertEqual(model.Consistency.CRASH_CONSISTENT, found.consistency)

    def test_sequential(self) -> None:
        found = self.freeze(self.make_server())
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertIsNone(found.paused_seconds)
        self.assertEqual([], self.stub.asked('pause'))

    def test_shared_volumes(self) -> None:
        """One may be another running server's as well, two may not."""
        for count, status, method in (
            (1, 'ACTIVE', _Method.PAUSE),
            (2, 'ACTIVE', _Method.SEQUENTIAL),
            (2, 'SHUTOFF', _Method.PAUSE),
        ):
            with self.subTest(count=count, status=status):
                made = self.make_server('plain', 'shared', 'shared')
                other = self.make_server('plain', name='b', status=status)
                for disk in made.disks[1 : count + 1]:
                    self.stub.nova.attach(other, disk.volume_id)
                found = self.freeze(made, allow_pause=True)
                self.assertEqual(method, found.method)
                # Shut off as it may be, the other one writes.
                self.stub.nova.change(made, 'SHUTOFF')
                running = count == 2 and status == 'ACTIVE'
                self.assertEqual(
                    _Method.SEQUENTIAL if running else _Method.SHUT_OFF,
                    self.freeze(made).method,
                )

    def test_other_server_gone(self) -> None:
        made = self.make_server('plain', 'shared', 'shared')
        other = self.make_server('plain', name='b')
        for disk in made.disks[1:]:
            self.stub.nova.attach(other, disk.volume_id)
        del self.stub.nova.servers[other.id]
        self.assertEqual(
            _Method.PAUSE, self.freeze(made, allow_pause=True).method
        )

    def test_volume_gone(self) -> None:
        made = self.make_server()
        server = self.get(made)
        volume = made.disks[1].volume_id
        self.stub.nova.detach(made, volume)
        del self.stub.cinder.volumes[volume]
        self.assertRaises(
            exception.VolumeUnreadable,
            self.driver.snapshot,
            self.task(),
            server,
            self.ledger,
            backup_id=self.backup_id,
            allow_pause=False,
            fallback=lambda: None,
        )
        self.assertEqual([], self.ledger.entries)

    def test_snapshot_fails(self) -> None:
        made = self.make_server()
        self.stub.breaks['snapshot'] = 1
        error = self.assertRaises(exception.CloudError, self.freeze, made)
        self.assertIn('is error', str(error))

    def test_quota(self) -> None:
        """What was taken before the one too many goes again."""
        made = self.make_server()
        self.stub.delays['snapshot'] = 0.05
        service = self.stub.keystone.who
        self.driver.check()
        project = next(iter(self.stub.keystone.roles))
        self.stub.cinder.quotas[project, 'snapshots'] = 1
        self.assertRaises(exception.CloudRefused, self.freeze, made)
        self.assertEqual(1, len(self.stub.snapshots.all))
        # It was refused, so there is nothing to wait for.
        self.assertEqual(['snapshot'], self.ledger.kinds())
        self.assertIsNotNone(service)

    def test_snapshot_takes_too_long(self) -> None:
        self.options = {'snapshot_timeout': 1}
        self.driver = self.ledger.cloud = self.worker()
        made = self.make_server('plain')
        self.stub.delays['snapshot'] = 1.2
        error = self.assertRaises(exception.CloudError, self.freeze, made)
        self.assertIn('too long', str(error))

    def test_cancelled_while_waiting(self) -> None:
        made = self.make_server('plain')
        self.stub.delays['snapshot'] = 0.3

        def wish() -> None:
            if self.stub.snapshots.all:
                raise exception.TaskCancelled

        self.ledger.wish = wish
        self.assertRaises(exception.TaskCancelled, self.freeze, made)

    def test_volume_of_a_bad_status(self) -> None:
        made = self.make_server()
        volume = self.stub.cinder.volumes[made.disks[0].volume_id]
        self.at(
            'POST volume/snapshots',
            lambda: setattr(volume, 'status', 'attaching'),
        )
        self.assertRaises(exception.CloudRefused, self.freeze, made)
        volume.status = 'in-use'


class PauseTest(FreezeTestCase):
    def assert_runs(self, made: Any) -> None:
        self.stub.pass_time()
        self.assertEqual(('ACTIVE', None), (made.status, made.task_state))
        self.assertNotIn('pause', self.ledger.kinds())

    def test_pause(self) -> None:
        self.stub.delays = {'pause': 0.05, 'unpause': 0.05, 'snapshot': 0.05}
        made = self.make_server()
        found = self.freeze(made, allow_pause=True)
        self.assertEqual(_Method.PAUSE, found.method)
        self.assertEqual(model.Consistency.CRASH_CONSISTENT, found.consistency)
        assert found.paused_seconds is not None
        self.assertGreater(found.paused_seconds, 0.05)
        self.assert_runs(made)

    def test_somebody_lets_it_go_on(self) -> None:
        made = self.make_server()
        self.at(
            'GET volume/snapshots',
            lambda: self.stub.nova.change(made, 'ACTIVE'),
        )
        found = self.freeze(made, allow_pause=True)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertIsNotNone(found.paused_seconds)
        self.assert_runs(made)

    def test_snapshot_slower_than_the_pause(self) -> None:
        self.options = {'pause_timeout': 1, 'snapshot_timeout': 5}
        self.driver = self.ledger.cloud = self.worker()
        self.stub.delays['snapshot'] = 1.3
        made = self.make_server()
        found = self.freeze(made, allow_pause=True)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        assert found.paused_seconds is not None
        self.assertLess(found.paused_seconds, 1.3)
        self.assert_runs(made)

    def test_cinder_hangs_in_the_pause(self) -> None:
        """The server goes on in time, though its worker waits."""
        self.options = {'pause_timeout': 1, 'timeout': 2}
        self.driver = self.ledger.cloud = self.worker()
        made = self.make_server()
        self.stub.fail('hang', 'POST volume/snapshots')
        self.assertRaises(
            exception.CloudUnavailable, self.freeze, made, allow_pause=True
        )
        asked = {it.text.rpartition(' ')[2]: it for it in self.stub.log}
        hung = self.stub.asked('POST volume/snapshots')[0]
        self.assertLess(asked['unpause'].at - hung.at, 1.8)
        self.assert_runs(made)

    def test_refused(self) -> None:
        """Nova refuses while something else is done to the server."""
        made = self.make_server()
        self.stub.fail(409, 'action pause')
        found = self.freeze(made, allow_pause=True)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assertIsNone(found.paused_seconds)
        self.assert_runs(made)

    def test_hypervisor_that_cannot(self) -> None:
        made = self.make_server()
        self.stub.breaks['pause'] = 1
        found = self.freeze(made, allow_pause=True)
        self.assertEqual(_Method.SEQUENTIAL, found.method)
        self.assert_runs(made)

    def test_owner_pauses_it_first(self) -> None:
        """It is not csbs that may let it go on."""
        made = self.make_server()
        self.at('action pause', lambda: self.stub.nova.change(made, 'PAUSED'))
        self.freeze(made, allow_pause=True)
        self.assertEqual('PAUSED', made.status)
        self.assertEqual([], self.stub.asked('unpause'))

    def test_never_paused(self) -> None:
        self.options = {'pause_timeout': 1}
        self.driver = self.ledger.cloud = self.worker()
        self.stub.delays['pause'] = 1.2
        made = self.make_server()
        self.assertRaises(
            exception.CloudError, self.freeze, made, allow_pause=True
        )
        self.assert_runs(made)

    def test_answers_fail_at_the_end(self) -> None:
        """It goes on whatever Nova says, as soon as Nova does it."""
        for kind in (500, 503, 409, 'lost', 'cut', 'garbage', 401, 429):
            with self.subTest(kind=kind):
                made = self.make_server()
                self.stub.fail(kind, 'action unpause')
                found = self.freeze(made, allow_pause=True)
                self.assertEqual(_Method.PAUSE, found.method)
                self.assert_runs(made)

    def test_lost_answer_to_the_pause(self) -> None:
        made = self.make_server()
        self.stub.fail('lost', 'action pause')
        self.assertRaises(
            exception.CloudUnavailable, self.freeze, made, allow_pause=True
        )
        self.assertEqual('ACTIVE', made.status)

    def test_pause_that_comes_late(self) -> None:
        """After the worker has given up, and the scheduler has looked."""
        made = self.make_server()
        self.stub.fail('late', 'action pause')
        self.assertRaises(
            exception.CloudUnavailable, self.freeze, made, allow_pause=True
        )
        self.ledger.clear()
        self.assertIn('pause', self.ledger.kinds())
        self.stub.come_true()
        self.assertEqual('PAUSED', made.status)
        self.empty(self.ledger, self.driver)
        self.assert_runs(made)

    def test_server_deleted_in_the_pause(self) -> None:
        made = self.make_server()
        self.at('GET volume/snapshots', lambda: self.stub.nova.remove(made))
        self.assertRaises(
            exception.ServerNotFound, self.freeze, made, allow_pause=True
        )
        for volume in self.stub.cinder.volumes.values():
            volume.status = 'in-use'


class SourceTest(fakes.base.TestCase):
    def test_reference(self) -> None:
        for image in (None, snapshots.rbd.Image('volumes', 'volume-1')):
            source = snapshots.Source('1', image, 'snapshot-1')
            self.assertEqual(source, snapshots.Source.decode(source.encode()))
