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

"""Queues garbage collection for the vaults that are due."""

import datetime
import functools

from csbs import context as csbs_context
from csbs.actions import queue
from csbs.actions.runtime import Runtime
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Queue a collection for every vault that is due; return how many.

    The due time is cleared with it, under the vault's lock, so that two
    schedulers don't queue the same one.
    """
    return sum(
        rt.db.run(functools.partial(_queue, rt, vault.id, now))
        for vault in db_vaults.due_for_collection(rt.db, now)
    )


def _queue(rt: Runtime, vault_id: str, now: datetime.datetime) -> bool:
    vault = db_vaults.lock(rt.db, vault_id)
    due = db_vaults.due_for_collection(rt.db, now)
    if vault_id not in {one.id for one in due} or db_tasks.active(
        rt.db, vault_id=vault_id, kind=model.TaskKind.COLLECT
    ):
        return False
    queue.put(
        rt,
        csbs_context.RequestContext.for_service(vault.project_id),
        model.TaskKind.COLLECT,
        project_id=vault.project_id,
        vault_id=vault_id,
    )
    db_vaults.update(rt.db, vault_id, {'collect_due_at': None})
    return True
