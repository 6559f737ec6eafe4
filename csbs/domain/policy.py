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

"""What a policy is: a schedule and a retention rule, bound to one vault."""

import dataclasses
import datetime
import hashlib

from csbs.domain import recurrence
from csbs.domain import retention

#: servers in one run, whatever the quota says
MAX_SERVERS = 64

SHOWN_RUNS = 5


@dataclasses.dataclass(frozen=True)
class Plan:
    """When a policy runs by itself; both None when it does not.

    :ivar next_run_at: the schedule's time, which users see
    :ivar fire_at: when that run is really started
    """

    next_run_at: datetime.datetime | None = None
    fire_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Policy:
    """A schedule and a retention rule with the servers they hold for.

    :ivar vault_id: where its backups go, or None while it is not bound
    :ivar allow_pause: whether its servers may be paused for a moment to get
        their volumes at one instant; None: as the configuration says
    :ivar max_parallel: how many of its servers are backed up at the same
        time; None: as the configuration says
    :ivar next_run_at: None when it does not run by itself
    :ivar fire_at: when that run is started, see :meth:`fire_time`
    :ivar prune_at: when its backups are looked through the next time; None
        when that is left to the end of its next run
    """

    id: str
    project_id: str
    name: str
    enabled: bool
    vault_id: str | None
    schedule: recurrence.Schedule
    retention: retention.Retention
    created_at: datetime.datetime
    updated_at: datetime.datetime | None
    next_run_at: datetime.datetime | None
    prune_at: datetime.datetime | None
    fire_at: datetime.datetime | None = None
    server_ids: tuple[str, ...] = ()
    allow_pause: bool | None = None
    max_parallel: int | None = None

    def plan(self, now: datetime.datetime, window: datetime.timedelta) -> Plan:
        """Return when it runs by itself from now on.

        :param window: how far runs due at the same time are spread
        """
        if not self.enabled or self.vault_id is None:
            return Plan()
        planned = self.schedule.next_after(now)
        return Plan(planned, self.fire_time(planned, window))

    def next_runs(self) -> list[datetime.datetime]:
        """Return when it runs by itself the next times, the soonest first."""
        runs: list[datetime.datetime] = []
        planned = self.next_run_at
        while planned is not None and len(runs) < SHOWN_RUNS:
            runs.append(planned)
            planned = self.schedule.next_after(planned)
        return runs

    def plan_behind(
        self, now: datetime.datetime, window: datetime.timedelta
    ) -> Plan:
        """Return the run behind the one that is due.

        Runs that should have been started by now as well are left out: the
        one that is due stands for them.
        """
        if self.next_run_at is None:
            return self.plan(now, window)
        planned = self.schedule.next_after(self.next_run_at)
        fire_at = self.fire_time(planned, window)
        if fire_at <= now:
            return self.plan(now, window)
        return Plan(planned, fire_at)

    def fire_time(
        self, planned: datetime.datetime, window: datetime.timedelta
    ) -> datetime.datetime:
        """Return when a run is started that is planned for a moment.

        Policies that are due together start one after another, each at a
        place in the window that its id gives it, and always before its next
        run is due.
        """
        room = min(window, self.schedule.next_after(planned) - planned)
        number = int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:4])
        return planned + room * (number / (1 << 32))

    def next_prune(
        self, now: datetime.datetime, time: str
    ) -> datetime.datetime | None:
        """Return when its backups are looked through, None when off.

        A policy that is not enabled cleans up at the end of its runs only.

        :param time: of every day on the policy's clock, as ``HH:MM``
        """
        if not self.enabled:
            return None
        daily = recurrence.Schedule(
            times=(time,), timezone=self.schedule.timezone, every_days=1
        )
        return daily.next_after(now)
