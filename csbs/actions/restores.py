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

"""The verbs that bring a backup back: in place, or as a new server."""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions import sealed
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import tasks as db_tasks
from csbs.domain import model


def in_place(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    backup_id: str,
    power_on: bool | None,
) -> model.Backup:
    """Write a backup over its server's volumes.

    :param power_on: whether the server runs afterwards; None: as before
    :raises BackupBusy: when the backup is not available
    :raises ServerNotFound: when the server is gone
    :raises VolumeMissing: or VolumeTooSmall, when an item has no place to go
    :raises VolumeShared: when another running server writes to a volume
    """
    backup = db_backups.get(rt.db, backup_id, ctx.project_id)
    server = rt.cloud.server(ctx, backup.server_id)
    checks.server_ready(server)
    checks.items_fit(backup, server)
    rt.cloud.check_restore(server, [item.volume_id for item in backup.items])
    task_id = str(uuid.uuid4())
    params = sealed.seal(rt, ctx, backup.vault_id, task_id)

    def work() -> model.Backup:
        db_backups.move(
            rt.db,
            backup_id,
            model.BackupStatus.RESTORING,
            task_id=task_id,
            fault=None,
        )
        queue.put(
            rt,
            ctx,
            model.TaskKind.RESTORE,
            task_id=task_id,
            project_id=backup.project_id,
            backup_id=backup_id,
            server_id=backup.server_id,
            vault_id=backup.vault_id,
            params={'power_on': power_on, **params},
            bytes_total=backup.size,
        )
        db_tasks.lock_server(rt.db, backup.server_id, task_id)
        return db_backups.get(rt.db, backup_id)

    backup = rt.db.run(work)
    rt.doorbell.wake()
    return backup


def new_server(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    backup_id: str,
    choices: Mapping[str, Any],
) -> model.Backup:
    """Make a new server from a backup.

    :param choices: the checked body of the request: name, networks ...
    :raises BackupBusy: when the backup is not available
    :raises KeyMissing: when token and password can't be kept safe
    """
    backup = db_backups.get(rt.db, backup_id, ctx.project_id)
    task_id = str(uuid.uuid4())
    params = dict(choices)
    secret = params.pop('admin_pass', None)
    params.update(
        sealed.seal(rt, ctx, backup.vault_id, task_id, admin_pass=secret)
    )

    def work() -> model.Backup:
        db_backups.touch(
            rt.db, backup_id, model.BackupStatus.AVAILABLE, task_id=task_id
        )
        queue.put(
            rt,
            ctx,
            model.TaskKind.CREATE_SERVER,
            task_id=task_id,
            project_id=backup.project_id,
            backup_id=backup_id,
            vault_id=backup.vault_id,
            params=params,
            bytes_total=backup.size,
        )
        return db_backups.get(rt.db, backup_id)

    backup = rt.db.run(work)
    rt.doorbell.wake()
    return backup
