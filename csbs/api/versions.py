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


"""Microversions: which there are and which one a request asks for.

A request says ``OpenStack-API-Version: server-backup 1.N`` (or ``latest``);
without the header it gets the first one, so that a client never meets what it
does not know. Format: the microversion specification of the OpenStack API
special interest group. What each version changed is in
``api-ref/source/history.inc``.
"""

from collections.abc import Mapping
from typing import Any

import microversion_parse

from csbs import exception

SERVICE_TYPE = 'server-backup'
HEADER = 'OpenStack-API-Version'

#: all versions, oldest first
VERSIONS = ('1.0',)

Version = microversion_parse.Version


class VersionNotSupported(exception.CsbsError):
    """The caller asked for a microversion that does not exist here."""

    code = 'csbs.request.version_not_supported'
    status = 406
    message = (
        'Version {version} of the API is not supported; '
        'versions {low} to {high} are.'
    )

    def __init__(self, version: str) -> None:
        super().__init__(version=version, low=VERSIONS[0], high=VERSIONS[-1])

    @property
    def extra(self) -> dict[str, Any]:
        """Return what the error's JSON has beside the usual fields."""
        return {'min_version': VERSIONS[0], 'max_version': VERSIONS[-1]}


def negotiate(headers: Mapping[str, str]) -> Version:
    """Return the version that a request is to be answered in.

    :param headers: the request's headers
    :raises VersionNotSupported: for one that does not exist
    :raises Invalid: when the header cannot be understood
    """
    wanted = microversion_parse.get_version(dict(headers), SERVICE_TYPE)
    if wanted is None:
        return microversion_parse.parse_version_string(VERSIONS[0])
    if wanted.lower() == 'latest':
        return microversion_parse.parse_version_string(VERSIONS[-1])
    try:
        version = microversion_parse.parse_version_string(wanted)
    except TypeError:
        raise exception.Invalid(
            f'{HEADER}: {wanted!r} is not a version; '
            f'write "{SERVICE_TYPE} {VERSIONS[0]}" for example.'
        ) from None
    if str(version) not in VERSIONS:
        raise VersionNotSupported(str(version))
    return version


def describe(base_url: str) -> dict[str, Any]:
    """Return the entry of the version document for ``/v1``.

    :param base_url: where the service is reached, ending in a slash
    """
    return {
        'id': 'v1',
        'status': 'CURRENT',
        'min_version': VERSIONS[0],
        'version': VERSIONS[-1],
        'max_version': VERSIONS[-1],
        'links': [{'rel': 'self', 'href': f'{base_url}v1/'}],
    }
