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

"""Finds the tasks of dead workers and gives them back to the queue.

A server that a dead worker left paused does not wait for the next worker: it
goes on as soon as the time is up that the pause may take.
"""

import datetime

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions.runtime import Runtime
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.domain import model

LOG = log.getLogger(__name__)

#: added to the present, this makes every running task a dead worker's
FOR_EVER = datetime.timedelta(days=36500)


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Queue every task again whose worker was not heard of for too long.

    The next worker cleans up behind the dead one and goes on, or fails the
    task when too many died on it.

    :returns: how many
    """
    older_than = now - datetime.timedelta(seconds=rt.conf.scheduler.dead_after)
    _end_pauses(rt, now)
    count = 0
    for task in db_tasks.dead(rt.db, older_than):
        if db_tasks.put_back(rt.db, task.id, str(task.owner), older_than):
            LOG.warning('Worker %s died on task %s', task.owner, task.id)
            count += 1
    return count


def _end_pauses(rt: Runtime, now: datetime.datetime) -> None:
    context = csbs_context.RequestContext.for_service()
    for entry in db_resources.of_kind(rt.db, model.ResourceKind.PAUSE):
        if datetime.datetime.fromisoformat(entry.data['until']) > now:
            continue
        LOG.warning(
            'Server %s was left paused by task %s',
            entry.data['server_id'],
            entry.task_id,
        )
        try:
            rt.cloud.discard(context, entry)
        except exception.CloudUnsettled as error:
            LOG.info('It goes on, and is looked at again: %s', error)
            continue
        except exception.CsbsError as error:
            LOG.error('It cannot go on yet: %s', error)
            continue
        db_resources.delete(rt.db, entry.id)
