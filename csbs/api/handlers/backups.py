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


"""Handlers of backups."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from csbs.actions import backups as actions
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import backups as schemas
from csbs.db import backups as db
from csbs.db import tasks as db_tasks
from csbs.domain import model


def _render_item(item: model.Item) -> dict[str, Any]:
    return {
        'id': item.id,
        'volume_id': item.volume_id,
        'volume_name': item.volume_name,
        'device': item.device,
        'bootable': item.bootable,
        'size_bytes': item.size,
        'size_gb': common.gib(item.size),
        'changed_bytes': item.changed_bytes,
    }


def _render_backup(
    backup: model.Backup, tasks: Mapping[str, model.Task]
) -> dict[str, Any]:
    return {
        'id': backup.id,
        'project_id': backup.project_id,
        'vault_id': backup.vault_id,
        'server_id': backup.server_id,
        'server_name': backup.server_name,
        'name': backup.name,
        'description': backup.description,
        'status': backup.status.value,
        'kind': backup.kind.value,
        'trigger': backup.trigger.value,
        'consistency': backup.consistency and backup.consistency.value,
        'snapshot_method': (
            backup.snapshot_method and backup.snapshot_method.value
        ),
        'paused_seconds': backup.paused_seconds,
        'policy_id': backup.policy_id,
        'parent_id': backup.parent_id,
        'size_bytes': backup.size,
        'size_gb': common.gib(backup.size),
        'changed_bytes': backup.changed_bytes,
        'transferred_bytes': backup.transferred_bytes,
        'stored_bytes': backup.stored_bytes,
        'progress': _progress(backup, tasks),
        'fault': common.fault(backup.fault),
        'task_id': backup.task_id,
        'created_at': common.time(backup.created_at),
        'updated_at': common.time_or_none(backup.updated_at),
        'snapshot_at': common.time_or_none(backup.snapshot_at),
        'items': [_render_item(item) for item in backup.items],
        'server': dict(backup.server_facts),
    }


def _progress(backup: model.Backup, tasks: Mapping[str, model.Task]) -> int:
    if backup.status == model.BackupStatus.AVAILABLE:
        return 100
    task = tasks.get(backup.task_id or '')
    return 0 if task is None else common.progress(task)


def _tasks_of(
    req: Request, backups: Sequence[model.Backup]
) -> dict[str, model.Task]:
    """Return the tasks whose progress the backups show, in one question."""
    ids = [
        backup.task_id
        for backup in backups
        if backup.task_id and backup.status != model.BackupStatus.AVAILABLE
    ]
    return db_tasks.get_many(req.rt.db, ids) if ids else {}


def answer(req: Request, backup: model.Backup) -> dict[str, Any]:
    """Return the body of an answer that is one backup."""
    return {'backup': _render_backup(backup, _tasks_of(req, [backup]))}


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_backups(req: Request) -> dict[str, Any]:
    """List backups."""
    wanted = listing.of(req, 'csbs:backups:list_all_projects')
    found = db.find(req.rt.db, wanted.project_id, wanted.filters, wanted.page)
    tasks = _tasks_of(req, found)
    return listing.answer(
        req,
        'backups',
        found,
        wanted.limit,
        lambda backup: _render_backup(backup, tasks),
    )


@validation.body(schemas.CREATE)
@validation.response(202, schemas.SHOW)
def create_backup(req: Request) -> dict[str, Any]:
    """Back up a server."""
    fields = dict(req.body['backup'])
    server_id, vault_id = fields.pop('server_id'), fields.pop('vault_id')
    return answer(
        req,
        actions.create(
            req.rt, req.context, server_id, vault_id, actions.Wish(**fields)
        ),
    )


@validation.response(200, schemas.SHOW)
def show_backup(req: Request) -> dict[str, Any]:
    """Show a backup."""
    project_id = req.readable('csbs:backups:list_all_projects')
    return answer(req, db.get(req.rt.db, req.args['backup_id'], project_id))


@validation.body(schemas.UPDATE)
@validation.response(200, schemas.SHOW)
def update_backup(req: Request) -> dict[str, Any]:
    """Change a backup's name or description."""
    return answer(
        req,
        actions.update(
            req.rt, req.context, req.args['backup_id'], req.body['backup']
        ),
    )


@validation.response(202, schemas.SHOW)
def delete_backup(req: Request) -> dict[str, Any]:
    """Delete a backup."""
    return answer(
        req, actions.delete(req.rt, req.context, req.args['backup_id'])
    )
