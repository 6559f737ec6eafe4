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

"""A Keystone of the smallest kind: one password, one catalogue, one project.

Owns what clients need of it to find the service and to look up a project.
"""

from typing import Any
from typing import Protocol

NOW = '2026-11-23T10:00:00Z'
PASSWORD = 'open sesame'
PROJECT = '6f70656e7374616b6f70656e7374616b'
TOKEN = 'a-token-of-keystone'

Answer = tuple[int, dict[str, Any]]


class Refusal(Exception):
    """An error that is answered."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class Host(Protocol):
    """Where it is found."""

    url: str


class Keystone:
    """What is answered under ``/identity/v3``."""

    def __init__(self, host: Host) -> None:
        self._host = host
        #: whether projects may be looked up
        self.open = True

    def answer(
        self, method: str, parts: list[str], query: dict[str, str], body: Any
    ) -> Answer:
        """Answer a request.

        :raises Refusal: for an error
        """
        if parts[1:2] == ['projects']:
            return self._projects(parts[2:], query)
        if method == 'POST':
            return self._token(body)
        return 200, {
            'version': {
                'id': 'v3.14',
                'status': 'stable',
                'links': [{'rel': 'self', 'href': self._url()}],
            }
        }

    def _url(self) -> str:
        return f'{self._host.url}/identity/v3/'

    def _projects(self, parts: list[str], query: dict[str, str]) -> Answer:
        if not self.open:
            raise Refusal(403, 'identity', 'Not for you.')
        project = {'id': PROJECT, 'name': 'demo'}
        if parts:
            if parts[0] != PROJECT:
                raise Refusal(404, 'identity', 'No such project.')
            return 200, {'project': project}
        found = query.get('name') in (None, 'demo')
        return 200, {'projects': [project] if found else []}

    def _token(self, body: Any) -> Answer:
        user = body['auth']['identity']['password']['user']
        if user['password'] != PASSWORD:
            raise Refusal(401, 'identity', 'The password is wrong.')
        catalogue = [
            {
                'type': type_,
                'endpoints': [
                    {'interface': 'public', 'region_id': 'r', 'url': url}
                ],
            }
            for type_, url in (
                ('identity', self._url()),
                ('server-backup', self._host.url),
            )
        ]
        domain = {'id': 'default', 'name': 'Default'}
        return 201, {
            'token': {
                'methods': ['password'],
                'user': {'id': 'u1', 'name': 'demo', 'domain': domain},
                'project': {'id': PROJECT, 'name': 'demo', 'domain': domain},
                'roles': [{'id': 'r1', 'name': 'member'}],
                'catalog': catalogue,
                'issued_at': NOW,
                'expires_at': '2099-11-23T10:00:00Z',
            }
        }
