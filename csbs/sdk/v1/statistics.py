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

"""Statistics: what is protected, stored and going on."""

from typing import Self

from keystoneauth1 import adapter
from openstack import resource

from csbs.sdk.v1 import _base


class Statistics(_base.Resource):
    """Figures of a project or of all. Times are RFC 3339."""

    resource_key = 'statistics'
    base_path = '/statistics'

    #: the project, or None for all of them together
    project_id: str | None = resource.Body('project_id')
    #: how many vaults there are
    vaults: int = resource.Body('vaults', type=int)
    #: what they can hold, in GB
    capacity_gb: int = resource.Body('capacity_gb', type=int)
    #: what counts against that, in bytes
    used_bytes: int = resource.Body('used_bytes', type=int)
    #: what all backups would take as full copies, in bytes
    protected_bytes: int = resource.Body('protected_bytes', type=int)
    #: what is really stored, in bytes
    stored_bytes: int = resource.Body('stored_bytes', type=int)
    #: how much less that is than full copies
    saved_percent: int = resource.Body('saved_percent', type=int)
    #: how many policies there are
    policies: int = resource.Body('policies', type=int)
    #: how many of them are enabled
    enabled_policies: int = resource.Body('enabled_policies', type=int)
    #: how many backups there are, by status
    backups: dict[str, int] = resource.Body('backups', type=dict)
    #: how many servers have a backup that can be restored
    protected_servers: int = resource.Body('protected_servers', type=int)
    #: how many tasks there are, by status: ``queued`` and ``running``
    tasks: dict[str, int] = resource.Body('tasks', type=dict)
    #: when the newest backup that can be restored was started
    last_backup_at: str | None = resource.Body('last_backup_at')

    @classmethod
    def of(
        cls,
        session: adapter.Adapter,
        project_id: str | None,
        all_projects: bool,
    ) -> Self:
        """Ask for the figures.

        :param session: the proxy
        :param project_id: the project; None for the caller's own
        :param all_projects: those of all projects together
        :raises openstack.exceptions.HttpException: when it is refused
        """
        query = {}
        if project_id:
            query['project_id'] = project_id
        elif all_projects:
            query['all_projects'] = 'true'
        found = cls.new()
        found._translate_response(session.get(cls.base_path, params=query))
        return found
