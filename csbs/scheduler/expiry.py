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

"""Lets vaults expire whose term has ended."""

import datetime
import functools

from oslo_log import log

from csbs.actions.runtime import Runtime
from csbs.db import vaults as db_vaults

LOG = log.getLogger(__name__)

_AT_ONCE = 100


def run(rt: Runtime, now: datetime.datetime) -> int:
    """Mark the vaults whose term has ended; no task comes of it."""
    for vault in db_vaults.past_term(rt.db, now, _AT_ONCE):
        if rt.db.run(
            functools.partial(db_vaults.expire, rt.db, vault.id, now)
        ):
            LOG.info('The term of vault %s has ended', vault.id)
    return 0
