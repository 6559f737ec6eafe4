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

"""The handler of statistics."""

from typing import Any

from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import statistics as schemas
from csbs.db import statistics as db


@validation.query(schemas.SHOW_QUERY)
@validation.response(200, schemas.SHOW)
def show_statistics(req: Request) -> dict[str, Any]:
    """Show what is protected, stored and going on."""
    project_id = listing.project(req, 'csbs:statistics:get_all_projects')
    found = db.get(req.rt.db, project_id)
    backups = schemas.STATISTICS['properties']['backups']['properties']
    tasks = schemas.STATISTICS['properties']['tasks']['properties']
    return {
        'statistics': {
            'project_id': found.project_id,
            'vaults': found.vaults,
            'capacity_gb': found.capacity_gb,
            'used_bytes': found.used_bytes,
            'protected_bytes': found.protected_bytes,
            'stored_bytes': found.stored_bytes,
            'saved_percent': common.saved_percent(
                found.protected_bytes, found.stored_bytes
            ),
            'policies': found.policies,
            'enabled_policies': found.enabled_policies,
            'backups': {name: found.backups.get(name, 0) for name in backups},
            'protected_servers': found.protected_servers,
            'tasks': {name: found.tasks.get(name, 0) for name in tasks},
            'last_backup_at': common.time_or_none(found.last_backup_at),
        }
    }
