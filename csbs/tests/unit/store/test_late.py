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

"""Stores whose lists are late: that costs time and room, but no data."""

import uuid

from csbs.store import errors
from csbs.store import repository
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK


class LateTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.vault = vaults.Vault()
        self.data = vaults.noise(2 * vaults.LEAF)
        self.parent = self.vault.backup(self.data)
        self.data[5] ^= 1

    def collect(self, *known: uuid.UUID, turns: int = 2) -> None:
        """Collect where nobody is listed who needs anything."""
        late = vaults.Late(
            self.vault.objects, 'leases/', 'pins/', 'manifests/', 'roots/'
        )
        late.listed.clear()
        opened = self.vault.over(late)
        for _turn in range(turns):
            opened.collect(
                grace=vaults.NOW,
                known=lambda: repository.Known(known, known),
            )


class TestCollect(LateTestCase):
    def test_a_manifest_that_is_not_listed(self) -> None:
        child = self.vault.backup(self.data, self.parent)
        self.vault.repository.forget(self.parent)
        self.collect(child)
        self.assertEqual(self.data, self.vault.content(child))

    def test_a_lease_that_is_not_listed(self) -> None:
        item = self.vault.item(self.parent).id
        child = uuid.uuid4()
        with self.vault.repository.writer(child, self.parent) as writer:
            self.vault.repository.forget(self.parent)
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data), item)
            self.collect(child)
            writer.commit({})
        self.assertEqual(self.data, self.vault.content(child))

    def test_what_nobody_knows_of_is_not_held(self) -> None:
        self.vault.repository.forget(self.parent)
        self.collect(self.parent, uuid.uuid4())
        self.assertEqual([], self.vault.names('packs/'))

    def test_a_list_of_condemned_packs_that_is_gone(self) -> None:
        self.vault.repository.forget(self.parent)
        self.vault.repository.collect()
        late = self.vault.late()
        (old,) = self.vault.names('condemned/')
        self.vault.objects.delete(old)
        with late.writer(uuid.uuid4()) as writer:
            writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            writer.commit({})
        stats = late.collect(grace=vaults.NOW)
        self.assertEqual(0, stats.deleted)

    def test_a_pin_that_is_not_listed(self) -> None:
        """A backup goes, and collections run, while it is restored."""
        owner = uuid.uuid4()

        def gone(method: str, name: str) -> None:
            if method == 'get' and name.startswith('packs/'):
                self.vault.repository.forget(self.parent)
                self.collect(owner)

        (item,) = self.vault.repository.manifest(self.parent).items
        target = volumes.blank(item.size)
        self.vault.hooked(gone).restore_item(item, target, owner=owner)
        self.data[5] ^= 1
        self.assertEqual(self.data, target.data)
        self.collect(owner)
        self.assertEqual([], self.vault.names('packs/'))

    def test_a_pin_that_nobody_knows_of(self) -> None:
        """The restore fails, rather than to write anything wrong."""

        def gone(method: str, name: str) -> None:
            if method == 'get' and name.startswith('packs/'):
                self.vault.repository.forget(self.parent)
                self.collect()

        (item,) = self.vault.repository.manifest(self.parent).items
        target = volumes.blank(item.size)
        self.assertRaises(
            errors.ObjectMissing,
            self.vault.hooked(gone).restore_item,
            item,
            target,
        )

    def test_a_lease_with_borrowed_packs_that_is_not_listed(self) -> None:
        self.data[5] ^= 1
        other = uuid.uuid4()
        with self.vault.late().writer(other) as writer:
            stats = writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
            self.vault.repository.forget(self.parent)
            self.collect(other, turns=3)
            writer.commit({})
        self.assertEqual(0, stats.transferred_bytes)
        self.collect(other)
        self.assertEqual(self.data, self.vault.content(other))

    def test_borrowing_at_any_moment_of_a_collection(self) -> None:
        """Neither sees what the other does in a list."""
        self.data[5] ^= 1
        for call in range(1, 60, 2):
            vault = self.vault = vaults.Vault()
            vault.repository.forget(vault.backup(self.data))
            other = uuid.uuid4()
            hook = vaults.Countdown(
                call, lambda _method: self.collect(other, turns=3), once=True
            )
            late = vaults.Late(vaults.Hooked(vault.objects, hook))
            with vault.over(late).writer(other) as writer:
                writer.write_item(uuid.uuid4(), volumes.Volume(self.data))
                writer.commit({})
            self.collect(other)
            self.assertEqual(self.data, vault.content(other))


class TestCompact(LateTestCase):
    """Half of every pack is waste, and lists do not tell of anybody."""

    def setUp(self) -> None:
        super().setUp()
        for place in range(0, len(self.data), 2 * CHUNK):
            self.data[place] ^= 3
        self.child = self.vault.backup(self.data, self.parent)
        self.vault.repository.forget(self.parent)

    def check(self) -> None:
        self.assertEqual(self.data, self.vault.content(self.child))
        report = self.vault.repository.verify(self.child, deep=True)
        self.assertEqual((), report.problems)

    def test_maps_are_moved(self) -> None:
        before = self.vault.names('packs/')
        self.collect(self.child)
        self.assertIn(f'roots/{self.child}', self.vault.names())
        self.assertNotEqual(before, self.vault.names('packs/'))
        self.check()

    def test_old_packs_are_listed_still(self) -> None:
        late = self.vault.late()
        for _turn in range(3):
            late.collect(grace=vaults.NOW, exclusive=True)
        self.check()
        self.vault.repository.collect(grace=vaults.NOW, exclusive=True)
        self.check()
        self.assertLess(vaults.dead_share(self.vault), 0.2)

    def test_another_collection_that_is_not_listed(self) -> None:
        """It moves the same chunks, under an id that is known."""
        for call in range(1, 60, 3):
            self.vault = vaults.Vault()
            self.data = vaults.noise(vaults.LEAF)
            self.parent = self.vault.backup(self.data)
            for place in range(0, len(self.data), 2 * CHUNK):
                self.data[place] ^= 3
            self.child = self.vault.backup(self.data, self.parent)
            self.vault.repository.forget(self.parent)
            owner = uuid.uuid4()
            hook = vaults.Countdown(
                call,
                lambda _method: self.collect(self.child, owner, turns=3),
                once=True,
            )
            self.vault.hooked(hook).collect(
                grace=vaults.NOW,
                known=lambda: repository.Known([self.child], [self.child]),
                owner=owner,
            )
            self.check()


class TestVerify(LateTestCase):
    def test_what_is_not_listed_is_found(self) -> None:
        late = self.vault.late()
        child = self.vault.backup(self.data, self.parent)
        for deep in (False, True):
            report = late.verify(child, deep=deep)
            self.assertEqual((), report.problems)
            self.assertGreater(report.packs, 1)

    def test_what_is_listed_and_gone_is_missed(self) -> None:
        late = self.vault.late()
        name = max(self.vault.names('packs/'), key=self.vault.objects.size)
        self.vault.objects.delete(name)
        report = late.verify(self.parent, deep=False)
        self.assertEqual([name], [each.name for each in report.problems])
