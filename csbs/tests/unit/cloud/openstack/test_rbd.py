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


"""Tests of volumes in Ceph."""

import errno
import itertools
from typing import Any
from unittest import mock
import uuid

import hypothesis
from hypothesis import strategies as st

from csbs import exception
from csbs.cloud.openstack import rbd
from csbs.domain import model
from csbs.tests import base
from csbs.tests.unit.cloud.openstack import ceph as fake
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import nova

_SIZE = 1 << 20
_Method = model.SnapshotMethod


def _ascending(pairs: list[tuple[int, int]]) -> list[rbd.Extent]:
    """Return ascending extents that do not touch, of gaps and lengths."""
    found, at = [], 0
    for gap, length in pairs:
        at += gap
        found.append((at, length))
        at += length
    return found


def _bytes(extents: list[rbd.Extent]) -> set[int]:
    return {
        at
        for offset, length in extents
        for at in range(offset, offset + length)
    }


_extents = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=9
).map(_ascending)


class ExtentsTest(base.TestCase):
    @hypothesis.given(
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=20)
    )
    def test_merged(self, extents: list[rbd.Extent]) -> None:
        found = rbd._merged(sorted(extents))
        self.assertEqual(_bytes(extents), _bytes(found))
        for one, other in itertools.pairwise(found):
            self.assertLess(sum(one), other[0])

    @hypothesis.given(_extents, _extents)
    def test_without(
        self, extents: list[rbd.Extent], other: list[rbd.Extent]
    ) -> None:
        found = rbd._without(extents, other)
        self.assertEqual(_bytes(extents) - _bytes(other), _bytes(found))
        self.assertEqual(
            sum(length for _, length in found), len(_bytes(found))
        )
        self.assertEqual(sorted(found), found)


class CephTestCase(fakes.OpenStackTestCase):
    rbd = 'pools = images, volumes'

    def setUp(self) -> None:
        self.ceph = fake.Ceph('volumes', 'images')
        self.useFixture(self.ceph)
        super().setUp()

    def make(self, *kinds: str, **more: Any) -> nova.Server:
        """Return a server whose volumes are small, and in Ceph."""
        made = self.make_server(*(kinds or ('plain', 'plain')), **more)
        for disk in made.disks:
            image = self.ceph.make(f'volume-{disk.volume_id}', _SIZE)
            image.head.content[0:3] = b'old'
            image.head.written[0] = self.ceph.tick()
        return made

    def image(self, made: nova.Server, number: int = 0) -> fake.Stored:
        return self.ceph.pools['volumes'][
            f'volume-{made.disks[number].volume_id}'
        ]

    def back_up(self, made: nova.Server, **more: Any) -> str:
        """Freeze a server; return the id of the backup it was for."""
        backup_id = str(uuid.uuid4())
        found = self.freeze(made, backup_id=backup_id, **more)
        for entry in found.kept:
            self.ledger.keep(entry)
        self.frozen = found
        self.assertEqual([], self.ledger.entries)
        return backup_id

    def write(self, made: nova.Server, offset: int, data: bytes) -> None:
        """Write as the guest does."""
        name = f'volume-{made.disks[0].volume_id}'
        with fake._Image(self.ceph, 'volumes', name) as image:
            image.write(data, offset)

    def changes(self, made: nova.Server, since: str) -> Any:
        snapshot = self.frozen.snapshots[made.disks[0].volume_id]
        with self.driver.open_snapshot(
            self.task(), snapshot, self.ledger
        ) as reader:
            return reader.changes(uuid.UUID(since))


class FreezeTest(CephTestCase):
    def test_methods(self) -> None:
        for kinds, status, pause, method in (
            (('plain',), 'ACTIVE', False, _Method.SINGLE),
            (('plain', 'plain'), 'SHUTOFF', False, _Method.SHUT_OFF),
            (('plain', 'plain'), 'ACTIVE', True, _Method.PAUSE),
            (('plain', 'plain'), 'ACTIVE', False, _Method.SEQUENTIAL),
        ):
            with self.subTest(method):
                made = self.make(*kinds, status=status)
                self.back_up(made, allow_pause=pause)
                self.assertEqual(method, self.frozen.method)
                self.assertEqual(1, len(self.image(made).snapshots))
        # Cinder never hears of it.
        self.assertEqual([], self.stub.asked('POST volume'))
        self.assertEqual(1, self.ceph.connected)

    def test_read(self) -> None:
        made = self.make()
        self.back_up(made)
        self.write(made, 0, b'new')
        snapshot = self.frozen.snapshots[made.disks[0].volume_id]
        with self.driver.open_snapshot(
            self.task(), snapshot, self.ledger
        ) as reader:
            self.assertEqual(_SIZE, reader.size)
            self.assertEqual([(0, fake.OBJECT)], reader.extents())
            content = bytearray(3)
            reader.read_into(0, memoryview(content))
            self.assertEqual(b'old', content)
            self.assertRaises(
                OSError, reader.read_into, _SIZE - 1, memoryview(content)
            )

    def test_group(self) -> None:
        """What stays for the next backup is older than what is read."""
        made = self.make('able', 'able')
        freeze = self.stub.snapshots.freeze

        def together(snapshot: Any) -> None:
            freeze(snapshot)
            image = self.ceph.pools['volumes'][f'volume-{snapshot.volume_id}']
            image.snapshots[f'snapshot-{snapshot.id}'] = image.head.copy()

        self.stub.snapshots.freeze = together
        found = self.freeze(made)
        self.assertEqual(_Method.GROUP, found.method)
        self.assertEqual(2, len(found.kept))
        snapshot = found.snapshots[made.disks[0].volume_id]
        with self.driver.open_snapshot(
            self.task(), snapshot, self.ledger
        ) as reader:
            content = bytearray(3)
            reader.read_into(0, memoryview(content))
        self.assertEqual(b'old', content)
        first = list(self.image(made).snapshots)
        self.assertTrue(first[0].startswith('backup.csbs-'))
        self.assertTrue(first[1].startswith('snapshot-'))

    def test_group_refused(self) -> None:
        """What was to stay is taken again, beside what is read then."""
        made = self.make('able', 'able')
        self.stub.groups.closed = True
        self.back_up(made)
        self.assertEqual(_Method.SEQUENTIAL, self.frozen.method)
        self.assertEqual(1, len(self.image(made).snapshots))

    def test_elsewhere(self) -> None:
        """A volume in a pool that csbs was not told of goes through Cinder."""
        made = self.make_server('plain', 'plain')
        self.ceph.make(f'volume-{made.disks[0].volume_id}', _SIZE)
        found = self.freeze(made)
        self.assertEqual(['rbd_snapshot', 'snapshot'], self.ledger.kinds())
        self.assertEqual(
            b'disk-1', self.read(found.snapshots[made.disks[1].volume_id])
        )
        self.assertEqual(1, len(found.kept))

    def test_one_of_many_fails(self) -> None:
        made = self.make()
        self.ceph.broken['create_snap'] = errno.EDQUOT
        self.assertRaises(exception.CloudError, self.freeze, made)
        self.ceph.broken.clear()
        self.empty(self.ledger)
        self.assertEqual({}, self.image(made).snapshots)

    def test_ceph_is_away(self) -> None:
        made = self.make()
        self.ceph.broken['connect'] = errno.ETIMEDOUT
        self.assertRaises(exception.CloudError, self.freeze, made)
        self.assertRaises(exception.CloudError, self.driver.check)
        self.ceph.broken.clear()
        self.driver.check()

    def test_pool_gone(self) -> None:
        del self.ceph.pools['images']
        self.assertRaises(exception.CloudError, self.driver.check)

    def test_reading_fails(self) -> None:
        made = self.make()
        self.back_up(made)
        snapshot = self.frozen.snapshots[made.disks[0].volume_id]
        self.ceph.broken['open'] = errno.ETIMEDOUT
        self.assertRaises(exception.VolumeUnreadable, self.read, snapshot)
        self.ceph.broken = {'read': errno.ETIMEDOUT}
        error = self.assertRaises(OSError, self.read, snapshot)
        self.assertEqual(errno.ETIMEDOUT, error.errno)
        self.ceph.broken = {'diff_iterate': errno.EIO}
        with self.driver.open_snapshot(
            self.task(), snapshot, self.ledger
        ) as reader:
            self.assertRaises(OSError, reader.extents)

    def test_closing_fails(self) -> None:
        """What was read is not the worse for it."""
        made = self.make()
        self.back_up(made)
        snapshot = self.frozen.snapshots[made.disks[0].volume_id]
        with self.driver.open_snapshot(self.task(), snapshot, self.ledger):
            self.ceph.broken['close'] = errno.ETIMEDOUT

    def test_migrated_volume(self) -> None:
        made = self.make_server('plain')
        self.ceph.make('volume-other', _SIZE)
        located = self.driver._ceph.locate(
            {
                'id': made.disks[0].volume_id,
                'os-vol-mig-status-attr:name_id': 'other',
            }
        )
        self.assertEqual(rbd.Image('volumes', 'volume-other'), located)


class ChangesTest(CephTestCase):
    def test_changes(self) -> None:
        made = self.make()
        first = self.back_up(made)
        self.write(made, 5 * fake.BLOCK + 7, b'new')
        self.write(made, 900 << 10, b'more')
        second = self.back_up(made)
        self.assertEqual(
            [(5 * fake.BLOCK, fake.BLOCK), (900 << 10, fake.BLOCK)],
            self.changes(made, first),
        )
        self.assertEqual([], self.changes(made, second))

    def test_no_trust(self) -> None:
        """Then all is read."""
        made = self.make()
        first = self.back_up(made)
        self.write(made, 0, b'new')
        self.back_up(made)
        kept = list(self.image(made).snapshots.values())
        self.assertIsNone(self.changes(made, str(uuid.uuid4())))
        for state in kept:
            for flags in (1, 2):
                state.flags = flags
                self.assertIsNone(self.changes(made, first))
            state.flags = 0
        self.ceph.features = 0
        self.assertIsNone(self.changes(made, first))
        self.ceph.features = 1
        self.assertIsNotNone(self.changes(made, first))
        kept[0].content += bytes(fake.BLOCK)
        self.assertIsNone(self.changes(made, first))

    def test_grown(self) -> None:
        made = self.make()
        first = self.back_up(made)
        self.image(made).head.content += bytes(fake.OBJECT)
        self.write(made, _SIZE, b'new')
        self.back_up(made)
        self.assertEqual([(_SIZE, fake.BLOCK)], self.changes(made, first))

    def test_ceph_does_not_tell_the_truth(self) -> None:
        """A few places are compared before it is believed."""
        made = self.make()
        self.write(made, 0, bytes(range(256)) * 64)
        first = self.back_up(made)
        self.write(made, 0, b'x' * (64 * 256))
        self.ceph.lies = set(range(4))
        self.back_up(made)
        self.assertIsNone(self.changes(made, first))

    def test_compared_snapshot_goes_meanwhile(self) -> None:
        made = self.make()
        first = self.back_up(made)
        self.write(made, 0, b'new')
        self.back_up(made)
        kept = rbd.Cluster.kept

        def then_gone(*args: Any) -> Any:
            found = kept(*args)
            del self.image(made).snapshots[found[0][1]]
            return found

        with mock.patch.object(rbd.Cluster, 'kept', then_gone):
            self.assertIsNone(self.changes(made, first))


class KeptTest(CephTestCase):
    def owners(self, made: nova.Server) -> list[str]:
        image = rbd.Image('volumes', f'volume-{made.disks[0].volume_id}')
        return [owner for owner, _name in self.driver._ceph.kept(image)]

    def test_keep_only(self) -> None:
        made = self.make()
        volumes = [it.volume_id for it in made.disks]
        first, second, third = (self.back_up(made) for _ in range(3))
        self.assertEqual([first, second, third], self.owners(made))
        # The next one has begun already.
        self.driver.keep_only(second, volumes)
        self.assertEqual([second, third], self.owners(made))
        # One that is gone, or never was, says nothing of the others.
        self.driver.keep_only(first, volumes)
        self.driver.keep_only(str(uuid.uuid4()), volumes)
        self.assertEqual([second, third], self.owners(made))
        self.driver.keep_only(third, volumes)
        self.assertEqual([third], self.owners(made))

    def test_forget(self) -> None:
        made = self.make()
        volumes = [it.volume_id for it in made.disks]
        first, second = (self.back_up(made) for _ in range(2))
        self.driver.forget(first, volumes)
        self.driver.forget(first, volumes)
        self.assertEqual([second], self.owners(made))

    def test_of_others(self) -> None:
        """Cinder's own backups and people's snapshots stay."""
        made = self.make()
        image = self.image(made)
        others = [
            f'backup.{uuid.uuid4()}.snap.1700000000.1',
            f'snapshot-{uuid.uuid4()}',
            f'backup.csbs-{uuid.uuid4()}.snap.x',
            'mine',
        ]
        for name in others:
            image.snapshots[name] = image.head.copy()
        backup = self.back_up(made)
        volumes = [it.volume_id for it in made.disks]
        self.driver.keep_only(backup, volumes)
        self.driver.forget(backup, volumes)
        self.assertEqual(others, list(image.snapshots))

    def test_volumes_that_are_gone(self) -> None:
        made = self.make()
        backup = self.back_up(made)
        volumes = [it.volume_id for it in made.disks]
        self.ceph.pools['volumes'].clear()
        self.driver.keep_only(backup, volumes)
        self.stub.cinder.volumes.clear()
        self.driver.forget(backup, volumes)

    def test_restore_drops_all(self) -> None:
        """Else every write would copy what was there."""
        made = self.make()
        self.back_up(made)
        self.driver.hold(self.task(), self.get(made), self.ledger)
        volume_id = made.disks[0].volume_id
        self.stub.attachments.connection = {
            'driver_volume_type': 'rbd',
            'name': f'volumes/volume-{volume_id}',
        }
        with self.driver.open_volume(
            made.id, volume_id, self.ledger
        ) as writer:
            self.assertEqual({}, self.image(made).snapshots)
            self.assertFalse(writer.blank)
            writer.write(0, memoryview(b'new'))
            writer.zero(fake.BLOCK, fake.BLOCK)
            writer.flush()
            self.ceph.broken = {'write': errno.ENOSPC, 'flush': errno.EIO}
            self.assertRaises(OSError, writer.write, 0, memoryview(b'x'))
            self.assertRaises(OSError, writer.zero, 0, 1)
            self.assertRaises(OSError, writer.flush)
        self.ceph.broken.clear()
        self.assertEqual(b'new', bytes(self.image(made).head.content[:3]))

    def test_discard(self) -> None:
        made = self.make()
        self.freeze(made)
        self.assertEqual(['rbd_snapshot'] * 2, self.ledger.kinds())
        entry = self.ledger.entries[0]
        self.driver.discard(self.task(), entry)
        self.ledger.discard(entry)
        self.assertEqual({}, self.image(made).snapshots)
        # The operator does not use Ceph any more, but there is something.
        self.rbd = ''
        other = self.worker()
        error = self.assertRaises(
            exception.CloudError,
            other.discard,
            self.task(),
            self.ledger.entries[0],
        )
        self.assertIn('[rbd] pools', str(error))


class LibraryTest(base.TestCase):
    def test_not_installed(self) -> None:
        with mock.patch.dict('sys.modules', {'rados': None, 'rbd': None}):
            error = self.assertRaises(exception.CloudError, rbd.Library)
        self.assertIn('python3-rbd', str(error))
