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

"""The keys of a vault: one that is kept, many that are derived.

Owns the derivation. Each purpose has a key of its own, bound to the vault's
id, so that nothing made for one purpose or vault passes for another. Holds
keys in memory only; fetching them is the caller's business.
"""

import hmac
import uuid

import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

from csbs.store.objects import base

#: bytes of a vault's key and of every derived one
KEY_SIZE = 32

_CONTEXT = b'csbs store 1: '


class Keys:
    """All keys of one vault."""

    def __init__(self, key: bytes, vault_id: uuid.UUID) -> None:
        """Derive the keys with HKDF-SHA-256 (RFC 5869).

        :param key: the vault's key, 32 bytes
        :raises ValueError: when it has another length
        """
        if len(key) != KEY_SIZE:
            raise ValueError('a vault key has 32 bytes')
        self._master = key
        self._salt = vault_id.bytes
        self._chunk_id = self._derive(b'chunk id')
        self._map_id = self._derive(b'map id')
        self._header = self._derive(b'header')
        self._pack = self._derive(b'pack')

    def chunk_id(self, data: base.Buffer) -> bytes:
        """Return the id of a chunk: keyed BLAKE3 of its plaintext."""
        return blake3.blake3(data, key=self._chunk_id).digest()

    def map_id(self, data: base.Buffer) -> bytes:
        """Return the id of an encoded map node."""
        return blake3.blake3(data, key=self._map_id).digest()

    def header_check(self, data: base.Buffer) -> bytes:
        """Return what proves that a header and the key belong together."""
        return blake3.blake3(data, key=self._header).digest()

    def pack_cipher(self, pack: bytes) -> aead.AESGCM:
        """Return the cipher of one pack, by its 32-byte reference."""
        expand = hkdf.HKDFExpand(
            algorithm=hashes.SHA256(),
            length=KEY_SIZE,
            info=_CONTEXT + b'pack ' + pack,
        )
        return aead.AESGCM(expand.derive(self._pack))

    def object_cipher(self, purpose: str) -> aead.AESGCM:
        """Return the cipher of sealed objects such as manifests."""
        return aead.AESGCM(self._derive(b'object ' + purpose.encode()))

    def _derive(self, purpose: bytes) -> bytes:
        derivation = hkdf.HKDF(
            algorithm=hashes.SHA256(),
            length=KEY_SIZE,
            salt=self._salt,
            info=_CONTEXT + purpose,
        )
        return derivation.derive(self._master)


def same(one: bytes, other: bytes) -> bool:
    """Compare without telling by the time taken where they differ."""
    return hmac.compare_digest(one, other)
