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
from csbs import keys
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
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
    """
    backup = db_backups.get(rt.db, backup_id, ctx.project_id)
    server = rt.cloud.server(ctx, backup.server_id)
    checks.server_ready(server)
    checks.items_fit(backup, server)
    task_id = str(uuid.uuid4())

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
            params={'power_on': power_on},
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
    :raises KeyMissing: when a password is given and can't be kept safe
    """
    backup = db_backups.get(rt.db, backup_id, ctx.project_id)
    task_id = str(uuid.uuid4())
    params = dict(choices)
    if params.get('admin_pass') is not None:
        vault = db_vaults.get(rt.db, backup.vault_id)
        params['admin_pass'] = keys.seal(
            rt.keys.get(vault.key_ref), params['admin_pass'], task_id
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
