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

"""Servers as csbs sees them: what can be protected, and how it is."""

from typing import Any
from typing import Self

from openstack import resource

from csbs.sdk.v1 import _base


class Server(_base.Resource):
    """A server of the cloud with its volumes. Times are RFC 3339."""

    resource_key = 'server'
    resources_key = 'servers'
    base_path = '/servers'

    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        'id', 'name', 'policy_id', 'protectable', 'sort', 'status'
    )

    #: the project that owns it
    project_id: str = resource.Body('project_id')
    #: the cloud's word, ``ACTIVE`` or ``SHUTOFF`` when it can be backed up
    status: str = resource.Body('status')
    #: its volumes, each with id, name, size_bytes, size_gb, device,
    #: bootable and status
    volumes: list[dict[str, Any]] = resource.Body('volumes', type=list)
    #: the size of all its volumes in GB (2**30 bytes)
    size_gb: int = resource.Body('size_gb', type=int)
    #: the policy it is bound to
    policy_id: str | None = resource.Body('policy_id')
    #: its latest backup
    last_backup_id: str | None = resource.Body('last_backup_id')
    #: when that was made
    last_backup_at: str | None = resource.Body('last_backup_at')
    #: the task that it is busy with
    task_id: str | None = resource.Body('task_id')
    #: whether it can be backed up
    protectable: bool = resource.Body('protectable', type=bool)
    #: if it cannot, a sentence that says why
    reason: str | None = resource.Body('reason')
    #: what to know before backing it up
    notice: str | None = resource.Body('notice')

    @classmethod
    def _describe(cls, candidate: Self) -> str:
        return f'{candidate.id} ({candidate.status}, {candidate.size_gb} GB)'
