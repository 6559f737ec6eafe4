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

"""Packs: objects that hold many blobs, and say themselves what they hold.

Owns the layout. A pack is a header, blobs back to back, an encrypted index
and a trailer with a digest that needs no key. Writing many of them at once is
the business of ``sink``.
"""

from collections.abc import Iterator
import mmap
import struct

import blake3
from cryptography import exceptions as crypto_exceptions
from cryptography.hazmat.primitives.ciphers import aead

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names
from csbs.store import options as store_options
from csbs.store.objects import base

_MAGIC = b'CSBSPACK'
_END = b'CSBSPEND'
VERSION = 1

_HEADER = struct.Struct('>8sB7x')
_RECORD = struct.Struct('>32sIIIBB')
_TRAILER = struct.Struct('>II32s8s')

#: where the first blob begins
START = _HEADER.size
TRAILER_SIZE = _TRAILER.size
_DIGESTED = TRAILER_SIZE - 40


def end_size(count: int) -> int:
    """Return the bytes that index and trailer take for ``count`` blobs."""
    return count * _RECORD.size + codec.TAG_SIZE + TRAILER_SIZE


class PackBuffer:
    """A pack that is being filled, in memory that is used again and again.

    Callers serialise :meth:`reserve`; :meth:`fill` may run in many threads.
    """

    def __init__(self, size: int) -> None:
        """Take memory for packs of ``size`` bytes."""
        self._take(size)
        self._entries: list[tuple[codec.Kind, codec.Entry]] = []
        self._end = 0
        self.reference = b''
        self.pending = 0
        self.closed = False

    def begin(self, reference: bytes, cipher: aead.AESGCM, room: int) -> None:
        """Start a new pack that can take at least one blob of ``room``."""
        needed = START + room + end_size(1)
        if needed > len(self._memory):
            self._take(needed)
        _HEADER.pack_into(self._view, 0, _MAGIC, VERSION)
        self.reference = reference
        self._cipher = cipher
        self._entries.clear()
        self._end = START
        self.pending = 0
        self.closed = False

    def _take(self, size: int) -> None:
        # Unlike a bytearray's, these pages cost nothing before their use.
        self._memory = mmap.mmap(-1, size)
        self._view = memoryview(self._memory)

    def fits(self, stored: int) -> bool:
        """Tell whether one more blob has room."""
        size = self._end + stored + end_size(len(self._entries) + 1)
        return size <= len(self._memory)

    @property
    def empty(self) -> bool:
        return not self._entries

    def reserve(
        self, kind: codec.Kind, blob_id: bytes, raw: int, flags: int, size: int
    ) -> codec.Entry:
        """Give a place to a blob of ``size`` bytes before encryption."""
        stored = size + codec.TAG_SIZE
        entry = codec.Entry(
            blob_id, self.reference, self._end, stored, raw, flags
        )
        self._entries.append((kind, entry))
        self._end += stored
        self.pending += 1
        return entry

    def fill(
        self,
        vault: bytes,
        kind: codec.Kind,
        entry: codec.Entry,
        data: bytes | bytearray | memoryview,
    ) -> None:
        """Encrypt a blob into its place."""
        self._cipher.encrypt_into(
            codec.nonce(entry.offset),
            data,
            codec.blob_aad(vault, kind, entry.flags, entry.raw, entry.id),
            self._view[entry.offset : entry.offset + entry.stored],
        )

    def seal(self, vault: bytes) -> memoryview:
        """Add index and trailer; return the bytes of the whole pack."""
        index = b''.join(
            _RECORD.pack(
                entry.id,
                entry.offset,
                entry.stored,
                entry.raw,
                entry.flags,
                kind,
            )
            for kind, entry in self._entries
        )
        start = self._end
        length = len(index) + codec.TAG_SIZE
        self._cipher.encrypt_into(
            codec.nonce(start),
            index,
            _index_aad(vault, self.reference),
            self._view[start : start + length],
        )
        end = start + length
        struct.pack_into('>II', self._view, end, start, length)
        digest = blake3.blake3(self._view[: end + _DIGESTED]).digest()
        _TRAILER.pack_into(self._view, end, start, length, digest, _END)
        return self._view[: end + TRAILER_SIZE]


def _index_aad(vault: bytes, reference: bytes) -> bytes:
    return b'pack index' + vault + reference


def _trailer(name: str, size: int, data: bytes) -> tuple[int, int, bytes]:
    start, length, digest, end = _TRAILER.unpack(data)
    if (
        end != _END
        or start < START
        or start + length + TRAILER_SIZE != size
        or length < codec.TAG_SIZE
        or (length - codec.TAG_SIZE) % _RECORD.size
    ):
        raise errors.Damaged(name, 'its trailer is wrong')
    return start, length, digest


def read_index(
    core: store_core.Core, reference: bytes, size: int
) -> Iterator[tuple[codec.Kind, codec.Entry]]:
    """Return what a pack of ``size`` bytes says that it holds.

    :raises Damaged: when the index was altered
    :raises UnsupportedFormat: when a newer csbs wrote the pack
    """
    name = names.pack(reference)
    _check_size(name, size)
    _check_header(name, core.objects.get(name, 0, START))
    tail = core.objects.get(name, size - TRAILER_SIZE, TRAILER_SIZE)
    start, length, _digest = _trailer(name, size, tail)
    data = core.objects.get(name, start, length)
    yield from _index(core, reference, start, data)


def open_index(
    core: store_core.Core, reference: bytes, data: bytes
) -> Iterator[tuple[codec.Kind, codec.Entry]]:
    """Return what a pack that was read whole says that it holds.

    :raises Damaged: when the index was altered
    """
    name = names.pack(reference)
    start, length, _digest = _trailer(name, len(data), data[-TRAILER_SIZE:])
    yield from _index(core, reference, start, data[start : start + length])


def _index(
    core: store_core.Core, reference: bytes, start: int, data: bytes
) -> Iterator[tuple[codec.Kind, codec.Entry]]:
    cipher = core.keys.pack_cipher(reference)
    aad = _index_aad(core.vault, reference)
    try:
        index = cipher.decrypt(codec.nonce(start), data, aad)
        for blob_id, *place, kind in _RECORD.iter_unpack(index):
            yield (
                codec.Kind(kind),
                codec.Entry(blob_id, reference, *place),
            )
    except (crypto_exceptions.InvalidTag, ValueError) as error:
        raise errors.Damaged(
            names.pack(reference), 'its index does not decrypt'
        ) from error


def _check_size(name: str, size: int) -> None:
    if not START + end_size(0) <= size <= 2 * store_options.MAX_PACK_SIZE:
        raise errors.Damaged(name, 'its size cannot be right')


def _check_header(name: str, data: bytes) -> None:
    magic, version = _HEADER.unpack(data)
    if magic != _MAGIC:
        raise errors.Damaged(name, 'it does not begin as a pack')
    if version > VERSION:
        raise errors.UnsupportedFormat(
            f'{name} has format {version}; this csbs reads {VERSION}'
        )
    if data != _HEADER.pack(_MAGIC, VERSION):
        raise errors.Damaged(name, 'its header is wrong')


def read(objects: base.ObjectStore, name: str, size: int) -> bytes:
    """Return a whole pack.

    :raises Damaged: when it has not ``size`` bytes, or can't be so large
    :raises ObjectMissing: when it is not there
    """
    _check_size(name, size)
    return objects.get(name, 0, size)


def check_whole(name: str, data: bytes) -> None:
    """Compare the digest of a whole pack; the key is not used.

    :raises Damaged: when it does not agree
    :raises UnsupportedFormat: when a newer csbs wrote the pack
    """
    _check_header(name, data[:START])
    tail = data[-TRAILER_SIZE:]
    _start, _length, digest = _trailer(name, len(data), tail)
    body = memoryview(data)[: len(data) - TRAILER_SIZE + _DIGESTED]
    if blake3.blake3(body).digest() != digest:
        raise errors.Damaged(name, 'its digest is wrong')
