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

"""The proxy's calls for policies, quotas and statistics.

A part of ``_proxy``, apart only for its length.
"""

from collections.abc import Generator
from typing import Any
from typing import Literal
from typing import overload

from openstack import proxy

from csbs.sdk.v1 import policy as _policy
from csbs.sdk.v1 import quota as _quota
from csbs.sdk.v1 import server as _server
from csbs.sdk.v1 import statistics as _statistics
from csbs.sdk.v1 import vault as _vault


class PolicyCalls(proxy.Proxy):
    """What can be done with policies, quotas and statistics."""

    # ====== Policies ======

    def policies(self, **query: Any) -> Generator[_policy.Policy, None, None]:
        """Return a generator of policies.

        :param query: filters and paging, see the class
        """
        return self._list(_policy.Policy, **query)

    def get_policy(self, policy: str | _policy.Policy) -> _policy.Policy:
        """Return a policy by its id.

        :param policy: the policy or its id
        :raises openstack.exceptions.NotFoundException: when there is none
        """
        return self._get(_policy.Policy, policy)

    @overload
    def find_policy(
        self, name_or_id: str, ignore_missing: Literal[False]
    ) -> _policy.Policy: ...

    @overload
    def find_policy(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _policy.Policy | None: ...

    def find_policy(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _policy.Policy | None:
        """Return a policy by its name or id.

        :param name_or_id: the name or id
        :param ignore_missing: return None when there is none
        :raises openstack.exceptions.NotFoundException: when there is none
        :raises openstack.exceptions.DuplicateResource: when there are many
        """
        return self._find(_policy.Policy, name_or_id, ignore_missing)

    def create_policy(self, **attrs: Any) -> _policy.Policy:
        """Create a policy.

        :param attrs: ``schedule``, and if wanted ``name``, ``enabled``,
            ``retention``, ``allow_pause``, ``max_parallel``, ``vault_id``
            and ``server_ids``; for the form of these see
            :class:`csbs.sdk.v1.policy.Policy`
        """
        return self._create(_policy.Policy, **attrs)

    def update_policy(
        self, policy: str | _policy.Policy, **attrs: Any
    ) -> _policy.Policy:
        """Change a policy; a new schedule counts from now on.

        :param policy: the policy or its id
        :param attrs: ``name``, ``enabled``, ``schedule``, ``retention``,
            ``allow_pause`` or ``max_parallel``
        """
        return self._update(_policy.Policy, policy, **attrs)

    def delete_policy(
        self, policy: str | _policy.Policy, ignore_missing: bool = True
    ) -> _policy.Policy | None:
        """Delete a policy; its backups stay.

        :param policy: the policy or its id
        :param ignore_missing: return None when there is none
        """
        return self._delete(_policy.Policy, policy, ignore_missing)

    def run_policy(self, policy: str | _policy.Policy) -> _policy.Policy:
        """Back every server of a policy up now.

        ``task_id`` of the result is the run. It ends with its parts, which
        are the tasks with that ``parent_id``.

        :param policy: the policy or its id
        :raises openstack.exceptions.ConflictException: when it has no vault
            or no server, or one of its servers is busy
        """
        return self._get_resource(_policy.Policy, policy).run(self)

    def add_server_to_policy(
        self, policy: str | _policy.Policy, server: str | _server.Server
    ) -> _policy.Policy:
        """Bind a server to a policy; another one gives it up.

        :param policy: the policy or its id
        :param server: the server or its id
        """
        server_id = _server.Server._get_id(server)
        resource = self._get_resource(_policy.Policy, policy)
        return resource.add_server(self, server_id)

    def remove_server_from_policy(
        self, policy: str | _policy.Policy, server: str | _server.Server
    ) -> _policy.Policy:
        """Free a server from a policy; its backups stay.

        :param policy: the policy or its id
        :param server: the server or its id
        """
        server_id = _server.Server._get_id(server)
        resource = self._get_resource(_policy.Policy, policy)
        return resource.remove_server(self, server_id)

    def add_policy_to_vault(
        self, vault: str | _vault.Vault, policy: str | _policy.Policy
    ) -> _policy.Policy:
        """Let a policy store into a vault.

        :param vault: the vault or its id
        :param policy: the policy or its id
        :raises openstack.exceptions.ConflictException: when it is bound to
            another vault
        """
        vault_id = _vault.Vault._get_id(vault)
        return self._get_resource(_policy.Policy, policy).bind(self, vault_id)

    def remove_policy_from_vault(
        self, vault: str | _vault.Vault, policy: str | _policy.Policy
    ) -> _policy.Policy:
        """Take a policy off a vault; it does not run by itself any more.

        :param vault: the vault or its id
        :param policy: the policy or its id
        """
        vault_id = _vault.Vault._get_id(vault)
        resource = self._get_resource(_policy.Policy, policy)
        return resource.unbind(self, vault_id)

    # ====== Quotas ======

    def quotas(self, **query: Any) -> Generator[_quota.Quota, None, None]:
        """Return a generator of all projects' quotas (administrators).

        :param query: paging, see the class
        """
        return self._list(_quota.Quota, **query)

    def get_quota(self, project_id: str | None = None) -> _quota.Quota:
        """Return the quota of a project.

        :param project_id: the project; None for the caller's own
        :raises openstack.exceptions.NotFoundException: when it is not the
            caller's to see
        """
        return _quota.Quota.of(self, project_id)

    def update_quota(
        self, project_id: str, **limits: int | None
    ) -> _quota.Quota:
        """Give a project limits of its own (administrators).

        :param project_id: the project
        :param limits: by name; None leaves one to the service again
        :raises openstack.exceptions.BadRequestException: when they cannot
            be kept
        """
        return _quota.Quota.of(self, project_id, limits)

    def reset_quota(self, project_id: str) -> _quota.Quota:
        """Leave all limits of a project to the service (administrators).

        :param project_id: the project
        """
        return _quota.Quota.reset(self, project_id)

    # ====== Statistics ======

    def get_statistics(
        self, project_id: str | None = None, all_projects: bool = False
    ) -> _statistics.Statistics:
        """Return what is protected, stored and going on.

        :param project_id: the project; None for the caller's own
        :param all_projects: count all projects together (administrators)
        """
        return _statistics.Statistics.of(self, project_id, all_projects)
