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

"""Putting a process together: from the configuration to running parts."""

from typing import Any
from typing import Protocol

from oslo_config import cfg
from oslo_log import log
from oslo_service import service as oslo_service

from csbs import conf as csbs_conf
from csbs import keys
from csbs import plugins
from csbs import rpc
from csbs.actions.runtime import Runtime
from csbs.db import session
from csbs.protection import manager as protection_manager
from csbs.scheduler import manager as scheduler_manager


class Part(Protocol):
    """Something of a process that is started and stopped."""

    def start(self) -> None:
        """Begin, and return."""
        ...

    def stop(self) -> None:
        """End, and return when it has ended."""
        ...


def build_runtime(conf: cfg.ConfigOpts | None = None) -> Runtime:
    """Connect a process to all it works with.

    :param conf: None to load it from the usual places
    :raises plugins.UnknownDriver: when the configuration names one
    """
    if conf is None:
        conf = csbs_conf.load()
        log.setup(conf, 'csbs')
    return Runtime(
        conf=conf,
        db=session.Database(**_database_options(conf)),
        cloud=plugins.load('csbs.cloud', conf.protection.cloud)(conf),
        keys=keys.from_conf(conf),
        doorbell=rpc.RpcDoorbell(conf),
    )


def build_database(conf: cfg.ConfigOpts) -> session.Database:
    """Connect to the database alone."""
    return session.Database(**_database_options(conf))


def _database_options(conf: cfg.ConfigOpts) -> dict[str, Any]:
    section = conf.database
    return {
        'connection': section.connection
        or f'sqlite:///{conf.state_path}/csbs.sqlite',
        'slave_connection': section.slave_connection,
        'max_retries': section.max_retries,
        'retry_interval': section.retry_interval,
        'max_pool_size': section.max_pool_size,
        'max_overflow': section.max_overflow,
        'pool_timeout': section.pool_timeout,
        'connection_recycle_time': section.connection_recycle_time,
    }


_PARTS: dict[str, type[Any]] = {
    protection_manager.BINARY: protection_manager.Manager,
    scheduler_manager.BINARY: scheduler_manager.Manager,
}


class Service(oslo_service.ServiceBase):  # type: ignore[misc]
    """One part as an oslo.service process.

    Holds strings only and builds everything in :meth:`start`, so that it
    can be sent to a spawned process.
    """

    def __init__(self, binary: str, argv: list[str]) -> None:
        self._binary = binary
        self._argv = argv
        self._part: Part | None = None

    def start(self) -> None:
        """Build the part in this process and start it."""
        conf = csbs_conf.load(self._argv, prog=self._binary)
        log.setup(conf, 'csbs')
        part: Part = _PARTS[self._binary](build_runtime(conf))
        part.start()
        self._part = part

    def stop(self) -> None:
        """Stop the part; its tasks go back into the queue."""
        if self._part is not None:
            self._part.stop()
            self._part = None

    def wait(self) -> None:
        """Return at once: :meth:`stop` has waited already."""

    def reset(self) -> None:
        """Keep the configuration until the next start."""


def launch(binary: str, argv: list[str]) -> None:
    """Run one part until a signal ends the process."""
    conf = csbs_conf.load(argv, prog=binary)
    log.setup(conf, 'csbs')
    launcher = oslo_service.launch(
        conf, Service(binary, argv), workers=1, restart_method='mutate'
    )
    launcher.wait()
