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

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import datetime
import enum

from csbs.domain import model

MAX_VALUE = 99999

#: failed backups are kept for a look at them, so many and for a month
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
    #: it was to go before, and that failed
    HALF_DELETED = 'half_deleted'


@dataclasses.dataclass(frozen=True)
class Made:
    """A backup that a policy's schedule made, as retention sees it."""

    id: str
    server_id: str
    status: model.BackupStatus
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Expired:
    """A backup that goes, with the reason."""

    backup: Made
    reason: Reason


def expired(
    retention: Retention,
    backups: Iterable[Made],
    now: datetime.datetime,
    failing: Collection[str] = (),
) -> list[Expired]:
    """Return the backups that go.

    Failed ones are judged by themselves, so that they never push out an
    available one. While the runs behind it fail, the newest available backup
    of a server stays, however old it gets.

    :param backups: those that the schedule of one policy made, in any state
    :param now: the present, aware
    :param failing: servers whose newest backup by the schedule failed, also
        when that is not kept any more
    """
    servers: dict[str, list[Made]] = {}
    failed: list[Made] = []
    gone: list[Expired] = []
    for backup in sorted(backups, key=_newest_first, reverse=True):
        if backup.status == model.BackupStatus.AVAILABLE:
            servers.setdefault(backup.server_id, []).append(backup)
        elif backup.status == model.BackupStatus.ERROR:
            failed.append(backup)
        elif backup.status == model.BackupStatus.ERROR_DELETING:
            gone.append(Expired(backup, Reason.HALF_DELETED))
    gone += _failed(failed, now)
    going = {one.backup for one in gone}
    newest_failed: dict[str, Made] = {}
    for one in failed:
        if one not in going:
            newest_failed.setdefault(one.server_id, one)
    for server_id, complete in servers.items():
        last = newest_failed.get(server_id)
        stays = server_id in failing or (
            last is not None
            and _newest_first(last) > _newest_first(complete[0])
        )
        gone += [
            one
            for one in _complete(retention, complete, now)
            if not (stays and one.backup == complete[0])
        ]
    return gone


def _complete(
    retention: Retention,
    newest_first: Sequence[Made],
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
    newest_first: Sequence[Made], now: datetime.datetime
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


def _newest_first(backup: Made) -> tuple[datetime.datetime, str]:
    return backup.created_at, backup.id
