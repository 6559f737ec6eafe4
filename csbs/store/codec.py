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

"""From plain bytes to stored bytes and back.

Owns compression, encryption and the checks on the way back: of blobs, which
lie in packs, and of sealed objects, which stand alone. Never returns bytes
that were not authenticated. Does no input or output.
"""

import enum
import json
import os
import struct
import sys
from typing import Any
from typing import NamedTuple

import blake3
from cryptography import exceptions as crypto_exceptions
from cryptography.hazmat.primitives.ciphers import aead

from csbs.store import errors
from csbs.store.objects import base

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: bytes that AES-GCM adds to a blob
TAG_SIZE = 16
NONCE_SIZE = 12
ID_SIZE = 32

#: the blob is one zstd frame (RFC 8878)
FLAG_ZSTD = 1

#: the largest sealed object, in plain bytes; keeps a rotten one harmless
MAX_SEALED = 64 << 20

_AAD = struct.Struct('>16sBBI32s')
_SEALED_MAGIC = b'CSBSOBJ1'


class Kind(enum.IntEnum):
    """What a blob is."""

    DATA = 1
    MAP = 2


class Entry(NamedTuple):
    """A blob and where it is.

    :ivar id: keyed hash of the plain bytes
    :ivar pack: reference of the pack, 32 bytes
    :ivar offset: where in the pack it begins
    :ivar stored: its bytes in the pack
    :ivar raw: its plain bytes
    :ivar flags: ``FLAG_ZSTD`` or 0
    """

    id: bytes
    pack: bytes
    offset: int
    stored: int
    raw: int
    flags: int


def nonce(offset: int) -> bytes:
    """Return the nonce of what begins at ``offset`` of a pack.

    Every pack has a key of its own and is written once, so a nonce is never
    used twice.
    """
    return offset.to_bytes(NONCE_SIZE, 'big')


def blob_aad(
    vault: bytes, kind: Kind, flags: int, raw: int, blob_id: bytes
) -> bytes:
    """Return what a blob is bound to."""
    return _AAD.pack(vault, kind, flags, raw, blob_id)


class Compressor:
    """zstd, where it helps. Each thread needs one of its own."""

    def __init__(self, level: int) -> None:
        self._zstd = zstd.ZstdCompressor(level=level)

    def __call__(self, raw: base.Buffer) -> tuple[int, base.Buffer]:
        """Return flags and bytes to store: ``raw`` when 3 % are not saved."""
        packed = self._zstd.compress(raw, zstd.ZstdCompressor.FLUSH_FRAME)
        if len(packed) < len(raw) - len(raw) // 32:
            return FLAG_ZSTD, packed
        return 0, raw


def expand(data: base.Buffer, raw: int) -> bytes:
    """Decompress one frame that must give exactly ``raw`` bytes.

    :raises ValueError: when it does not
    """
    decompressor = zstd.ZstdDecompressor()
    try:
        plain = decompressor.decompress(data, raw + 1)
    except zstd.ZstdError as error:
        raise ValueError('it does not decompress') from error
    if len(plain) != raw or not decompressor.eof or decompressor.unused_data:
        raise ValueError('it decompresses to another length')
    return plain


def decrypt_blob(
    cipher: aead.AESGCM,
    vault: bytes,
    kind: Kind,
    entry: Entry,
    data: base.Buffer,
) -> bytes:
    """Decrypt a blob, and leave it compressed.

    :raises ValueError: when it is not what was stored under ``entry``
    """
    aad = blob_aad(vault, kind, entry.flags, entry.raw, entry.id)
    try:
        return cipher.decrypt(nonce(entry.offset), data, aad)
    except crypto_exceptions.InvalidTag:
        raise ValueError('it does not decrypt') from None


def open_blob(
    cipher: aead.AESGCM,
    vault: bytes,
    kind: Kind,
    entry: Entry,
    data: base.Buffer,
) -> bytes:
    """Decrypt and decompress a blob; the caller compares its id.

    :raises ValueError: when it is not what was stored under ``entry``
    """
    plain = decrypt_blob(cipher, vault, kind, entry, data)
    if entry.flags & FLAG_ZSTD:
        return expand(plain, entry.raw)
    if len(plain) != entry.raw:
        raise ValueError('it has another length')
    return plain


def seal(cipher: aead.AESGCM, vault: bytes, name: str, plain: bytes) -> bytes:
    """Turn plain bytes into those of an object, bound to vault and name."""
    if len(plain) > MAX_SEALED:
        raise ValueError(f'{name} would be too large')
    salt = os.urandom(NONCE_SIZE)
    packed = zstd.compress(plain, 3)
    aad = _SEALED_MAGIC + vault + name.encode()
    data = _SEALED_MAGIC + salt + cipher.encrypt(salt, packed, aad)
    return data + blake3.blake3(data).digest()


def check_sealed(name: str, data: bytes) -> bytes:
    """Return an object without the digest that it ends in, without a key.

    :raises Damaged: when it does not agree
    """
    body, digest = data[:-ID_SIZE], data[-ID_SIZE:]
    if not body.startswith(_SEALED_MAGIC):
        raise errors.Damaged(name, 'it does not begin as it should')
    if blake3.blake3(body).digest() != digest:
        raise errors.Damaged(name, 'its digest is wrong')
    return body


def unseal(cipher: aead.AESGCM, vault: bytes, name: str, data: bytes) -> bytes:
    """Turn the bytes of an object into the plain ones it was made from.

    :raises Damaged: when it was altered
    """
    data = check_sealed(name, data)
    magic = data[: len(_SEALED_MAGIC)]
    start = len(magic) + NONCE_SIZE
    aad = magic + vault + name.encode()
    try:
        packed = cipher.decrypt(data[len(magic) : start], data[start:], aad)
        return zstd.ZstdDecompressor().decompress(packed, MAX_SEALED + 1)
    except (
        crypto_exceptions.InvalidTag,
        zstd.ZstdError,
        ValueError,
    ) as error:
        raise errors.Damaged(name, 'it does not decrypt') from error


def parse(name: str, plain: bytes) -> dict[str, Any]:
    """Return the document that an object's plain bytes are.

    :raises Damaged: when they are no JSON object
    """
    try:
        document = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise errors.Damaged(name, 'it is not JSON') from error
    if not isinstance(document, dict):
        raise errors.Damaged(name, 'it holds something else')
    return document


def canonical(document: Any) -> bytes:
    """Return a document as JSON that is the same for the same document."""
    return json.dumps(
        document, sort_keys=True, separators=(',', ':'), ensure_ascii=True
    ).encode()
