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

"""A proxy on loopback that passes requests on, or fails as it is told.

Owns the ways in which a service and the way to it go wrong. It speaks real
HTTP on both sides, so that clients meet what they would meet.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import http.client
import http.server
import socket
import struct
import threading
from typing import Any
import urllib.parse

import fixtures

#: headers that are said anew for each connection
_HOP = {'connection', 'keep-alive', 'transfer-encoding', 'content-length'}


@dataclasses.dataclass
class Fault:
    """What goes wrong with the next ``times`` requests that match.

    :ivar kind: ``answer``: with ``status`` and ``headers``, unasked;
        ``refuse``: the same, before the body was read, and the connection is
        reset; ``lose``: the service answers, but nobody hears it; ``cut``:
        the answer breaks off in the middle; ``truncate``: the service gets
        half of the body; ``alter_up`` and ``alter_down``: one bit of the
        body differs; ``stall``: no answer while the test lasts; ``hold``:
        the request waits until ``released``
    """

    kind: str
    method: str = ''
    path: str = ''
    times: int = 1
    status: int = 503
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    released: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )
    reached: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )

    def takes(self, method: str, path: str) -> bool:
        """Tell whether a request is one of those."""
        return (
            self.times > 0
            and self.method in ('', method)
            and self.path in path
        )


class FaultyProxy(fixtures.Fixture):
    """A proxy before the service at ``upstream``; ``url`` is its own.

    :ivar seen: (method, path, headers) of all requests
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urllib.parse.urlsplit(upstream)
        self.seen: list[tuple[str, str, Mapping[str, str]]] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.ended = threading.Event()

    def _setUp(self) -> None:
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), _handler(self)
        )
        server.daemon_threads = True
        # Connections are reset on purpose here.
        server.handle_error = lambda *args: None  # type: ignore
        self.url = f'http://127.0.0.1:{server.server_address[1]}'
        thread = threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        )
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(self.ended.set)

    def add(self, kind: str, method: str = '', **fields: Any) -> Fault:
        """Let the next requests that match fail."""
        fault = Fault(kind, method, **fields)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Let nothing fail any more, and forget what was seen."""
        with self._lock:
            self._faults.clear()
            self.seen.clear()

    def count(self, method: str, path: str = '') -> int:
        """Return how many such requests were seen."""
        with self._lock:
            return sum(
                seen == method and path in where
                for seen, where, _headers in self.seen
            )

    def take(
        self, method: str, path: str, headers: Mapping[str, str]
    ) -> Fault | None:
        """Note a request down; return what goes wrong with it."""
        with self._lock:
            self.seen.append((method, path, headers))
            for fault in self._faults:
                if fault.takes(method, path):
                    fault.times -= 1
                    return fault
        return None


def _flip(data: bytes) -> bytes:
    altered = bytearray(data)
    if altered:
        altered[len(altered) // 2] ^= 1
    return bytes(altered)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    proxy: FaultyProxy

    def log_message(self, *args: Any) -> None:
        """Keep the tests' output clean."""

    def _serve(self) -> None:
        fault = self.proxy.take(self.command, self.path, dict(self.headers))
        kind = fault.kind if fault else ''
        if fault and kind == 'refuse':
            self._answer(fault.status, fault.headers, b'')
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        if fault and kind == 'answer':
            self._answer(fault.status, fault.headers, b'refused')
            return
        if fault and kind == 'stall':
            fault.reached.set()
            self.proxy.ended.wait(60)
            self.close_connection = True
            return
        if fault and kind == 'hold':
            fault.reached.set()
            fault.released.wait(60)
        if kind == 'truncate':
            self._send_half(body)
            self._reset()
            return
        if kind == 'alter_up':
            body = _flip(body)
        self._relay(kind, body)

    def _relay(self, kind: str, body: bytes) -> None:
        upstream = self._connect()
        try:
            upstream.request(
                self.command, self.path, body=body, headers=self._passed()
            )
            answer = upstream.getresponse()
            data = answer.read()
        except OSError:
            # The service is away: so is the proxy's word.
            self._answer(503, {}, b'')
            return
        finally:
            upstream.close()
        if kind == 'lose':
            self._reset()
            return
        if kind == 'alter_down':
            data = _flip(data)
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in _HOP
        }
        length = answer.getheader('Content-Length')
        if self.command == 'HEAD' and length:
            headers['Content-Length'] = length
        self._answer(answer.status, headers, data, cut=kind == 'cut')

    def _connect(self) -> http.client.HTTPConnection:
        where = self.proxy.upstream
        return http.client.HTTPConnection(
            where.hostname or '', where.port, timeout=60
        )

    def _passed(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in (*_HOP, 'host')
        }

    def _send_half(self, body: bytes) -> None:
        """Send the service half of what was announced, and go away."""
        upstream = self._connect()
        upstream.putrequest(self.command, self.path)
        for name, value in self._passed().items():
            upstream.putheader(name, value)
        upstream.putheader('Content-Length', str(len(body)))
        upstream.endheaders(body[: len(body) // 2])
        upstream.close()

    def _answer(
        self,
        status: int,
        headers: Mapping[str, str],
        data: bytes,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != 'HEAD' and status != 204:
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if self.command == 'HEAD':
            return
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._reset()

    def _reset(self) -> None:
        """Drop the connection, and what is still on its way."""
        self.wfile.flush()
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
        self.connection.close()
        self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve


def _handler(proxy: FaultyProxy) -> Callable[..., _Handler]:
    return type('Handler', (_Handler,), {'proxy': proxy})
