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

"""One scheduler process: looks every few seconds at what is due.

Any number may run at once: what is due is taken by compare-and-swap or
under a row's lock.
"""

from collections.abc import Callable
import datetime
import secrets
import threading

from oslo_log import log

from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import services as db_services
from csbs.scheduler import collector
from csbs.scheduler import events
from csbs.scheduler import expiry
from csbs.scheduler import history
from csbs.scheduler import pruner
from csbs.scheduler import timetable
from csbs.scheduler import watchdog

LOG = log.getLogger(__name__)

BINARY = 'csbs-scheduler'

_DUTIES: tuple[Callable[[Runtime, datetime.datetime], int], ...] = (
    watchdog.run,
    collector.run,
    timetable.run,
    pruner.run,
    expiry.run,
    history.run,
    events.run,
)


class Manager:
    """Runs the duties over and over on a thread of its own."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._started_at = paging.utcnow()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, name='scheduler', daemon=True
        )

    def start(self) -> None:
        """Begin to look at the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the duty that runs now."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self, now: datetime.datetime) -> int:
        """Do every duty once; wake the workers if one queued a task.

        :returns: how many tasks were queued
        """
        queued = 0
        for duty in _DUTIES:
            try:
                queued += duty(self._rt, now)
            except Exception:
                # One duty's trouble must not keep the others from theirs.
                LOG.exception('%s failed', duty.__module__)
        if queued:
            self._rt.doorbell.wake()
        return queued

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._show_life()
            if self.look(paging.utcnow()):
                # Duties stop after so many: there may be more.
                continue
            # A little chance keeps many schedulers from moving in step.
            interval = self._rt.conf.scheduler.interval
            chance = 0.8 + secrets.randbelow(400) / 1000
            self._stopping.wait(interval * chance)

    def _show_life(self) -> None:
        db, host = self._rt.db, self._rt.conf.host
        try:
            db.run(
                lambda: db_services.beat(db, BINARY, host, self._started_at)
            )
        except Exception:
            LOG.exception('No sign of life could be written')
