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

"""Deleting a backup, and a whole vault."""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs.db import backups as db_backups
from csbs.db import charges as db_charges
from csbs.db import paging
from csbs.db import resources as db_resources
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import charges
from csbs.protection import repositories
from csbs.protection.run import Run


def work(run: Run) -> dict[str, Any]:
    """Forget a backup; what only it needed is collected later.

    Its neighbours are charged for what it carried before it is forgotten:
    the vault is never charged too little.
    """
    db = run.rt.db
    backup = db_backups.get(db, str(run.task.backup_id))
    vault = db_vaults.get(db, backup.vault_id)
    volumes = [item.volume_id for item in backup.items]
    with repositories.opened(run.rt, vault) as repo:
        charges.rebalance(db, repo, vault.id, volumes)
        run.beat()
        # One that was never finished has packs and a lease to give up.
        repo.abandon(uuid.UUID(backup.id))
        repo.forget(uuid.UUID(backup.id))
    run.rt.cloud.forget(backup.id, volumes)
    return {}


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Strike the backup out, or say why it is still there."""
    db, backup_id = run.rt.db, str(run.task.backup_id)
    if fault is not None:
        db_backups.move(
            db, backup_id, model.BackupStatus.ERROR_DELETING, fault=fault
        )
        return
    db_vaults.lock(db, str(run.task.vault_id))
    db_charges.hand_on(db, backup_id)
    db_backups.delete(db, backup_id)
    db_vaults.update(
        db, str(run.task.vault_id), {'collect_due_at': paging.utcnow()}
    )


def work_vault(run: Run) -> dict[str, Any]:
    """Destroy a vault's objects, also when its key can't be had."""
    vault = db_vaults.get(run.rt.db, str(run.task.vault_id))
    repositories.destroy(run.rt, vault)
    return {}


def settle_vault(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Strike the vault out, or give it back.

    Its key goes from the vault's row into the ledger: what is written there
    is destroyed, however long the key manager is away.
    """
    db, vault_id = run.rt.db, str(run.task.vault_id)
    if fault is None:
        key_ref = db_vaults.get(db, vault_id).key_ref
        db_resources.create(
            db, run.task.id, model.ResourceKind.KEY, {'ref': key_ref}
        )
        db_vaults.delete(db, vault_id)
    else:
        db_vaults.update(
            db,
            vault_id,
            {'status': model.VaultStatus.AVAILABLE, 'task_id': None},
        )


def after_vault(run: Run, result: Mapping[str, Any]) -> None:
    """Destroy the key at once; if that fails the sweep will."""
    run.ledger.clear()
