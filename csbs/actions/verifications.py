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

"""The verbs of verification: proof that backups could be restored."""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model


def of_backup(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    backup_id: str,
    wish: Mapping[str, Any],
) -> model.Task:
    """Look whether a backup can be restored.

    It may be restored, or deleted, meanwhile: what is read stays until the
    verification ends.

    :param wish: ``mode`` and ``percent``, as in the API
    :raises BackupBusy: when the backup is not available
    """
    backup = db_backups.get(rt.db, backup_id, ctx.project_id)
    vault = db_vaults.get(rt.db, backup.vault_id)
    task_id = str(uuid.uuid4())

    def work() -> None:
        db_backups.touch(
            rt.db, backup_id, model.BackupStatus.AVAILABLE, task_id=task_id
        )
        _put(rt, ctx, task_id, vault, wish, backup)

    rt.db.run(work)
    return _started(rt, task_id)


def of_vault(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    wish: Mapping[str, Any],
) -> model.Task:
    """Look whether all backups of a vault can be restored.

    :param wish: as in :func:`of_backup`
    :raises VaultUnavailable: when it is on its way out
    """
    db_vaults.get(rt.db, vault_id, ctx.project_id)
    task_id = str(uuid.uuid4())

    def work() -> None:
        vault = db_vaults.lock(rt.db, vault_id)
        checks.vault_stays(vault)
        _put(rt, ctx, task_id, vault, wish)

    rt.db.run(work)
    return _started(rt, task_id)


def _put(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    task_id: str,
    vault: model.Vault,
    wish: Mapping[str, Any],
    backup: model.Backup | None = None,
) -> None:
    queue.put(
        rt,
        ctx,
        model.TaskKind.VERIFY,
        task_id=task_id,
        project_id=vault.project_id,
        backup_id=backup.id if backup else None,
        vault_id=vault.id,
        params={'mode': 'quick', 'percent': 100, **wish},
    )


def _started(rt: Runtime, task_id: str) -> model.Task:
    rt.doorbell.wake()
    return db_tasks.get(rt.db, task_id)
