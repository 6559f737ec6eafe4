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

"""Loading of drivers by the names in the configuration."""

from typing import Any

import stevedore


class UnknownDriver(Exception):
    """The configuration names a driver that is not there or is broken."""


def load(namespace: str, name: str) -> Any:
    """Return what the entry point ``name`` of ``namespace`` names.

    :raises UnknownDriver: with the names that are known
    """
    found: stevedore.ExtensionManager[Any] = stevedore.ExtensionManager(
        namespace,
        propagate_map_exceptions=True,
        on_load_failure_callback=_raise,
    )
    if name not in found.names():
        known = ', '.join(sorted(found.names())) or 'none'
        raise UnknownDriver(
            f'There is no driver "{name}" in {namespace}; known: {known}.'
        )
    return found[name].plugin


def _raise(manager: Any, entry_point: Any, error: BaseException) -> None:
    raise UnknownDriver(
        f'The driver "{entry_point.name}" cannot be loaded: {error}'
    ) from error
