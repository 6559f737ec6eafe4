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

"""How much of the machine the store may use.

Owns the options of a repository. Only ``chunk_size`` shapes what is stored,
and only when the vault is created: afterwards the vault's header rules.
"""

import dataclasses
import datetime
import os

KIB = 1 << 10
MIB = 1 << 20

#: the chunk sizes the format allows, powers of two between these, in bytes
MIN_CHUNK_SIZE = 4 * KIB
MAX_CHUNK_SIZE = 4 * MIB

#: the largest pack the format allows, in bytes
MAX_PACK_SIZE = 256 * MIB


#: bytes of memory for one remembered chunk
_KNOWN = 400

#: bytes that the interpreter and its libraries take
_PROCESS = 48 * MIB


def valid_chunk_size(size: int) -> bool:
    """Tell whether the format allows chunks of ``size`` bytes."""
    return MIN_CHUNK_SIZE <= size <= MAX_CHUNK_SIZE and not size & (size - 1)


@dataclasses.dataclass(frozen=True)
class Options:
    """What a repository is allowed and told to do.

    :ivar chunk_size: bytes of volume in one chunk, for new vaults
    :ivar pack_size: bytes after which a pack is full
    :ivar zstd_level: effort of the compressor
    :ivar threads: workers that hash, compress, encrypt and restore
    :ivar uploads: packs on their way to the object store at once
    :ivar run_size: bytes of volume read at a time by one worker
    :ivar fetch_size: bytes fetched at a time by one worker, at most: what a
        request costs an object store is as much as a few MiB
    :ivar known_chunks: how many chunks of the running backup are remembered,
        to neither send them twice nor again after a crash
    :ivar lookup_hooks: chunks of the vault that are remembered while a backup
        is written, to find those that are stored already; 12 bytes each
    :ivar borrow_ahead: packs beside the one found that may be used, too; 0:
        never use chunks of other backups than the parent
    :ivar borrow_packs: packs of others that one backup uses, at most
    :ivar waste_share: the share of packs that may be waste before a
        collection takes out of them what is needed
    :ivar bandwidth: bytes a second to and from the object store, 0: no limit
    :ivar memory: bytes that a task may use at most, about; 0: no limit.
        Buffers are made smaller until they fit
    :ivar lease_ttl: how long an unfinished backup is left alone that shows
        no sign of life
    """

    chunk_size: int = 256 * KIB
    pack_size: int = 32 * MIB
    zstd_level: int = 2
    threads: int = min(4, os.cpu_count() or 1)
    uploads: int = 2
    run_size: int = 4 * MIB
    fetch_size: int = 32 * MIB
    known_chunks: int = 1 << 18
    lookup_hooks: int = 1 << 22
    borrow_ahead: int = 64
    borrow_packs: int = 1 << 16
    waste_share: float = 0.15
    bandwidth: int = 0
    memory: int = 0
    lease_ttl: datetime.timedelta = datetime.timedelta(hours=24)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ValueError: when a value is out of its range
        """
        if not valid_chunk_size(self.chunk_size):
            raise ValueError('chunk_size must be a power of two, 4K to 4M')
        if not 0 < self.pack_size <= MAX_PACK_SIZE:
            raise ValueError('pack_size must be at most 256 MiB')
        positive = ('threads', 'uploads', 'run_size', 'fetch_size')
        if min(getattr(self, name) for name in positive) < 1:
            raise ValueError(f'{", ".join(positive)} must be positive')
        if self.lease_ttl <= datetime.timedelta(0):
            raise ValueError('lease_ttl must be positive')
        if min(self.bandwidth, self.memory, self.borrow_ahead) < 0:
            raise ValueError('bandwidth and memory must not be negative')
        if not 0 <= self.waste_share <= 1:
            raise ValueError('waste_share must be a share')

    @property
    def buffers(self) -> int:
        """The bytes that a task takes at these settings, at most."""
        runs = self.threads * 3 * self.run_size
        packs = (2 + self.uploads) * self.pack_size
        known = self.known_chunks * _KNOWN + self.lookup_hooks * 12
        # A client may hold what it fetched twice for a moment.
        fetched = self.threads * 2 * self.fetch_size
        return runs + max(packs + known, fetched)

    def fitted(self) -> 'Options':
        """Return options whose buffers fit into ``memory``, if that can be.

        What is shrunk first costs least.
        """
        found = self
        if not self.memory:
            return found
        room = max(0, self.memory - _PROCESS)
        for name, least in (
            ('lookup_hooks', 1 << 18),
            ('known_chunks', 1 << 14),
            ('fetch_size', 8 * MIB),
            ('pack_size', 16 * MIB),
            ('run_size', MIB),
            ('uploads', 1),
            ('pack_size', 4 * MIB),
            ('fetch_size', MIB),
            ('threads', 1),
        ):
            while found.buffers > room and getattr(found, name) > least:
                value = max(least, getattr(found, name) // 2)
                found = dataclasses.replace(found, **{name: value})
        return found
