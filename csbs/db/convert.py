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

"""Rows to dataclasses: the only way out of ``db``."""

from csbs.db import models
from csbs.domain import model


def fault(row: models.Faulted) -> model.Fault | None:
    if row.fault_code is None:
        return None
    return model.Fault(row.fault_code, row.fault_message or '')


def item(row: models.Item) -> model.Item:
    # There are many of them: they are not put together name by name.
    return model.Item(
        id=row.id,
        backup_id=row.backup_id,
        volume_id=row.volume_id,
        volume_name=row.volume_name,
        device=row.device,
        bootable=row.bootable,
        size=row.size,
        changed_bytes=row.changed_bytes,
        charged_bytes=row.charged_bytes,
    )


def backup(row: models.Backup) -> model.Backup:
    return model.Backup(
        id=row.id,
        project_id=row.project_id,
        vault_id=row.vault_id,
        server_id=row.server_id,
        server_name=row.server_name,
        name=row.name,
        description=row.description,
        status=model.BackupStatus(row.status),
        kind=model.BackupKind(row.kind),
        trigger=model.Trigger(row.trigger),
        consistency=(
            model.Consistency(row.consistency) if row.consistency else None
        ),
        policy_id=row.policy_id,
        parent_id=row.parent_id,
        server_facts=row.server_facts,
        size=row.size,
        changed_bytes=row.changed_bytes,
        transferred_bytes=row.transferred_bytes,
        stored_bytes=row.stored_bytes,
        fault=fault(row),
        task_id=row.task_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        snapshot_at=row.snapshot_at,
        snapshot_method=(
            model.SnapshotMethod(row.snapshot_method)
            if row.snapshot_method
            else None
        ),
        paused_seconds=row.paused_seconds,
        items=tuple(item(one) for one in row.items),
    )


def task(row: models.Task) -> model.Task:
    return model.Task(
        id=row.id,
        project_id=row.project_id,
        kind=model.TaskKind(row.kind),
        status=model.TaskStatus(row.status),
        backup_id=row.backup_id,
        server_id=row.server_id,
        vault_id=row.vault_id,
        params=row.params,
        result=row.result,
        step=row.step,
        bytes_done=row.bytes_done,
        bytes_total=row.bytes_total,
        attempts=row.attempts,
        cancel_requested=row.cancel_requested,
        owner=row.owner,
        fault=fault(row),
        request_id=row.request_id,
        user_id=row.user_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        heartbeat_at=row.heartbeat_at,
        policy_id=row.policy_id,
        parent_id=row.parent_id,
        held=row.held,
    )


def resource(row: models.Resource) -> model.Resource:
    return model.Resource(
        id=row.id,
        task_id=row.task_id,
        kind=model.ResourceKind(row.kind),
        data=row.data,
        created_at=row.created_at,
    )
