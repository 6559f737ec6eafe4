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

"""The verbs of backups."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import checks
from csbs.actions import names
from csbs.actions import queue
from csbs.actions import sealed
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import charges as db_charges
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import runs as db_runs
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import charge as domain_charge
from csbs.domain import model
from csbs.domain import states


@dataclasses.dataclass(frozen=True)
class Wish:
    """How a backup is wanted.

    :ivar name: None for one that csbs makes up
    :ivar policy_id: the policy that wants it, if one does
    :ivar allow_pause: whether the server may be paused for a moment to get
        its volumes at one instant; None: as the configuration says
    :ivar run_id: the run of a policy that it is a part of
    :ivar max_parallel: how many parts of the run may be at work at a time
    """

    name: str | None = None
    description: str = ''
    trigger: model.Trigger = model.Trigger.MANUAL
    policy_id: str | None = None
    allow_pause: bool | None = None
    run_id: str | None = None
    max_parallel: int = 0


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A backup that is about to be put on record.

    :ivar params: of its task
    """

    server: model.Server
    backup_id: str
    task_id: str
    params: Mapping[str, Any]


def create(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    server_id: str,
    vault_id: str,
    wish: Wish,
) -> model.Backup:
    """Back a server up: check, take room in the vault, queue the task.

    :raises ServerNotFound: or VaultNotFound, also for another project's
    :raises ServerBusy: when another task works on the server
    :raises CapacityExceeded: when it would not fit into the vault
    :raises KeyMissing: when the caller's token can't be kept safe
    :raises TaskCancelled: when the run that it is to be a part of is
    """
    vault = db_vaults.get(rt.db, vault_id, ctx.project_id)
    server = look(rt, ctx, server_id)
    prepared = prepare(rt, ctx, server, vault.key_ref)
    backup = rt.db.run(lambda: put(rt, ctx, prepared, vault_id, wish))
    rt.doorbell.wake()
    return backup


def look(
    rt: Runtime, ctx: csbs_context.RequestContext, server_id: str
) -> model.Server:
    """Return a server that can be backed up right now.

    :raises ServerNotFound: also for another project's
    :raises Conflict: when it can't be
    """
    server = rt.cloud.server(ctx, server_id)
    checks.server_ready(server)
    checks.not_half_restored(server)
    return server


def prepare(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    server: model.Server,
    key_ref: str,
) -> Prepared:
    """Do what a backup needs before its transaction.

    :param key_ref: where the key of its vault is
    :raises KeyMissing: when the caller's token can't be kept safe
    """
    task_id = str(uuid.uuid4())
    return Prepared(
        server=server,
        backup_id=str(uuid.uuid4()),
        task_id=task_id,
        params=sealed.seal_with(rt, ctx, key_ref, task_id),
    )


def put(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    prepared: Prepared,
    vault_id: str,
    wish: Wish,
) -> model.Backup:
    """Write backup and task down, as part of the caller's transaction.

    The caller rings ``rt.doorbell`` once the transaction is through.

    :raises Conflict: as :func:`create`
    """
    server = prepared.server
    params = {**prepared.params, 'trigger': str(wish.trigger)}
    if wish.allow_pause is not None:
        params['allow_pause'] = wish.allow_pause
    checks.vault_takes_backups(db_vaults.lock(rt.db, vault_id))
    held = _must_wait(rt, wish)
    db_tasks.lock_server(rt.db, server.id, prepared.task_id)
    parent = db_backups.latest(rt.db, server.id, vault_id)
    items = make_items(
        rt, vault_id, prepared.backup_id, parent, server.volumes
    )
    db_vaults.take_room(
        rt.db, vault_id, sum(item.charged_bytes for item in items) or 1
    )
    backup = dataclasses.replace(
        _new_backup(server, vault_id, prepared, items, parent),
        name=wish.name or make_name(rt, server.id, wish.trigger),
        description=wish.description,
        trigger=wish.trigger,
        policy_id=wish.policy_id,
    )
    db_backups.create(rt.db, backup)
    queue.put(
        rt,
        ctx,
        model.TaskKind.BACKUP,
        task_id=prepared.task_id,
        project_id=server.project_id,
        backup_id=backup.id,
        server_id=server.id,
        vault_id=vault_id,
        policy_id=wish.policy_id,
        parent_id=wish.run_id,
        held=held,
        params=params,
        bytes_total=backup.size,
    )
    return backup


def put_failed(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    server_id: str,
    vault_id: str,
    wish: Wish,
    fault: model.Fault,
) -> None:
    """Put on record that a backup that a policy wanted could not start.

    :raises VaultUnavailable: when its vault is on its way out
    """
    backup_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    project_id = str(ctx.project_id)

    def work() -> None:
        vault = db_vaults.lock(rt.db, vault_id)
        if vault.status == model.VaultStatus.DELETING:
            raise exception.VaultUnavailable(id=vault.id, status=vault.status)
        last = db_backups.last_of_servers(rt.db, project_id, [server_id])
        server = model.Server(
            id=server_id,
            project_id=project_id,
            name=last[server_id].server_name if last else '',
            status=model.ServerStatus.OTHER,
            raw_status='',
            volumes=(),
        )
        prepared = Prepared(server, backup_id, task_id, {})
        db_backups.create(
            rt.db,
            dataclasses.replace(
                _new_backup(server, vault_id, prepared, (), None),
                name=make_name(rt, server_id, wish.trigger),
                status=model.BackupStatus.ERROR,
                trigger=wish.trigger,
                policy_id=wish.policy_id,
                fault=fault,
            ),
        )
        if wish.trigger == model.Trigger.SCHEDULED:
            policy_id = str(wish.policy_id)
            db_policies.set_failing(rt.db, policy_id, True, server_id)
        queue.put(
            rt,
            ctx,
            model.TaskKind.BACKUP,
            task_id=task_id,
            project_id=project_id,
            backup_id=backup_id,
            server_id=server_id,
            vault_id=vault_id,
            policy_id=wish.policy_id,
            parent_id=wish.run_id,
            params={'trigger': str(wish.trigger)},
            status=model.TaskStatus.FAILED,
            fault=fault,
        )

    rt.db.run(work)


def _must_wait(rt: Runtime, wish: Wish) -> bool:
    """Tell whether enough parts of a run are at work already.

    :raises TaskCancelled: when the run is cancelled
    """
    if wish.run_id is None:
        return False
    if db_tasks.lock(rt.db, wish.run_id).cancel_requested:
        raise exception.TaskCancelled()
    return db_runs.claimable(rt.db, wish.run_id) >= wish.max_parallel


def make_name(rt: Runtime, server_id: str, trigger: model.Trigger) -> str:
    """Return a name for a backup that no other one of its server has."""
    by_hand = trigger == model.Trigger.MANUAL
    return names.make(
        'manualbk_' if by_hand else 'autobk_',
        lambda name: db_backups.name_taken(rt.db, server_id, name),
    )


def _new_backup(
    server: model.Server,
    vault_id: str,
    prepared: Prepared,
    items: tuple[model.Item, ...],
    parent: model.Backup | None,
) -> model.Backup:
    now = paging.utcnow()
    if parent is not None:
        # The order of a server's backups does not depend on whose clock is
        # right.
        now = max(now, parent.created_at + datetime.timedelta(microseconds=1))
    return model.Backup(
        id=prepared.backup_id,
        project_id=server.project_id,
        vault_id=vault_id,
        server_id=server.id,
        server_name=server.name,
        name='',
        description='',
        status=model.BackupStatus.CREATING,
        kind=model.BackupKind.INCREMENTAL if parent else model.BackupKind.FULL,
        trigger=model.Trigger.MANUAL,
        consistency=None,
        policy_id=None,
        parent_id=parent.id if parent else None,
        server_facts=describe(server),
        size=sum(item.size for item in items),
        changed_bytes=0,
        transferred_bytes=0,
        stored_bytes=0,
        fault=None,
        task_id=prepared.task_id,
        created_at=now,
        updated_at=None,
        snapshot_at=None,
        items=items,
    )


def describe(server: model.Server) -> dict[str, Any]:
    """Return all that is known of a server, as it is kept with a backup."""
    return {
        **server.facts,
        'volumes': {
            volume.id: dict(volume.facts) for volume in server.volumes
        },
    }


def make_items(
    rt: Runtime,
    vault_id: str,
    backup_id: str,
    parent: model.Backup | None,
    volumes: Sequence[model.Volume],
) -> tuple[model.Item, ...]:
    """Return the items of a backup that is about to be made.

    Each counts from now on what is certain: a volume without an older backup
    its whole size, a grown one what it grew by. What changed comes to that.

    :param parent: the newest backup of the server in the vault
    """
    older = {item.volume_id: item for item in parent.items} if parent else {}
    return tuple(
        model.Item(
            id=str(uuid.uuid4()),
            backup_id=backup_id,
            volume_id=volume.id,
            volume_name=volume.name,
            device=volume.device,
            bootable=volume.bootable,
            size=volume.size,
            charged_bytes=domain_charge.expected(
                volume.size,
                older.get(volume.id),
                db_charges.newest_item(rt.db, vault_id, volume.id),
            ),
        )
        for volume in volumes
    )


def update(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    backup_id: str,
    changes: Mapping[str, Any],
) -> model.Backup:
    """Change a backup's name or description."""

    def work() -> model.Backup:
        db_backups.get(rt.db, backup_id, ctx.project_id)
        db_backups.update(rt.db, backup_id, changes)
        return db_backups.get(rt.db, backup_id)

    return rt.db.run(work)


def delete(
    rt: Runtime, ctx: csbs_context.RequestContext, backup_id: str
) -> model.Backup:
    """Delete a backup; no other backup needs it.

    :raises BackupBusy: when something is going on with it
    :raises BackupLocked: when it is younger than its vault's lock allows
    """
    task_id = str(uuid.uuid4())

    def work() -> model.Backup:
        backup = db_backups.get(rt.db, backup_id, ctx.project_id)
        checks.not_locked(db_vaults.get(rt.db, backup.vault_id), backup)
        db_backups.move(
            rt.db,
            backup_id,
            model.BackupStatus.DELETING,
            wanted=states.DELETABLE,
            task_id=task_id,
            fault=None,
        )
        # Moved first: the row is ours now, so no new reader can come in
        # between this look and the commit.
        readers = db_tasks.active(rt.db, backup_id=backup_id)
        if readers:
            raise exception.BackupBusy(
                f'Backup {backup_id} is being read by task {readers[0].id}.'
            )
        queue.put(
            rt,
            ctx,
            model.TaskKind.DELETE_BACKUP,
            task_id=task_id,
            project_id=backup.project_id,
            backup_id=backup_id,
            server_id=backup.server_id,
            vault_id=backup.vault_id,
            cancellable=False,
        )
        return db_backups.get(rt.db, backup_id)

    backup = rt.db.run(work)
    rt.doorbell.wake()
    return backup
