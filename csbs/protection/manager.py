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

"""One protection process: takes tasks from the queue while it has a slot.

Owns the slots, the doorbell's ear and the sweep of what dead tasks left in
the ledger.
"""

import concurrent.futures
import threading
import time
import uuid

from oslo_log import log

from csbs import exception
from csbs import rpc
from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import resources as db_resources
from csbs.db import services as db_services
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.protection.run import TaskLedger

LOG = log.getLogger(__name__)

BINARY = 'csbs-protection'
#: seconds between two sweeps and two signs of life
_UPKEEP_INTERVAL = 15


class Manager:
    """Claims tasks and runs them on a fixed number of threads."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._host = rt.conf.host
        # The instance makes an owner of its own: a process that was started
        # again must not take its predecessor's tasks for running.
        self._owner = f'{self._host}/{uuid.uuid4().hex[:12]}'
        self._started_at = paging.utcnow()
        self._ring = threading.Event()
        self._stopping = threading.Event()
        self._slots = threading.Semaphore(rt.conf.protection.slots)
        self._pool = concurrent.futures.ThreadPoolExecutor(
            rt.conf.protection.slots, thread_name_prefix='task'
        )
        self._runs: dict[str, Run] = {}
        self._thread = threading.Thread(
            target=self._loop, name='protection', daemon=True
        )
        self._server = rpc.server(
            rt.conf, self._host, self._ring.set, self.cancel
        )
        self._next_upkeep = 0.0

    def start(self) -> None:
        """Begin to take tasks."""
        self._server.start()
        self._thread.start()

    def stop(self) -> None:
        """Take no more tasks and give the running ones back to the queue."""
        self._stopping.set()
        self._ring.set()
        for run in list(self._runs.values()):
            run.interrupt()
        self._server.stop()
        self._server.wait()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(wait=True)

    def cancel(self, task_id: str) -> None:
        """Tell a task that runs here that it should stop."""
        run = self._runs.get(task_id)
        if run is not None:
            run.cancel()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._ring.clear()
            try:
                self._upkeep()
                self._fill_slots()
            except Exception:
                # The database may be away; the next round tries again.
                LOG.exception('Looking for tasks failed')
            self._ring.wait(self._rt.conf.protection.poll_interval)

    def _fill_slots(self) -> None:
        while not self._stopping.is_set():
            if not self._slots.acquire(blocking=False):
                return
            task = None
            try:
                task = db_tasks.claim(self._rt.db, self._owner)
                if task is None:
                    return
                run = Run(self._rt, task, self._owner)
                self._runs[task.id] = run
                self._pool.submit(self._execute, run)
            finally:
                if task is None:
                    self._slots.release()

    def _execute(self, run: Run) -> None:
        try:
            runner.execute(run)
        except Exception:
            LOG.exception('Task %s could not be ended', run.task.id)
        finally:
            self._runs.pop(run.task.id, None)
            self._slots.release()
            self._ring.set()

    def _upkeep(self) -> None:
        if time.monotonic() < self._next_upkeep:
            return
        self._next_upkeep = time.monotonic() + _UPKEEP_INTERVAL
        db = self._rt.db
        db.run(
            lambda: db_services.beat(db, BINARY, self._host, self._started_at)
        )
        self._sweep()

    def _sweep(self) -> None:
        """Take back what tasks that are over left in the ledger."""
        keys_away = False
        for entry in db_resources.orphans(self._rt.db):
            if keys_away and entry.kind is model.ResourceKind.KEY:
                continue
            try:
                TaskLedger(self._rt, entry.task_id).discard(entry)
                LOG.info('Swept %s %s', entry.kind, dict(entry.data))
            except exception.CsbsError as error:
                # A key manager that hangs would take its time for each key.
                keys_away |= isinstance(error, exception.KeyUnavailable)
                LOG.warning(
                    'Cannot sweep %s %s yet: %s',
                    entry.kind,
                    dict(entry.data),
                    error,
                )
