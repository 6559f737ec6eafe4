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

"""Policies: a schedule and a rule for how long backups are kept."""

from typing import Any
from typing import Self

from keystoneauth1 import adapter
from openstack import resource
from openstack import utils

from csbs.sdk.v1 import _base


class Policy(_base.Resource):
    """A policy. Times are RFC 3339."""

    resource_key = 'policy'
    resources_key = 'policies'
    base_path = '/policies'

    allow_create = True
    allow_fetch = True
    allow_commit = True
    allow_delete = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        'enabled', 'name', 'vault_id', *_base.COMMON_FILTERS
    )

    #: the project that owns it
    project_id: str = resource.Body('project_id')
    #: whether it runs by itself, once it is bound to a vault
    enabled: bool = resource.Body('enabled', type=bool)
    #: the vault that its backups go to, or None
    vault_id: str | None = resource.Body('vault_id')
    #: the servers it backs up
    server_ids: list[str] = resource.Body('server_ids', type=list)
    #: ``times`` (``HH:MM``), ``timezone``, and either ``weekdays`` (``mon``
    #: ...) or ``every_days``
    schedule: dict[str, Any] = resource.Body('schedule', type=dict)
    #: ``kind`` (``days``, ``count`` or ``forever``) and ``value``
    retention: dict[str, Any] = resource.Body('retention', type=dict)
    #: whether servers may be paused for a moment; None: the service decides
    allow_pause: bool | None = resource.Body('allow_pause')
    #: how many servers at the same time; None: the service decides
    max_parallel: int | None = resource.Body('max_parallel')
    #: when it runs by itself the next time, or None
    next_run_at: str | None = resource.Body('next_run_at')
    #: the next five times at which it does
    next_runs: list[str] = resource.Body('next_runs', type=list)
    #: the run that was started, in the answer to that
    task_id: str | None = resource.Body('task_id')
    #: when it was created
    created_at: str = resource.Body('created_at')
    #: when it was last changed
    updated_at: str | None = resource.Body('updated_at')

    def run(self, session: adapter.Adapter) -> Self:
        """Back every server of the policy up now.

        :param session: the proxy
        :raises openstack.exceptions.HttpException: when it is refused
        """
        return self.act(session, 'run', {})

    def add_server(self, session: adapter.Adapter, server_id: str) -> Self:
        """Bind a server; another policy that has it gives it up.

        :param session: the proxy
        :param server_id: the server
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin(self.base_path, self.id, 'servers', server_id)
        self._translate_response(session.put(url))
        return self

    def remove_server(self, session: adapter.Adapter, server_id: str) -> Self:
        """Free a server; its backups stay.

        :param session: the proxy
        :param server_id: the server
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin(self.base_path, self.id, 'servers', server_id)
        self._translate_response(session.delete(url))
        return self

    def bind(self, session: adapter.Adapter, vault_id: str) -> Self:
        """Let the policy store into a vault.

        :param session: the proxy
        :param vault_id: the vault
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin('/vaults', vault_id, 'policies', self.id)
        self._translate_response(session.put(url))
        return self

    def unbind(self, session: adapter.Adapter, vault_id: str) -> Self:
        """Take the policy off a vault; it does not run by itself any more.

        :param session: the proxy
        :param vault_id: the vault
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin('/vaults', vault_id, 'policies', self.id)
        self._translate_response(session.delete(url))
        return self
