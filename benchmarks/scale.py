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

"""How cost grows: with the volume, the number of backups, and the vault.

``python -m benchmarks.scale`` measures each in a process of its own and
prints seconds, peak memory and the fitted exponent: 0 is no growth, 1 is as
fast as what grows. Whatever is written lies below ``$TMPDIR`` and is removed.
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
import datetime
import functools
import json
import math
import os
import pathlib
import secrets
import tempfile
import time
from typing import Any
import uuid

from csbs.store import codec
from csbs.store import keys as store_keys
from csbs.store import manifest as store_manifest
from csbs.store import maps
from csbs.store import repository
from csbs.store import sink as store_sink
from csbs.store.objects import file

GIB = 1 << 30
MIB = 1 << 20

#: Bytes that volumes are made from: more than the caches of a processor hold,
#: since no volume comes from there.
_SOURCE = 64 * MIB

_VAULT = uuid.UUID('c5b50000-0000-4000-8000-0000000000fc')
_KEY = bytes(range(32))

Row = dict[str, Any]


@functools.cache
def _template() -> memoryview:
    return memoryview((b'%063d\n' % 7) * (_SOURCE // 64))


class Synthetic:
    """A volume whose chunks are cheap to make, all different, and shrink."""

    def __init__(
        self,
        size: int,
        *,
        extents: Iterable[tuple[int, int]] | None = None,
        changed: Iterable[tuple[int, int]] | None = None,
        version: int = 0,
        blind: bool = False,
    ) -> None:
        self.size = size
        self._extents = None if blind else extents
        self._changed = list(changed or ())
        self._told = None if blind or changed is None else self._changed
        self._version = version
        self._template = _template()

    def extents(self) -> Iterable[tuple[int, int]] | None:
        return self._extents

    def changes(self, since: uuid.UUID) -> Iterable[tuple[int, int]] | None:
        return self._told

    def read_into(self, offset: int, buffer: memoryview) -> None:
        for begin in range(0, len(buffer), MIB):
            end = min(begin + MIB, len(buffer))
            start = (offset + begin) % (_SOURCE - MIB)
            buffer[begin:end] = self._template[start : start + end - begin]
        for begin in range(0, len(buffer) - 16, 64 << 10):
            place = offset + begin
            number = place + self._version * self._is_changed(place)
            buffer[begin : begin + 16] = number.to_bytes(16, 'big')

    def _is_changed(self, place: int) -> bool:
        step = self._changed[0][1] if self._changed else 1
        stride = 100 * step
        return bool(self._changed) and place % stride < step


def _open(folder: str) -> repository.Repository:
    return repository.Repository.create(
        file.FileStore(folder, 'vault'), _VAULT, _KEY
    )


def _backup(
    vault: repository.Repository,
    volume: Any,
    parent: uuid.UUID | None = None,
) -> tuple[uuid.UUID, float]:
    backup_id = uuid.uuid4()
    item = vault.manifest(parent).items[0].id if parent else None
    begun = time.perf_counter()
    with vault.writer(backup_id, parent) as writer:
        writer.write_item(uuid.uuid4(), volume, item)
        writer.commit({})
    return backup_id, time.perf_counter() - begun


def sparse(size: int, folder: str) -> Row:
    """Back up a sparse volume with 64 MiB in it, then again."""
    extents = [(place, MIB) for place in range(0, size, size // 64)]
    vault = _open(folder)
    first, full = _backup(vault, Synthetic(size, extents=extents))
    volume = Synthetic(size, extents=extents, changed=[])
    _second, again = _backup(vault, volume, first)
    return {'full': full, 'unchanged': again}


def incremental(size: int, folder: str) -> Row:
    """Read a full volume again, and one of which 1 % is known to differ.

    What differs is told in pieces of 4 MiB, as Ceph does.
    """
    vault = _open(folder)
    first, full = _backup(vault, Synthetic(size, blind=True))
    _again, rescan = _backup(vault, Synthetic(size, blind=True), first)
    step = 4 * MIB
    changed = [(place, step) for place in range(0, size, 100 * step)]
    volume = Synthetic(size, changed=changed, version=1 << 64)
    _second, known = _backup(vault, volume, first)
    return {
        'full': full,
        'rescan': rescan,
        'known_1_percent': known,
        'share_of_rescan': known / rescan,
    }


def backups(count: int, folder: str) -> Row:
    """Make many backups of 1 GiB, each with 1 MiB of changes."""
    vault = _open(folder)
    made = []
    parent = None
    for number in range(count):
        extents = [(0, 32 * MIB)]
        changed: list[tuple[int, int]] | None = None
        if parent:
            changed = [(0, MIB)]
        volume = Synthetic(
            GIB, extents=extents, changed=changed, version=number << 64
        )
        parent, last = _backup(vault, volume, parent)
        made.append(parent)
    begun = time.perf_counter()
    vault.forget(made[len(made) // 2])
    forgotten = time.perf_counter()
    vault.collect(exclusive=True)
    done = time.perf_counter()
    return {
        'last_backup': last,
        'delete': forgotten - begun,
        'collect': done - forgotten,
    }


def chunks(count: int, folder: str) -> Row:
    """Collect in a vault with so many chunks; their packs are made up."""
    vault = _open(folder)
    core = vault._core
    backup_id = uuid.uuid4()
    sink = store_sink.PackSink(core, backup_id)
    compress = codec.Compressor(1)

    def store(level: int, node: dict[int, codec.Entry]) -> codec.Entry:
        data = maps.encode(level, node)
        flags, packed = compress(data)
        blob_id = store_keys.Keys(_KEY, _VAULT).map_id(data)
        return sink.add(codec.Kind.MAP, blob_id, len(data), flags, packed)

    nodes = []
    for first in range(0, count, 256):
        pack = (first // 256).to_bytes(32, 'big')
        leaf = {
            slot: codec.Entry(
                secrets.token_bytes(32),
                pack,
                16 + slot * 100_016,
                100_016,
                core.chunk_size,
                codec.FLAG_ZSTD,
            )
            for slot in range(min(256, count - first))
        }
        nodes.append(store(1, leaf))
    depth = maps.depth(count)
    for level in range(2, depth + 1):
        nodes = [
            store(level, dict(enumerate(nodes[first : first + 256])))
            for first in range(0, len(nodes), 256)
        ]
    sink.flush()
    sink.stop()
    item = store_manifest.ManifestItem(
        uuid.uuid4(), count * core.chunk_size, nodes[0], depth, backup_id
    )
    now = datetime.datetime.now(datetime.UTC)
    store_manifest.write(
        core, store_manifest.Manifest(backup_id, None, now, {}, (item,))
    )
    begun = time.perf_counter()
    vault.collect()
    return {'collect': time.perf_counter() - begun}


def in_child(work: Callable[[int, str], Row], number: int) -> Row:
    """Run a measurement in a process of its own; add its peak memory."""
    with tempfile.TemporaryDirectory(prefix='csbs-scale-') as folder:
        result = pathlib.Path(folder, 'result.json')
        child = os.fork()
        if not child:
            status = 1
            try:
                result.write_text(json.dumps(work(number, folder)))
                status = 0
            finally:
                os._exit(status)
        _pid, status, usage = os.wait4(child, 0)
        if status:
            raise RuntimeError(f'{work.__name__} {number} failed')
        row: Row = json.loads(result.read_text())
    row['cpu'] = usage.ru_utime + usage.ru_stime
    row['memory_mib'] = usage.ru_maxrss >> 10
    return row


def exponent(rows: dict[int, Row], name: str) -> float:
    """Fit a power law by least squares."""
    points = [
        (math.log(number), math.log(max(row[name], 1e-4)))
        for number, row in rows.items()
    ]
    middle = sum(x for x, _y in points) / len(points)
    level = sum(y for _x, y in points) / len(points)
    above = sum((x - middle) * (y - level) for x, y in points)
    below = sum((x - middle) ** 2 for x, _y in points)
    return above / below if below else 0.0


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--json', metavar='FILE')
    parser.add_argument('--most-chunks', type=int, default=10**7)
    parser.add_argument('--most-backups', type=int, default=1000)
    parser.add_argument('--incremental', type=int, default=64, help='GiB')
    given = parser.parse_args()
    plans: list[tuple[Callable[[int, str], Row], list[int]]] = [
        (sparse, [GIB << power for power in (0, 3, 6, 8, 10)]),
        (incremental, [given.incremental * GIB]),
        (backups, [10**power for power in range(4)]),
        (chunks, [10**power for power in range(4, 8)]),
    ]
    most = {
        'backups': given.most_backups,
        'chunks': given.most_chunks,
    }
    result: dict[str, Any] = {}
    for work, numbers in plans:
        name = work.__name__
        rows = {
            number: in_child(work, number)
            for number in numbers
            if number <= most.get(name, number)
        }
        fitted = {
            key: round(exponent(rows, key), 2)
            for key in rows[numbers[0]]
            if len(rows) > 1
        }
        result[name] = {'rows': rows, 'exponents': fitted}
        print(f'{name}: {(work.__doc__ or name).splitlines()[0]}')
        for number, row in rows.items():
            shown = ', '.join(f'{key} {row[key]:.3g}' for key in row)
            print(f'  {number:>14}: {shown}')
        print(f'  exponents: {fitted}', flush=True)
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(result, indent=2))


if __name__ == '__main__':
    main()
