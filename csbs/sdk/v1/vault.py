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

"""Vaults: bought capacity that backups are stored in."""

from typing import Any
from typing import Self

from keystoneauth1 import adapter
from openstack import resource

from csbs.sdk.v1 import _base


class Vault(_base.Resource):
    """A vault. GB are 2**30 bytes, as Cinder counts; times are RFC 3339."""

    resource_key = 'vault'
    resources_key = 'vaults'
    base_path = '/vaults'

    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        'name', 'status', 'tags', *_base.COMMON_FILTERS
    )

    #: the project that owns it
    project_id: str = resource.Body('project_id')
    #: a text for people
    description: str | None = resource.Body('description')
    #: how much may be stored, in GB
    capacity_gb: int = resource.Body('capacity_gb', type=int)
    #: the term it was bought for, in months
    months: int = resource.Body('months', type=int)
    #: ``available``, ``expired``, ``deleting`` or ``error``
    status: str = resource.Body('status')
    #: what counts against the capacity, in GB, rounded up
    used_gb: int = resource.Body('used_gb', type=int)
    #: the same in bytes
    used_bytes: int = resource.Body('used_bytes', type=int)
    #: what is really stored after compression, in bytes
    stored_bytes: int = resource.Body('stored_bytes', type=int)
    #: what all its backups would take as full copies, in bytes
    protected_bytes: int = resource.Body('protected_bytes', type=int)
    #: how much less than that is stored
    saved_percent: int = resource.Body('saved_percent', type=int)
    #: how many days its backups cannot be deleted for, or None
    lock_days: int | None = resource.Body('lock_days')
    #: words to find it by
    tags: list[str] = resource.Body('tags', type=list)
    #: the policies that are bound to it; in a new vault, those to bind
    policy_ids: list[str] = resource.Body('policy_ids', type=list)
    #: in a new vault only: the server to back up at once, see
    #: :meth:`Proxy.create_vault`
    backup: dict[str, Any] | None = resource.Body('backup')
    #: how many backups it holds
    backup_count: int = resource.Body('backup_count', type=int)
    #: the task that is deleting it or backs a server up, if one is
    task_id: str | None = resource.Body('task_id')
    #: when it was created
    created_at: str = resource.Body('created_at')
    #: when it was last changed
    updated_at: str | None = resource.Body('updated_at')
    #: when its term ends
    expires_at: str | None = resource.Body('expires_at')

    def extend(self, session: adapter.Adapter, capacity_gb: int) -> Self:
        """Give the vault a larger capacity.

        :param session: the proxy
        :param capacity_gb: the new capacity in GB, more than the present
        :raises openstack.exceptions.HttpException: when it is refused
        """
        return self.act(session, 'extend', {'capacity_gb': capacity_gb})

    def renew(self, session: adapter.Adapter, months: int) -> Self:
        """Make the vault's term longer.

        :param session: the proxy
        :param months: by how many months
        :raises openstack.exceptions.HttpException: when it is refused
        """
        return self.act(session, 'renew', {'months': months})
