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

"""One worker's hold on one task: signs of life, progress, the ledger.

A :class:`Run` is what the functions that do the work see of the machinery:
they report progress, ask whether to go on, and announce what they make.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import threading
import time
from typing import Any
from typing import Self

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import sealed
from csbs.actions.runtime import Runtime
from csbs.db import resources as db_resources
from csbs.db import tasks as db_tasks
from csbs.domain import model

LOG = log.getLogger(__name__)


class TaskLedger:
    """The ledger of one task, and so its undo stack.

    What a task makes in the cloud is undone from here, newest first: by the
    task itself when it ends, or by whoever finds it dead.
    """

    def __init__(
        self,
        rt: Runtime,
        task: model.Task,
        context: csbs_context.RequestContext | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the ledger of a task.

        :param context: as whom things are taken back; None: the service
        :param check: whether the task may go on
        """
        self._rt = rt
        self.task_id = task.id
        self._context = context or csbs_context.RequestContext.for_service(
            task.project_id
        )
        self._check = check

    def check(self) -> None:
        """Return if the task may go on."""
        self._check()

    def plan(self, kind: model.ResourceKind, **data: Any) -> model.Resource:
        """Write a resource down before it is made."""
        db = self._rt.db
        return db.run(
            lambda: db_resources.create(db, self.task_id, kind, data)
        )

    def update(self, entry: model.Resource, **data: Any) -> model.Resource:
        """Add to what is known of a resource."""
        db = self._rt.db

        def work() -> model.Resource:
            for known in db_resources.of_task(db, self.task_id):
                if known.id == entry.id:
                    merged = {**known.data, **data}
                    db_resources.set_data(db, entry.id, merged)
            return next(
                known
                for known in db_resources.of_task(db, self.task_id)
                if known.id == entry.id
            )

        return db.run(work)

    def discard(self, entry: model.Resource) -> None:
        """Take a resource back, then strike it out."""
        current = [known for known in self.entries() if known.id == entry.id]
        for known in current:
            if known.kind is model.ResourceKind.KEY:
                self._rt.keys.delete(known.data['ref'])
            else:
                self._rt.cloud.discard(self._context, known)
            self.keep(known)

    def keep(self, entry: model.Resource) -> None:
        """Strike an entry out without touching the resource."""
        db = self._rt.db
        db.run(lambda: db_resources.delete(db, entry.id))

    def entries(self) -> list[model.Resource]:
        """Return what is written down, newest first."""
        return db_resources.of_task(self._rt.db, self.task_id)

    def clear(self, *, but: frozenset[str] = frozenset()) -> None:
        """Take everything back, newest first; go on after an error.

        What can't be taken back now stays written down for the sweep.

        :param but: ids of entries to leave alone
        """
        for entry in self.entries():
            if entry.id in but:
                continue
            try:
                self.discard(entry)
            except exception.CsbsError as error:
                LOG.warning(
                    'Task %s leaves %s %s for the sweep: %s',
                    self.task_id,
                    entry.kind,
                    dict(entry.data),
                    error,
                )


class Run:
    """A claimed task while it runs.

    :ivar kept: ledger entries that the finished task leaves to the user
    :ivar secrets: what nobody else may read, by name
    """

    def __init__(self, rt: Runtime, task: model.Task, owner: str) -> None:
        self.rt = rt
        self.task = task
        self.owner = owner
        self.context = csbs_context.RequestContext.for_service(
            task.project_id, request_id=task.request_id
        )
        self.ledger = TaskLedger(rt, task, self.context, self.check)
        self.secrets: Mapping[str, str] = {}
        self.kept: list[model.Resource] = []
        self._bytes_done = 0
        self._bytes_total: int | None = None
        self._step = ''
        self._cancel = task.cancel_requested
        self._uncancellable = False
        self._lost = False
        self._interrupted = False
        self._last_beat = time.monotonic()
        self._ended = threading.Event()

    def unseal(self) -> None:
        """Read the task's secrets; from now on it acts as the user.

        :raises KeyMissing: KeyWrong or the like, when they can't be read
        """
        self.secrets = sealed.unseal(self.rt, self.task)
        self.context.auth_token = self.secrets.get('token')

    def progress(self, count: int) -> None:
        """Say that ``count`` more bytes are done."""
        self._bytes_done += count

    def expect(self, total: int) -> None:
        """Say how many bytes there are to be done in all."""
        self._bytes_total = total

    def step(self, word: str) -> None:
        """Say what the task does now."""
        self._step = word
        self.beat()

    def check(self) -> None:
        """Return if the task may go on.

        :raises TaskCancelled: when the user wants it to stop
        :raises TaskInterrupted: when the worker goes down
        :raises TaskLost: when the task is another worker's by now
        """
        silent = time.monotonic() - self._last_beat
        if self._lost or silent > self.rt.conf.scheduler.dead_after:
            raise exception.TaskLost()
        if self._interrupted:
            raise exception.TaskInterrupted()
        if self._cancel and not self._uncancellable:
            raise exception.TaskCancelled()

    def close_to_cancel(self) -> None:
        """Pass the point behind which the task can't be cancelled."""
        self.check()
        db_tasks.close_to_cancel(self.rt.db, self.task.id, self.owner)
        self._uncancellable = True

    def beat(self) -> None:
        """Write progress down and hear whether to stop.

        :raises TaskLost: when the task is another worker's by now
        """
        figures = {'bytes_done': self._bytes_done}
        if self._bytes_total is not None:
            figures['bytes_total'] = self._bytes_total
        try:
            task = db_tasks.beat(
                self.rt.db,
                self.task.id,
                self.owner,
                step=self._step,
                **figures,
            )
        except exception.TaskLost:
            self._lost = True
            raise
        self._last_beat = time.monotonic()
        self._cancel = self._cancel or task.cancel_requested

    def cancel(self) -> None:
        """Stop at the next check; called when the user's wish is heard."""
        self._cancel = True

    def interrupt(self) -> None:
        """Stop at the next check because the worker goes down."""
        self._interrupted = True

    @contextlib.contextmanager
    def beating(self) -> Iterator[Self]:
        """Show signs of life while the block runs."""
        thread = threading.Thread(
            target=self._beat_until_ended,
            name=f'heartbeat-{self.task.id}',
            daemon=True,
        )
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    def _beat_until_ended(self) -> None:
        interval = self.rt.conf.protection.heartbeat_interval
        while not self._ended.wait(interval):
            try:
                self.beat()
            except exception.TaskLost:
                return
            except Exception:
                # The database may be away for a moment; check() gives the
                # task up when the moment gets too long.
                LOG.exception('No sign of life for task %s', self.task.id)
