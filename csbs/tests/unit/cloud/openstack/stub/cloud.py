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


"""An OpenStack of the smallest kind, over real HTTP, in good health or bad.

Owns the port, who asks, the passing of time, and what goes wrong with
requests on their way. What they mean is for the modules beside this one.

Nothing happens by itself: what takes time comes true at the first request
after its time, so that a test that sets no delays waits for nothing.
"""

from collections.abc import Callable
import contextlib
import dataclasses
import http.server
import itertools
import json
import pathlib
import re
import socket
import threading
import time
from typing import Any
import urllib.parse

import fixtures

from csbs.tests.unit.cloud.openstack.stub import attachments
from csbs.tests.unit.cloud.openstack.stub import cinder
from csbs.tests.unit.cloud.openstack.stub import groups
from csbs.tests.unit.cloud.openstack.stub import keystone
from csbs.tests.unit.cloud.openstack.stub import nova
from csbs.tests.unit.cloud.openstack.stub import snapshots
from csbs.tests.unit.cloud.openstack.stub import wire

#: seconds after which a request that hangs is let go
_PATIENCE = 20
_NEVER = 1e9


@dataclasses.dataclass
class Fault:
    """What goes wrong with some requests.

    :ivar kind: a status to answer with; ``cut``: the connection ends before
        the request has done anything; ``lost``: after it has; ``late``: it
        ends at once, and the request comes true ``seconds`` later, or when
        :meth:`Cloud.come_true` is called; ``hang``:
        nothing ever comes; ``garbage``: an answer that makes no sense
    :ivar where: matches what :attr:`wire.Request.text` says
    :ivar number: of the only request meant, or None
    :ivar times: how many requests are still to fail
    """

    kind: int | str
    where: re.Pattern[str]
    number: int | None
    times: int
    seconds: float


class _Cut(Exception):
    """The connection is to end without an answer."""


class Cloud(fixtures.Fixture):
    """Keystone, Nova and Cinder, at one port.

    :ivar delays: seconds that things take, by their word; others take none
    :ivar breaks: how often things still go wrong inside, by their word
    :ivar log: all requests
    :ivar late: those that are still to come true
    :ivar page: how many things an answer lists at most
    :ivar retry_after: what failing services say of that, in seconds
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.delays: dict[str, float] = {}
        self.breaks: dict[str, int] = {}
        self.faults: list[Fault] = []
        self.log: list[wire.Request] = []
        self.late: list[wire.Request] = []
        self.page = 1000
        self.retry_after: str | None = None
        self.lock = threading.RLock()
        self.keystone = keystone.Keystone(self)
        self.cinder = cinder.Cinder(self)
        self.snapshots = snapshots.Snapshots(self)
        self.groups = groups.Groups(self)
        self.attachments = attachments.Attachments(self)
        self.nova = nova.Nova(self)
        self._pending: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._let_go = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._server: http.server.ThreadingHTTPServer | None = None
        self._port = 0

    def _setUp(self) -> None:
        self.start()
        self.addCleanup(self.stop)

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self._port}'

    def start(self) -> None:
        """Be there, at the same port as before."""
        self._server = _Server(('127.0.0.1', self._port), _handler(self))
        self._port = self._server.server_port
        self._let_go.clear()
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def stop(self) -> None:
        """Be away: nobody listens, and open connections end."""
        server, self._server = self._server, None
        if server is None:
            return
        self._let_go.set()
        server.shutdown()
        server.server_close()
        for each in list(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def away(self, seconds: float) -> threading.Timer:
        """Be away for a while; return what ends it."""
        self.stop()
        timer = threading.Timer(seconds, self.start)
        timer.start()
        return timer

    def fail(
        self,
        kind: int | str,
        where: str = '',
        *,
        number: int | None = None,
        times: int = 1,
        seconds: float = 0,
    ) -> None:
        """Let requests fail; see :class:`Fault`.

        :param number: counted from the first request of all
        """
        self.faults.append(
            Fault(kind, re.compile(where), number, times, seconds)
        )

    def asked(self, where: str) -> list[wire.Request]:
        """Return the requests whose text matches."""
        return [each for each in self.log if re.search(where, each.text)]

    # For the services.

    def later(self, word: str, work: Callable[[], None]) -> None:
        """Let something come true when what it is has taken its time.

        Or never, when the message that was to bring it about is lost.
        """
        if self.breaks_now(f'lost {word}'):
            return
        self._schedule(self.delays.get(word, 0), work)

    def breaks_now(self, word: str) -> bool:
        """Tell whether something goes wrong this time."""
        left = self.breaks.get(word, 0)
        self.breaks[word] = max(left - 1, 0)
        return left > 0

    def pass_time(self) -> None:
        """Let everything come true whose time has come."""
        with self.lock:
            while self._pending and self._pending[0][0] <= time.monotonic():
                self._pending.pop(0)[2]()

    def _catch_up(self, request: wire.Request) -> None:
        self.late.remove(request)
        self._handle(request)

    def come_true(self) -> None:
        """Let everything come true now, whatever its time is."""
        with self.lock:
            while self._pending:
                self._pending.pop(0)[2]()

    def _schedule(self, seconds: float, work: Callable[[], None]) -> None:
        due = time.monotonic() + seconds
        self._pending.append((due, next(self._order), work))
        self._pending.sort(key=lambda each: each[:2])

    # For the handler.

    def opened(self, connection: socket.socket) -> None:
        self._sockets.add(connection)

    def closed(self, connection: socket.socket) -> None:
        self._sockets.discard(connection)

    def serve(self, request: wire.Request) -> wire.Answer | bytes:
        """Answer a request, in good health or bad.

        :raises _Cut: when there is to be no answer
        """
        with self.lock:
            request.number = len(self.log)
            # Its parts get fewer on the way.
            self.log.append(request)
            fault = self._fault(request)
        if fault is None:
            return self._handle(request)
        if fault.kind == 'hang':
            self._let_go.wait(_PATIENCE)
            raise _Cut
        if fault.kind == 'lost':
            self._handle(request)
            raise _Cut
        if fault.kind == 'late':
            with self.lock:
                self.late.append(request)
                self._schedule(
                    fault.seconds or _NEVER, lambda: self._catch_up(request)
                )
            raise _Cut
        if fault.kind == 'cut':
            raise _Cut
        if fault.kind == 'garbage':
            return b'<html>Try our new offers!</html>'
        if self.retry_after:
            request.answer_headers['Retry-After'] = self.retry_after
        return wire.refusal(int(fault.kind), 'Not now.')

    def _fault(self, request: wire.Request) -> Fault | None:
        text = request.text
        for fault in self.faults:
            if (
                fault.times
                and fault.number in (None, request.number)
                and fault.where.search(text)
            ):
                fault.times -= 1
                return fault
        return None

    def _handle(self, request: wire.Request) -> wire.Answer:
        with self.lock:
            self.pass_time()
            try:
                return self._dispatch(request)
            except wire.Refusal as error:
                return wire.refusal(error.status, str(error))
            finally:
                self.pass_time()

    def _dispatch(self, request: wire.Request) -> wire.Answer:
        if request.service == 'identity':
            return self.keystone.answer(request)
        if len(request.parts) <= 1 and request.parts[:1] != ['']:
            return self._versions(request.service)
        if request.service == 'volume':
            # Its project.
            project_id = request.parts.pop(1)
            request.parts.pop(0)
            request.who = self.keystone.who(request)
            if project_id != request.who.project_id:
                raise wire.Refusal(400, 'Malformed request url')
            name = request.parts[0]
            if name in ('groups', 'group_snapshots', 'group_types'):
                return self.groups.answer(request)
            services = {
                'attachments': self.attachments,
                'snapshots': self.snapshots,
            }
            return services.get(name, self.cinder).answer(request)
        if request.service == 'compute':
            request.parts.pop(0)
            request.who = self.keystone.who(request)
            return self.nova.answer(request)
        raise wire.Refusal(404, 'Nothing is here.')

    def _versions(self, service: str) -> wire.Answer:
        source = self.nova if service == 'compute' else self.cinder
        root = 'v2.1' if service == 'compute' else 'v3'
        lowest = '2.1' if service == 'compute' else '3.0'
        link = {'rel': 'self', 'href': f'{self.url}/{service}/{root}/'}
        version = {
            'id': 'v2.1' if service == 'compute' else 'v3.0',
            'status': 'CURRENT',
            'version': source.newest,
            'min_version': lowest,
            'links': [link],
        }
        return 200, {'versions': [version]}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


def _handler(cloud: Cloud) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        # An answer goes out in one piece, and so at once.
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            cloud.opened(self.connection)

        def finish(self) -> None:
            cloud.closed(self.connection)
            with contextlib.suppress(OSError):
                super().finish()

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output clean."""

        def _serve(self) -> None:
            length = int(self.headers.get('Content-Length') or 0)
            raw = self.rfile.read(length)
            path, _mark, query = self.path.partition('?')
            parts = path.strip('/').split('/')
            request = wire.Request(
                method=self.command,
                service=parts[0],
                parts=parts[1:],
                query=dict(urllib.parse.parse_qsl(query)),
                body=json.loads(raw) if raw else None,
                headers=dict(self.headers.items()),
            )
            try:
                content = cloud.serve(request)
            except _Cut:
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            status = 200
            headers: dict[str, str] = {}
            if not isinstance(content, bytes):
                status, body = content
                headers = request.answer_headers
                content = b'' if body is None else json.dumps(body).encode()
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = _serve

    return Handler
