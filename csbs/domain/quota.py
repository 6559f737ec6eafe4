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

"""What a project may have, and what it has of that."""

import dataclasses

from csbs.domain import policy

#: what stands for "as many as wanted"
UNLIMITED = -1


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of a project; capacities are those of one vault."""

    vaults: int
    policies: int
    policies_per_vault: int
    servers_per_policy: int
    min_capacity_gb: int
    max_capacity_gb: int

    def check(self) -> None:
        """See that the limits can be kept.

        :raises ValueError: with a sentence saying which one is wrong
        """
        for field in dataclasses.fields(self):
            if getattr(self, field.name) < UNLIMITED:
                raise ValueError(f'{field.name}: is less than {UNLIMITED}.')
        if not 0 <= self.servers_per_policy <= policy.MAX_SERVERS:
            raise ValueError(
                'servers_per_policy: is not between 0 and '
                f'{policy.MAX_SERVERS}.'
            )
        if not 1 <= self.min_capacity_gb <= self.max_capacity_gb:
            raise ValueError(
                f'min_capacity_gb: {self.min_capacity_gb} is not between 1 '
                f'and max_capacity_gb, {self.max_capacity_gb}.'
            )


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a project has.

    :ivar policies_per_vault: of the vault that has the most
    :ivar servers_per_policy: of the policy that has the most
    :ivar capacity_gb: of all vaults together
    :ivar used_bytes: what counts against it, of all vaults together
    """

    vaults: int
    policies: int
    policies_per_vault: int
    servers_per_policy: int
    capacity_gb: int
    used_bytes: int


@dataclasses.dataclass(frozen=True)
class Quota:
    """The limits of one project beside what it has.

    :ivar own: the names of the limits that an administrator set for it
    """

    project_id: str
    limits: Limits
    usage: Usage
    own: tuple[str, ...]
