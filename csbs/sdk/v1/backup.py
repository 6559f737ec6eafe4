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

"""Backups: what one backup task of one server leaves."""

from typing import Any
from typing import Self

from keystoneauth1 import adapter
from openstack import resource

from csbs.sdk.v1 import _base


class Backup(_base.Resource):
    """A backup of a whole server. Times are RFC 3339."""

    resource_key = 'backup'
    resources_key = 'backups'
    base_path = '/backups'

    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        'consistency',
        'kind',
        'name',
        'parent_id',
        'policy_id',
        'server_id',
        'server_name',
        'status',
        'trigger',
        'vault_id',
        *_base.COMMON_FILTERS,
    )

    #: the project that owns it
    project_id: str = resource.Body('project_id')
    #: the vault that it is stored in
    vault_id: str = resource.Body('vault_id')
    #: the server that was backed up
    server_id: str = resource.Body('server_id')
    #: the server's name when it was backed up
    server_name: str = resource.Body('server_name')
    #: a text for people
    description: str | None = resource.Body('description')
    #: where it is in its life; ``available`` when it can be restored
    status: str = resource.Body('status')
    #: ``full`` or ``incremental``
    kind: str = resource.Body('kind')
    #: who started it: ``manual``, ``run_now`` or ``scheduled``
    trigger: str = resource.Body('trigger')
    #: ``crash_consistent``, ``shut_off``, ``none``; None when not yet known
    consistency: str | None = resource.Body('consistency')
    #: how its volumes were frozen: ``shut_off``, ``single``, ``group``,
    #: ``pause`` or ``sequential``; None when not yet known
    snapshot_method: str | None = resource.Body('snapshot_method')
    #: how long the server was paused for it, in seconds, or None
    paused_seconds: float | None = resource.Body('paused_seconds')
    #: in a new backup only: whether the server may be paused for a moment
    allow_pause: bool | None = resource.Body('allow_pause')
    #: the policy that made it, if one did
    policy_id: str | None = resource.Body('policy_id')
    #: the backup it was compared with; restoring never needs that one
    parent_id: str | None = resource.Body('parent_id')
    #: the size of all its volumes, in bytes
    size_bytes: int = resource.Body('size_bytes', type=int)
    #: the same in GB (2**30 bytes)
    size_gb: int = resource.Body('size_gb', type=int)
    #: what differed from its parent, in bytes
    changed_bytes: int = resource.Body('changed_bytes', type=int)
    #: what was sent to the store, in bytes
    transferred_bytes: int = resource.Body('transferred_bytes', type=int)
    #: what was added to the store, in bytes
    stored_bytes: int = resource.Body('stored_bytes', type=int)
    #: how far its running task is, 0 to 100; 100 when it is available
    progress: int = resource.Body('progress', type=int)
    #: why it failed: ``{'code': ..., 'message': ...}``, or None
    fault: dict[str, str] | None = resource.Body('fault')
    #: the last task that worked on it
    task_id: str | None = resource.Body('task_id')
    #: when it was started
    created_at: str = resource.Body('created_at')
    #: when it last changed
    updated_at: str | None = resource.Body('updated_at')
    #: the instant that its content is of
    snapshot_at: str | None = resource.Body('snapshot_at')
    #: the API's ``items``, one for each volume; not called so here because
    #: resources are dictionaries, whose ``items`` is a method
    backup_items: list[dict[str, Any]] = resource.Body('items', type=list)
    #: the server's description when it was backed up
    server: dict[str, Any] | None = resource.Body('server')

    @classmethod
    def _describe(cls, candidate: Self) -> str:
        return (
            f'{candidate.id} (of server {candidate.server_name}, '
            f'created {candidate.created_at})'
        )

    def restore(
        self, session: adapter.Adapter, power_on: bool | None = None
    ) -> Self:
        """Write the backup over the volumes of the server it was made of.

        :param session: the proxy
        :param power_on: whether the server runs afterwards; None leaves
            that to the service
        :raises openstack.exceptions.HttpException: when it is refused
        """
        body: dict[str, Any] = {}
        if power_on is not None:
            body['power_on'] = power_on
        return self.act(session, 'restore', {'restore': body})

    def create_server(self, session: adapter.Adapter, **attrs: Any) -> Self:
        """Make a new server from the backup.

        :param session: the proxy
        :param attrs: the body of the request, without those that are None
        :raises openstack.exceptions.HttpException: when it is refused
        """
        body = {
            name: value for name, value in attrs.items() if value is not None
        }
        return self.act(session, 'servers', {'server': body})
