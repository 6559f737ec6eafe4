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

"""A Swift of the smallest kind on loopback, for tests of the driver.

Owns the behaviour the driver counts on: containers, objects, ranges, lists
in pages, bulk deletion, and tokens that can be refused. The real one is in
the functional tests.
"""

from collections.abc import Callable
import hashlib
import http.server
import json
import re
import threading
from typing import Any
import urllib.parse

from keystoneauth1 import plugin
from keystoneauth1 import session

_RANGE = re.compile(r'bytes=(\d+)-(\d*)')

PAGE = 3

Answer = tuple[int, dict[str, str], bytes]


class Tokens(plugin.BaseAuthPlugin):
    """A way to authenticate that gives a new token each time it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.number = 1
        self._url = url

    def get_token(self, session: session.Session) -> str:
        return f'token-{self.number}'

    def get_endpoint(self, session: session.Session, **kwargs: Any) -> str:
        return f'{self._url}/v1/AUTH_one'

    def invalidate(self) -> bool:
        self.number += 1
        return True


class Service:
    """The state of the service and its answers."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, bytes]] = {}
        self.policies: dict[str, str] = {}
        self.info: dict[str, Any] = {
            'swift': {
                'policies': [
                    {'name': 'gold', 'default': True},
                    {'name': 'silver'},
                ]
            },
            'bulk_delete': {'max_deletes_per_request': 4},
        }
        #: answers to the next requests, whatever they are
        self.next: list[Answer] = []
        #: (method, path, query, headers) of all requests
        self.seen: list[tuple[str, str, str, dict[str, str]]] = []
        self.url = ''

    def session(self) -> session.Session:
        return session.Session(auth=Tokens(self.url))

    def answer(
        self,
        method: str,
        url: urllib.parse.SplitResult,
        headers: dict[str, str],
        body: bytes,
    ) -> Answer:
        self.seen.append((method, url.path, url.query, headers))
        if self.next:
            return self.next.pop(0)
        if url.path.endswith('/info'):
            return 200, {}, json.dumps(self.info).encode()
        query = dict(urllib.parse.parse_qsl(url.query, True))
        if 'bulk-delete' in query:
            return self._bulk(body.decode())
        _, _v1, _account, container, *parts = url.path.split('/')
        if parts:
            return self._object(
                method, container, '/'.join(parts), headers, body
            )
        return self._container(method, container, headers, query)

    def _container(
        self,
        method: str,
        name: str,
        headers: dict[str, str],
        query: dict[str, str],
    ) -> Answer:
        objects = self.containers.get(name)
        policy = headers.get('X-Storage-Policy', 'gold')
        if method == 'PUT':
            known = [one['name'] for one in self.info['swift']['policies']]
            if policy not in known:
                return 400, {}, b'Invalid X-Storage-Policy'
            self.containers.setdefault(name, {})
            self.policies.setdefault(name, policy)
            return 201 if objects is None else 202, {}, b''
        if objects is None:
            return 404, {}, b''
        if method == 'HEAD':
            return 204, {'X-Storage-Policy': self.policies[name]}, b''
        if method == 'DELETE':
            if objects:
                return 409, {}, b''
            del self.containers[name]
            return 204, {}, b''
        found = [
            {'name': each, 'bytes': len(objects[each])}
            for each in sorted(objects)
            if each.startswith(query['prefix'])
            and each > query.get('marker', '')
        ]
        return 200, {}, json.dumps(found[:PAGE]).encode()

    def _object(
        self,
        method: str,
        container: str,
        name: str,
        headers: dict[str, str],
        body: bytes,
    ) -> Answer:
        objects = self.containers.get(container)
        if objects is None or (method != 'PUT' and name not in objects):
            return 404, {}, b'<html>'
        if method == 'PUT':
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if headers.get('Etag', etag) != etag:
                return 422, {}, b''
            objects[name] = body
            return 201, {'Etag': etag}, b''
        if method == 'DELETE':
            del objects[name]
            return 204, {}, b''
        data = objects[name]
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        match = _RANGE.fullmatch(headers.get('Range', ''))
        if method == 'HEAD' or not match or not data:
            return 200, {'Etag': etag}, data
        first = int(match[1])
        last = min(int(match[2] or len(data)), len(data) - 1)
        if first > last:
            return 416, {}, b'<html>'
        where = f'bytes {first}-{last}/{len(data)}'
        return 206, {'Content-Range': where}, data[first : last + 1]

    def _bulk(self, text: str) -> Answer:
        gone = missing = 0
        for path in text.split('\n'):
            _, container, name = path.split('/', 2)
            if self.containers[container].pop(name, None) is None:
                missing += 1
            else:
                gone += 1
        result = {
            'Number Deleted': gone,
            'Number Not Found': missing,
            'Response Status': '200 OK' if gone else '404 Not Found',
            'Errors': [],
        }
        return 200, {}, json.dumps(result).encode()


def _handler(service: Service) -> type[http.server.BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output clean."""

        def _serve(self) -> None:
            length = int(self.headers.get('Content-Length') or 0)
            body = self.rfile.read(length)
            headers = {
                name.title(): value for name, value in self.headers.items()
            }
            with lock:
                status, found, data = service.answer(
                    self.command,
                    urllib.parse.urlsplit(self.path),
                    headers,
                    body,
                )
            self.send_response(status)
            found = {'Content-Length': str(len(data)), **found}
            for name, value in found.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != 'HEAD':
                self.wfile.write(data)
            if int(found['Content-Length']) != len(data):
                self.close_connection = True

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    return Handler


def start(add_cleanup: Callable[..., None]) -> Service:
    """Start a service on a free port of the loopback interface.

    :param add_cleanup: the test's ``addCleanup``
    """
    service = Service()
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), _handler(service)
    )
    server.daemon_threads = True
    service.url = f'http://127.0.0.1:{server.server_address[1]}'
    thread = threading.Thread(
        target=server.serve_forever, args=(0.01,), daemon=True
    )
    thread.start()
    add_cleanup(thread.join, 10)
    add_cleanup(server.server_close)
    add_cleanup(server.shutdown)
    return service
