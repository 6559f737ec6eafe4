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


"""Whole tasks on the driver, and the search for the step that hurts.

Owns what a task asks of the driver, as ``csbs.protection`` does, and what must
be true after it whatever went wrong: nothing temporary is left, and the server
is as it was, or has what it was to get, or is marked as half restored.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import uuid

from csbs import exception
from csbs.cloud import base as cloud_base
from csbs.cloud.openstack import driver
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes

_MOST = 1000


class Run:
    """One worker with one task.

    :ivar done: whether the task has come to its end
    """

    def __init__(
        self, test: 'RunTestCase', worker: driver.OpenStackCloud
    ) -> None:
        self._test = test
        self.driver = worker
        self.ledger = test.ledger
        self.context = test.task(test.token)
        self.server_id = test.made.id
        self.done = False

    def attempt(self) -> None:
        """Do the task; leave the ledger as its end does."""
        try:
            keep = self._test.work(self)
        except exception.CsbsError:
            self.ledger.clear()
            return
        self.ledger.clear(but=keep)
        self.done = True
        for entry in self.ledger.entries:
            if entry.id in keep:
                self.ledger.keep(entry)


class RunTestCase(fakes.OpenStackTestCase):
    """A task that is run again and again, each time with another accident.

    :cvar kinds: the types of the server's volumes
    :cvar by_user: whether the task acts with a user's token
    :cvar step: from one accident to the next; with 1 there is no other
    """

    kinds = ('plain', 'plain')
    by_user = False
    step = 1
    token: str | None = None

    def setUp(self) -> None:
        super().setUp()
        self.made = self.make_server(*self.kinds)
        if self.by_user:
            self.stub.keystone.roles.pop(fakes.PROJECT)
            self.token = self.stub.keystone.issue(fakes.PROJECT)
        self.driver.check()
        self.before = fakes.state(self.stub)

    def work(self, run: Run) -> list[str]:
        """Do a task; return the ids of the entries that stay."""
        raise NotImplementedError

    def see(self, *, done: bool) -> None:
        """See that all is well, and make it as it was before."""
        self.assert_unchanged(self.before)

    def fresh(self, life: fakes.Life | None = None) -> Run:
        """Return a run of a new task."""
        self.ledger = self.make_ledger(life=life)
        self.ledger.context = self.task(self.token)
        if life:
            self.ledger.cloud = self.worker(life)
        return Run(self, self.ledger.cloud or self.driver)

    def clean_up(self) -> None:
        """Take back what is left, as the sweeper does."""
        self.ledger.life, self.ledger.cloud = fakes.Life(), self.driver
        self.ledger.clear()
        # What was lost comes true after all: nobody minds it any more.
        self.late = [it.text for it in self.stub.late]
        self.stub.come_true()
        self.empty(self.ledger)
        for found in self.driver.leftovers():
            self.driver.discard(self.task(), found)

    def places(self) -> Iterator[int]:
        """Yield where the accidents are, one after another."""
        yield from range(0, _MOST, self.step)

    def faults(self, kind: int | str, seconds: float = 0) -> None:
        """Let something happen to each request of the task in turn."""
        for place in self.places():
            run = self.fresh()
            number = len(self.stub.log) + place
            self.stub.fail(kind, number=number, seconds=seconds)
            run.attempt()
            (fault,) = self.stub.faults
            self.stub.faults.clear()
            with self.shown(kind, number):
                self.clean_up()
                self.see(done=run.done)
            if fault.times:
                self.assertTrue(run.done)
                break
        self.assertGreater(place, 10)

    @contextlib.contextmanager
    def shown(self, kind: int | str, number: int) -> Iterator[None]:
        """Tell where the accident was when something is not well."""
        try:
            yield
        except Exception as error:
            text = (
                self.stub.log[number].text
                if number < len(self.stub.log)
                else 'none'
            )
            raise AssertionError(f'{kind} at {text}: {error}') from error

    def deaths(self, after: Callable[[], None]) -> None:
        """Let the worker die at each step of the task in turn.

        :param after: what becomes of the task
        """
        for place in self.places():
            life = fakes.Life(place)
            run = self.fresh(life)
            with contextlib.suppress(fakes.Died):
                run.attempt()
            with self.shown(f'death {place}', len(self.stub.log) - 1):
                if run.done:
                    self.see(done=True)
                    break
                after()
        self.assertGreater(place, 10)

    def give_up(self) -> None:
        self.clean_up()
        self.see(done=False)

    def go_on(self) -> None:
        """Let another worker take the task over, and end it."""
        self.ledger.life, self.ledger.cloud = fakes.Life(), self.driver
        self.ledger.clear(
            but=[
                entry.id
                for entry in self.ledger.entries
                if entry.kind == model.ResourceKind.HOLD
            ]
        )
        run = Run(self, self.driver)
        run.attempt()
        self.assertTrue(run.done)
        self.clean_up()
        self.see(done=True)


class Accidents:
    """All that happens to tasks."""

    deaths: Callable[..., None]
    faults: Callable[..., None]
    give_up: Callable[[], None]

    def test_worker_dies(self) -> None:
        self.deaths(self.give_up)

    def test_answer_is_lost(self) -> None:
        self.faults('lost')

    def test_nobody_is_there_for_a_moment(self) -> None:
        self.faults(503)

    def test_service_fails(self) -> None:
        self.faults(500)

    def test_comes_true_in_a_moment(self) -> None:
        self.faults('late', seconds=0.03)

    def test_comes_true_when_nobody_minds_it(self) -> None:
        self.faults('late')


class Backup(RunTestCase):
    """A backup, that may pause the server."""

    def work(self, run: Run) -> list[str]:
        server = run.driver.server(run.context, run.server_id)
        backup_id = str(uuid.uuid4())
        frozen = run.driver.snapshot(
            run.context,
            server,
            run.ledger,
            backup_id=backup_id,
            allow_pause=True,
            fallback=lambda: None,
        )
        for volume in server.volumes:
            with run.driver.open_snapshot(
                run.context, frozen.snapshots[volume.id], run.ledger
            ) as reader:
                content = bytearray(6)
                reader.read_into(4096, memoryview(content))
                self.assertEqual(volume.name.encode(), bytes(content))
        run.driver.keep_only(backup_id, list(frozen.snapshots))
        return [entry.id for entry in frozen.kept]


class GroupBackup(Backup):
    """A backup of volumes that are frozen together."""

    kinds = ('able', 'able')


class UserBackup(Backup):
    """A backup of volumes that only their user can copy."""

    kinds = ('luks', 'luks')
    by_user = True


class Restore(RunTestCase):
    """A restore in place."""

    def setUp(self) -> None:
        super().setUp()
        self._volumes = [it.volume_id for it in self.made.disks]

    def work(self, run: Run) -> list[str]:
        server = run.driver.server(run.context, run.server_id)
        run.driver.check_restore(server, self._volumes)
        older = [
            entry
            for entry in run.ledger.entries
            if entry.kind == model.ResourceKind.HOLD
        ]
        hold = run.driver.hold(run.context, server, run.ledger)
        for entry in older:
            run.ledger.keep(entry)
        run.ledger.update(hold, keep_stopped=True)
        for volume_id in self._volumes:
            with run.driver.open_volume(
                run.server_id, volume_id, run.ledger
            ) as writer:
                writer.write(0, memoryview(b'new'))
                writer.flush()
        run.ledger.update(hold, keep_stopped=False, power_on=None)
        run.ledger.discard(hold)
        return []

    def see(self, *, done: bool) -> None:
        fresh = 0
        for volume_id in self._volumes:
            with open(self.stub.cinder.path(volume_id), 'r+b') as disk:
                fresh += disk.read(3) == b'new'
                disk.seek(0)
                disk.write(b'\0' * 3)
        self.stub.pass_time()
        made = self.made
        if made.locked_by:
            # Marked, and in the way of nobody's harm.
            self.assertFalse(done)
            self.assertEqual(('SHUTOFF', None), (made.status, made.task_state))
            self.assertIn('half restored', str(made.locked_reason))
            made.locked_by = made.locked_reason = None
            made.status = 'ACTIVE'
        elif made.status == 'SHUTOFF':
            # The one thing that nobody can mend: to be stopped long after
            # the restore, by a request whose answer was lost during it.
            (late,) = self.late
            self.assertIn('os-stop', late)
            made.status = 'ACTIVE'
        else:
            self.assertIn(fresh, (2,) if done else (0, 2))
        self.assert_unchanged(self.before)


class NewServer(RunTestCase):
    """A new server that a user makes of a backup."""

    by_user = True

    def work(self, run: Run) -> list[str]:
        entries, volumes = [], []
        for device in ('/dev/vda', '/dev/vdb'):
            spec = cloud_base.VolumeSpec(
                f'new-{device[-3:]}',
                model.GIB,
                device,
                device == '/dev/vda',
                {'image_metadata': {'a': 'b'}},
            )
            entry, volume = run.driver.create_volume(
                run.context, spec, run.ledger
            )
            entries.append(entry)
            volumes.append(volume)
            with run.driver.open_new_volume(volume, run.ledger) as writer:
                writer.write(0, memoryview(b'new'))
        entry, _server = run.driver.create_server(
            run.context,
            cloud_base.ServerSpec(
                'new',
                {'flavor': {'original_name': 'small'}, 'tags': ['blue']},
                {},
            ),
            volumes,
            run.ledger,
        )
        entries.append(entry)
        run.driver.hand_over(entries)
        return [entry.id for entry in entries]

    def see(self, *, done: bool) -> None:
        self.stub.pass_time()
        nova, volumes = self.stub.nova, self.stub.cinder.volumes
        made = [it for it in nova.servers.values() if it.name == 'new']
        self.assertEqual(int(done), len(made))
        for server in made:
            self.assertEqual(['blue'], server.tags)
            self.assertEqual('ACTIVE', server.status)
            names = []
            for disk in server.disks:
                names.append(volumes[disk.volume_id].name)
                disk.goes_with_it = True
            self.assertEqual(['new-vda', 'new-vdb'], names)
            nova.remove(server)
        self.assert_unchanged(self.before)
