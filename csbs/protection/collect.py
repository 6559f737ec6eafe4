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

"""Garbage collection of one vault, and the charges that were left over."""

from collections.abc import Mapping
import datetime
from typing import Any
import uuid

from csbs import exception
from csbs.db import backups as db_backups
from csbs.db import charges as db_charges
from csbs.db import paging
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import charges
from csbs.protection import repositories
from csbs.protection.run import Run
from csbs.store import repository


def work(run: Run) -> dict[str, Any]:
    """Free what no backup needs any more."""
    vault = db_vaults.get(run.rt.db, str(run.task.vault_id))
    grace = datetime.timedelta(seconds=run.rt.conf.store.collect_grace)
    with repositories.opened(run.rt, vault) as repo:
        _abandon_dead(run, repo)
        # Who was to charge these anew has died over it.
        charges.rebalance(
            run.rt.db,
            repo,
            vault.id,
            db_charges.unbalanced(run.rt.db, vault.id),
        )
        run.check()
        stats = repo.collect(
            grace=grace,
            known=lambda: map(
                uuid.UUID, db_backups.in_vault(run.rt.db, vault.id)
            ),
        )
        return {
            'condemned': stats.condemned,
            'deleted': stats.deleted,
            'freed_bytes': stats.freed_bytes,
            'stored_bytes': repo.stored_bytes(),
        }


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Write the vault's real size down, and when to come back."""
    db, vault_id = run.rt.db, str(run.task.vault_id)
    grace = datetime.timedelta(seconds=run.rt.conf.store.collect_grace)
    again = paging.utcnow() + grace
    if fault is not None:
        pause = max(grace, datetime.timedelta(minutes=10))
        changes: dict[str, Any] = {'collect_due_at': paging.utcnow() + pause}
    else:
        changes = {'stored_bytes': result['stored_bytes']}
        changes['collect_due_at'] = again if result['condemned'] else None
    try:
        db_vaults.update(db, vault_id, changes)
    except exception.VaultNotFound:
        # It was given up while the collection waited for a worker.
        return


def _abandon_dead(run: Run, repo: repository.Repository) -> None:
    """Drop the leases of backups that nobody works on any more."""
    for backup_id in list(repo.leases()):
        if not db_tasks.active(
            run.rt.db,
            backup_id=str(backup_id),
            kind=model.TaskKind.BACKUP,
        ):
            repo.abandon(backup_id)
