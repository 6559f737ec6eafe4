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
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import datetime
import re
import secrets
import time
from typing import Any
import uuid

from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.domain import model

#: a tag that servers have while they are being made
IN_MAKING = 'csbs-in-making'
#: seconds for which Cinder may refuse to delete before it is believed
_PATIENCE = 60
#: what every mark begins with
PREFIX = 'csbs-'

_MARK = re.compile(r'csbs-([0-9a-f-]{36})-[0-9a-f]{12}')


def mark(ledger: base.Ledger) -> str:
    """Return a mark that nothing has yet."""
    return f'csbs-{ledger.task_id}-{secrets.token_hex(6)}'


def task_of(text: str) -> str | None:
    """Return the id of the task that a mark tells, if it is one."""
    match = _MARK.fullmatch(text)
    return match[1] if match else None


def find(manager: Any, known: str | None, name: str) -> list[str]:
    """Return the ids of what was made with a mark for a name.

    :param known: the id, when the answer that told it was not lost
    """
    if known:
        return [known]
    with clients.translated(f'What is named {name}'):
        found = manager.list(search_opts={'all_tenants': True, 'name': name})
    return [each.id for each in found]


def remove(
    get: Callable[[str], Any],
    delete: Callable[[str], Any],
    ids: Sequence[str],
    noun: str,
    timeout: float,
) -> None:
    """Delete things of Cinder's and see that they are gone.

    Cinder takes back the deletion of a snapshot whose clone still exists
    without saying so, and a volume may be busy for a moment: what is there
    and not being deleted is deleted again.

    :raises CloudError: when one is still there when the time is up, or
        Cinder keeps refusing
    """
    for one in ids:
        refused: list[float] = []

        def look(
            one: str = one, refused: list[float] = refused
        ) -> bool | None:
            try:
                with clients.translated(f'The {noun} {one}'):
                    if get(one).status != 'deleting':
                        delete(one)
            except clients.Missing:
                return True
            except exception.CloudRefused:
                refused.append(time.monotonic())
                if refused[-1] - refused[0] > _PATIENCE:
                    raise
            else:
                refused.clear()
            return None

        clients.wait_for(look, f'{noun} {one} to be deleted', timeout)


def leftovers(api: clients.Api) -> Iterator[model.Resource]:
    """Yield what bears a mark, as ledger entries with made up ids."""
    cinder = api.cinder
    wanted = {'all_tenants': True, 'name~': PREFIX}
    for kind, key, manager in (
        (model.ResourceKind.VOLUME, 'volume_id', cinder.volumes),
        (model.ResourceKind.SNAPSHOT, 'snapshot_id', cinder.volume_snapshots),
        (
            model.ResourceKind.GROUP_SNAPSHOT,
            'group_snapshot_id',
            cinder.group_snapshots,
        ),
        (model.ResourceKind.GROUP, 'group_id', cinder.groups),
    ):
        with clients.translated(f'Each {kind} with a mark'):
            found = manager.list(search_opts=dict(wanted))
        for each in found:
            # Those of a group go with it.
            if not each.to_dict().get('group_snapshot_id'):
                yield from _as_entry(kind, each.name, {key: each.id})
    with clients.translated('The servers that are being made'):
        servers = api.nova.servers.list(
            search_opts={'all_tenants': True, 'tags': IN_MAKING}, limit=-1
        )
    for server in servers:
        for tag in server.tags:
            yield from _as_entry(
                model.ResourceKind.SERVER, tag, {'server_id': server.id}
            )


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
