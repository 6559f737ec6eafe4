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

"""What verification found to be damaged, so that nobody relies on it.

Owns the objects below ``damaged/``. A backup stores what lies there anew
instead of naming it, which heals the vault; nothing else depends on the list,
so a lost one costs only that.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Set
import logging
import secrets

from csbs.store import codec
from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names

FORMAT = 1

_LOG = logging.getLogger(__name__)
_PURPOSE = 'damaged'

#: stands for all of a pack
WHOLE = 0

#: (reference of a pack, offset of a blob in it or WHOLE)
Place = tuple[bytes, int]


class Damage:
    """Places that were found damaged."""

    def __init__(self, places: Iterable[Place] = ()) -> None:
        self.places = set(places)

    def __bool__(self) -> bool:
        return bool(self.places)

    def hurts(self, entry: codec.Entry) -> bool:
        """Tell whether a blob is damaged."""
        return bool(self.places) and (
            (entry.pack, entry.offset) in self.places
            or (entry.pack, WHOLE) in self.places
        )

    def touches(self, pack: bytes) -> bool:
        """Tell whether anything in a pack is damaged."""
        return any(place[0] == pack for place in self.places)


def read(core: store_core.Core) -> Damage:
    """Return what is known to be damaged.

    :raises StoreUnreadable: when the store does not answer
    """
    places: set[Place] = set()
    for name, _size in core.objects.list(names.DAMAGED):
        places.update(_read(core, name))
    return Damage(places)


def note(core: store_core.Core, places: Set[Place]) -> None:
    """Add places to what is known to be damaged."""
    if not places:
        return
    name = names.DAMAGED + secrets.token_hex(16)
    document = {
        'format': FORMAT,
        'places': sorted([pack.hex(), offset] for pack, offset in places),
    }
    core.put_sealed(_PURPOSE, name, document)


def tidy(
    core: store_core.Core, found: Collection[str], packs: Set[bytes]
) -> None:
    """Forget places in packs that are gone, and keep one object only.

    :param found: names of the lists
    :param packs: those that are listed; whether another is really gone is
        asked by its name
    """
    places: set[Place] = set()
    for name in found:
        places.update(_read(core, name))
    gone = {
        pack
        for pack in {place[0] for place in places} - packs
        if not core.exists(names.pack(pack))
    }
    left = {place for place in places if place[0] not in gone}
    if len(found) > 1 or left != places:
        note(core, left)
        core.objects.delete_many(found)


def _read(core: store_core.Core, name: str) -> set[Place]:
    try:
        document = core.get_sealed(_PURPOSE, name)
        if document['format'] != FORMAT:
            raise errors.UnsupportedFormat(f'{name} is of a newer csbs')
        return {
            (bytes.fromhex(pack), int(offset))
            for pack, offset in document['places']
        }
    except (
        errors.Damaged,
        errors.ObjectMissing,
        errors.UnsupportedFormat,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        _LOG.warning('Ignoring a list of damage: %s', error)
        return set()
