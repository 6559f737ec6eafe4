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

"""Strikes tasks out that were over long ago."""

import datetime
import functools

from csbs.actions.runtime import Runtime
from csbs.db import runs as db_runs

_AT_ONCE = 500


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Forget old tasks; no task comes of it."""
    days = rt.conf.scheduler.task_history_days
    if days:
        before = now - datetime.timedelta(days=days)
        rt.db.run(functools.partial(db_runs.forget, rt.db, before, _AT_ONCE))
    return 0
