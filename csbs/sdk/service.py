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

"""How openstacksdk finds the service: type, alias and versions.

Owns the description only; what can be done with the service is in ``v1``.
"""

from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions
from openstack import service_description

from csbs.sdk.v1 import _proxy

#: the service's type in the catalogue of Keystone
SERVICE_TYPE = 'server-backup'


class ServerBackupService(service_description.ServiceDescription):
    """The cloud server backup service."""

    service_type = SERVICE_TYPE
    supported_versions = {'1': _proxy.Proxy}
    aliases = ['csbs']

    def _make_proxy(self, instance: Any) -> Any:
        proxy = super()._make_proxy(instance)
        if not isinstance(proxy, _proxy.Proxy) or proxy.endpoint_override:
            return proxy
        # With a bare token and endpoint keystoneauth finds the versions, but
        # sends requests to the endpoint as it was given all the same.
        data = proxy.get_endpoint_data()
        if data and data.service_url:
            proxy.endpoint_override = data.service_url
        return proxy

    def proxy(self, connection: Any) -> _proxy.Proxy:
        """Return the connection's proxy of this service.

        :param connection: a connection that the service was added to
        :raises openstack.exceptions.ServiceDiscoveryException: when there is
            no endpoint, or it does not answer in a known version
        """
        try:
            proxy = self.__get__(connection, type(connection))
        except (
            ksa_exceptions.ConnectFailure,
            ksa_exceptions.DiscoveryFailure,
        ) as error:
            raise exceptions.ServiceDiscoveryException(
                f'The {SERVICE_TYPE} service does not answer. {error}'
            ) from error
        if isinstance(proxy, _proxy.Proxy):
            return proxy
        reason = getattr(proxy, 'reason', None)
        raise exceptions.ServiceDiscoveryException(
            f'The cloud offers no usable {SERVICE_TYPE} service. '
            f'{reason or "Its endpoint speaks no version known here."}'
        )
