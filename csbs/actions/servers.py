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

"""Servers as csbs sees them: can they be protected, and if not why."""

from collections.abc import Sequence
import dataclasses
import datetime

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import checks
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import policies as db_policies
from csbs.db import tasks as db_tasks
from csbs.domain import model


@dataclasses.dataclass(frozen=True)
class ServerView:
    """A server with what csbs knows of it.

    :ivar task_id: the task that works on it right now
    :ivar reason: why it can't be backed up right now, or None
    :ivar notice: what the user should know before backing it up, or None
    """

    server: model.Server
    policy_id: str | None
    last_backup_id: str | None
    last_backup_at: datetime.datetime | None
    task_id: str | None
    reason: str | None
    notice: str | None


def find(rt: Runtime, ctx: csbs_context.RequestContext) -> list[ServerView]:
    """Return the project's servers."""
    return _views(rt, ctx, rt.cloud.servers(ctx))


def get(
    rt: Runtime, ctx: csbs_context.RequestContext, server_id: str
) -> ServerView:
    """Return one server.

    :raises ServerNotFound: also when it is another project's
    """
    return _views(rt, ctx, [rt.cloud.server(ctx, server_id)])[0]


def _views(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    servers: Sequence[model.Server],
) -> list[ServerView]:
    ids = [server.id for server in servers]
    last = db_backups.last_of_servers(rt.db, ctx.project_id, ids)
    busy = db_tasks.locks(rt.db, ids)
    policies = db_policies.of_servers(rt.db, ids)
    return [
        _view(
            server,
            last.get(server.id),
            busy.get(server.id),
            policies.get(server.id),
        )
        for server in servers
    ]


def _view(
    server: model.Server,
    last: db_backups.Last | None,
    task_id: str | None,
    policy_id: str | None,
) -> ServerView:
    reason = None
    try:
        checks.server_ready(server)
        checks.not_half_restored(server)
    except exception.Conflict as error:
        reason = str(error)
    size = sum(volume.size for volume in server.volumes)
    notice = None
    if size > checks.LARGE_SERVER:
        notice = (
            'The server is larger than 4 TB; its first backup will take long.'
        )
    return ServerView(
        server=server,
        policy_id=policy_id,
        last_backup_id=last.id if last else None,
        last_backup_at=last.created_at if last else None,
        task_id=task_id,
        reason=reason,
        notice=notice,
    )
