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

"""What others are told when something changes: events and their payloads.

Owns the wire format, and with it what is never sent: secrets, what users put
into their servers, and where keys are kept. Every field of a noun is either
sent or withheld here; a field that is added has to be put into one of both.
"""

from collections.abc import Mapping
import dataclasses
import datetime
import enum
from typing import Any

from csbs.domain import model
from csbs.domain import policy

Noun = model.Vault | model.Backup | policy.Policy | model.Task

#: what payloads are of; consumers tell other services' by it
NAMESPACE = 'csbs'


@dataclasses.dataclass(frozen=True)
class Kind:
    """How a noun is told of.

    :ivar version: of the payload: the second number grows with every field
        that is added, the first when one is taken away or means another thing
    :ivar sent: fields that are sent
    :ivar quiet: those of them whose change alone is no event
    :ivar withheld: fields that are not sent
    """

    name: str
    version: str
    sent: frozenset[str]
    quiet: frozenset[str]
    withheld: frozenset[str]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS: Mapping[type, Kind] = {
    model.Vault: Kind(
        'vault',
        '1.0',
        sent=_words(
            'id project_id name description capacity_gb months status '
            'created_at updated_at expires_at task_id used_bytes '
            'stored_bytes protected_bytes backup_count lock_days tags'
        ),
        quiet=_words('updated_at'),
        # Which policies are bound to it is told by them.
        withheld=_words('key_ref policy_ids'),
    ),
    model.Backup: Kind(
        'backup',
        '1.0',
        sent=_words(
            'id project_id vault_id server_id server_name name description '
            'status kind trigger consistency policy_id parent_id size '
            'changed_bytes transferred_bytes stored_bytes fault task_id '
            'created_at updated_at snapshot_at snapshot_method '
            'paused_seconds items'
        ),
        # What items are charged is told as the vault's use.
        quiet=_words('updated_at items'),
        # What the cloud knows of a server may hold anything.
        withheld=_words('server_facts'),
    ),
    policy.Policy: Kind(
        'policy',
        '1.0',
        sent=_words(
            'id project_id name enabled vault_id schedule retention '
            'created_at updated_at next_run_at server_ids allow_pause '
            'max_parallel'
        ),
        # It moves on by itself with every run, which is a task.
        quiet=_words('updated_at next_run_at'),
        withheld=_words('fire_at prune_at'),
    ),
    model.Task: Kind(
        'task',
        '1.0',
        sent=_words(
            'id project_id kind status backup_id server_id vault_id '
            'policy_id parent_id result step bytes_done bytes_total '
            'attempts cancel_requested fault created_at started_at '
            'finished_at'
        ),
        quiet=_words('step bytes_done'),
        # Parameters hold tokens and passwords, if encrypted ones; who asked
        # is told beside the task; the rest is between workers.
        withheld=_words('params request_id user_id owner heartbeat_at held'),
    ),
}

#: fields that have another name on the wire, as they have in the API
_WIRE_NAMES = {'size': 'size_bytes'}


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that changed, ready to be told.

    :ivar id: the same however often it is sent
    """

    id: str
    type: str
    payload: Mapping[str, Any]


def event(
    event_id: str,
    before: Noun | None,
    after: Noun | None,
    *,
    occurred_at: datetime.datetime,
    user_id: str | None,
    request_id: str | None,
) -> Event | None:
    """Return the event of a change, or None if it is not worth one.

    :param before: None when it was made
    :param after: None when it is gone
    """
    present = after or before
    if present is None:
        return None
    kind = KINDS[type(present)]
    if before is None:
        verb = 'created'
    elif after is None:
        verb = 'deleted'
    elif any(
        getattr(before, name) != getattr(after, name)
        for name in kind.sent - kind.quiet
    ):
        verb = 'changed'
    else:
        return None
    if isinstance(present, model.Task):
        user_id, request_id = present.user_id, present.request_id
    return Event(
        id=event_id,
        type=f'{NAMESPACE}.{kind.name}.{verb}',
        payload={
            'name': f'{kind.name.capitalize()}Payload',
            'namespace': NAMESPACE,
            'version': kind.version,
            'data': {
                'event_id': event_id,
                'occurred_at': _plain(occurred_at),
                'project_id': present.project_id,
                'user_id': user_id,
                'request_id': request_id,
                'before': _state(before, kind),
                'after': _state(after, kind),
            },
        },
    )


def _state(noun: Noun | None, kind: Kind) -> dict[str, Any] | None:
    if noun is None:
        return None
    return {
        _WIRE_NAMES.get(name, name): _plain(getattr(noun, name))
        for name in sorted(kind.sent)
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.datetime):
        text = value.astimezone(datetime.UTC).isoformat('T', 'microseconds')
        return text.replace('+00:00', 'Z')
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if dataclasses.is_dataclass(value):
        return {
            _WIRE_NAMES.get(field.name, field.name): _plain(
                getattr(value, field.name)
            )
            for field in dataclasses.fields(value)
        }
    return value
