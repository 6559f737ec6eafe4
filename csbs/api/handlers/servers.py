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


"""Handlers of servers, as far as they can be protected."""

from typing import Any

from csbs.actions import servers as actions
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import servers as schemas
from csbs.domain import model


def _render_volume(volume: model.Volume) -> dict[str, Any]:
    return {
        'id': volume.id,
        'name': volume.name,
        'size_bytes': volume.size,
        'size_gb': common.gib(volume.size),
        'device': volume.device,
        'bootable': volume.bootable,
        'status': volume.status,
    }


def _render_server(view: actions.ServerView) -> dict[str, Any]:
    server = view.server
    return {
        'id': server.id,
        'project_id': server.project_id,
        'name': server.name,
        'status': server.raw_status,
        'volumes': [_render_volume(volume) for volume in server.volumes],
        'size_gb': sum(common.gib(volume.size) for volume in server.volumes),
        'policy_id': view.policy_id,
        'last_backup_id': view.last_backup_id,
        'last_backup_at': common.time_or_none(view.last_backup_at),
        'task_id': view.task_id,
        'protectable': view.reason is None,
        'reason': view.reason,
        'notice': view.notice,
    }


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_servers(req: Request) -> dict[str, Any]:
    """List the servers that can be protected."""
    views = actions.find(req.rt, req.context)
    return listing.answer_in_memory(
        req,
        'servers',
        [_render_server(view) for view in views],
        (('name', False),),
    )


@validation.response(200, schemas.SHOW)
def show_server(req: Request) -> dict[str, Any]:
    """Show a server that can be protected."""
    view = actions.get(req.rt, req.context, req.args['server_id'])
    return {'server': _render_server(view)}
