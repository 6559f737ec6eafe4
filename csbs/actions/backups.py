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
import secrets
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions import sealed
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.domain import states


def create(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    server_id: str,
    vault_id: str,
    name: str | None,
    description: str,
    *,
    trigger: model.Trigger = model.Trigger.MANUAL,
    policy_id: str | None = None,
    allow_pause: bool | None = None,
) -> model.Backup:
    """Back a server up: check, take room in the vault, queue the task.

    :param allow_pause: whether the server may be paused for a moment to get
        its volumes at one instant; None: as the configuration says
    :param policy_id: the policy that wants it, if one does
    :raises ServerNotFound: or VaultNotFound, also for another project's
    :raises ServerBusy: when another task works on the server
    :raises CapacityExceeded: when it would not fit into the vault
    :raises KeyMissing: when the caller's token can't be kept safe
    """
    db_vaults.get(rt.db, vault_id, ctx.project_id)
    server = rt.cloud.server(ctx, server_id)
    checks.server_ready(server)
    checks.not_half_restored(server)
    backup_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
    params = sealed.seal(rt, ctx, vault_id, task_id)
    if allow_pause is not None:
        params['allow_pause'] = allow_pause

    def work() -> model.Backup:
        vault = db_vaults.lock(rt.db, vault_id)
        checks.vault_takes_backups(vault)
        parent = db_backups.latest(rt.db, server_id, vault_id)
        items = make_items(rt, vault_id, backup_id, server.volumes)
        db_vaults.take_room(
            rt.db, vault_id, sum(item.charged_bytes for item in items) or 1
        )
        backup = _new_backup(
            server, vault_id, backup_id, task_id, items, parent
        )
        backup = dataclasses.replace(
            backup,
            name=name or _make_name(trigger),
            description=description,
            trigger=trigger,
            policy_id=policy_id,
        )
        db_backups.create(rt.db, backup)
        queue.put(
            rt,
            ctx,
            model.TaskKind.BACKUP,
            task_id=task_id,
            project_id=server.project_id,
            backup_id=backup_id,
            server_id=server_id,
            vault_id=vault_id,
            params=params,
            bytes_total=backup.size,
        )
        db_tasks.lock_server(rt.db, server_id, task_id)
        return backup

    backup = rt.db.run(work)
    rt.doorbell.wake()
    return backup


def _make_name(trigger: model.Trigger) -> str:
    by_hand = trigger == model.Trigger.MANUAL
    prefix = 'manualbk' if by_hand else 'autobk'
    return f'{prefix}_{secrets.randbelow(10000):04}'


def _new_backup(
    server: model.Server,
    vault_id: str,
    backup_id: str,
    task_id: str,
    items: tuple[model.Item, ...],
    parent: model.Backup | None,
) -> model.Backup:
    return model.Backup(
        id=backup_id,
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
        task_id=task_id,
        created_at=paging.utcnow(),
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
    volumes: Sequence[model.Volume],
) -> tuple[model.Item, ...]:
    """Return the items of a backup that is about to be made.

    A volume without an older backup in the vault counts its whole size from
    now on; the others count what turns out to have changed.
    """
    return tuple(
        model.Item(
            id=str(uuid.uuid4()),
            backup_id=backup_id,
            volume_id=volume.id,
            volume_name=volume.name,
            device=volume.device,
            bootable=volume.bootable,
            size=volume.size,
            charged_bytes=(
                0
                if db_backups.chain(rt.db, vault_id, volume.id)
                else volume.size
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
    """
    task_id = str(uuid.uuid4())

    def work() -> model.Backup:
        backup = db_backups.get(rt.db, backup_id, ctx.project_id)
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
