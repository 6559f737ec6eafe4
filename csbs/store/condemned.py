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

"""Packs that nothing needs: the list of them, and the marks of the doomed.

Owns the objects below ``condemned/``, batches of packs with the time each was
condemned, and those below ``doomed/``, one for each pack that a collection is
about to delete. The list only says how long a pack has been without use, and
may be late. The marks are found by name: who wants to name a pack that nobody
may need any more looks for its mark first, and leaves it alone when there is
one.
"""

from collections.abc import Iterable
import datetime
import logging
import secrets

from csbs.store import core as store_core
from csbs.store import errors
from csbs.store import names
from csbs.store import pipeline

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
                for pack, time in _read_batch(core, name).items():
                    times[pack] = max(time, times.get(pack, time))
            except errors.ObjectMissing:
                missing.add(name)
        if not missing:
            return times, found
        gone |= missing
    raise errors.StoreUnreadable('the list of condemned packs keeps changing')


def write(core: store_core.Core, times: Times) -> list[str]:
    """Write the list anew beside the old one; return the new objects."""
    written = []
    rows = sorted(times.items())
    for start in range(0, len(rows), _BATCH):
        name = names.CONDEMNED + secrets.token_hex(16)
        document = {
            'format': FORMAT,
            'packs': {
                pack.hex(): time.isoformat()
                for pack, time in rows[start : start + _BATCH]
            },
        }
        core.put_sealed(_PURPOSE, name, document)
        written.append(name)
    return written


def doom(core: store_core.Core, packs: Iterable[bytes]) -> None:
    """Mark packs: from now on nobody begins to use them."""
    now = datetime.datetime.now(datetime.UTC)
    document = {'format': FORMAT, 'marked_at': now.isoformat()}

    def mark(pack: bytes) -> None:
        core.put_sealed(_PURPOSE, names.doomed(pack), document)

    pipeline.in_threads(core.options.threads, packs, mark)


def is_doomed(core: store_core.Core, pack: bytes) -> bool:
    """Tell whether a collection may be deleting a pack this very moment."""
    return core.exists(names.doomed(pack))


def spare(core: store_core.Core, before: datetime.datetime) -> None:
    """Remove the marks of packs that are gone, and those of dead collections.

    A pack that was spared keeps its mark until then, because another
    collection may have marked it, too.

    :param before: older marks are of collections that are over for sure
    """
    old = []
    for name, _size in core.objects.list(names.DOOMED):
        reference = names.pack_reference(name)
        if reference and not core.exists(names.pack(reference)):
            old.append(name)
            continue
        try:
            document = core.get_sealed(_PURPOSE, name)
            marked_at = datetime.datetime.fromisoformat(document['marked_at'])
            if marked_at < before:
                old.append(name)
        except errors.ObjectMissing:
            continue
        except (errors.Damaged, KeyError, TypeError, ValueError) as error:
            _LOG.warning('Ignoring the mark of a doomed pack: %s', error)
    core.objects.delete_many(old)


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
