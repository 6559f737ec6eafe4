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
    timeout: float,
    delete: Callable[[str], Any] | None = None,
) -> None:
    """Delete things of Cinder's and see that they are gone.

    Cinder takes back the deletion of a snapshot whose clone still exists
    without saying so, and a volume may be busy for a moment: what is there
    and not being deleted is deleted again.

    :param delete: in place of the manager's own
    :raises CloudError: when one is still there when the time is up, or
        Cinder keeps refusing, or failing
    """
    for one in ids:
        failed: list[float] = []

        def look(one: str = one, failed: list[float] = failed) -> bool | None:
            try:
                with clients.translated(f'The {noun} {one}'):
                    status = manager.get(one).status
                    if status == 'error_deleting':
                        # Cinder does not try again by itself.
                        manager.reset_state(one, 'error')
                    if status != 'deleting':
                        (delete or manager.delete)(one)
                    if status == 'error_deleting':
                        raise exception.CloudRefused(
                            f'The {noun} {one} cannot be deleted; the log '
                            'of Cinder says why.'
                        )
            except clients.Missing:
                return True
            except exception.CloudRefused:
                failed.append(time.monotonic())
                if failed[-1] - failed[0] > min(_PATIENCE, timeout):
                    raise
            else:
                if status != 'deleting':
                    failed.clear()
            return None

        clients.wait_for(look, f'{noun} {one} to be deleted', timeout)


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
