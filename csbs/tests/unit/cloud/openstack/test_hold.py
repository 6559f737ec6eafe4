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


"""Tests of servers that are held while their disks are overwritten."""

import itertools
from typing import Any

from novaclient import exceptions as nova_exceptions

from csbs import exception
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import nova


class HoldTestCase(fakes.OpenStackTestCase):
    def hold(self, made: nova.Server) -> model.Resource:
        return self.driver.hold(self.task(), self.get(made), self.ledger)

    def lock(self, made: nova.Server, who: str, reason: str = 'mine') -> None:
        """Lock a server, as its owner or as an administrator."""
        project = made.project_id if who == 'owner' else 'admins'
        made.locked_by, made.locked_reason = who, reason
        made.actions.append(('lock', 'somebody', project))

    def assert_held(self, made: nova.Server) -> None:
        self.stub.pass_time()
        self.assertEqual(
            ('SHUTOFF', None, 'admin'),
            (made.status, made.task_state, made.locked_by),
        )
        self.assertTrue(str(made.locked_reason).startswith('csbs: being'))


class HoldTest(HoldTestCase):
    def test_all_combinations(self) -> None:
        """What it was like, and what it is to be like afterwards."""
        self.stub.delays = {'os-stop': 0.02, 'os-start': 0.02}
        for status, owner, half, power_on in itertools.product(
            ('ACTIVE', 'SHUTOFF'),
            (False, True),
            (False, True),
            (None, True, False),
        ):
            with self.subTest(
                status=status, owner=owner, half=half, power_on=power_on
            ):
                made = self.make_server('plain', status=status)
                if owner:
                    self.lock(made, 'owner')
                if half:
                    # A restore fails in the middle.
                    entry = self.hold(made)
                    self.ledger.update(entry, keep_stopped=True)
                    self.ledger.discard(entry)
                    self.assertEqual('SHUTOFF', made.status)
                    self.assertTrue(self.get(made).half_restored)
                entry = self.hold(made)
                self.assert_held(made)
                self.assertFalse(self.get(made).half_restored)
                self.ledger.update(entry, keep_stopped=True)
                self.ledger.update(
                    entry, keep_stopped=False, power_on=power_on
                )
                self.ledger.discard(entry)
                self.stub.pass_time()
                runs = status == 'ACTIVE' if power_on is None else power_on
                self.assertEqual('ACTIVE' if runs else 'SHUTOFF', made.status)
                self.assertEqual('owner' if owner else None, made.locked_by)

    def test_twice(self) -> None:
        """A worker died behind the hold; another one goes on."""
        made = self.make_server('plain')
        first = self.hold(made)
        second = self.hold(made)
        self.assert_held(made)
        # The first one has no power over it any more.
        self.assertRaises(exception.CloudUnsettled, self.ledger.discard, first)
        self.assert_held(made)
        self.ledger.update(second, keep_stopped=False)
        self.ledger.discard(second)
        self.assertEqual(('ACTIVE', None), (made.status, made.locked_by))

    def test_owner_cannot_interfere(self) -> None:
        made = self.make_server('plain')
        self.hold(made)
        owner = self.driver._clients.tenant(
            self.task(self.stub.keystone.issue(fakes.PROJECT))
        )
        assert owner is not None
        for work in (owner.nova.servers.start, owner.nova.servers.unlock):
            self.assertRaises(nova_exceptions.ClientException, work, made.id)
        self.assert_held(made)

    def test_locked_by_an_administrator(self) -> None:
        """Who restores it must not get it out of there."""
        made = self.make_server('plain')
        self.lock(made, 'admin', 'under investigation')
        before = fakes.state(self.stub)
        error = self.assertRaises(exception.CloudRefused, self.hold, made)
        self.assertIn('administrator', str(error))
        self.assertEqual([], self.ledger.entries)
        self.assert_unchanged(before)

    def test_locks_that_look_like_ours(self) -> None:
        """The reason that an owner gave stays when another one locks."""
        reason = 'csbs: half restored, so restore it again; it was running'
        made = self.make_server('plain')
        self.lock(made, 'owner', reason)
        self.lock(made, 'admin', reason)
        before = fakes.state(self.stub)
        self.assertRaises(exception.CloudRefused, self.hold, made)
        self.assert_unchanged(before)
        made = self.make_server('plain')
        self.lock(made, 'owner', reason)
        entry = self.hold(made)
        self.assert_held(made)
        self.ledger.discard(entry)
        self.assertEqual(('ACTIVE', 'owner'), (made.status, made.locked_by))

    def test_wrong_states(self) -> None:
        for status, task in (
            ('PAUSED', None),
            ('SHELVED_OFFLOADED', None),
            ('VERIFY_RESIZE', None),
            ('ERROR', None),
            ('ACTIVE', 'rebuilding'),
            ('SHUTOFF', 'powering-on'),
        ):
            with self.subTest(status=status, task=task):
                made = self.make_server('plain')
                server = self.get(made)
                made.status, made.task_state = status, task
                before = fakes.state(self.stub)
                self.assertRaises(
                    exception.ServerWrongState,
                    self.driver.hold,
                    self.task(),
                    server,
                    self.ledger,
                )
                self.assertEqual([], self.ledger.entries)
                self.assert_unchanged(before)

    def test_will_not_stop(self) -> None:
        self.options = {'server_timeout': 1}
        self.driver = self.ledger.cloud = self.worker()
        made = self.make_server('plain')
        self.stub.breaks['os-stop'] = 1000
        before = fakes.state(self.stub)
        error = self.assertRaises(exception.CloudError, self.hold, made)
        self.assertIn('too long', str(error))
        self.assertEqual([], self.ledger.entries)
        self.assert_unchanged(before)

    def test_goes_into_error(self) -> None:
        made = self.make_server('plain')
        self.stub.delays['os-stop'] = 0.05
        self.stub.fail('cut', 'action os-stop')
        server = self.get(made)
        self.driver.check()

        def wish() -> None:
            if self.stub.asked('os-stop'):
                made.status = 'ERROR'

        self.ledger.wish = wish
        self.assertRaises(
            exception.CloudError,
            self.driver.hold,
            self.task(),
            server,
            self.ledger,
        )

    def test_cancelled(self) -> None:
        made = self.make_server('plain')
        self.stub.delays['os-stop'] = 0.1
        before = fakes.state(self.stub)

        def wish() -> None:
            if self.stub.asked('os-stop'):
                raise exception.TaskCancelled

        self.ledger.wish = wish
        self.assertRaises(exception.TaskCancelled, self.hold, made)
        self.assertEqual([], self.ledger.entries)
        self.assert_unchanged(before)

    def test_any_answer_is_lost(self) -> None:
        """Or says that it failed: it is looked at, and asked for again."""
        for action in ('os-stop', 'os-start'):
            for kind in (500, 503, 409, 'cut', 'lost', 'garbage'):
                with self.subTest(action=action, kind=kind):
                    made = self.make_server('plain')
                    self.stub.fail(kind, action)
                    entry = self.hold(made)
                    self.assert_held(made)
                    self.ledger.update(entry, keep_stopped=False)
                    self.ledger.discard(entry)
                    self.assertEqual(
                        ('ACTIVE', None), (made.status, made.locked_by)
                    )

    def test_lock_fails(self) -> None:
        for kind, left in (
            (403, []),
            (409, []),
            (503, ['hold']),
            ('cut', ['hold']),
            ('lost', []),
        ):
            with self.subTest(kind=kind):
                made = self.make_server('plain')
                before = fakes.state(self.stub)
                self.stub.fail(kind, 'action lock')
                self.assertRaises(exception.CloudError, self.hold, made)
                self.assertEqual(left, self.ledger.kinds())
                self.assert_unchanged(before)
                self.empty(self.ledger, self.driver)
                self.assert_unchanged(before)

    def test_lock_comes_late(self) -> None:
        made = self.make_server('plain')
        before = fakes.state(self.stub)
        self.stub.fail('late', 'action lock')
        self.assertRaises(exception.CloudError, self.hold, made)
        self.ledger.clear()
        self.stub.come_true()
        self.assertEqual('admin', made.locked_by)
        self.empty(self.ledger, self.driver)
        self.assert_unchanged(before)


class ReleaseTest(HoldTestCase):
    def half_restore(self, made: nova.Server) -> None:
        entry = self.hold(made)
        self.ledger.update(entry, keep_stopped=True)
        self.ledger.discard(entry)
        self.assertTrue(self.get(made).half_restored)

    def test_half_restored_stays_so_when_it_cannot_be_held(self) -> None:
        """The next restore does not begin: it must not be started."""
        for kind, where in (
            (503, 'action lock'),
            ('lost', 'action lock'),
            (409, 'action lock'),
        ):
            with self.subTest(kind=kind):
                made = self.make_server('plain')
                self.half_restore(made)
                self.stub.fail(kind, where)
                self.assertRaises(exception.CloudError, self.hold, made)
                self.empty(self.ledger, self.driver)
                self.assertEqual('SHUTOFF', made.status)
                self.assertEqual('admin', made.locked_by)
                self.assertTrue(self.get(made).half_restored)

    def test_worker_died_in_the_middle_and_the_next_cannot_hold(self) -> None:
        made = self.make_server('plain')
        self.ledger.update(self.hold(made), keep_stopped=True)
        self.stub.fail('lost', 'action lock')
        self.assertRaises(exception.CloudError, self.hold, made)
        self.empty(self.ledger, self.driver)
        self.assertEqual('SHUTOFF', made.status)
        self.assertTrue(self.get(made).half_restored)

    def test_half_restored_and_unlocked_by_an_administrator(self) -> None:
        """Who does that knows what it is like; csbs starts nothing."""
        made = self.make_server('plain')
        entry = self.hold(made)
        self.ledger.update(entry, keep_stopped=True)
        made.locked_by = made.locked_reason = None
        self.ledger.discard(entry)
        self.assertEqual(('SHUTOFF', None), (made.status, made.locked_by))

    def test_of_another_time(self) -> None:
        """What is left in the ledger of an earlier restore harms no other."""
        made = self.make_server('plain')
        stale = self.make_ledger()
        self.driver.hold(self.task(), self.get(made), stale)
        made.locked_by = made.locked_reason = None
        self.stub.nova.change(made, 'ACTIVE')
        entry = self.hold(made)
        self.empty(stale, self.driver)
        self.assert_held(made)
        self.ledger.update(entry, keep_stopped=False)
        self.ledger.discard(entry)
        self.assertEqual('ACTIVE', made.status)

    def test_stopped_by_its_owner_before_it_was_held(self) -> None:
        """The worker died before it did anything, and he stops it now."""
        made = self.make_server('plain')
        self.life.steps = self.life.done + 10
        server = self.get(made)
        self.ledger.life = fakes.Life(1)
        self.life.steps = self.life.done + 1
        self.assertRaises(
            fakes.Died, self.driver.hold, self.task(), server, self.ledger
        )
        self.assertEqual(['hold'], self.ledger.kinds())
        self.stub.nova.change(made, 'SHUTOFF')
        self.empty(self.ledger, self.worker())
        self.assertEqual(('SHUTOFF', None), (made.status, made.locked_by))

    def test_server_gone(self) -> None:
        made = self.make_server('plain')
        entry = self.hold(made)
        self.stub.nova.remove(made)
        self.ledger.discard(entry)
        self.assertEqual([], self.ledger.entries)

    def test_will_not_start(self) -> None:
        """It stays locked, and is started when that can be."""
        self.options = {'server_timeout': 1}
        self.driver = self.ledger.cloud = self.worker()
        made = self.make_server('plain')
        entry = self.ledger.update(self.hold(made), keep_stopped=False)
        self.stub.breaks['os-start'] = 1000
        self.assertRaises(exception.CloudError, self.ledger.discard, entry)
        self.assert_held(made)
        self.stub.breaks.clear()
        self.ledger.discard(entry)
        self.assertEqual(('ACTIVE', None), (made.status, made.locked_by))

    def test_owners_lock_is_given_back_later(self) -> None:
        made = self.make_server('plain')
        self.lock(made, 'owner')
        entry = self.ledger.update(self.hold(made), keep_stopped=False)
        # Unlocked it is, when the worker dies.
        self.stub.fail(503, 'action lock')
        self.assertRaises(exception.CloudError, self.ledger.discard, entry)
        self.assertIsNone(made.locked_by)
        self.ledger.discard(entry)
        self.assertEqual('owner', made.locked_by)

    def test_owners_lock_cannot_be_given_back(self) -> None:
        self.stub.keystone.roles.pop(fakes.PROJECT)
        made = self.make_server('plain')
        self.lock(made, 'owner')
        entry = self.ledger.update(self.hold(made), keep_stopped=False)
        self.ledger.discard(entry)
        self.assertEqual(('ACTIVE', None), (made.status, made.locked_by))


class CheckTest(HoldTestCase):
    def write(self, made: nova.Server) -> None:
        with self.driver.open_volume(
            made.id, made.disks[0].volume_id, self.ledger
        ) as writer:
            writer.write(0, memoryview(b'new'))
            writer.flush()

    def content(self, made: nova.Server) -> bytes:
        path = self.stub.cinder.path(made.disks[0].volume_id)
        with open(path, 'rb') as disk:
            return disk.read(3)

    def test_write(self) -> None:
        made = self.make_server('plain')
        self.hold(made)
        self.write(made)
        self.assertEqual(b'new', self.content(made))
        self.assertEqual(['hold'], self.ledger.kinds())

    def test_server_that_is_not_held(self) -> None:
        """Nothing is written while a guest does."""
        changes: tuple[dict[str, Any], ...] = (
            {'status': 'ACTIVE'},
            {'task_state': 'powering-on'},
            {'locked_by': None, 'locked_reason': None},
            {'locked_reason': 'mine'},
            {'locked_reason': 'csbs: half restored, so restore it again'},
        )
        for change in changes:
            with self.subTest(**change):
                made = self.make_server('plain')
                self.hold(made)
                for name, value in change.items():
                    setattr(made, name, value)
                error = self.assertRaises(
                    exception.VolumeUnwritable, self.write, made
                )
                self.assertIn('not stopped and locked', str(error))
                self.assertEqual(b'\0\0\0', self.content(made))

    def test_shared(self) -> None:
        made = self.make_server('plain', 'shared')
        other = self.make_server('plain', name='b')
        shared = made.disks[1].volume_id
        self.stub.nova.attach(other, shared)
        error = self.assertRaises(
            exception.VolumeShared,
            self.driver.check_restore,
            self.get(made),
            [shared],
        )
        self.assertIn(other.id, str(error))
        self.driver.check_restore(self.get(made), [made.disks[0].volume_id])
        self.stub.nova.change(other, 'SHUTOFF')
        self.driver.check_restore(self.get(made), [shared])
        del self.stub.nova.servers[other.id]
        self.driver.check_restore(self.get(made), [shared])
