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

"""The entry point of the plugin: how ``openstack`` gets csbs's client.

Owns the plugin interface of osc-lib (the names below are fixed by it) and
nothing else; the commands are in ``v1``.
"""

import argparse
import logging
import re
from typing import Any

from osc_lib import exceptions
from osc_lib import utils

from csbs import sdk
from csbs.sdk import service
from csbs.sdk.v1 import _proxy

LOG = logging.getLogger(__name__)

DEFAULT_API_VERSION = '1'
API_VERSION_OPTION = 'os_csbs_api_version'
API_NAME = 'csbs'
API_VERSIONS = ('1',)


def make_client(instance: Any) -> _proxy.Proxy:
    """Return the SDK's proxy of the service.

    :param instance: the client manager of ``openstack``
    :raises openstack.exceptions.SDKException: when the service is not found
    """
    version = instance._api_version[API_NAME]
    connection = instance.sdk_connection
    prefix = service.SERVICE_TYPE.replace('-', '_')
    if '.' in version:
        key = f'{prefix}_default_microversion'
        connection.config.config[key] = version
    client = sdk.register(connection)
    LOG.debug('csbs client initialized: %s', client)
    return client


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add the global options of csbs.

    :param parser: the parser of ``openstack``
    """
    parser.add_argument(
        '--os-csbs-api-version',
        metavar='<csbs-api-version>',
        default=utils.env('OS_CSBS_API_VERSION'),
        help=(
            f'Server backup API version, default={DEFAULT_API_VERSION}; '
            f'1.<n> asks for a microversion (Env: OS_CSBS_API_VERSION)'
        ),
    )
    return parser


def check_api_version(check_version: str) -> bool:
    """Tell ``openstack`` that the version is fine.

    :param check_version: what the user asked for
    :raises osc_lib.exceptions.CommandError: when there is no such version
    """
    if not re.fullmatch(r'1(\.\d+)?', check_version):
        raise exceptions.CommandError(
            f'There is no version {check_version} of the server backup API; '
            f'use 1, or 1.<n> for a microversion.'
        )
    return True
