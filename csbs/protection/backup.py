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

"""The backup task, top to bottom: freeze, move data, then say so.

The manifest is written last and holds all the rows are made from: a worker
that finds it already there (its predecessor died behind it) only has to
write the rows.
"""

from collections.abc import Mapping
import datetime
from typing import Any
import uuid

from csbs import exception
from csbs.actions import backups as actions
from csbs.actions import checks
from csbs.cloud import base as cloud_base
from csbs.db import backups as db_backups
from csbs.db import charges as db_charges
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.protection import charges
from csbs.protection import repositories
from csbs.protection.run import Run
from csbs.store import errors
from csbs.store import repository

_STATUS = model.BackupStatus


def work(run: Run) -> dict[str, Any]:
    """Back the server up."""
    rt = run.rt
    backup = _backup(run)
    vault = db_vaults.get(rt.db, backup.vault_id)
    with repositories.opened(rt, vault) as repo:
        try:
            return dict(repo.manifest(uuid.UUID(backup.id)).meta['figures'])
        except errors.BackupMissing:
            pass
        _move(run, _STATUS.PREPARING_SNAPSHOT)
        server = rt.cloud.server(run.context, backup.server_id)
        checks.server_ready(server)
        items = _refresh_items(run, backup, server)
        frozen = _freeze(run, server)
        run.kept.extend(frozen.kept)
        _move(run, _STATUS.BACKING_UP)
        return _store(run, repo, server, items, frozen)


def settle(
    run: Run, result: Mapping[str, Any], fault: model.Fault | None
) -> None:
    """Make the backup available, or say why it is not."""
    db, backup_id = run.rt.db, str(run.task.backup_id)
    _note(run, failed=fault is not None)
    if fault is not None:
        db_charges.release(db, backup_id)
        db_backups.move(db, backup_id, _STATUS.ERROR, fault=fault)
        return
    for item_id, figures in result['items'].items():
        db_backups.update_item(
            db, item_id, {'changed_bytes': figures['changed_bytes']}
        )
    snapshot_at = datetime.datetime.fromisoformat(result['snapshot_at'])
    db_backups.move(
        db,
        backup_id,
        _STATUS.AVAILABLE,
        fault=None,
        consistency=result['consistency'],
        snapshot_method=result['snapshot_method'],
        paused_seconds=result['paused_seconds'],
        snapshot_at=snapshot_at,
        kind=result['kind'],
        parent_id=result['parent_id'],
        changed_bytes=result['changed_bytes'],
        transferred_bytes=result['transferred_bytes'],
        stored_bytes=result['stored_bytes'],
    )
    vault = db_vaults.lock(db, str(run.task.vault_id))
    changes: dict[str, Any] = {
        'stored_bytes': vault.stored_bytes + result['stored_bytes']
    }
    volumes = [item.volume_id for item in _backup(run).items]
    if db_charges.unbalanced(db, vault.id, volumes):
        # Should this worker not come to charge them, a collection will.
        changes['collect_due_at'] = paging.utcnow()
    db_vaults.update(db, vault.id, changes)


def _note(run: Run, *, failed: bool) -> None:
    """Tell the policy how the backup that its schedule wanted ended."""
    backup = _backup(run)
    if backup.policy_id and backup.trigger == model.Trigger.SCHEDULED:
        db_policies.set_failing(
            run.rt.db, backup.policy_id, failed, backup.server_id
        )


def undo(run: Run) -> None:
    """Take what was stored of a failed backup back."""
    backup = _backup(run)
    vault = db_vaults.get(run.rt.db, backup.vault_id)
    with repositories.opened(run.rt, vault) as repo:
        repo.abandon(uuid.UUID(backup.id))


def after(run: Run, result: Mapping[str, Any]) -> None:
    """Drop what only older backups needed in the cloud; charge anew.

    The charges change if the backup before this one went away meanwhile.
    """
    backup = _backup(run)
    vault = db_vaults.get(run.rt.db, backup.vault_id)
    volumes = [item.volume_id for item in backup.items]
    run.rt.cloud.keep_only(backup.id, volumes)
    with repositories.opened(run.rt, vault) as repo:
        charges.rebalance(run.rt.db, repo, vault.id, volumes)


def _backup(run: Run) -> model.Backup:
    return db_backups.get(run.rt.db, str(run.task.backup_id))


def _move(run: Run, status: model.BackupStatus) -> None:
    run.check()
    run.step(status)
    db = run.rt.db
    db.run(lambda: db_backups.move(db, str(run.task.backup_id), status))


def _refresh_items(
    run: Run, backup: model.Backup, server: model.Server
) -> tuple[model.Item, ...]:
    """Return the items for the volumes that the server has now.

    Between the request and now a volume may have come, gone or grown.
    """
    planned = {(item.volume_id, item.size) for item in backup.items}
    present = {(volume.id, volume.size) for volume in server.volumes}
    if planned == present:
        return backup.items
    db = run.rt.db

    def work() -> tuple[model.Item, ...]:
        db_backups.set_items(db, backup.id, ())
        parent = db_backups.latest(db, backup.server_id, backup.vault_id)
        items = actions.make_items(
            run.rt, backup.vault_id, backup.id, parent, server.volumes
        )
        db_vaults.take_room(
            db, backup.vault_id, sum(item.charged_bytes for item in items)
        )
        db_backups.set_items(db, backup.id, items)
        db_backups.update(
            db, backup.id, {'size': sum(item.size for item in items)}
        )
        return items

    return db.run(work)


def _freeze(run: Run, server: model.Server) -> cloud_base.SnapshotSet:
    _move(run, _STATUS.SNAPSHOTTING_CONSISTENT)
    return run.rt.cloud.snapshot(
        run.context,
        server,
        run.ledger,
        backup_id=str(run.task.backup_id),
        allow_pause=run.task.params.get(
            'allow_pause', run.rt.conf.protection.allow_pause
        ),
        fallback=lambda: _move(run, _STATUS.SNAPSHOTTING_INCONSISTENT),
    )


def _store(
    run: Run,
    repo: repository.Repository,
    server: model.Server,
    items: tuple[model.Item, ...],
    frozen: cloud_base.SnapshotSet,
) -> dict[str, Any]:
    backup = _backup(run)
    parent = db_backups.latest(run.rt.db, backup.server_id, backup.vault_id)
    with repo.writer(
        uuid.UUID(backup.id), uuid.UUID(parent.id) if parent else None
    ) as writer:
        if writer.parent is None:
            # It went away just now, or is damaged.
            parent = None
        figures: dict[str, Any] = {
            'consistency': str(frozen.consistency),
            'snapshot_method': str(frozen.method),
            'paused_seconds': frozen.paused_seconds,
            'snapshot_at': frozen.taken_at.isoformat(),
            'kind': str(
                model.BackupKind.INCREMENTAL
                if parent
                else model.BackupKind.FULL
            ),
            'parent_id': parent.id if parent else None,
            'items': {},
        }
        for item in items:
            figures['items'][item.id] = _store_item(
                run, writer, item, parent, frozen.snapshots[item.volume_id]
            )
        for name in ('changed_bytes', 'transferred_bytes', 'stored_bytes'):
            figures[name] = sum(
                item[name] for item in figures['items'].values()
            )
        # A worker that lost its claim must not finish what another began.
        run.beat()
        run.check()
        writer.commit(_describe(backup, server, items, figures))
    return figures


def _store_item(
    run: Run,
    writer: repository.BackupWriter,
    item: model.Item,
    parent: model.Backup | None,
    snapshot: cloud_base.Snapshot,
) -> dict[str, int]:
    older = next(
        (
            one
            for one in (parent.items if parent else ())
            if one.volume_id == item.volume_id
        ),
        None,
    )
    with run.rt.cloud.open_snapshot(
        run.context, snapshot, run.ledger
    ) as reader:
        if reader.size != item.size:
            raise exception.VolumeUnreadable(
                id=item.volume_id, reason='its size changed meanwhile'
            )
        try:
            stats = writer.write_item(
                uuid.UUID(item.id),
                reader,
                uuid.UUID(older.id) if older else None,
                progress=run.progress,
                check=run.check,
            )
        except OSError as error:
            raise exception.VolumeUnreadable(
                id=item.volume_id, reason=error.strerror or error
            ) from error
    charges.charge_new(
        run.rt.db,
        str(run.task.vault_id),
        item,
        older,
        stats.changed_bytes,
    )
    return {
        'changed_bytes': stats.changed_bytes,
        'transferred_bytes': stats.transferred_bytes,
        'stored_bytes': stats.stored_bytes,
    }


def _describe(
    backup: model.Backup,
    server: model.Server,
    items: tuple[model.Item, ...],
    figures: Mapping[str, Any],
) -> dict[str, Any]:
    """Return all that the catalogue would need to be made again from."""
    return {
        'backup': {
            'id': backup.id,
            'project_id': backup.project_id,
            'server_id': backup.server_id,
            'server_name': server.name,
            'name': backup.name,
            'description': backup.description,
            'trigger': str(backup.trigger),
            'policy_id': backup.policy_id,
            'created_at': backup.created_at.isoformat(),
        },
        'server': actions.describe(server),
        'items': {
            item.id: {
                'volume_id': item.volume_id,
                'volume_name': item.volume_name,
                'device': item.device,
                'bootable': item.bootable,
                'size': item.size,
            }
            for item in items
        },
        'figures': figures,
    }
