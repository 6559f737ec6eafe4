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

from csbs.domain import recurrence
from csbs.domain import retention

#: servers in one run, whatever the quota says
MAX_SERVERS = 64


@dataclasses.dataclass(frozen=True)
class Policy:
    """A schedule and a retention rule with the servers they hold for.

    :ivar vault_id: where its backups go, or None while it is not bound
    :ivar allow_pause: whether its servers may be paused for a moment to get
        their volumes at one instant; None: as the configuration says
    :ivar next_run_at: None when it does not run by itself
    :ivar prune_at: when its backups are looked through the next time
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
    prune_at: datetime.datetime
    server_ids: tuple[str, ...] = ()
    allow_pause: bool | None = None

    def next_after(self, now: datetime.datetime) -> datetime.datetime | None:
        """Return when it runs by itself, None when it does not."""
        if not self.enabled or self.vault_id is None:
            return None
        return self.schedule.next_after(now)

    def next_prune(
        self, now: datetime.datetime, time: str
    ) -> datetime.datetime:
        """Return when its backups are looked through.

        :param time: of every day on the policy's clock, as ``HH:MM``
        """
        daily = recurrence.Schedule(
            times=(time,), timezone=self.schedule.timezone, every_days=1
        )
        return daily.next_after(now)
