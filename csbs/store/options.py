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
    :ivar run_size: bytes of volume read, or fetched, at a time by one worker
    :ivar known_chunks: how many chunks of the running backup are remembered,
        to neither send them twice nor again after a crash
    :ivar lease_ttl: how long an unfinished backup is left alone that shows
        no sign of life
    """

    chunk_size: int = 256 * KIB
    pack_size: int = 32 * MIB
    zstd_level: int = 1
    threads: int = min(4, os.cpu_count() or 1)
    uploads: int = 2
    run_size: int = 4 * MIB
    known_chunks: int = 1 << 18
    lease_ttl: datetime.timedelta = datetime.timedelta(hours=24)

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        :raises ValueError: when a value is out of its range
        """
        if not valid_chunk_size(self.chunk_size):
            raise ValueError('chunk_size must be a power of two, 4K to 4M')
        if not 0 < self.pack_size <= MAX_PACK_SIZE:
            raise ValueError('pack_size must be at most 256 MiB')
        if min(self.threads, self.uploads, self.run_size) < 1:
            raise ValueError('threads, uploads and run_size must be positive')
        if self.lease_ttl <= datetime.timedelta(0):
            raise ValueError('lease_ttl must be positive')
