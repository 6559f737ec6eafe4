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

"""What must hold whatever happens, in whatever order.

A vault is driven at random beside a plain dictionary that says what it should
hold. More examples: ``CSBS_HYPOTHESIS_PROFILE=nightly``.
"""

import dataclasses
import datetime
import os
import random
import re
from typing import Any
import uuid

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from csbs.store import errors
from csbs.store import options as store_options
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK

_NIGHTLY = os.environ.get('CSBS_HYPOTHESIS_PROFILE') == 'nightly'

_SETTINGS = hypothesis.settings(
    max_examples=2000 if _NIGHTLY else 25,
    stateful_step_count=60 if _NIGHTLY else 25,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)

_SIZES = st.sampled_from(
    [0, 1, CHUNK, CHUNK + 1, 9 * CHUNK, 255 * CHUNK, 257 * CHUNK + 5]
)
_EDITS = st.lists(
    st.tuples(
        st.integers(0, 300 * CHUNK),
        st.integers(1, 3 * CHUNK),
        st.sampled_from(['noise', 'zero', 'text']),
    ),
    max_size=4,
)
_TELLS = st.sampled_from(['nothing', 'extents', 'changes', 'both'])
#: at which call of the object store something happens, if at all
_CALL = st.one_of(st.none(), st.integers(1, 25))


def edit(
    data: bytearray, edits: list[tuple[int, int, str]], seed: int
) -> list[tuple[int, int]]:
    """Change a volume; return where."""
    chosen = random.Random(seed)
    changed = []
    for offset, length, kind in edits:
        length = min(length, len(data) - offset)
        if length <= 0:
            continue
        if kind == 'noise':
            data[offset : offset + length] = chosen.randbytes(length)
        elif kind == 'zero':
            data[offset : offset + length] = bytes(length)
        else:
            data[offset : offset + length] = b't' * length
        changed.append((offset, length))
    return sorted(changed)


def extents(data: bytearray) -> list[tuple[int, int]]:
    """Return the sectors of a volume that are not zero."""
    return [
        (offset, min(512, len(data) - offset))
        for offset in range(0, len(data), 512)
        if any(data[offset : offset + 512])
    ]


@dataclasses.dataclass
class Attempt:
    """A backup that was begun and not finished."""

    data: bytearray
    parent: uuid.UUID | None


class Machine(stateful.RuleBasedStateMachine):
    """A vault, and what it should hold."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = vaults.Vault(
            store_options.Options(
                chunk_size=CHUNK,
                pack_size=64 << 10,
                threads=2,
                uploads=1,
                run_size=8 * CHUNK,
            )
        )
        self.finished: dict[uuid.UUID, bytearray] = {}
        self.begun: dict[uuid.UUID, Attempt] = {}
        self.seed = 0

    def pick(self, data: Any, among: dict[uuid.UUID, Any]) -> uuid.UUID | None:
        if not among:
            return None
        keys = list(among)
        number: int = data.draw(st.integers(0, len(keys) - 1))
        return keys[number]

    def write(
        self,
        backup: uuid.UUID,
        attempt: Attempt,
        volume: volumes.Volume,
        hook: Any,
    ) -> None:
        repository = self.vault.hooked(hook)
        parent = attempt.parent
        if parent not in self.finished:
            parent = None
        item = self.vault.item(parent) if parent else None
        self.begun[backup] = attempt
        done: list[int] = []
        with repository.writer(backup, parent) as writer:
            stats = writer.write_item(
                uuid.uuid4(),
                volume,
                item.id if item else None,
                progress=done.append,
            )
            manifest = writer.commit({})
        assert sum(done) == volume.size
        if item and manifest.parent in self.finished:
            changed = self.vault.repository.changed_bytes(
                item, manifest.items[0]
            )
            assert stats.changed_bytes == changed

    def settle(self, backup: uuid.UUID) -> None:
        """Note a backup as finished if it is."""
        if backup in self.vault.repository.backups():
            self.finished[backup] = self.begun.pop(backup).data

    @stateful.rule(
        data=st.data(),
        size=st.one_of(st.none(), _SIZES),
        edits=_EDITS,
        tells=_TELLS,
        fail_at=_CALL,
        collect_at=_CALL,
        forget_at=_CALL,
    )
    def back_up(
        self,
        data: Any,
        size: int | None,
        edits: list[tuple[int, int, str]],
        tells: str,
        fail_at: int | None,
        collect_at: int | None,
        forget_at: int | None,
    ) -> None:
        """Write a backup while other things happen to the vault."""
        parent = self.pick(data, self.finished)
        content = bytearray(self.finished[parent]) if parent else bytearray()
        if size is None:
            size = len(content)
        del content[size:]
        content += bytes(size - len(content))
        self.seed += 1
        changed = edit(content, edits, self.seed)
        volume = volumes.Volume(
            content,
            extents=extents(content) if tells in ('extents', 'both') else None,
            changes={parent: changed}
            if parent and tells in ('changes', 'both')
            else None,
        )
        hooks = []
        if fail_at:
            hooks.append(vaults.Countdown(fail_at, vaults.fail))
        if collect_at:
            hooks.append(
                vaults.Countdown(collect_at, self._collect, once=True)
            )
        if forget_at and parent:
            hooks.append(
                vaults.Countdown(
                    forget_at, lambda _method: self._forget(parent), once=True
                )
            )

        def hook(method: str, name: str) -> None:
            for each in hooks:
                each(method, name)

        backup = uuid.uuid4()
        try:
            self.write(backup, Attempt(content, parent), volume, hook)
        except errors.StoreError:
            assert fail_at
        self.settle(backup)

    def _collect(self, _method: str) -> None:
        self.vault.repository.collect(grace=vaults.NOW)
        self.vault.repository.collect(grace=vaults.NOW)

    def _forget(self, backup: uuid.UUID) -> None:
        self.vault.repository.forget(backup)
        self.finished.pop(backup, None)

    @stateful.rule(data=st.data(), shift=st.integers(0, 3), fail_at=_CALL)
    def copy(self, data: Any, shift: int, fail_at: int | None) -> None:
        """Write what is there already, as if of another server."""
        origin = self.pick(data, self.finished)
        if not origin:
            return
        content = bytearray(shift * CHUNK) + self.finished[origin]
        hook = vaults.Countdown(fail_at or 1 << 30, vaults.fail)
        backup = uuid.uuid4()
        try:
            attempt = Attempt(content, None)
            self.write(backup, attempt, volumes.Volume(content), hook)
        except errors.StoreError:
            assert fail_at
        self.settle(backup)

    @stateful.rule(deep=st.booleans(), fail_at=_CALL)
    def verify(self, deep: bool, fail_at: int | None) -> None:
        hook = vaults.Countdown(fail_at or 1 << 30, vaults.fail)
        try:
            report = self.vault.hooked(hook).verify(deep=deep, percent=50)
            assert report.ok, report.problems
        except errors.StoreError:
            assert fail_at

    @stateful.rule(data=st.data(), fail_at=_CALL)
    def resume(self, data: Any, fail_at: int | None) -> None:
        backup = self.pick(data, self.begun)
        if not backup:
            return
        attempt = self.begun[backup]
        hook = vaults.Countdown(fail_at or 1 << 30, vaults.fail)
        try:
            self.write(backup, attempt, volumes.Volume(attempt.data), hook)
        except errors.StoreError:
            assert fail_at
        self.settle(backup)

    @stateful.rule(data=st.data())
    def abandon(self, data: Any) -> None:
        backup = self.pick(data, {**self.begun, **self.finished})
        if backup:
            self.vault.repository.abandon(backup)
            self.begun.pop(backup, None)

    @stateful.rule(data=st.data())
    def forget(self, data: Any) -> None:
        backup = self.pick(data, self.finished)
        if backup:
            self._forget(backup)

    @stateful.rule(
        fail_at=_CALL,
        exclusive=st.booleans(),
        grace=st.sampled_from([0, 1, 24]),
        later=st.sampled_from([0, 2, 48]),
    )
    def collect(
        self, fail_at: int | None, exclusive: bool, grace: int, later: int
    ) -> None:
        hook = vaults.Countdown(fail_at or 1 << 30, vaults.fail)
        now = datetime.datetime.now(datetime.UTC)
        try:
            self.vault.hooked(hook).collect(
                now=now + datetime.timedelta(hours=later),
                grace=datetime.timedelta(hours=grace),
                exclusive=exclusive,
            )
        except errors.StoreError:
            assert fail_at

    @stateful.rule()
    def collect_everything(self) -> None:
        self.vault.repository.collect(grace=vaults.NOW, exclusive=True)
        assert vaults.dead_share(self.vault) < 0.2

    @stateful.rule(data=st.data(), edits=_EDITS, blank=st.booleans())
    def restore(
        self, data: Any, edits: list[tuple[int, int, str]], blank: bool
    ) -> None:
        backup = self.pick(data, self.finished)
        if not backup:
            return
        expected = self.finished[backup]
        target = volumes.Volume(bytes(len(expected) + 7), blank=blank)
        if not blank:
            target.data[: len(expected)] = expected
            edit(target.data, edits, 1)
        behind = target.data[len(expected) :]
        self.vault.repository.restore_item(self.vault.item(backup), target)
        assert target.data == expected + behind

    @stateful.invariant()
    def the_vault_holds_what_it_should(self) -> None:
        assert set(self.vault.repository.backups()) == set(self.finished)

    def teardown(self) -> None:
        for backup, expected in self.finished.items():
            assert self.vault.content(backup) == expected
            assert self.vault.repository.verify(backup, deep=True).ok
        for backup in [*self.begun, *self.finished]:
            self.vault.repository.forget(backup)
        # What died with a pin in its hands has left it behind.
        late = datetime.datetime.now(datetime.UTC) + datetime.timedelta(2)
        for _turn in range(2):
            self.vault.repository.collect(
                now=late, grace=vaults.NOW, exclusive=True
            )
        assert self.vault.names() == ['vault']


class TestMachine(base.TestCase):
    def test_random_histories(self) -> None:
        stateful.run_state_machine_as_test(Machine, settings=_SETTINGS)


_SPARSE = st.lists(
    st.one_of(
        st.integers(1, 20_000).map(bytes),
        st.binary(min_size=1, max_size=9000),
    ),
    max_size=6,
).map(b''.join)


class TestRoundTrip(base.TestCase):
    @hypothesis.settings(_SETTINGS, max_examples=500 if _NIGHTLY else 40)
    @hypothesis.given(
        content=st.binary(max_size=5 * CHUNK),
        chunk_size=st.sampled_from([4096, 8192]),
        pack_size=st.sampled_from([1, 10_000, 1 << 20]),
        threads=st.integers(1, 4),
    )
    def test_any_bytes_any_options(
        self, content: bytes, chunk_size: int, pack_size: int, threads: int
    ) -> None:
        vault = vaults.Vault(
            store_options.Options(
                chunk_size=chunk_size, pack_size=pack_size, threads=threads
            )
        )
        backup = vault.backup(content)
        self.assertEqual(content, vault.content(backup))

    @hypothesis.settings(_SETTINGS, max_examples=500 if _NIGHTLY else 40)
    @hypothesis.given(
        content=_SPARSE, before=_SPARSE, fetch_size=st.sampled_from([1, 9999])
    )
    def test_over_anything_whose_holes_are_known(
        self, content: bytes, before: bytes, fetch_size: int
    ) -> None:
        vault = vaults.Vault(
            store_options.Options(
                chunk_size=4096, run_size=8192, fetch_size=fetch_size
            )
        )
        size = len(content)
        before = before[:size].ljust(size, b'\0')
        held = [
            (match.start(), len(match.group()))
            for match in re.finditer(rb'[^\0]+', before)
        ]
        target = volumes.Volume(before, extents=held)
        item = vault.item(vault.backup(content))
        vault.repository.restore_item(item, target)
        self.assertEqual(content, bytes(target.data))
