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

"""Which backups of a policy are kept, and which go, and why.

Pure: it is given backups and the present and deletes nothing itself. Only
what the policy's schedule made counts and goes; backups made by hand or by
a run now are nobody's to clean.
"""

from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import datetime
import enum

from csbs.domain import model

MAX_VALUE = 99999

#: failed backups are kept for a look at them, so many and so long
MAX_FAILED = 10
FAILED_AGE = datetime.timedelta(days=30)


class RetentionKind(enum.StrEnum):
    """The ways to say how long backups are kept."""

    DAYS = 'days'
    COUNT = 'count'
    FOREVER = 'forever'


@dataclasses.dataclass(frozen=True)
class Retention:
    """How long a policy keeps its backups.

    :ivar value: days, or backups of each server; None for ever
    :raises ValueError: with a sentence saying what is wrong
    """

    kind: RetentionKind
    value: int | None = None

    def __post_init__(self) -> None:
        if self.kind == RetentionKind.FOREVER:
            if self.value is not None:
                raise ValueError('value: forever takes no value.')
        elif self.value is None or not 1 <= self.value <= MAX_VALUE:
            raise ValueError(f'value: give a number from 1 to {MAX_VALUE}.')


class Reason(enum.StrEnum):
    """Why a backup goes."""

    TOO_OLD = 'too_old'
    TOO_MANY = 'too_many'
    FAILED_TOO_OLD = 'failed_too_old'
    FAILED_TOO_MANY = 'failed_too_many'


@dataclasses.dataclass(frozen=True)
class Expired:
    """A backup that goes, with the reason."""

    backup: model.Backup
    reason: Reason


def expired(
    retention: Retention,
    backups: Iterable[model.Backup],
    now: datetime.datetime,
) -> list[Expired]:
    """Return the backups that go.

    Failed ones are judged by themselves, so that they never push out an
    available one.

    :param backups: those of one policy, in any state
    :param now: the present, aware
    """
    servers: dict[str, list[model.Backup]] = {}
    failed: list[model.Backup] = []
    for backup in sorted(backups, key=_newest_first, reverse=True):
        if backup.trigger != model.Trigger.SCHEDULED:
            continue
        if backup.status == model.BackupStatus.AVAILABLE:
            servers.setdefault(backup.server_id, []).append(backup)
        elif backup.status == model.BackupStatus.ERROR:
            failed.append(backup)
    gone = _failed(failed, now)
    for complete in servers.values():
        gone += _complete(retention, complete, now)
    return gone


def _complete(
    retention: Retention,
    newest_first: Sequence[model.Backup],
    now: datetime.datetime,
) -> list[Expired]:
    value = retention.value or 0
    if retention.kind == RetentionKind.COUNT:
        return [Expired(one, Reason.TOO_MANY) for one in newest_first[value:]]
    if retention.kind == RetentionKind.DAYS:
        return [
            Expired(one, Reason.TOO_OLD)
            for one in newest_first
            if now - one.created_at > datetime.timedelta(days=value)
        ]
    return []


def _failed(
    newest_first: Sequence[model.Backup], now: datetime.datetime
) -> list[Expired]:
    return [
        Expired(
            one,
            Reason.FAILED_TOO_MANY
            if position >= MAX_FAILED
            else Reason.FAILED_TOO_OLD,
        )
        for position, one in enumerate(newest_first)
        if position >= MAX_FAILED or now - one.created_at > FAILED_AGE
    ]


def _newest_first(backup: model.Backup) -> tuple[datetime.datetime, str]:
    return backup.created_at, backup.id
