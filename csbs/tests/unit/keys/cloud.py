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

"""A Keystone and a Barbican of the smallest kind, that can be in bad health.

Owns what castellan needs of them: real HTTP, tokens that are looked at,
secrets that are kept. What is in :attr:`Cloud.fault` happens to each request
for Barbican, or for Keystone when :attr:`Cloud.where` says so.
"""

import base64
from collections.abc import Callable
import http.server
import json
import threading
from typing import Any
import uuid

import fixtures

PASSWORD = 'open sesame'
PROJECT = '6f70656e7374616b6f70656e7374616b'

#: seconds after which a server that hangs lets go by itself
_PATIENCE = 30

Answer = tuple[int, bytes | dict[str, Any]]


class Cloud(fixtures.Fixture):
    """The servers, at one port.

    :ivar fault: a status to answer with, ``garbage`` or ``hang``
    :ivar where: the beginning of the paths that the fault is for
    :ivar roles: of whom a token is for; ``creator`` may do everything
    :ivar secrets: what Barbican holds, by id
    :ivar tokens: those that are good
    :ivar issued: how many tokens were given out
    :ivar paths: all requests, method and path
    """

    def __init__(self) -> None:
        self.fault: int | str | None = None
        self.where = '/barbican'
        self.roles = {'creator'}
        self.secrets: dict[str, dict[str, Any]] = {}
        self.tokens: set[str] = set()
        self.issued = 0
        self.paths: list[str] = []
        self.catalogued = True
        self._let_go = threading.Event()

    def _setUp(self) -> None:
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _handler(self)
        )
        server.daemon_threads = True
        self.url = f'http://127.0.0.1:{server.server_port}'
        self.config = f"""
[vault_keys]
manager = castellan
timeout = 1
auth_type = password
auth_url = {self.url}/identity/v3
username = csbs
password = {PASSWORD}
project_name = service
user_domain_id = default
project_domain_id = default
"""
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(self._let_go.set)

    def answer(
        self, method: str, path: str, token: str | None, body: Any
    ) -> Answer:
        """Answer one request, in good health or bad."""
        self.paths.append(f'{method} {path}')
        if self.fault is not None and path.startswith(self.where):
            if self.fault == 'hang':
                self._let_go.wait(_PATIENCE)
            if isinstance(self.fault, int):
                return _refusal(self.fault)
            return 200, b'<html>Try our new offers!</html>'
        parts = path.strip('/').split('/')
        if parts[0] == 'identity':
            return self._identity(method, body)
        if parts[1:] == []:
            return 200, {'versions': [self._version()]}
        if token not in self.tokens:
            return _refusal(401)
        if 'creator' not in self.roles:
            return _refusal(403)
        return self._secret(method, parts[3:], body)

    def _version(self) -> dict[str, Any]:
        return {
            'id': 'v1',
            'status': 'CURRENT',
            'min_version': '1.0',
            'max_version': '1.1',
            'links': [{'rel': 'self', 'href': f'{self.url}/barbican/v1/'}],
        }

    def _identity(self, method: str, body: Any) -> Answer:
        if method == 'GET':
            link = {'rel': 'self', 'href': f'{self.url}/identity/v3/'}
            version = {'id': 'v3.14', 'status': 'stable', 'links': [link]}
            return 200, {'version': version}
        user = body['auth']['identity']['password']['user']
        if user['password'] != PASSWORD:
            return _refusal(401)
        self.issued += 1
        self.tokens.add(f'token-{self.issued}')
        endpoint = {
            'interface': 'public',
            'region_id': 'r',
            'url': f'{self.url}/barbican',
        }
        catalogue = [{'type': 'key-manager', 'endpoints': [endpoint]}]
        domain = {'id': 'default', 'name': 'Default'}
        token = {
            'methods': ['password'],
            'user': {'id': 'u1', 'name': 'csbs', 'domain': domain},
            'project': {'id': PROJECT, 'name': 'service', 'domain': domain},
            'roles': [{'id': role, 'name': role} for role in self.roles],
            'catalog': catalogue if self.catalogued else [],
            'issued_at': '2026-11-23T10:00:00Z',
            'expires_at': '2099-11-23T10:00:00Z',
        }
        return 201, {'token': token}

    def _secret(self, method: str, parts: list[str], body: Any) -> Answer:
        if method == 'POST':
            secret_id = str(uuid.uuid4())
            self.secrets[secret_id] = body
            ref = f'{self.url}/barbican/v1/secrets/{secret_id}'
            return 201, {'secret_ref': ref}
        secret = self.secrets.get(parts[0])
        if secret is None:
            return _refusal(404)
        if method == 'DELETE':
            del self.secrets[parts[0]]
            return 204, b''
        if parts[1:] == ['payload']:
            return 200, base64.b64decode(secret['payload'])
        shown = {key: secret[key] for key in secret if 'payload' not in key}
        content_types = {'default': secret['payload_content_type']}
        return 200, {**shown, 'content_types': content_types}


def _refusal(status: int) -> Answer:
    title = http.HTTPStatus(status).phrase
    return status, {'code': status, 'title': title, 'description': 'No.'}


def _handler(
    cloud: Cloud,
) -> Callable[..., http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        # An answer goes out in one piece, and so at once.
        wbufsize = -1

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output clean."""

        def _serve(self) -> None:
            length = int(self.headers.get('Content-Length') or 0)
            raw = self.rfile.read(length)
            status, content = cloud.answer(
                self.command,
                self.path.partition('?')[0],
                self.headers.get('X-Auth-Token'),
                json.loads(raw) if raw else None,
            )
            kind = 'application/octet-stream'
            if isinstance(content, dict):
                content, kind = (
                    json.dumps(content).encode(),
                    'application/json',
                )
            try:
                self.send_response(status)
                if status == 201:
                    self.send_header(
                        'X-Subject-Token', f'token-{cloud.issued}'
                    )
                self.send_header('Content-Type', kind)
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()
            except OSError:
                # Who asked has gone away, as it should.
                self.close_connection = True

        do_GET = do_POST = do_DELETE = _serve

    return Handler
