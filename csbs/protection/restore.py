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

"""The restore in place, top to bottom.

The server is stopped and locked before the first byte is written. From the
first byte on it can only come back whole: a task that fails then leaves it
stopped and locked, and says so; restoring again puts it right.
"""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs import exception
from csbs.actions import checks
from csbs.db import backups as db_backups
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import repositories
from csbs.protection.run import Run
from csbs.store import repository
from csbs.store import volume as store_volume


def work(run: Run) -> dict[str, Any]:
    """Write the backup over its server's volumes."""
    rt = run.rt
    backup = db_backups.get(rt.db, str(run.task.backup_id))
    vault = db_vaults.get(rt.db, backup.vault_id)
    server = rt.cloud.server(run.context, backup.server_id)
    checks.server_ready(server)
    checks.items_fit(backup, server)
    rt.cloud.check_restore(server, [item.volume_id for item in backup.items])
    with repositories.opened(rt, vault) as repo:
        manifest = repo.manifest(uuid.UUID(backup.id))
        run.step('stopping_server')
        hold = _hold(run, server)
        run.close_to_cancel()
        run.ledger.update(hold, keep_stopped=True)
        run.step('writing')
        volumes = {item.id: item.volume_id for item in backup.items}
        written = 0
        for item in manifest.items:
            written += _write(run, repo, item, volumes[str(item.id)])
    run.step('starting_server')
    run.ledger.update(
        hold, keep_stopped=False, power_on=run.task.params.get('power_on')
    )
    run.ledger.discard(hold)
    return {'written_bytes': written}


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Make the backup available again, however the restore ended."""
    db_backups.move(
        run.rt.db, str(run.task.backup_id), model.BackupStatus.AVAILABLE
    )


def _hold(run: Run, server: model.Server) -> model.Resource:
    """Hold the server, also when an attempt that died has begun to.

    How far that one came is not in the ledger, but the cloud knows.
    """
    older = [
        entry
        for entry in run.ledger.entries()
        if entry.kind == model.ResourceKind.HOLD
    ]
    hold = run.rt.cloud.hold(run.context, server, run.ledger)
    for entry in older:
        run.ledger.keep(entry)
    return hold


def _write(
    run: Run,
    repo: repository.Repository,
    item: repository.ManifestItem,
    volume_id: str,
) -> int:
    with run.rt.cloud.open_volume(
        str(run.task.server_id), volume_id, run.ledger
    ) as writer:
        return write_item(run, repo, item, writer, volume_id)


def write_item(
    run: Run,
    repo: repository.Repository,
    item: repository.ManifestItem,
    writer: store_volume.VolumeWriter,
    volume_id: str,
) -> int:
    """Write one item onto an open volume; return the bytes written.

    :raises VolumeUnwritable: when the volume fails
    """
    try:
        stats = repo.restore_item(
            item,
            writer,
            owner=uuid.UUID(run.task.id),
            progress=run.progress,
            check=run.check,
        )
        writer.flush()
    except OSError as error:
        raise exception.VolumeUnwritable(
            id=volume_id, reason=error.strerror or error
        ) from error
    return stats.written_bytes
