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

"""What csbs needs from a cloud, and nothing more.

Owns the Protocol that ``cloud.local`` and ``cloud.openstack`` implement. A
cloud never touches the database: what it makes it first announces to the
:class:`Ledger` it is given, and everything in the ledger can be taken back
with :meth:`Cloud.discard`, by another process and any number of times.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import datetime
from typing import Any
from typing import Protocol

from csbs import context as csbs_context
from csbs.domain import model
from csbs.store import volume


class Ledger(Protocol):
    """The record of what a task makes in the cloud, and its wish to go on.

    :ivar task_id: whose it is
    """

    task_id: str

    def check(self) -> None:
        """Return if the task may go on; asked while waiting for the cloud.

        :raises CsbsError: TaskCancelled or one of its kind, to be let through
        """
        ...

    def plan(self, kind: model.ResourceKind, **data: Any) -> model.Resource:
        """Write down a resource before it is made, in its own transaction.

        :param data: JSON-able; all :meth:`Cloud.discard` needs to find it
        """
        ...

    def update(self, entry: model.Resource, **data: Any) -> model.Resource:
        """Add to what is known of a resource, such as the id it was given."""
        ...

    def discard(self, entry: model.Resource) -> None:
        """Take the resource back now, then strike it out."""
        ...

    def keep(self, entry: model.Resource) -> None:
        """Strike an entry out without touching the resource."""
        ...


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One volume, frozen at an instant.

    :ivar ref: the cloud's own name for it
    """

    volume_id: str
    size: int
    ref: str


@dataclasses.dataclass(frozen=True)
class SnapshotSet:
    """All volumes of a server, frozen.

    :ivar consistency: what was really had, not what was asked for
    :ivar taken_at: when the first of them was taken
    :ivar snapshots: by volume id
    :ivar paused_seconds: how long the server stood still for it, or None
    :ivar kept: ledger entries that stay with the finished backup, for the
        next one to be compared with
    """

    consistency: model.Consistency
    method: model.SnapshotMethod
    taken_at: datetime.datetime
    snapshots: Mapping[str, Snapshot]
    paused_seconds: float | None = None
    kept: tuple[model.Resource, ...] = ()


@dataclasses.dataclass(frozen=True)
class VolumeSpec:
    """A volume to make for a new server.

    :ivar source_id: the volume that was backed up
    :ivar availability_zone: where the user wants it, or None
    """

    name: str
    size: int
    device: str
    bootable: bool
    facts: Mapping[str, Any]
    source_id: str = ''
    availability_zone: str | None = None


@dataclasses.dataclass(frozen=True)
class ServerSpec:
    """A server to make from a backup.

    :ivar facts: the source server's, from the backup
    :ivar choices: what the user asked for: networks, key_name, admin_pass,
        security_groups, flavor_id, availability_zone, power_on
    """

    name: str
    facts: Mapping[str, Any]
    choices: Mapping[str, Any]


class Cloud(Protocol):
    """A cloud that has servers with volumes.

    Every method raises :class:`csbs.exception.CloudError` or one of its
    kind, or :class:`csbs.exception.ServerNotFound`, and nothing else but
    what :meth:`Ledger.check` raises. A context with a token lets it act as
    the user where the cloud wants that.
    """

    def check(self) -> None:
        """See that the cloud answers and is one that csbs can work with."""
        ...

    def servers(
        self, context: csbs_context.RequestContext
    ) -> Sequence[model.Server]:
        """Return the servers of the context's project, ordered by name."""
        ...

    def server(
        self, context: csbs_context.RequestContext, server_id: str
    ) -> model.Server:
        """Return one server of the context's project.

        A context that is ``is_admin`` may see every project's servers.

        :raises ServerNotFound: also when it is another project's
        """
        ...

    def snapshot(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: Ledger,
        *,
        backup_id: str,
        allow_pause: bool,
        fallback: Callable[[], None],
    ) -> SnapshotSet:
        """Freeze all volumes of the server at one instant if it can be had.

        Each snapshot is in the ledger before it exists.

        :param backup_id: what the snapshots are for
        :param allow_pause: whether the server may be paused for a moment
        :param fallback: called before the volumes are frozen one after
            another because one instant could not be had
        """
        ...

    def open_snapshot(
        self,
        context: csbs_context.RequestContext,
        snapshot: Snapshot,
        ledger: Ledger,
    ) -> contextlib.AbstractContextManager[volume.VolumeReader]:
        """Open a snapshot's bytes for reading.

        :raises VolumeUnreadable: when it cannot be opened or read
        """
        ...

    def keep_only(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Drop what is kept of these volumes for older backups than this.

        Called when the backup is complete.
        """
        ...

    def forget(self, backup_id: str, volume_ids: Collection[str]) -> None:
        """Drop what is kept of these volumes for a backup that goes away."""
        ...

    def check_restore(
        self, server: model.Server, volume_ids: Collection[str]
    ) -> None:
        """See that these volumes may be overwritten, before anything is.

        :raises VolumeShared: when another running server writes to one
        """
        ...

    def hold(
        self,
        context: csbs_context.RequestContext,
        server: model.Server,
        ledger: Ledger,
    ) -> model.Resource:
        """Stop the server and lock it, so that its disks can be overwritten.

        Discarding the entry unlocks it and starts it again if it was running
        before, unless ``keep_stopped`` was put into the entry's data: then it
        is left stopped and locked, marked as half restored. Holding a server
        that is held already (by a dead worker) is fine and goes on.
        """
        ...

    def open_volume(
        self, server_id: str, volume_id: str, ledger: Ledger
    ) -> contextlib.AbstractContextManager[volume.VolumeWriter]:
        """Open a volume of a held server for writing.

        :raises VolumeUnwritable: when it cannot be opened or written
        """
        ...

    def create_volume(
        self,
        context: csbs_context.RequestContext,
        spec: VolumeSpec,
        ledger: Ledger,
    ) -> tuple[model.Resource, model.Volume]:
        """Make a volume for a new server.

        It reads as zeros unless it had to be made from its source, as an
        encrypted one has; its writer knows.
        """
        ...

    def open_new_volume(
        self, volume: model.Volume, ledger: Ledger
    ) -> contextlib.AbstractContextManager[volume.VolumeWriter]:
        """Open a volume of :meth:`create_volume` for writing."""
        ...

    def create_server(
        self,
        context: csbs_context.RequestContext,
        spec: ServerSpec,
        volumes: Sequence[model.Volume],
        ledger: Ledger,
    ) -> tuple[model.Resource, model.Server]:
        """Make a server from volumes; the first bootable one is its root."""
        ...

    def hand_over(self, entries: Sequence[model.Resource]) -> None:
        """Make what these entries name the user's alone.

        Called before they are struck out of the ledger: the marks are taken
        off.
        """
        ...

    def discard(
        self, context: csbs_context.RequestContext, entry: model.Resource
    ) -> None:
        """Take back what a ledger entry names; fine when it is gone.

        :raises CloudUnsettled: when it is not there, but may yet come, since
            the answer to the request was lost: try again later
        """
        ...

    def leftovers(self) -> Iterable[model.Resource]:
        """Return what bears the mark of a task, as it would be in a ledger.

        Each has that ``mark`` in its data, as the entry in the ledger has
        under which it was made: what no entry knows is left over, if its
        task is one of csbs' own and is over. Nothing that a user could have
        made is among them.
        """
        ...
