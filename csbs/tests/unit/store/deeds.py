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

"""What may happen to a vault, for tests of things at the same time.

What a backup holds follows from its id, so that every process knows it.
"""

from collections.abc import Callable
import contextlib
import random
import uuid

from csbs.store import errors
from csbs.store import options as store_options
from csbs.store import repository
from csbs.store.objects import file
from csbs.tests.unit.store import vaults
from csbs.tests.unit.store import volumes

CHUNK = vaults.CHUNK
SIZE = 300 * CHUNK + 77

OPTIONS = store_options.Options(
    chunk_size=CHUNK, pack_size=64 << 10, threads=2, run_size=16 * CHUNK
)

_BASE = vaults.noise(SIZE, 99)


def content(backup_id: uuid.UUID) -> bytearray:
    """Return what the volume of a backup holds."""
    chosen = random.Random(backup_id.int)
    data = bytearray(_BASE)
    for _turn in range(12):
        place = chosen.randrange(SIZE - 2 * CHUNK)
        data[place : place + 2 * CHUNK] = chosen.randbytes(2 * CHUNK)
    return data


def opened(path: str, vault_id: uuid.UUID) -> repository.Repository:
    """Open the vault of a test."""
    return repository.Repository.create(
        file.FileStore(path, vault_id.hex), vault_id, vaults.KEY, OPTIONS
    )


def back_up(vault: repository.Repository, chosen: random.Random) -> uuid.UUID:
    """Write a backup, compared with any other or with none."""
    there = [None, *vault.backups()]
    parent = chosen.choice(there)
    item = None
    if parent:
        try:
            item = vault.manifest(parent).items[0].id
        except errors.BackupMissing:
            parent = None
    backup_id = uuid.UUID(int=chosen.getrandbits(128), version=4)
    with vault.writer(backup_id, parent) as writer:
        volume = volumes.Volume(content(backup_id))
        writer.write_item(uuid.uuid4(), volume, item)
        writer.commit({})
    return backup_id


def check(vault: repository.Repository, backup_id: uuid.UUID) -> None:
    """Restore a backup and compare it."""
    (item,) = vault.manifest(backup_id).items
    target = volumes.blank(item.size)
    vault.restore_item(item, target)
    if target.data != content(backup_id):
        raise AssertionError(f'{backup_id} is not what was backed up')


def restore(vault: repository.Repository, chosen: random.Random) -> None:
    """Restore a backup that may be deleted before it begins."""
    with contextlib.suppress(errors.BackupMissing):
        check(vault, chosen.choice(list(vault.backups())))


def delete(vault: repository.Repository, chosen: random.Random) -> None:
    """Delete a backup, as long as some are left."""
    there = list(vault.backups())
    if len(there) > 2:
        vault.forget(chosen.choice(there))


def collect(vault: repository.Repository, chosen: random.Random) -> None:
    """Collect as greedily as can be."""
    vault.collect(grace=vaults.NOW)


def verify(vault: repository.Repository, chosen: random.Random) -> None:
    """Verify the vault; nothing may be wrong with it."""
    report = vault.verify(deep=True)
    if not report.ok:
        raise AssertionError(str(report.problems))


def read_catalogue(
    vault: repository.Repository, chosen: random.Random
) -> None:
    """Read all manifests, as who makes a catalogue of them does."""
    for backup_id in vault.backups():
        with contextlib.suppress(errors.BackupMissing):
            vault.manifest(backup_id)


Deed = Callable[[repository.Repository, random.Random], object]

DEEDS: dict[str, Deed] = {
    'backup': back_up,
    'restore': restore,
    'delete': delete,
    'collect': collect,
    'verify': verify,
    'import': read_catalogue,
}


def repeat(
    name: str, path: str, vault_id: uuid.UUID, seed: int, turns: int
) -> None:
    """Do something to a vault some times; runs in a process of its own."""
    chosen = random.Random(seed)
    vault = opened(path, vault_id)
    for _turn in range(turns):
        DEEDS[name](vault, chosen)
