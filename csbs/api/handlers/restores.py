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


"""Handlers of what brings a backup back."""

from typing import Any

from csbs.actions import restores as actions
from csbs.api import validation
from csbs.api.handlers import backups
from csbs.api.request import Request
from csbs.api.schemas import backups as schemas


@validation.body(schemas.RESTORE)
@validation.response(202, schemas.SHOW)
def restore_backup(req: Request) -> dict[str, Any]:
    """Write a backup over its server's volumes."""
    return backups.answer(
        req,
        actions.in_place(
            req.rt,
            req.context,
            req.args['backup_id'],
            req.body['restore'].get('power_on'),
        ),
    )


@validation.body(schemas.CREATE_SERVER)
@validation.response(202, schemas.SHOW)
def create_server(req: Request) -> dict[str, Any]:
    """Make a new server from a backup."""
    choices = {'power_on': True, **req.body['server']}
    return backups.answer(
        req,
        actions.new_server(
            req.rt, req.context, req.args['backup_id'], choices
        ),
    )
