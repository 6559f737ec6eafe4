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

"""What csbs makes in the cloud for a while: how it is known and removed.

Owns the marks. A mark is made up and in the ledger before the request that
uses it is sent, so that what was made can be found when the answer is lost,
and it tells the task. What is temporary has it for a name, and so has a volume
that will be a user's while it is being made. A server could not: its guest
would see the name; it has the mark for a tag.

Users can give their own things names like these. So two rules say what csbs
takes for its own: what an entry of the ledger names by its id, or else the
oldest thing that has its mark, since nobody can copy a mark before it is
there; and what bears a mark in the service's own project, where no user can
make anything. Nothing else is ever removed.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import datetime
import logging
import re
import secrets
import time
from typing import Any
import uuid

from oslo_utils import timeutils

from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.domain import model

LOG = logging.getLogger(__name__)

#: seconds for which Cinder may refuse to delete before it is believed
_PATIENCE = 60
#: what every mark begins with
_PREFIX = 'csbs-'

_MARK = re.compile(r'csbs-([0-9a-f-]{36})-[0-9a-f]{12}')


def mark(ledger: base.Ledger) -> str:
    """Return a mark that nothing has yet."""
    return f'csbs-{ledger.task_id}-{secrets.token_hex(6)}'


def task_of(text: str) -> str | None:
    """Return the id of the task that a mark tells, if it is one."""
    match = _MARK.fullmatch(text)
    return match[1] if match else None


@contextlib.contextmanager
def planned(
    ledger: base.Ledger, kind: model.ResourceKind, **data: Any
) -> Iterator[model.Resource]:
    """Have something in the ledger while the block runs, then take it back.

    What cannot be taken back then stays in the ledger for later: neither does
    it spoil what the block has done, nor hide why it failed.
    """
    entry = ledger.plan(kind, **data)
    try:
        yield entry
    finally:
        try_to_discard(ledger, entry)


def try_to_discard(ledger: base.Ledger, entry: model.Resource) -> None:
    """Take something back now, or else leave it in the ledger for later."""
    try:
        ledger.discard(entry)
    except exception.CloudError as error:
        LOG.warning('A %s is left for later: %s', entry.kind, error)


@contextlib.contextmanager
def asked(
    ledger: base.Ledger, entry: model.Resource, what: str
) -> Iterator[None]:
    """Ask for what an entry names; strike it out when the cloud refuses.

    :param what: as in :func:`clients.translated`
    """
    try:
        with clients.translated(what):
            yield
    except (exception.CloudRefused, clients.Missing):
        ledger.keep(entry)
        raise


def find(manager: Any, known: str | None, name: str) -> list[str]:
    """Return the id of what was made with a mark for a name, if it was.

    :param known: the id, when the answer that told it was not lost
    """
    if known:
        return [known]
    with clients.translated(f'What is named {name}'):
        found = manager.list(search_opts={'all_tenants': True, 'name': name})
    return oldest(found, 'created_at')


def oldest(found: Sequence[Any], when: str) -> list[str]:
    """Return the id of the thing that was made first, if there is any.

    :param when: the attribute that tells
    """
    ordered = sorted(found, key=lambda each: str(getattr(each, when)))
    return [str(each.id) for each in ordered[:1]]


def remove(
    manager: Any,
    ids: Sequence[str],
    noun: str,
    section: Any,
    delete: Callable[[str], Any] | None = None,
) -> None:
    """Delete things of Cinder's and see that they are gone.

    :param section: the options of the cloud
    :param delete: in place of the manager's own
    :raises CloudError: when one is still there when the time is up, or
        Cinder keeps refusing, or failing
    """
    for one in ids:
        clients.wait_for(
            _Removal(manager, one, noun, section, delete).look,
            f'{noun} {one} to be deleted',
            section.volume_timeout,
        )


class _Removal:
    """One thing of Cinder's that shall go.

    Cinder takes back the deletion of a snapshot whose clone still exists
    without saying so, and a volume may be busy for a moment: what is there
    and not being deleted is deleted again. Cinder's API hands its work on
    over a message bus that may lose it, and then nobody works on what it
    says is being made or deleted. Being deleted twice does no harm.
    """

    def __init__(
        self,
        manager: Any,
        one: str,
        noun: str,
        section: Any,
        delete: Callable[[str], Any] | None,
    ) -> None:
        self._manager = manager
        self._id = one
        self._what = f'The {noun} {one}'
        self._section = section
        self._delete = delete or manager.delete
        self._refused: float | None = None
        self._asked: float | None = None

    def look(self) -> bool | None:
        """Take the next step; return whether it is gone, or else None."""
        try:
            with clients.translated(self._what):
                self._step(self._manager.get(self._id))
        except clients.Missing:
            return True
        except exception.CloudRefused:
            now = time.monotonic()
            if self._refused is None:
                self._refused = now
            patience = min(_PATIENCE, self._section.volume_timeout)
            if now - self._refused > patience:
                raise
        return None

    def _step(self, found: Any) -> None:
        now = time.monotonic()
        if found.status == 'deleting':
            if self._asked is None:
                self._asked = now
            if now - self._asked < self._section.settle:
                return
            LOG.warning('%s is not being deleted; trying again', self._what)
        elif found.status == 'creating' and self._is_old(found):
            LOG.warning('%s is not being made any more', self._what)
        elif found.status != 'error_deleting':
            self._delete(self._id)
            self._refused, self._asked = None, now
            return
        # Cinder does not try again by itself.
        self._manager.reset_state(self._id, 'error')
        self._delete(self._id)
        self._asked = now
        if found.status == 'error_deleting':
            raise exception.CloudRefused(
                f'{self._what} cannot be deleted; the log of Cinder says why.'
            )

    def _is_old(self, found: Any) -> bool:
        return timeutils.is_older_than(
            timeutils.parse_isotime(found.created_at),
            self._section.volume_timeout,
        )


def leftovers(api: clients.Api) -> Iterator[model.Resource]:
    """Yield what bears a mark, as ledger entries with made up ids.

    :param api: the service's own; its project is all that is looked into
    """
    for kind, key, manager in (
        (model.ResourceKind.VOLUME, 'volume_id', api.cinder.volumes),
        (
            model.ResourceKind.SNAPSHOT,
            'snapshot_id',
            api.cinder.volume_snapshots,
        ),
    ):
        with clients.translated(f'Each {kind} with a mark'):
            found = manager.list(search_opts={'name~': _PREFIX})
        for each in found:
            yield from _as_entry(kind, each.name, {key: each.id})


def _as_entry(
    kind: model.ResourceKind, text: str | None, data: dict[str, Any]
) -> Iterator[model.Resource]:
    task_id = task_of(text or '')
    if task_id:
        yield model.Resource(
            id=str(uuid.uuid4()),
            task_id=task_id,
            kind=kind,
            data={'mark': text, **data},
            created_at=datetime.datetime.now(datetime.UTC),
        )
