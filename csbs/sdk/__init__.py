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

"""The csbs service for openstacksdk.

Owns the Python interface that programs, the command line and the dashboard
use. Knows the REST API only: it imports nothing of the server.

Use it so::

    import openstack
    from csbs import sdk

    cloud = openstack.connect(cloud='mycloud')
    csbs = sdk.register(cloud)
    vault = csbs.find_vault('daily', ignore_missing=False)
    backup = csbs.create_backup(server_id=server.id, vault_id=vault.id)
    backup = csbs.wait_for_backup(backup)
"""

from typing import TYPE_CHECKING

from csbs.sdk import service

if TYPE_CHECKING:
    from openstack import connection as sdk_connection

    from csbs.sdk.v1 import _proxy

__all__ = ['register']


def register(connection: 'sdk_connection.Connection') -> '_proxy.Proxy':
    """Add the service to a connection and return its proxy.

    Afterwards the proxy is also ``connection.server_backup`` and
    ``connection.csbs``. Registering twice does no harm.

    :param connection: a connection of openstacksdk
    :return: the proxy, ready to use
    :raises openstack.exceptions.SDKException: when no endpoint of the
        service can be found, or none of a version that is known here
    """
    description = service.ServerBackupService(
        service_type=service.SERVICE_TYPE
    )
    connection.add_service(description)
    return description.proxy(connection)
