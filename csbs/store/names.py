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

"""The names of the objects of a vault, format 1.

Owns names and what is read out of them. A reference to a pack is binary, 16
bytes of backup id and 16 random ones, so that no name in a map can lead
anywhere but to a pack.
"""

import os
import uuid

HEADER = 'vault'
PACKS = 'packs/'
MANIFESTS = 'manifests/'
LEASES = 'leases/'
CONDEMNED = 'condemned/'
DOOMED = 'doomed/'
PINS = 'pins/'
ROOTS = 'roots/'
LOOKUP = 'lookup/'
DAMAGED = 'damaged/'

#: bytes of a reference to a pack
PACK_SIZE = 32


def new_pack(backup_id: uuid.UUID) -> bytes:
    """Return a reference that no pack ever had."""
    return backup_id.bytes + os.urandom(16)


def pack(reference: bytes) -> str:
    """Return the name of the pack with that reference."""
    return f'{PACKS}{reference[:16].hex()}/{reference[16:].hex()}'


def doomed(reference: bytes) -> str:
    """Return the name of the mark of a pack that is about to be deleted."""
    return f'{DOOMED}{reference[:16].hex()}/{reference[16:].hex()}'


def packs_of(backup_id: uuid.UUID) -> str:
    """Return what the names of a backup's own packs begin with."""
    return f'{PACKS}{backup_id.hex}/'


def manifest(backup_id: uuid.UUID) -> str:
    """Return the name of a backup's manifest."""
    return f'{MANIFESTS}{backup_id}'


def lease(backup_id: uuid.UUID) -> str:
    """Return the name of the lease of an unfinished backup."""
    return f'{LEASES}{backup_id}'


def pin(pin_id: uuid.UUID) -> str:
    """Return the name of what keeps packs for somebody who reads them."""
    return f'{PINS}{pin_id}'


def roots(backup_id: uuid.UUID) -> str:
    """Return the name of what says where a backup's maps were moved to."""
    return f'{ROOTS}{backup_id}'


def lookup(list_id: uuid.UUID) -> str:
    """Return the name of a list of some chunks that were stored."""
    return f'{LOOKUP}{list_id}'


def pack_reference(name: str) -> bytes | None:
    """Return the reference in the name of a pack, or of the mark of one.

    None when it is no such name.
    """
    try:
        reference = bytes.fromhex(''.join(name.split('/')[1:]))
    except ValueError:
        return None
    if len(reference) != PACK_SIZE or name not in (
        pack(reference),
        doomed(reference),
    ):
        return None
    return reference


def backup_id(name: str) -> uuid.UUID | None:
    """Return the id in the name of a manifest or lease, or None."""
    text = name.rpartition('/')[2]
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None
