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

"""Pausing a server for the moment in which its volumes are frozen.

Owns that the server goes on, whatever happens: the ledger knows of the pause
before it begins and when it has to be over, the worker ends it in time even
when the database is away or Cinder does not answer, and when the worker dies
the schedulers end it.

QEMU stops the processors, waits for what they asked of the disks, and flushes
(``do_vm_stop``), so what is on the disks then is of one instant.
"""

from collections.abc import Iterator
import contextlib
import datetime
import logging
import threading
import time

from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import servers
from csbs.domain import model

LOG = logging.getLogger(__name__)

_PAUSED = 'PAUSED'
#: seconds for which the worker itself sees whether a pause comes late
_SETTLE = 10


class Refused(exception.CloudError):
    """The server cannot be paused; it never stood still."""


class Pause:
    """A server standing still.

    :ivar seconds: for how long it did, known when it is over
    :ivar until: when it has to be over, by ``time.monotonic()``
    """

    def __init__(self, api: clients.Api, server_id: str, limit: float) -> None:
        self._api = api
        self._server_id = server_id
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._asked = True
        self._settled = False
        self._over = False
        self._timer = threading.Timer(limit, self._end_in_time)
        self._timer.daemon = True
        self.until = self._begin + limit
        self.seconds = 0.0

    def begin(self) -> None:
        """Ask for the pause and wait until the server stands still.

        :raises Refused: when it does not and will not
        :raises CloudError: when what becomes of the request is not known
        """
        self._timer.start()
        api, server_id = self._api, self._server_id
        try:
            with clients.translated(f'Server {server_id} to be paused'):
                api.nova.servers.pause(server_id)
        except exception.CloudRefused as error:
            # It may stand still already, because its owner wants that.
            self._asked, self._settled = False, True
            raise Refused(str(error)) from error
        clients.wait_for(
            self._look,
            f'server {server_id} to be paused',
            max(self.until - time.monotonic(), 0),
            pause=0.1,
        )
        self._settled = True

    def _look(self) -> bool | None:
        status = servers.status(servers.describe(self._api, self._server_id))
        if status == _PAUSED:
            return True
        if 'pausing' in status or self.until <= time.monotonic():
            return None
        self._settled = True
        raise Refused(
            f'Server {self._server_id} did not pause: it is {status}.'
        )

    def lasts(self) -> bool:
        """Tell whether the server stood still up to now.

        Somebody else may have let it go on: its owner, or a scheduler that
        took the worker for dead.
        """
        described = servers.describe(self._api, self._server_id)
        return (
            servers.status(described) == _PAUSED
            and time.monotonic() < self.until
        )

    def end(self) -> bool:
        """Let the server go on.

        :returns: whether it is sure that it will not be paused any more
        :raises CloudError: when it cannot be
        """
        self._timer.cancel()
        with self._lock:
            if self._asked and not self._over:
                settle = 0 if self._settled else _SETTLE
                if resume(self._api, self._server_id, settle=settle):
                    self._settled = True
                self._over = True
                self.seconds = time.monotonic() - self._begin
                LOG.info(
                    'Server %s stood still for %.1f s',
                    self._server_id,
                    self.seconds,
                )
        return self._settled

    def _end_in_time(self) -> None:
        LOG.warning(
            'Server %s goes on: it stood still for long enough',
            self._server_id,
        )
        try:
            self.end()
        except exception.CsbsError as error:
            LOG.error('It cannot go on yet: %s', error)


@contextlib.contextmanager
def paused(
    api: clients.Api,
    server_id: str,
    ledger: base.Ledger,
    limit: float,
) -> Iterator[Pause]:
    """Let a running server stand still while the block runs.

    It goes on after the time that it may, whatever the block does then.

    :param limit: seconds
    :raises Refused: when it cannot be paused; it goes on then
    :raises CloudError: when that is not known
    """
    until = datetime.datetime.now(datetime.UTC)
    until += datetime.timedelta(seconds=limit)
    entry = ledger.plan(
        model.ResourceKind.PAUSE,
        server_id=server_id,
        until=until.isoformat(),
    )
    pause = Pause(api, server_id, limit)
    try:
        pause.begin()
        yield pause
    finally:
        # First the server, then the ledger, whose database may be away. The
        # entry stays when a lost request may still pause the server.
        if pause.end():
            ledger.keep(entry)


def resume(
    api: clients.Api,
    server_id: str,
    *,
    settle: float = 0,
    timeout: float = 600,
) -> bool:
    """Let a server go on that was paused; fine when it is not, or is gone.

    :param settle: seconds to see whether a request to pause it comes true
    :returns: whether it stood still, or is gone
    :raises CloudError: when it still stands still after ``timeout`` seconds
    """
    settled = time.monotonic() + settle
    stood = False

    def look() -> bool | None:
        nonlocal stood
        try:
            described = servers.describe(api, server_id)
            status = servers.status(described)
            stood = stood or _PAUSED in status
            if status == _PAUSED:
                with clients.translated(f'Server {server_id} to go on'):
                    api.nova.servers.unpause(server_id)
                return None
        except exception.ServerNotFound:
            stood = True
            return True
        except exception.CloudError as error:
            # Whatever it is: nobody wants it to stand still.
            LOG.warning('Trying again: %s', error)
            return None
        if 'pausing' in status:
            return None
        return stood or None if time.monotonic() < settled else True

    clients.wait_for(look, f'server {server_id} to go on', timeout, pause=0.1)
    return stood
