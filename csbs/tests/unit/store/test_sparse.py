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

"""A huge sparse volume costs what is in it, in time and in memory."""

from collections.abc import Iterable
import tracemalloc
import uuid

from csbs.store import options as store_options
from csbs.tests import base
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

TIB = 1 << 40
MIB = 1 << 20


class Sparse:
    """A volume of 1 TiB with 1 MiB of data in every 64 GiB."""

    size = TIB
    step = 64 << 30

    def __init__(self) -> None:
        self.noise = vaults.noise(MIB)
        self.blank = True
        self.read_bytes = 0
        self.written = 0

    def extents(self) -> Iterable[tuple[int, int]]:
        return ((place, MIB) for place in range(0, TIB, self.step))

    def changes(self, since: uuid.UUID) -> None:
        return None

    def read_into(self, offset: int, buffer: memoryview) -> None:
        start = offset % self.step
        buffer[:] = self.noise[start : start + len(buffer)]
        number = offset // self.step
        buffer[:4] = number.to_bytes(4, 'big')
        self.read_bytes += len(buffer)

    def write(self, offset: int, data: memoryview) -> None:
        expected = memoryview(bytearray(len(data)))
        self.read_into(offset, expected)
        start = offset % self.step
        # Only what a read begins with was marked with the number.
        if bytes(expected[4:]) != bytes(data[4:]) and start == 0:
            raise AssertionError(f'other data at {offset}')
        self.written += len(data)

    def zero(self, offset: int, length: int) -> None:
        raise AssertionError('a blank volume is zero already')

    def flush(self) -> None:
        pass


class TestSparse(base.TestCase):
    def test_one_tebibyte(self) -> None:
        vault = vaults.Vault(store_options.Options(pack_size=4 * MIB))
        volume = Sparse()
        first, second = uuid.uuid4(), uuid.uuid4()
        item = uuid.uuid4()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with vault.repository.writer(first) as writer:
            stats = writer.write_item(item, volume)
            writer.commit({})
        with vault.repository.writer(second, first) as writer:
            again = writer.write_item(uuid.uuid4(), volume, item)
            writer.commit({})
        vault.repository.restore_item(vault.item(second), volume)
        _now, peak = tracemalloc.get_traced_memory()
        self.assertEqual(16 * MIB, stats.changed_bytes)
        self.assertEqual(0, again.changed_bytes)
        self.assertEqual(0, again.stored_bytes)
        self.assertEqual(16 * MIB, volume.written)
        self.assertLess(peak, 120 * MIB)

    def test_no_more_than_the_buffers(self) -> None:
        """Data passes through; what stays is a few buffers."""

        class Sink:
            """Objects that are counted and thrown away."""

            def __init__(self) -> None:
                self.count = 0

            def __call__(self, method: str, name: str) -> None:
                self.count += method == 'put'

        vault = vaults.Vault(
            store_options.Options(
                chunk_size=64 << 10, pack_size=MIB, known_chunks=100
            )
        )
        data = volumes.Volume(vaults.noise(48 * MIB))
        counter = Sink()
        opened = vault.hooked(counter)
        opened._core.objects.inner = Blackhole(  # type: ignore
            vault.objects
        )
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with opened.writer(uuid.uuid4()) as writer:
            writer.write_item(uuid.uuid4(), data)
        _now, peak = tracemalloc.get_traced_memory()
        self.assertGreater(counter.count, 40)
        self.assertLess(peak, 32 * MIB)


class Blackhole:
    """An object store that takes packs and keeps none."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def put(self, name: str, data: bytes) -> None:
        if not name.startswith('packs/'):
            self._inner.put(name, data)  # type: ignore
