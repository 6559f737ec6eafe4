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

"""Small vaults and unreliable object stores for tests of the store."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import datetime
import random
import threading
from typing import Any
import uuid

from csbs.store import errors
from csbs.store import options as store_options
from csbs.store import pack as store_pack
from csbs.store import repository
from csbs.store import survey as store_survey
from csbs.store.objects import base
from csbs.store.objects import memory
from csbs.tests.unit.store import volumes

CHUNK = 4096
LEAF = 256 * CHUNK

KEY = bytes(range(32))
NOW = datetime.timedelta(0)

#: small enough that a few hundred chunks make several packs
OPTIONS = store_options.Options(
    chunk_size=CHUNK,
    pack_size=256 << 10,
    threads=2,
    run_size=16 * CHUNK,
    fetch_size=64 * CHUNK,
)


class Hooked:
    """An object store that calls a function before every call."""

    def __init__(
        self, objects: base.ObjectStore, hook: Callable[[str, str], None]
    ) -> None:
        self.inner = objects
        self.hook = hook

    def put(self, name: str, data: base.Buffer) -> None:
        self.hook('put', name)
        self.inner.put(name, data)

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        self.hook('get', name)
        return self.inner.get(name, offset, length)

    def size(self, name: str) -> int:
        self.hook('size', name)
        return self.inner.size(name)

    def delete(self, name: str) -> None:
        self.hook('delete', name)
        self.inner.delete(name)

    def delete_many(self, names: Iterable[str]) -> None:
        for name in names:
            self.delete(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        self.hook('list', prefix)
        return self.inner.list(prefix)

    def drop(self) -> None:
        self.hook('drop', '')
        self.inner.drop()


class Late:
    """An object store whose lists stay as they were.

    :param prefixes: of the names whose lists do; none for all
    """

    def __init__(self, objects: base.ObjectStore, *prefixes: str) -> None:
        self._inner = objects
        self._prefixes = prefixes or ('',)
        self.listed = list(objects.list(''))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        if not prefix.startswith(self._prefixes):
            return self._inner.list(prefix)
        return (one for one in self.listed if one[0].startswith(prefix))


class Countdown:
    """A hook that does something, once or for good, at a given call."""

    def __init__(
        self, calls: int, action: Callable[[str], None], *, once: bool = False
    ) -> None:
        self._left = calls
        self._action = action
        self._once = once
        self._lock = threading.Lock()

    def __call__(self, method: str, name: str) -> None:
        with self._lock:
            self._left -= 1
            due = self._left == 0 if self._once else self._left <= 0
        if due:
            self._action(method)


def fail(method: str) -> None:
    """Fail as a store does that has gone away."""
    if method in ('put', 'delete', 'drop'):
        raise errors.StoreUnwritable('the store is away')
    raise errors.StoreUnreadable('the store is away')


class Vault:
    """A vault in memory and short ways to use it."""

    def __init__(
        self, options: store_options.Options = OPTIONS, key: bytes = KEY
    ) -> None:
        self.id = uuid.uuid4()
        self.key = key
        self.options = options
        self.objects = memory.MemoryStore(self.id.hex)
        self.repository = repository.Repository.create(
            self.objects, self.id, key, options
        )

    def over(self, objects: base.ObjectStore) -> repository.Repository:
        """Open the vault through another way to its objects."""
        return repository.Repository.open(
            objects, self.id, self.key, self.options
        )

    def late(self) -> repository.Repository:
        """Open the vault so that lists stay as they are now."""
        return self.over(Late(self.objects))

    def hooked(
        self, hook: Callable[[str, str], None]
    ) -> repository.Repository:
        """Open the vault so that from now on every call is hooked."""
        objects = Hooked(self.objects, lambda method, name: None)
        opened = self.over(objects)
        objects.hook = hook
        return opened

    def backup(
        self,
        volume: volumes.Volume | bytes | bytearray,
        parent: uuid.UUID | None = None,
    ) -> uuid.UUID:
        """Write a backup of one volume, compared with the parent's one."""
        if not isinstance(volume, volumes.Volume):
            volume = volumes.Volume(volume)
        backup_id = uuid.uuid4()
        item = self.item(parent).id if parent else None
        with self.repository.writer(backup_id, parent) as writer:
            self.stats = writer.write_item(uuid.uuid4(), volume, item)
            writer.commit({})
        return backup_id

    def item(self, backup_id: uuid.UUID) -> repository.ManifestItem:
        """Return the only item of a backup."""
        (item,) = self.repository.manifest(backup_id).items
        return item

    def content(self, backup_id: uuid.UUID) -> bytearray:
        """Return what the only item of a backup restores to."""
        item = self.item(backup_id)
        target = volumes.blank(item.size)
        self.repository.restore_item(item, target)
        return target.data

    def names(self, prefix: str = '') -> list[str]:
        """Return the names of objects."""
        return [name for name, _size in self.objects.list(prefix)]


def noise(size: int, seed: int = 0) -> bytearray:
    """Return bytes that do not compress, the same for the same seed."""
    return bytearray(random.Random(seed).randbytes(size))


def dead_share(vault: Vault) -> float:
    """Return the share of all blobs, in bytes, that no backup needs.

    What unfinished backups have is left out, and so is what is less than 2
    KiB of a pack, for which no pack is touched.
    """
    core = vault.repository._core
    survey = store_survey.Survey(core)
    survey.look(datetime.datetime.now(datetime.UTC))
    dead = total = 0
    for pack, size in store_survey.pack_sizes(core).items():
        if survey.in_use(pack):
            continue
        needed = dict(survey.parts.parts(pack))
        blobs = sum(
            entry.stored
            for _kind, entry in store_pack.read_index(core, pack, size)
        )
        total += blobs
        waste = blobs - sum(end - begin for begin, end in needed.items())
        dead += waste if waste > 2048 else 0
    return dead / total if total else 0.0
