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


"""Handlers of tasks."""

import datetime
from typing import Any

from csbs.actions import tasks as actions
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import tasks as schemas
from csbs.db import paging
from csbs.db import tasks as db
from csbs.domain import model


def _render_task(task: model.Task, now: datetime.datetime) -> dict[str, Any]:
    return {
        'id': task.id,
        'project_id': task.project_id,
        'kind': task.kind.value,
        'status': task.status.value,
        'step': task.step,
        'progress': common.progress(task),
        'bytes_done': task.bytes_done,
        'bytes_total': task.bytes_total,
        'rate': common.rate(task, now),
        'eta_seconds': common.eta_seconds(task, now),
        'backup_id': task.backup_id,
        'server_id': task.server_id,
        'vault_id': task.vault_id,
        'policy_id': task.policy_id,
        'parent_id': task.parent_id,
        'trigger': task.params.get('trigger'),
        'planned_at': _planned_at(task),
        'host': _host(task),
        'attempts': task.attempts,
        'result': dict(task.result),
        'fault': common.fault(task.fault),
        'created_at': common.time(task.created_at),
        'started_at': common.time_or_none(task.started_at),
        'finished_at': common.time_or_none(task.finished_at),
    }


def _planned_at(task: model.Task) -> str | None:
    planned_at = task.params.get('planned_at')
    if planned_at is None:
        return None
    return common.time(datetime.datetime.fromisoformat(planned_at))


def _host(task: model.Task) -> str | None:
    # An owner is a host and, behind a slash, one process on it.
    return None if task.owner is None else task.owner.partition('/')[0]


def answer(task: model.Task) -> dict[str, Any]:
    """Return the answer that shows a task."""
    return {'task': _render_task(task, paging.utcnow())}


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_tasks(req: Request) -> dict[str, Any]:
    """List tasks."""
    wanted = listing.of(req, 'csbs:tasks:list_all_projects')
    found = db.find(req.rt.db, wanted.project_id, wanted.filters, wanted.page)
    now = paging.utcnow()
    return listing.answer(
        req,
        'tasks',
        found,
        wanted.limit,
        lambda task: _render_task(task, now),
    )


@validation.response(200, schemas.SHOW)
def show_task(req: Request) -> dict[str, Any]:
    """Show a task."""
    project_id = req.readable('csbs:tasks:list_all_projects')
    task = db.get(req.rt.db, req.args['task_id'], project_id)
    return answer(task)


@validation.body(schemas.CANCEL)
@validation.response(202, schemas.SHOW)
def cancel_task(req: Request) -> dict[str, Any]:
    """Cancel a task."""
    task = actions.cancel(req.rt, req.context, req.args['task_id'])
    return answer(task)
