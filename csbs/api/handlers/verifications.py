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

"""Handlers of the proof that backups could be restored."""

from typing import Any

from csbs.actions import verifications as actions
from csbs.api import validation
from csbs.api.handlers import tasks
from csbs.api.request import Request
from csbs.api.schemas import tasks as task_schemas
from csbs.api.schemas import verifications as schemas


@validation.body(schemas.VERIFY)
@validation.response(202, task_schemas.SHOW)
def verify_backup(req: Request) -> dict[str, Any]:
    """Look whether a backup can be restored."""
    return tasks.answer(
        actions.of_backup(
            req.rt, req.context, req.args['backup_id'], req.body['verify']
        )
    )


@validation.body(schemas.VERIFY)
@validation.response(202, task_schemas.SHOW)
def verify_vault(req: Request) -> dict[str, Any]:
    """Look whether all backups of a vault can be restored."""
    return tasks.answer(
        actions.of_vault(
            req.rt, req.context, req.args['vault_id'], req.body['verify']
        )
    )
