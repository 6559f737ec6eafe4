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

"""The verb of tasks: cancel."""

from csbs import context as csbs_context
from csbs.actions import runs
from csbs.actions.runtime import Runtime
from csbs.db import tasks as db_tasks
from csbs.domain import model


def cancel(
    rt: Runtime, ctx: csbs_context.RequestContext, task_id: str
) -> model.Task:
    """Ask a task to stop; it undoes what it did and ends as cancelled.

    A run of a policy is cancelled with all its backups.

    :raises TaskNotCancellable: when it is over, or overwriting a server
    """
    task = db_tasks.get(rt.db, task_id, ctx.project_id)

    def work() -> list[str]:
        db_tasks.request_cancel(rt.db, task_id)
        if task.kind == model.TaskKind.POLICY_RUN:
            return runs.cancel_parts(rt.db, task_id)
        return []

    for one in (task_id, *rt.db.run(work)):
        rt.doorbell.cancel(one)
    # One that was held has to be claimed to be ended.
    rt.doorbell.wake()
    return db_tasks.get(rt.db, task_id)
