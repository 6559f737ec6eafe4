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

"""Quotas: what a project may have beside what it has."""

from collections.abc import Generator
from collections.abc import Mapping
from typing import Any
from typing import Self

from keystoneauth1 import adapter
from openstack import resource
from openstack import utils
import requests

from csbs.sdk.v1 import _base


class Quota(_base.Resource):
    """The quota of one project; -1 stands for as many as wanted."""

    resource_key = 'quota'
    resources_key = 'quotas'
    base_path = '/quotas'

    allow_list = True

    _query_mapping = resource.QueryParameters()

    #: the project
    project_id: str = resource.Body('project_id', alternate_id=True)
    #: ``vaults``, ``policies``, ``policies_per_vault``,
    #: ``servers_per_policy``, ``min_capacity_gb`` and ``max_capacity_gb``
    limits: dict[str, int] = resource.Body('limits', type=dict)
    #: how much of that is in use, and ``capacity_gb`` and ``used_gb`` of all
    #: vaults together
    usage: dict[str, int] = resource.Body('usage', type=dict)
    #: the limits that an administrator set for this project
    own: list[str] = resource.Body('own', type=list)

    @classmethod
    def list(
        cls, session: adapter.Adapter, *args: Any, **params: Any
    ) -> Generator[Self, None, None]:
        """Return a generator of the quotas of all projects.

        :param session: the proxy
        :param params: paging
        """
        params['base_path'] = '/quotas/all'
        return super().list(session, *args, **params)

    @classmethod
    def of(
        cls,
        session: adapter.Adapter,
        project_id: str | None,
        limits: Mapping[str, int | None] | None = None,
    ) -> Self:
        """Ask for a project's quota, or change it and return it.

        :param session: the proxy
        :param project_id: the project; None for the caller's own
        :param limits: what to change; None of one is the default again
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin(cls.base_path, *filter(None, [project_id]))
        if limits is None:
            return cls._from(session.get(url))
        return cls._from(session.put(url, json={'quota': dict(limits)}))

    @classmethod
    def reset(cls, session: adapter.Adapter, project_id: str) -> Self:
        """Leave all limits of a project to the service again.

        :param session: the proxy
        :param project_id: the project
        :raises openstack.exceptions.HttpException: when it is refused
        """
        url = utils.urljoin(cls.base_path, project_id)
        return cls._from(session.delete(url))

    @classmethod
    def _from(cls, response: requests.Response) -> Self:
        quota = cls.new()
        quota._translate_response(response)
        return quota
