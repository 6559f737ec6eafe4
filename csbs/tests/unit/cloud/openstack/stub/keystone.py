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


"""Keystone: users with roles in projects, and tokens that may end."""

from collections.abc import Collection
import dataclasses
import datetime
from typing import Any
from typing import Protocol
import uuid

from csbs.tests.unit.cloud.openstack.stub import wire

#: the project of services, and the user that csbs has there
SERVICE_PROJECT = uuid.uuid4().hex
SERVICE_USER = uuid.uuid4().hex
PASSWORD = 'open sesame'


class Host(Protocol):
    url: str


@dataclasses.dataclass
class Token:
    """A token.

    :ivar expired: good beside the token of a service only
    :ivar revoked: good for nothing
    """

    who: wire.Who
    expired: bool = False
    revoked: bool = False


class Keystone:
    """Knows who is who.

    :ivar roles: of csbs' user, by project
    :ivar lifetime: seconds that tokens say they last
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.roles: dict[str, frozenset[str]] = {
            SERVICE_PROJECT: frozenset({'admin', 'service'})
        }
        self.tokens: dict[str, Token] = {}
        self.lifetime = 14400.0

    def issue(
        self,
        project_id: str,
        roles: Collection[str] = ('member',),
        user_id: str = 'a-user',
    ) -> str:
        """Return a new token of a user."""
        token = f'token-{uuid.uuid4().hex}'
        who = wire.Who(user_id, project_id, frozenset(roles))
        self.tokens[token] = Token(who)
        return token

    def grant(self, project_id: str, *roles: str) -> None:
        """Give csbs' user roles in a project."""
        self.roles[project_id] = frozenset(roles)

    def who(self, request: wire.Request) -> wire.Who:
        """Return who asks.

        :raises wire.Refusal: for a token that is no good
        """
        beside = self.tokens.get(request.headers.get('X-Service-Token', ''))
        request.by_service = bool(
            beside
            and not (beside.revoked or beside.expired)
            and 'service' in beside.who.roles
        )
        token = self.tokens.get(request.headers.get('X-Auth-Token', ''))
        if (
            token is None
            or token.revoked
            or (token.expired and not request.by_service)
        ):
            raise wire.Refusal(
                401, 'The request you have made requires authentication.'
            )
        return token.who

    def answer(self, request: wire.Request) -> wire.Answer:
        """Answer a request."""
        if request.method == 'GET':
            link = {'rel': 'self', 'href': f'{self._host.url}/identity/v3/'}
            version = {'id': 'v3.14', 'status': 'stable', 'links': [link]}
            return 200, {'version': version}
        auth = request.body['auth']
        identity = auth['identity']
        secret = (
            identity['password']['user']['password']
            if 'password' in identity
            else identity['application_credential']['secret']
        )
        if secret != PASSWORD:
            raise wire.Refusal(401, 'The password is wrong.')
        scope = auth.get('scope', {}).get('project', {})
        if scope and 'password' not in identity:
            raise wire.Refusal(
                401, 'Application credentials cannot request a scope.'
            )
        project_id = scope.get('id', SERVICE_PROJECT)
        roles = self.roles.get(project_id)
        if not roles:
            raise wire.Refusal(401, 'No role in this project.')
        token = self.issue(project_id, roles, SERVICE_USER)
        request.answer_headers['X-Subject-Token'] = token
        return 201, {'token': self._describe(project_id, roles)}

    def _describe(
        self, project_id: str, roles: Collection[str]
    ) -> dict[str, Any]:
        domain = {'id': 'default', 'name': 'Default'}
        catalogue = [
            {
                'type': kind,
                'name': kind,
                'endpoints': [
                    {
                        'interface': interface,
                        'region_id': 'r',
                        'region': 'r',
                        'url': f'{self._host.url}/{path}',
                    }
                    for interface in ('public', 'internal')
                ],
            }
            for kind, path in (
                ('identity', 'identity/v3'),
                ('compute', 'compute/v2.1'),
                ('block-storage', f'volume/v3/{project_id}'),
            )
        ]
        return {
            'methods': ['password'],
            'user': {'id': SERVICE_USER, 'name': 'csbs', 'domain': domain},
            'project': {'id': project_id, 'name': 'service', 'domain': domain},
            'roles': [{'id': role, 'name': role} for role in roles],
            'catalog': catalogue,
            'issued_at': _after(0),
            'expires_at': _after(self.lifetime),
        }


def _after(seconds: float) -> str:
    """Return the time in so many seconds, as Keystone writes it."""
    time = datetime.datetime.now(datetime.UTC)
    time += datetime.timedelta(seconds=seconds)
    return time.strftime('%Y-%m-%dT%H:%M:%S.%fZ')
