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

"""The list of packs that nothing needed when garbage was last collected.

Owns the objects below ``condemned/``: batches of packs with the time each was
condemned. A pack is deleted only when it was on the list for a while, and
marked as doomed before the collection looks a last time whether somebody
needs it. Nobody who finds a pack on the list begins to use it.
"""

from collections.abc import Set
import dataclasses
import datetime
import logging
import secrets

from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names

FORMAT = 1

_LOG = logging.getLogger(__name__)
_PURPOSE = 'condemned'
_BATCH = 100_000
_ATTEMPTS = 10

Times = dict[bytes, datetime.datetime]


@dataclasses.dataclass
class Listed:
    """The list.

    :ivar times: when each pack was condemned
    :ivar doomed: those that a collection may be deleting this very moment;
        another takes them off the list only when they are gone
    :ivar batches: the objects that it was read from
    """

    times: Times = dataclasses.field(default_factory=dict)
    doomed: set[bytes] = dataclasses.field(default_factory=set)
    batches: list[str] = dataclasses.field(default_factory=list)


def read(core: store_core.Core) -> Listed:
    """Return the list as it is now.

    Another collection may replace the batches meanwhile: it writes the new
    ones before it removes the old, so reading again finds them. A batch that
    is damaged counts for nothing: its packs are condemned anew some time.

    :raises StoreUnreadable: when the list never stands still
    """
    for _attempt in range(_ATTEMPTS):
        listed = Listed()
        found = [name for name, _size in core.objects.list(names.CONDEMNED)]
        try:
            for name in found:
                _read_batch(core, name, listed)
            return listed
        except errors.ObjectMissing:
            continue
    raise errors.StoreUnreadable('the list of condemned packs keeps changing')


def write(
    core: store_core.Core, times: Times, doomed: Set[bytes]
) -> list[str]:
    """Write the list anew beside the old one; return the new objects."""
    written = []
    rows = sorted(times.items())
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        name = names.CONDEMNED + secrets.token_hex(16)
        document = {
            'format': FORMAT,
            'packs': {pack.hex(): time.isoformat() for pack, time in batch},
            'doomed': [pack.hex() for pack, _time in batch if pack in doomed],
        }
        core.put_sealed(_PURPOSE, name, document)
        written.append(name)
    return written


def remove(core: store_core.Core, batches: list[str]) -> None:
    """Remove objects of the list."""
    for name in batches:
        core.objects.delete(name)


def _read_batch(core: store_core.Core, name: str, listed: Listed) -> None:
    try:
        document = core.get_sealed(_PURPOSE, name)
        if document['format'] != FORMAT:
            raise errors.UnsupportedFormat(f'{name} is of a newer csbs')
        times = {
            bytes.fromhex(pack): datetime.datetime.fromisoformat(time)
            for pack, time in document['packs'].items()
        }
        doomed = {bytes.fromhex(pack) for pack in document['doomed']}
    except (
        errors.Damaged,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        _LOG.warning('Ignoring a list of condemned packs: %s', error)
        times, doomed = {}, set()
    for pack, time in times.items():
        listed.times[pack] = max(time, listed.times.get(pack, time))
    listed.doomed |= doomed
    listed.batches.append(name)
