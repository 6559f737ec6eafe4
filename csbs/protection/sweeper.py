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

"""Takes back what tasks that are over left in the cloud.

Owns a thread of its own, since the cloud may take its time. What the ledger
still names goes soon; what came true behind the ledger's back, because the
answer to a request was lost and the request was not, is looked for in the
cloud now and then. Only what bears the mark of a task that csbs knows, and
that is over, is touched.
"""

import threading
import time

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions.runtime import Runtime
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.domain import states
from csbs.protection.run import TaskLedger

LOG = log.getLogger(__name__)

#: seconds between two looks into the ledger
_INTERVAL = 15


class Sweeper:
    """Sweeps over and over on a thread of its own."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, name='sweeper', daemon=True
        )
        self._next_search = 0.0
        self._strangers: set[str] = set()

    def start(self) -> None:
        """Begin to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after what is being taken back now, if that is soon."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def sweep(self) -> None:
        """Take back what the ledger still names of tasks that are over."""
        keys_away = False
        for entry in db_resources.orphans(self._rt.db):
            if self._stopping.is_set():
                return
            if keys_away and entry.kind is model.ResourceKind.KEY:
                continue
            task = db_tasks.get(self._rt.db, entry.task_id)
            try:
                TaskLedger(self._rt, task).discard(entry)
                LOG.info('Swept %s %s', entry.kind, dict(entry.data))
            except exception.CloudUnsettled as error:
                # That passes, and is no fault of anybody's.
                LOG.debug('Not swept yet: %s', error)
            except exception.CsbsError as error:
                # A key manager that hangs would take its time for each key.
                keys_away |= isinstance(error, exception.KeyUnavailable)
                LOG.warning(
                    'Cannot sweep %s %s yet: %s',
                    entry.kind,
                    dict(entry.data),
                    error,
                )

    def search(self) -> None:
        """Take back what no ledger entry names and a task has made."""
        for found in self._rt.cloud.leftovers():
            if self._stopping.is_set():
                return
            task = self._owner(found)
            if task is None:
                continue
            LOG.warning('Found %s %s left over', found.kind, dict(found.data))
            context = csbs_context.RequestContext.for_service(task.project_id)
            try:
                self._rt.cloud.discard(context, found)
            except exception.CsbsError as error:
                LOG.warning('It cannot be removed yet: %s', error)

    def _owner(self, found: model.Resource) -> model.Task | None:
        """Return the task that left something over, if it is left over."""
        db, mark = self._rt.db, found.data['mark']
        try:
            task = db_tasks.get(db, found.task_id)
        except exception.TaskNotFound:
            if mark not in self._strangers:
                LOG.warning(
                    'Not touching %s %s: there is no such task here',
                    found.kind,
                    dict(found.data),
                )
                self._strangers.add(mark)
            return None
        known = {
            entry.data.get('mark')
            for entry in db_resources.of_task(db, task.id)
        }
        over = task.status not in states.ACTIVE_TASK
        return task if over and mark not in known else None

    def _loop(self) -> None:
        while not self._stopping.wait(_INTERVAL):
            try:
                self.sweep()
                if time.monotonic() >= self._next_search:
                    self.search()
                    interval = self._rt.conf.protection.search_interval
                    self._next_search = time.monotonic() + interval
            except Exception:
                # The database or the cloud may be away.
                LOG.exception('Sweeping failed')
