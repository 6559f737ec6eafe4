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

"""What the catalogue is filled with: a made-up cloud, the same every time.

Owns the proportions. One project has a tenth of all servers, and one vault
of it holds half of that project's backups; the other projects are small, as
their quotas want it. Most servers keep a week of daily backups, a few keep
two months.
"""

import dataclasses
import datetime
import random

GIB = 1 << 30
DAY = datetime.timedelta(days=1)
#: the day on which the catalogue is looked at
NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)

#: of twenty servers one keeps many backups: ten in the average
_MANY, _FEW, _EVERY = 67, 7, 20
_BACKUPS_PER_SERVER = (_MANY + _FEW * (_EVERY - 1)) / _EVERY
#: of so many servers the large project has one
LARGE_SHARE = 10
#: policies of the large project, whose quota was raised: ten for each vault
_LARGE_POLICIES = 100
#: policies of the other projects: below the quota of 20
_POLICIES_PER_PROJECT = 10
_VAULTS_PER_PROJECT = 2
_SERVERS_PER_POLICY = 10
_VAULTS_OF_LARGE = 10


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many there are, about: proportions round them a little."""

    policies: int
    backups: int
    items: int

    def part(self, share: float) -> 'Sizes':
        """Return a smaller catalogue of the same shape."""
        return Sizes(
            *(int(number * share) for number in dataclasses.astuple(self))
        )


@dataclasses.dataclass(eq=False)
class Vault:
    """A vault with what its backups count."""

    id: str
    project_id: str
    used_bytes: int = 0
    protected_bytes: int = 0
    backups: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Server:
    """A server with its volumes and how many backups it keeps."""

    number: int
    id: str
    project_id: str
    vault: Vault
    policy_id: str | None
    volumes: tuple[tuple[str, int], ...]
    keeps: int
    second_of_day: int

    @property
    def size(self) -> int:
        """Return the bytes of all volumes."""
        return sum(size for _, size in self.volumes)

    def fails(self, age: int) -> bool:
        """Tell whether the backup of so many days ago failed."""
        return (self.number + age) % 151 == 0 and age + 1 < self.keeps


class World:
    """A made-up cloud of some size.

    :ivar large_project: the id of the project that has a tenth of all
    :ivar large_vault: the id of the vault with half of its backups
    """

    def __init__(self, sizes: Sizes) -> None:
        self._chance = random.Random(20260302)
        self.sizes = sizes
        self.volumes_per_server = sizes.items / sizes.backups
        self.vaults: list[Vault] = []
        self.policies: list[tuple[str, str, str]] = []
        self.servers: list[Server] = []
        self._make()
        self.large_project = self.vaults[0].project_id
        self.large_vault = self.vaults[0].id

    def new_id(self) -> str:
        """Return an id that is no id of anything else."""
        digits = f'{self._chance.getrandbits(128):032x}'
        return (
            f'{digits[:8]}-{digits[8:12]}-{digits[12:16]}-'
            f'{digits[16:20]}-{digits[20:]}'
        )

    def _make(self) -> None:
        servers = int(self.sizes.backups / _BACKUPS_PER_SERVER)
        large = servers // LARGE_SHARE
        large_policies = min(_LARGE_POLICIES, self.sizes.policies // 10)
        self._make_project(large, large_policies, _VAULTS_OF_LARGE)
        left = self.sizes.policies - large_policies
        a_policy = (servers - large) / left
        while left > 0 and len(self.servers) < servers:
            # From 1 to 19 policies a project, 10 in the average.
            wanted = 1 + len(self.vaults) * 7 % (2 * _POLICIES_PER_PROJECT - 1)
            policies = min(wanted, left)
            left -= policies
            self._make_project(
                round(policies * a_policy), policies, _VAULTS_PER_PROJECT
            )

    def _make_project(self, servers: int, policies: int, vaults: int) -> None:
        project_id = self.new_id().replace('-', '')
        mine = [Vault(self.new_id(), project_id) for _ in range(vaults)]
        self.vaults += mine
        its_policies = [self.new_id() for _ in range(policies)]
        for number, policy_id in enumerate(its_policies):
            self.policies.append(
                (policy_id, project_id, mine[number % vaults].id)
            )
        for number in range(servers):
            # Half of the servers use the first vault.
            vault = mine[0 if number % 2 else number // 2 % vaults]
            bound = number % 5 and number < policies * _SERVERS_PER_POLICY
            its_policy = its_policies[number % policies] if bound else None
            self._make_server(project_id, vault, its_policy)

    def _make_server(
        self, project_id: str, vault: Vault, policy_id: str | None
    ) -> None:
        number = len(self.servers)
        most = max(1, round(2 * self.volumes_per_server) - 1)
        volumes = tuple(
            (self.new_id(), (20 + 20 * one) * GIB)
            for one in range(1 + (number + number // _EVERY) % most)
        )
        server = Server(
            number=number,
            id=self.new_id(),
            project_id=project_id,
            vault=vault,
            policy_id=policy_id,
            volumes=volumes,
            keeps=_FEW if number % _EVERY else _MANY,
            second_of_day=self._chance.randrange(86400),
        )
        self.servers.append(server)
        vault.backups += server.keeps
        vault.protected_bytes += server.size * sum(
            not server.fails(age) for age in range(server.keeps)
        )
        vault.used_bytes += sum(
            charged(server, size, age)
            for _, size in volumes
            for age in range(server.keeps)
        )


def charged(server: Server, size: int, age: int) -> int:
    """Return what a volume's part of a backup counts."""
    if server.fails(age):
        return 0
    return size if age + 1 == server.keeps else size // 50
