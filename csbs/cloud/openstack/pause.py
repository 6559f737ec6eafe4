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
before it begins and when it has to be over, the worker ends it even when the
database is away, and when the worker dies the schedulers end it.

QEMU stops the processors, waits for what they asked of the disks, and flushes
(``do_vm_stop``), so what is on the disks then is of one instant.
"""

from collections.abc import Iterator
import contextlib
import datetime
import logging
import time

from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import servers
from csbs.domain import model

LOG = logging.getLogger(__name__)

_PAUSED = 'PAUSED'
#: seconds for which a request whose answer was lost may still come true
_SETTLE = 10


class Pause:
    """A server standing still.

    :ivar seconds: for how long it did, known when it is over
    :ivar until: when it has to be over, by ``time.monotonic()``
    """

    def __init__(self, api: clients.Api, server_id: str, limit: float) -> None:
        self._api = api
        self._server_id = server_id
        self._begin = time.monotonic()
        self.until = self._begin + limit
        self.seconds = 0.0

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

    def over(self) -> None:
        """Note that the server goes on."""
        self.seconds = time.monotonic() - self._begin


@contextlib.contextmanager
def paused(
    api: clients.Api,
    server_id: str,
    ledger: base.Ledger,
    limit: float,
) -> Iterator[Pause]:
    """Let a running server stand still while the block runs.

    :param limit: seconds; the block must not wait for longer
    :raises CloudError: when it cannot be paused; it goes on then
    """
    until = datetime.datetime.now(datetime.UTC)
    until += datetime.timedelta(seconds=limit)
    entry = ledger.plan(
        model.ResourceKind.PAUSE,
        server_id=server_id,
        until=until.isoformat(),
    )
    pause = Pause(api, server_id, limit)
    settle = _SETTLE
    try:
        with clients.translated(f'Server {server_id} to be paused'):
            api.nova.servers.pause(server_id)
        clients.wait_for(
            lambda: pause.lasts() or None,
            f'server {server_id} to be paused',
            limit,
            pause=0.1,
        )
        settle = 0
        yield pause
    finally:
        # First the server, then the ledger, whose database may be away.
        resume(api, server_id, settle=settle)
        pause.over()
        LOG.info('Server %s stood still for %.1f s', server_id, pause.seconds)
        if not settle:
            ledger.keep(entry)


def resume(
    api: clients.Api,
    server_id: str,
    *,
    settle: float = 0,
    timeout: float = 600,
) -> None:
    """Let a server go on that was paused; fine when it is not, or is gone.

    :param settle: seconds to see whether a request to pause it comes true
    :raises CloudError: when it still stands still after ``timeout`` seconds
    """
    settled = time.monotonic() + settle

    def look() -> bool | None:
        try:
            described = servers.describe(api, server_id)
            status = servers.status(described)
            if status == _PAUSED:
                with clients.translated(f'Server {server_id} to go on'):
                    api.nova.servers.unpause(server_id)
                return None
        except exception.ServerNotFound:
            return True
        except (exception.CloudUnavailable, exception.CloudRefused) as error:
            # Refused when it changes just now: the next look tells.
            LOG.warning('Trying again: %s', error)
            return None
        if 'pausing' in status or time.monotonic() < settled:
            return None
        return True

    clients.wait_for(look, f'server {server_id} to go on', timeout, pause=0.1)
