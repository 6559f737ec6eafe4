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

"""The nouns of csbs as frozen dataclasses: what crosses between layers.

Owns the shapes and nothing else: no I/O, no configuration, no SQL. Times are
aware UTC datetimes, sizes are bytes unless the name ends in ``_gb`` (GiB, as
Cinder counts), ids are UUID strings.
"""

from collections.abc import Mapping
import dataclasses
import datetime
import enum
from typing import Any

GIB = 1 << 30


class BackupStatus(enum.StrEnum):
    """Where a backup is in its life; see ``domain.states`` for the moves."""

    CREATING = 'creating'
    PREPARING_SNAPSHOT = 'preparing_snapshot'
    SNAPSHOTTING_CONSISTENT = 'snapshotting_consistent'
    SNAPSHOTTING_INCONSISTENT = 'snapshotting_inconsistent'
    BACKING_UP = 'backing_up'
    AVAILABLE = 'available'
    RESTORING = 'restoring'
    DELETING = 'deleting'
    ERROR = 'error'
    ERROR_DELETING = 'error_deleting'


class BackupKind(enum.StrEnum):
    """Whether a backup had an older one to compare with."""

    FULL = 'full'
    INCREMENTAL = 'incremental'


class Trigger(enum.StrEnum):
    """Who started a backup; retention only ever counts ``SCHEDULED``."""

    MANUAL = 'manual'
    RUN_NOW = 'run_now'
    SCHEDULED = 'scheduled'


class Consistency(enum.StrEnum):
    """What instant the disks of a backup really belong to."""

    #: every disk at the same instant, as after a power cut
    CRASH_CONSISTENT = 'crash_consistent'
    #: the server was shut off, so its disks did not change at all
    SHUT_OFF = 'shut_off'
    #: disks were captured one after another while the server ran
    NONE = 'none'


class SnapshotMethod(enum.StrEnum):
    """How the volumes of a backup were frozen."""

    #: the server was shut off
    SHUT_OFF = 'shut_off'
    #: it has one volume, so there was nothing to bring together
    SINGLE = 'single'
    #: the storage froze all volumes together
    GROUP = 'group'
    #: the server was paused while its volumes were frozen
    PAUSE = 'pause'
    #: one after another, while the server ran
    SEQUENTIAL = 'sequential'


class VaultStatus(enum.StrEnum):
    """A vault is usable or on its way out."""

    AVAILABLE = 'available'
    #: its term has ended: it takes no new backups until it is renewed
    EXPIRED = 'expired'
    DELETING = 'deleting'
    ERROR = 'error'


class TaskKind(enum.StrEnum):
    """The kinds of work a protection service does."""

    BACKUP = 'backup'
    RESTORE = 'restore'
    CREATE_SERVER = 'create_server'
    DELETE_BACKUP = 'delete_backup'
    COLLECT = 'collect'
    DELETE_VAULT = 'delete_vault'
    #: starts a backup of every server of a policy
    POLICY_RUN = 'policy_run'
    #: reads a backup, or all of a vault, and compares
    VERIFY = 'verify'


class TaskStatus(enum.StrEnum):
    """The states of one piece of work."""

    QUEUED = 'queued'
    RUNNING = 'running'
    SUCCEEDED = 'succeeded'
    FAILED = 'failed'
    CANCELLED = 'cancelled'
    SKIPPED = 'skipped'


class ServerStatus(enum.StrEnum):
    """The server states csbs tells apart; everything else is ``OTHER``."""

    ACTIVE = 'ACTIVE'
    SHUTOFF = 'SHUTOFF'
    OTHER = 'OTHER'


class ResourceKind(enum.StrEnum):
    """What the ledger can hold: what is to go again by itself."""

    SNAPSHOT = 'snapshot'
    #: volumes put together so that their storage freezes them at once
    GROUP = 'group'
    GROUP_SNAPSHOT = 'group_snapshot'
    #: a snapshot in Ceph that the cloud knows nothing of
    RBD_SNAPSHOT = 'rbd_snapshot'
    #: the server is paused while its volumes are frozen
    PAUSE = 'pause'
    VOLUME = 'volume'
    ATTACHMENT = 'attachment'
    SERVER = 'server'
    #: the source server is stopped and locked for a restore in place
    HOLD = 'hold'
    #: the key of a vault that is gone, with its manager, not in the cloud
    KEY = 'key'


@dataclasses.dataclass(frozen=True)
class Fault:
    """Why something failed: a stable code and a sentence for the user."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume attached to a server, as the cloud reports it.

    :ivar status: the cloud's word, ``in-use`` or ``available`` when healthy
    :ivar facts: what is needed to make one like it (type, image metadata ...)
    """

    id: str
    name: str
    size: int
    device: str
    bootable: bool
    status: str = 'in-use'
    multiattach: bool = False
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Server:
    """A server with all its volumes, as the cloud reports it.

    :ivar facts: what is needed to make one like it (flavor, networks ...)
    :ivar half_restored: a restore ended half way, so its disks are a mixture
    :ivar unprotectable: why it cannot be backed up at all, or None
    """

    id: str
    project_id: str
    name: str
    status: ServerStatus
    raw_status: str
    volumes: tuple[Volume, ...]
    locked: bool = False
    half_restored: bool = False
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    unprotectable: str | None = None


@dataclasses.dataclass(frozen=True)
class Vault:
    """Bought capacity that backups are stored in.

    :ivar used_gb: what counts against the capacity, rounded up
    :ivar used_bytes: the same, exactly
    :ivar stored_bytes: what is physically stored
    :ivar protected_bytes: what its complete backups would be as full copies
    :ivar key_ref: where the key manager keeps the vault's key
    :ivar lock_days: days that its backups can't be deleted for, or None
    :ivar task_id: the task that is deleting it, if one is
    """

    id: str
    project_id: str
    name: str
    description: str
    capacity_gb: int
    months: int
    status: VaultStatus
    key_ref: str
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    expires_at: datetime.datetime | None
    task_id: str | None = None
    used_bytes: int = 0
    stored_bytes: int = 0
    protected_bytes: int = 0
    backup_count: int = 0
    lock_days: int | None = None
    tags: tuple[str, ...] = ()
    policy_ids: tuple[str, ...] = ()

    @property
    def used_gb(self) -> int:
        return -(-self.used_bytes // GIB)

    def locked_until(self, backup: 'Backup') -> datetime.datetime | None:
        """Return until when one of its backups can't be deleted, or None.

        A backup that was never complete protects nothing and is not locked.
        """
        if self.lock_days is None or backup.status in (
            BackupStatus.ERROR,
            BackupStatus.ERROR_DELETING,
        ):
            return None
        return backup.created_at + datetime.timedelta(days=self.lock_days)


@dataclasses.dataclass(frozen=True)
class Item:
    """The part of a backup that is one volume.

    :ivar charged_bytes: what it counts against the vault's capacity
    :ivar changed_bytes: what differed from the backup before it
    """

    id: str
    backup_id: str
    volume_id: str
    volume_name: str
    device: str
    bootable: bool
    size: int
    changed_bytes: int = 0
    charged_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Backup:
    """What one backup task of one server leaves: all a restore needs.

    :ivar server_facts: the server's description when it was backed up
    :ivar snapshot_method: how its volumes were frozen
    :ivar paused_seconds: how long the server stood still for it
    :ivar parent_id: the backup it was compared with; restoring never needs it
    :ivar task_id: the last task that worked on it
    """

    id: str
    project_id: str
    vault_id: str
    server_id: str
    server_name: str
    name: str
    description: str
    status: BackupStatus
    kind: BackupKind
    trigger: Trigger
    consistency: Consistency | None
    policy_id: str | None
    parent_id: str | None
    server_facts: Mapping[str, Any]
    size: int
    changed_bytes: int
    transferred_bytes: int
    stored_bytes: int
    fault: Fault | None
    task_id: str | None
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    snapshot_at: datetime.datetime | None
    snapshot_method: SnapshotMethod | None = None
    paused_seconds: float | None = None
    items: tuple[Item, ...] = ()


@dataclasses.dataclass(frozen=True)
class Task:
    """One piece of work with state, progress and result.

    :ivar params: the request's choices, as the handler checked them
    :ivar result: what came out (ids of what was made, figures)
    :ivar step: what it does now, one of the words in the API reference
    :ivar owner: host and instance of the worker that claimed it
    :ivar policy_id: the policy that it runs for
    :ivar parent_id: the run of a policy that it is a part of
    :ivar held: whether it waits for another part of the run to end
    """

    id: str
    project_id: str
    kind: TaskKind
    status: TaskStatus
    backup_id: str | None
    server_id: str | None
    vault_id: str | None
    params: Mapping[str, Any]
    result: Mapping[str, Any]
    step: str
    bytes_done: int
    bytes_total: int
    attempts: int
    cancel_requested: bool
    owner: str | None
    fault: Fault | None
    request_id: str | None
    user_id: str | None
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    heartbeat_at: datetime.datetime | None
    policy_id: str | None = None
    parent_id: str | None = None
    held: bool = False


@dataclasses.dataclass(frozen=True)
class Resource:
    """A ledger entry: a cloud resource, written down before it is made.

    :ivar data: what the cloud needs to find it again and remove it
    """

    id: str
    task_id: str
    kind: ResourceKind
    data: Mapping[str, Any]
    created_at: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Service:
    """One running csbs process, by its last sign of life."""

    id: str
    binary: str
    host: str
    started_at: datetime.datetime
    seen_at: datetime.datetime
    alive: bool
