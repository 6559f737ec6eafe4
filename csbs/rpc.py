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

"""The doorbell: messages that say "look into the database".

Owns the transport. A message carries an id or nothing; one that is lost
costs the seconds until the next look, one that comes twice costs nothing.
"""

from collections.abc import Callable
from typing import Any
from typing import Protocol

from oslo_config import cfg
from oslo_log import log
import oslo_messaging as messaging
from oslo_messaging import exceptions as messaging_exceptions

LOG = log.getLogger(__name__)

PROTECTION_TOPIC = 'csbs-protection'
_VERSION = '1.0'


class Doorbell(Protocol):
    """How to wake the workers."""

    def wake(self) -> None:
        """Say that a task was queued."""
        ...

    def cancel(self, task_id: str) -> None:
        """Say that a task should stop."""
        ...


class RpcDoorbell:
    """Rings over oslo.messaging; never fails and never waits long."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._transport = messaging.get_rpc_transport(conf)
        self._client = messaging.get_rpc_client(
            self._transport,
            messaging.Target(
                topic=PROTECTION_TOPIC, version=_VERSION, fanout=True
            ),
            retry=0,
        )

    def wake(self) -> None:
        """Say that a task was queued."""
        self._cast('wake')

    def cancel(self, task_id: str) -> None:
        """Say that a task should stop."""
        self._cast('cancel', task_id=task_id)

    def _cast(self, method: str, **kwargs: Any) -> None:
        try:
            self._client.cast({}, method, **kwargs)
        except (messaging_exceptions.MessagingException, OSError) as error:
            # Workers look into the database by themselves every few seconds.
            LOG.warning('No worker could be told to look: %s', error)


class _Endpoint:
    """What a worker hears."""

    target = messaging.Target(version=_VERSION)

    def __init__(
        self, on_wake: Callable[[], None], on_cancel: Callable[[str], None]
    ) -> None:
        self._on_wake = on_wake
        self._on_cancel = on_cancel

    def wake(self, context: dict[str, Any]) -> None:
        self._on_wake()

    def cancel(self, context: dict[str, Any], task_id: str) -> None:
        self._on_cancel(task_id)


def server(
    conf: cfg.ConfigOpts,
    host: str,
    on_wake: Callable[[], None],
    on_cancel: Callable[[str], None],
) -> Any:
    """Return an RPC server to ``start``, ``stop`` and ``wait`` for.

    :param on_wake: called when a task was queued; must only set a flag
    :param on_cancel: called with the id of a task that should stop
    """
    return messaging.get_rpc_server(
        messaging.get_rpc_transport(conf),
        messaging.Target(topic=PROTECTION_TOPIC, server=host),
        [_Endpoint(on_wake, on_cancel)],
        access_policy=messaging.DefaultRPCAccessPolicy,
    )
