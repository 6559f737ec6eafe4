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

"""The program csbs-standalone: all of csbs in one process.

An SQLite file, messages in memory, a folder as the object store, a key
file, and a directory of disk images as the cloud. For trying csbs out, for
developing it, and for a machine of one's own; nothing to install beside
Python.
"""

from collections.abc import Sequence
import fcntl
import os
import pathlib
import signal
import sys
import threading
from typing import Any

from cheroot import wsgi
from oslo_config import cfg
from oslo_log import log

from csbs import conf as csbs_conf
from csbs import service
from csbs.actions.runtime import Runtime
from csbs.api import app
from csbs.db import migration
from csbs.db import paging
from csbs.protection import manager as protection_manager
from csbs.scheduler import manager as scheduler_manager
from csbs.scheduler import watchdog

LOG = log.getLogger(__name__)

_CLI_OPTS = [
    cfg.StrOpt(
        'state-dir',
        metavar='DIR',
        default=str(pathlib.Path.home() / '.csbs'),
        sample_default='~/.csbs',
        help='The folder that everything is kept in: database, keys, the '
        'object store and the cloud of disk images (DIR/cloud).',
    ),
    cfg.StrOpt(
        'bind',
        metavar='ADDRESS',
        default='127.0.0.1',
        help='The address to answer at. Anyone who can reach it may do '
        'anything: there is no login.',
    ),
    cfg.PortOpt('port', default=8799, help='The port to answer at.'),
]


class CannotStart(Exception):
    """Why the program can't start, in one sentence."""


def main() -> None:
    """Run until a signal ends it."""
    try:
        conf = configure(sys.argv[1:])
        Standalone(conf).run()
    except CannotStart as error:
        sys.exit(f'csbs-standalone: {error}')


def configure(argv: Sequence[str]) -> cfg.ConfigOpts:
    """Return the configuration of a process that has it all.

    :raises CannotStart: when the state folder can't be used
    """
    conf = csbs_conf.new()
    conf.register_cli_opts(_CLI_OPTS)
    conf(list(argv), project='csbs', prog='csbs-standalone')
    state = pathlib.Path(conf.state_dir).absolute()
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotStart(
            f'The folder {state} cannot be made: {error.strerror}.'
        ) from error
    if not os.access(state, os.W_OK):
        raise CannotStart(f'The folder {state} cannot be written to.')
    conf.set_override('state_path', str(state))
    conf.set_override('transport_url', 'fake:/')
    conf.set_default('path', str(state / 'cloud'), group='local_cloud')
    conf.set_default('auth_strategy', 'noauth', group='api')
    conf.set_default('log_dir', str(state))
    conf.set_default('log_file', 'csbs.log')
    # One process frees what it deletes soon: nobody's listings lag.
    conf.set_default('collect_grace', 60, group='store')
    conf.set_default('interval', 2, group='scheduler')
    # Few policies are no stampede: each begins when it is due.
    conf.set_default('spread', 0, group='scheduler')
    return conf


class Standalone:
    """API, scheduler and protection in one process."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._state = pathlib.Path(conf.state_path)
        self._stop = threading.Event()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        :raises CannotStart: when the folder or the port is in use
        """
        lock = self._lock()
        try:
            log.setup(self._conf, 'csbs')
            rt = service.build_runtime(self._conf)
            migration.sync(rt.db)
            server = self._listen(rt)
            # The lock says that no other process works on these tasks.
            watchdog.run(rt, paging.utcnow() + watchdog.FOR_EVER)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self._stop.set())
            self._serve(rt, server)
        finally:
            os.close(lock)

    def _serve(self, rt: Runtime, server: wsgi.Server) -> None:
        parts: list[Any] = [
            protection_manager.Manager(rt),
            scheduler_manager.Manager(rt),
        ]
        service.spare_collector()
        web = threading.Thread(target=server.serve, name='api')
        for part in parts:
            part.start()
        web.start()
        host, port = server.bind_addr[:2]
        print(f'csbs answers at http://{host}:{port}', flush=True)
        self._stop.wait()
        server.stop()
        web.join()
        for part in parts:
            part.stop()
        rt.db.dispose()

    def _lock(self) -> int:
        handle = os.open(self._state / 'lock', os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise CannotStart(
                f'Another csbs-standalone works in {self._state}; stop it or '
                'give another --state-dir.'
            ) from None
        return handle

    def _listen(self, rt: Runtime) -> wsgi.Server:
        """Return the web server, bound to its port but not serving yet."""
        server = wsgi.Server(
            (self._conf.bind, self._conf.port),
            app.create_app(rt),
            numthreads=8,
        )
        try:
            server.prepare()
        except OSError as error:
            raise CannotStart(
                f'Port {self._conf.port} at {self._conf.bind} cannot be '
                'used, most likely because another program does. Give '
                'another --port.'
            ) from error
        return server
