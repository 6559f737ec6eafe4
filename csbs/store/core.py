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

"""What every part of the store needs: the vault's objects, keys and header.

Owns the header object and the reading of single blobs and sealed objects.
Knows nothing of volumes.
"""

import dataclasses
import json
from typing import Any
import uuid

import blake3

from csbs.store import codec
from csbs.store import errors
from csbs.store import keys as store_keys
from csbs.store import names
from csbs.store import options as store_options
from csbs.store.objects import base

FORMAT = 1

_ALGORITHMS = {
    'chunk_id': 'blake3-keyed',
    'cipher': 'aes-256-gcm',
    'compression': 'zstd',
    'key_derivation': 'hkdf-sha256',
}


@dataclasses.dataclass(frozen=True)
class Core:
    """An opened vault.

    :ivar chunk_size: as the header says, in bytes
    """

    objects: base.ObjectStore
    vault_id: uuid.UUID
    keys: store_keys.Keys
    chunk_size: int
    options: store_options.Options

    @property
    def vault(self) -> bytes:
        """The vault's id as it goes into associated data."""
        return self.vault_id.bytes

    def put_sealed(self, purpose: str, name: str, document: Any) -> None:
        """Encrypt a document and write it as an object."""
        self.put_bytes(purpose, name, codec.canonical(document))

    def get_sealed(self, purpose: str, name: str) -> dict[str, Any]:
        """Read an object that :meth:`put_sealed` wrote.

        :raises Damaged: when it was altered
        """
        return codec.parse(name, self.get_bytes(purpose, name))

    def put_bytes(self, purpose: str, name: str, plain: bytes) -> None:
        """Encrypt bytes and write them as an object."""
        cipher = self.keys.object_cipher(purpose)
        self.objects.put(name, codec.seal(cipher, self.vault, name, plain))

    def get_bytes(self, purpose: str, name: str) -> bytes:
        """Read an object that :meth:`put_bytes` wrote.

        :raises Damaged: when it was altered
        """
        cipher = self.keys.object_cipher(purpose)
        data = self.objects.get(name)
        return codec.unseal(cipher, self.vault, name, data)

    def exists(self, name: str) -> bool:
        """Tell whether an object is there.

        :raises StoreUnreadable: when the store does not answer
        """
        try:
            self.objects.size(name)
        except errors.ObjectMissing:
            return False
        return True

    def check_id(
        self, kind: codec.Kind, entry: codec.Entry, plain: base.Buffer
    ) -> bool:
        """Tell whether plain bytes are those of the entry's id."""
        if kind is codec.Kind.DATA:
            return store_keys.same(self.keys.chunk_id(plain), entry.id)
        return store_keys.same(self.keys.map_id(plain), entry.id)


class ZeroCheck:
    """Tells chunks of zeros from others."""

    def __init__(self, chunk_size: int) -> None:
        self._zeros = bytearray(chunk_size)

    def __call__(self, data: memoryview) -> bool:
        """Tell whether all bytes of a chunk, or of a short one, are zero."""
        # A bytearray compares with any buffer by memcmp, which is 50 times
        # as fast as what a memoryview does.
        if len(data) == len(self._zeros):
            return self._zeros == data
        return bytearray(len(data)) == data


def create_header(
    objects: base.ObjectStore,
    vault_id: uuid.UUID,
    keys: store_keys.Keys,
    chunk_size: int,
) -> None:
    """Write the header of a new vault."""
    objects.put(names.HEADER, encode_header(vault_id, keys, chunk_size))


def encode_header(
    vault_id: uuid.UUID, keys: store_keys.Keys, chunk_size: int
) -> bytes:
    """Return the header: plain JSON, for a person or a tool without the key.

    ``checksum`` tells damage, ``key_check`` a wrong key.
    """
    document: dict[str, Any] = {
        'format': FORMAT,
        'vault_id': str(vault_id),
        'chunk_size': chunk_size,
        'algorithms': _ALGORITHMS,
    }
    body = codec.canonical(document)
    document['key_check'] = keys.header_check(body).hex()
    body = codec.canonical(document)
    document['checksum'] = blake3.blake3(body).hexdigest()
    return _pretty(document)


def _pretty(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, indent=2).encode() + b'\n'


def read_header(
    objects: base.ObjectStore, vault_id: uuid.UUID, keys: store_keys.Keys
) -> int:
    """Check the header and the key against each other.

    :returns: the vault's chunk size in bytes
    :raises ObjectMissing: when there is no vault here
    :raises Damaged: when the header was altered or is another vault's
    :raises WrongKey: when the header is sound and the key is not its own
    :raises UnsupportedFormat: when a newer csbs wrote it
    """
    document = _parse_header(objects.get(names.HEADER))
    if document['vault_id'] != str(vault_id):
        raise errors.Damaged(names.HEADER, 'it belongs to another vault')
    if document['algorithms'] != _ALGORITHMS:
        raise errors.UnsupportedFormat('the vault uses unknown algorithms')
    key_check = document.pop('key_check')
    if keys.header_check(codec.canonical(document)).hex() != key_check:
        raise errors.WrongKey('the key is not that of this vault')
    chunk_size: int = document['chunk_size']
    return chunk_size


def check_header(data: bytes) -> None:
    """Look whether a header is as it was written, without a key.

    :raises Damaged: when it was altered
    :raises UnsupportedFormat: when a newer csbs wrote it
    """
    _parse_header(data)


def _parse_header(data: bytes) -> dict[str, Any]:
    """Return the header without its checksum, which was right."""
    try:
        document: dict[str, Any] = json.loads(data)
        exact = _pretty(document) == data
        checksum = document.pop('checksum')
        version = document['format']
        body = codec.canonical(document)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise errors.Damaged(names.HEADER, 'it cannot be read') from error
    if type(version) is int and version > FORMAT:
        raise errors.UnsupportedFormat(
            f'the vault has format {version}; this csbs reads {FORMAT}'
        )
    if not exact or blake3.blake3(body).hexdigest() != checksum:
        raise errors.Damaged(names.HEADER, 'its checksum is wrong')
    kinds = {
        'format': int,
        'vault_id': str,
        'chunk_size': int,
        'algorithms': dict,
        'key_check': str,
    }
    if (
        version != FORMAT
        or {key: type(value) for key, value in document.items()} != kinds
    ):
        raise errors.Damaged(names.HEADER, 'its fields are not those of one')
    if not store_options.valid_chunk_size(document['chunk_size']):
        raise errors.Damaged(names.HEADER, 'its chunk size is not allowed')
    return document
