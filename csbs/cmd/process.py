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

"""One part of csbs as a process of oslo.service."""

from typing import Any
from typing import Protocol

from oslo_log import log
from oslo_service import service as oslo_service

from csbs import conf as csbs_conf
from csbs import service
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


_PARTS: dict[str, type[Any]] = {
    protection_manager.BINARY: protection_manager.Manager,
    scheduler_manager.BINARY: scheduler_manager.Manager,
}


class Service(oslo_service.ServiceBase):
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
        part: Part = _PARTS[self._binary](service.build_runtime(conf))
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
