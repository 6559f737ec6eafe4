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
condemned. A pack is deleted only when it was on the list for a while.
"""

from collections.abc import Mapping
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


def read(core: store_core.Core) -> tuple[Times, list[str]]:
    """Return when each condemned pack was, and the objects that say so.

    Another collection may replace the batches meanwhile: it writes the new
    ones before it removes the old, so listing again finds them. What is then
    still listed and not there is a listing that lags behind, and what it
    hides counts as not condemned. A batch that is damaged counts for
    nothing: its packs are condemned anew some time.

    :raises StoreUnreadable: when the list never stands still
    """
    gone: set[str] = set()
    for _attempt in range(_ATTEMPTS):
        times: Times = {}
        found = [
            name
            for name, _size in core.objects.list(names.CONDEMNED)
            if name not in gone
        ]
        missing = set()
        for name in found:
            try:
                _merge(times, _read_batch(core, name))
            except errors.ObjectMissing:
                missing.add(name)
        if not missing:
            return times, found
        gone |= missing
    raise errors.StoreUnreadable('the list of condemned packs keeps changing')


def write(
    core: store_core.Core, times: Mapping[bytes, datetime.datetime]
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
        }
        core.put_sealed(_PURPOSE, name, document)
        written.append(name)
    return written


def remove(core: store_core.Core, batches: list[str]) -> None:
    """Remove objects of the list."""
    for name in batches:
        core.objects.delete(name)


def _merge(times: Times, more: Times) -> None:
    for pack, time in more.items():
        times[pack] = max(time, times.get(pack, time))


def _read_batch(core: store_core.Core, name: str) -> Times:
    try:
        document = core.get_sealed(_PURPOSE, name)
        if document['format'] != FORMAT:
            raise errors.UnsupportedFormat(f'{name} is of a newer csbs')
        return {
            bytes.fromhex(pack): datetime.datetime.fromisoformat(time)
            for pack, time in document['packs'].items()
        }
    except (
        errors.Damaged,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        _LOG.warning('Ignoring a list of condemned packs: %s', error)
        return {}
