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

"""Putting a task into the queue: one shape for every verb."""

from collections.abc import Mapping
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.domain import states


def put(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    kind: model.TaskKind,
    *,
    project_id: str,
    task_id: str | None = None,
    backup_id: str | None = None,
    server_id: str | None = None,
    vault_id: str | None = None,
    policy_id: str | None = None,
    parent_id: str | None = None,
    held: bool = False,
    params: Mapping[str, Any] | None = None,
    bytes_total: int = 0,
    cancellable: bool = True,
    status: model.TaskStatus = model.TaskStatus.QUEUED,
    fault: model.Fault | None = None,
) -> str:
    """Queue a task as part of the caller's transaction; return its id.

    :param parent_id: the run that it is a part of
    :param held: whether it waits until another part of the run has ended
    :param status: another than queued when it is only put on record
    :param fault: why it is only put on record

    The caller rings ``rt.doorbell`` once the transaction is through.
    """
    now = paging.utcnow()
    task = model.Task(
        id=task_id or str(uuid.uuid4()),
        project_id=project_id,
        kind=kind,
        status=status,
        backup_id=backup_id,
        server_id=server_id,
        vault_id=vault_id,
        params=params or {},
        result={},
        step='',
        bytes_done=0,
        bytes_total=bytes_total,
        attempts=0,
        cancel_requested=False,
        owner=None,
        fault=fault,
        request_id=ctx.request_id,
        user_id=ctx.user_id,
        created_at=now,
        started_at=None,
        finished_at=None if status in states.ACTIVE_TASK else now,
        heartbeat_at=None,
        policy_id=policy_id,
        parent_id=parent_id,
        held=held,
    )
    db_tasks.create(rt.db, task, cancellable=cancellable)
    return task.id
