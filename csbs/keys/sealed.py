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

"""Short secrets that have to wait in the database, encrypted."""

import base64
import secrets

from cryptography import exceptions as crypto_exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

from csbs import exception
from csbs.keys import base


def seal(key: bytes, secret: str, place: str) -> str:
    """Encrypt a short secret that has to wait in the database.

    AES-256-GCM with a key that HKDF-SHA-256 derives from the vault's.

    :param place: what the secret is bound to, such as a task's id
    """
    nonce = secrets.token_bytes(12)
    sealed = _cipher(key).encrypt(nonce, secret.encode(), place.encode())
    return base64.b64encode(nonce + sealed).decode()


def unseal(key: bytes, sealed: str, place: str) -> str:
    """Decrypt what :func:`seal` made.

    :raises KeyWrong: when the key, the place or the secret is another
    """
    try:
        data = base64.b64decode(sealed, validate=True)
        plain = _cipher(key).decrypt(data[:12], data[12:], place.encode())
    except (ValueError, crypto_exceptions.InvalidTag):
        raise exception.KeyWrong() from None
    return plain.decode()


def _cipher(key: bytes) -> aead.AESGCM:
    derivation = hkdf.HKDF(
        algorithm=hashes.SHA256(),
        length=base.KEY_BYTES,
        salt=None,
        info=b'csbs secret of a task',
    )
    return aead.AESGCM(derivation.derive(key))
