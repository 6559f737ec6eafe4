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

"""What the catalogue is asked: all that API, schedulers and workers ask.

Every question goes through a function of ``csbs.db``. The filters and sort
keys are those that the API offers, so one that is added there is measured
here. Most questions are put to the large project and its large vault: what
is fast there is fast for everybody.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import datetime
import functools
import random
import re
from typing import Any
import uuid

from benchmarks.catalogue import world as worlds
from csbs.api.schemas import backups as backup_schemas
from csbs.api.schemas import policies as policy_schemas
from csbs.api.schemas import tasks as task_schemas
from csbs.api.schemas import vaults as vault_schemas
from csbs.db import backups
from csbs.db import charges
from csbs.db import paging
from csbs.db import policies
from csbs.db import quotas
from csbs.db import runs
from csbs.db import session
from csbs.db import tasks
from csbs.db import vaults
from csbs.domain import model

#: resources on a page: more than a screen, and what a script asks for
PAGE = 100
_NOT_FILTERS = {'limit', 'marker', 'sort', 'all_projects', 'project_id'}
_COLUMNS = {'size_bytes': 'size'}
#: what the API cuts and sorts lists of all projects by, beside ids
_OF_EVERYBODY = {
    'created_at',
    'created_before',
    'created_since',
    'id',
    'status',
}


@dataclasses.dataclass(frozen=True)
class Question:
    """Something that the catalogue is asked.

    :ivar name: the same at every size
    :ivar asks: ask it, each in another way
    """

    name: str
    asks: tuple[Callable[[], object], ...]


#: a question's name, and one way to ask it
_Named = tuple[str, Callable[[], object]]


@dataclasses.dataclass(frozen=True)
class _Noun:
    name: str
    find: Callable[..., list[Any]]
    query: Mapping[str, Any]

    def filters(self) -> dict[str, Any]:
        """Return the schemas of the filters that the API has."""
        properties: dict[str, Any] = self.query['properties']
        return {
            name: schema
            for name, schema in properties.items()
            if name not in _NOT_FILTERS
        }

    def sort_keys(self) -> list[str]:
        """Return the keys that the API sorts by."""
        pattern = self.query['properties']['sort']['pattern']
        found = re.match(r'\^\(([^)]*)\)', pattern)
        if found is None:
            raise ValueError(pattern)
        return found[1].split('|')


_NOUNS = (
    _Noun('backups', backups.find, backup_schemas.LIST_QUERY),
    _Noun('tasks', tasks.find, task_schemas.LIST_QUERY),
    _Noun('policies', policies.find, policy_schemas.LIST_QUERY),
    _Noun('vaults', vaults.find, vault_schemas.LIST_QUERY),
)


def _same(marker: str | None) -> str | None:
    return marker


class Questions:
    """All questions to one database, about one world."""

    def __init__(self, db: session.Database, world: worlds.World) -> None:
        self._db = db
        self._world = world
        self._chance = random.Random(1)
        self._large = [
            server
            for server in world.servers
            if server.project_id == world.large_project
        ]
        #: every id of the large project, newest first, by noun
        self._ids: dict[str, list[str]] = {}
        #: some of its resources, by noun
        self._some: dict[str, list[Any]] = {}
        for noun in _NOUNS:
            self._look(noun)

    def _look(self, noun: _Noun) -> None:
        ids: list[str] = []
        some: list[Any] = []
        while True:
            page = paging.Page(1000, ids[-1] if ids else None)
            found = noun.find(self._db, self._world.large_project, {}, page)
            ids += [one.id for one in found]
            some += found[::29]
            if len(found) < page.limit:
                break
        self._ids[noun.name], self._some[noun.name] = ids, some

    def __iter__(self) -> Iterator[Question]:
        named: dict[str, list[Callable[[], object]]] = {}
        for name, ask in self._all():
            named.setdefault(name, []).append(ask)
        for name, asks in named.items():
            yield Question(name, tuple(asks))

    def _all(self) -> Iterator[_Named]:
        for noun in _NOUNS:
            yield from self._lists(noun)
            yield from self._filters(noun)
            yield from self._sorts(noun)
        yield from self._of_vaults()
        yield from self._of_backups()
        yield from self._of_charges()
        yield from self._of_policies()
        yield from self._of_quotas()
        yield from self._of_tasks()
        yield from self._of_runs()

    def _find(
        self,
        noun: _Noun,
        project_id: str | None,
        filters: Mapping[str, Any] | None = None,
        marker: Callable[[], str | None] = lambda: None,
        **page: Any,
    ) -> Callable[[], object]:
        return lambda: noun.find(
            self._db,
            project_id,
            filters or {},
            paging.Page(**{'limit': PAGE, 'marker': marker(), **page}),
        )

    def _lists(self, noun: _Noun) -> Iterator[_Named]:
        large, ids = self._world.large_project, self._ids[noun.name]
        markers: dict[str, str | None] = {
            'first': None,
            'middle': ids[len(ids) // 2],
            'last': ids[max(0, len(ids) - PAGE - 1)],
        }
        for project_id, whose in ((large, 'project'), (None, 'all projects')):
            for which, marker in markers.items():
                yield (
                    f'{noun.name}: {which} page, {whose}',
                    self._find(
                        noun,
                        project_id,
                        marker=functools.partial(_same, marker),
                    ),
                )
        small = [vault.project_id for vault in self._world.vaults[10:]]
        yield (
            f'{noun.name}: first page, small project',
            lambda: noun.find(
                self._db, self._chance.choice(small), {}, paging.Page(PAGE)
            ),
        )

    def _filters(self, noun: _Noun) -> Iterator[_Named]:
        for name, schema in noun.filters().items():
            column = _COLUMNS.get(name, name)
            for value in self._values(noun, column, schema):
                for project_id, whose in self._scopes(name):
                    yield (
                        f'{noun.name}: filter {name}, {whose}',
                        self._find(noun, project_id, {column: value}),
                    )

    def _values(
        self, noun: _Noun, column: str, schema: Mapping[str, Any]
    ) -> list[Any]:
        """Return values that many, few and no rows have."""
        if column == 'tags':
            return [('gold',), ('gold', 'team-1'), ('never',)]
        if 'enum' in schema:
            return list(schema['enum'])
        if schema.get('format') == 'date-time':
            return [worlds.NOW - 3 * worlds.DAY, worlds.NOW - 60 * worlds.DAY]
        if schema.get('type') == 'boolean':
            return [True, False]
        if schema.get('type') == 'integer':
            return [7, 1024000]
        present = [getattr(one, column) for one in self._some[noun.name]]
        known = [value for value in present if value is not None]
        return [
            *(self._chance.choices(known, k=4) if known else ()),
            str(uuid.uuid4()),
        ]

    def _scopes(self, name: str) -> list[tuple[str | None, str]]:
        """Return whose lists the API cuts or sorts by this."""
        mine: list[tuple[str | None, str]]
        mine = [(self._world.large_project, 'project')]
        if name in _OF_EVERYBODY or name.endswith('_id'):
            return [*mine, (None, 'all projects')]
        return mine

    def _sorts(self, noun: _Noun) -> Iterator[_Named]:
        ids = self._ids[noun.name]
        for key in noun.sort_keys():
            column = _COLUMNS.get(key, key)
            for down in (False, True):
                for marker in (lambda: None, lambda: self._chance.choice(ids)):
                    for project_id, whose in self._sort_scopes(key):
                        yield (
                            f'{noun.name}: sort by {key}, {whose}',
                            self._find(
                                noun,
                                project_id,
                                marker=marker,
                                sort=((column, down),),
                            ),
                        )

    def _sort_scopes(self, key: str) -> list[tuple[str | None, str]]:
        return self._scopes(key) if key == 'created_at' else self._scopes('')

    def _of_vaults(self) -> Iterator[_Named]:
        db, large = self._db, self._world.large_vault
        small = [vault.id for vault in self._world.vaults[10:]]
        yield ('vault: usage, large', lambda: vaults.get(db, large))
        yield (
            'vault: usage, small',
            lambda: vaults.get(db, self._chance.choice(small)),
        )
        yield (
            'vault: take room, large',
            lambda: db.run(lambda: vaults.take_room(db, large, 1)),
        )
        yield (
            'vault: terms that have ended',
            lambda: vaults.past_term(db, worlds.NOW, PAGE),
        )
        yield (
            'vault: due for collection',
            lambda: vaults.due_for_collection(db, worlds.NOW),
        )

    def _of_backups(self) -> Iterator[_Named]:
        db, pick = self._db, self._chance.choice
        ids = self._ids['backups']
        yield ('backup: show', lambda: backups.get(db, pick(ids)))
        volumes = [
            volume_id for one in self._large for volume_id, _ in one.volumes
        ]
        yield (
            'backup: chain of a volume',
            lambda: charges.chain(db, self._world.large_vault, pick(volumes)),
        )

        def latest() -> None:
            server = pick(self._large)
            backups.latest(db, server.id, server.vault.id)

        yield ('backup: latest of a server', latest)

        def last() -> None:
            chosen = self._chance.sample(
                self._large, min(PAGE, len(self._large))
            )
            backups.last_of_servers(
                db, self._world.large_project, [one.id for one in chosen]
            )

        yield ('backup: last of 100 servers', last)

        def of_policy() -> None:
            policy = pick(self._some['policies'])
            wanted = {'policy_id': policy.id, 'trigger': 'scheduled'}
            backups.find(db, policy.project_id, wanted, paging.Page(PAGE))

        yield ('backup: of a policy by schedule', of_policy)

        yield (
            'backup: newest of a volume',
            lambda: charges.newest_item(
                db, self._world.large_vault, pick(volumes)
            ),
        )
        yield (
            'backup: charges out of date',
            lambda: charges.unbalanced(
                db, self._world.large_vault, [pick(volumes)]
            ),
        )
        yield (
            'backup: what retention counts',
            lambda: backups.made_by(db, pick(self._some['policies']).id),
        )
        yield (
            'backup: a name that is free',
            lambda: backups.name_taken(
                db, pick(self._large).id, 'autobk_none'
            ),
        )

    def _of_charges(self) -> Iterator[_Named]:
        db, pick = self._db, self._chance.choice
        busy = max(server.keeps for server in self._large)
        many = {one.id for one in self._large if one.keeps == busy}
        long = [one for one in self._some['backups'] if one.server_id in many]

        def hand_on() -> None:
            backup = pick(long)
            db.run(lambda: charges.hand_on(db, backup.id))

        yield ('backup: hand its charge on', hand_on)

        def charge() -> None:
            item = pick(pick(self._some['backups']).items)
            db.run(
                lambda: charges.charge(db, item.id, item.charged_bytes, None)
            )

        yield ('backup: charge an item', charge)

        def touch() -> None:
            backup = pick(self._some['backups'])
            db.run(lambda: backups.touch(db, backup.id, backup.status))

        yield ('backup: compare and swap', touch)

    def _of_policies(self) -> Iterator[_Named]:
        db = self._db
        two = worlds.NOW.replace(hour=2) + worlds.DAY
        for moment, when in ((worlds.NOW, 'on a quiet day'), (two, 'at two')):
            yield (
                f'policies: due to run, {when}',
                functools.partial(policies.due, db, moment, PAGE),
            )
        yield (
            'policies: due to prune',
            functools.partial(policies.due_for_pruning, db, worlds.NOW, PAGE),
        )
        taken = datetime.timedelta(seconds=1)

        def take() -> None:
            policy = self._chance.choice(self._some['policies'])
            policy = policies.get(db, policy.id)
            later = (policy.prune_at or worlds.NOW) + taken
            db.run(lambda: policies.take_pruning(db, policy, later))

        yield ('policies: take a pruning', take)
        large = self._world.large_project
        yield (
            'policies: a name that is free',
            lambda: policies.name_taken(db, large, 'Policy-none'),
        )
        yield (
            'policies: servers that fail',
            lambda: policies.failing(
                db, self._chance.choice(self._some['policies']).id
            ),
        )
        yield (
            'policies: of 100 servers',
            lambda: policies.of_servers(
                db, [one.id for one in self._large[:PAGE]]
            ),
        )

    def _of_quotas(self) -> Iterator[_Named]:
        db, large = self._db, self._world.large_project
        yield ('quota: usage of a project', lambda: quotas.usage(db, [large]))
        yield ('quota: own limits', lambda: quotas.own(db, large))
        for resource, count in (
            ('vaults', vaults.count),
            ('policies', policies.count),
        ):

            def take(
                count: Callable[[session.Database, str], int] = count,
            ) -> None:
                quotas.lock(db, large)
                count(db, large)

            yield (
                f'quota: count {resource}',
                functools.partial(db.run, take),
            )
        yield (
            'quota: count policies of a vault',
            lambda: policies.count_of_vault(db, self._world.large_vault),
        )

    def _of_runs(self) -> Iterator[_Named]:
        db, pick = self._db, self._chance.choice
        known = tasks.find(
            db,
            self._world.large_project,
            {'kind': model.TaskKind.POLICY_RUN},
            paging.Page(PAGE),
        )
        yield (
            'runs: unfinished one of a policy',
            lambda: runs.unfinished(db, pick(self._some['policies']).id),
        )
        yield ('runs: parts', lambda: runs.parts(db, pick(known).id))
        yield (
            'runs: let held parts go',
            lambda: db.run(lambda: runs.release(db, pick(known).id, 4)),
        )
        yield (
            'runs: names of busy servers',
            lambda: tasks.server_names(
                db, [one.id for one in self._some['tasks'][:PAGE]]
            ),
        )

        class Back(Exception):
            """Nothing is to be forgotten for good."""

        def forget() -> None:
            def work() -> None:
                runs.forget(db, worlds.NOW - 60 * worlds.DAY, PAGE)
                raise Back()

            with contextlib.suppress(Back):
                db.run(work)

        yield ('runs: forget 100 old tasks', forget)

    def _of_tasks(self) -> Iterator[_Named]:
        db = self._db
        yield ('tasks: claim', lambda: tasks.claim(db, 'benchmark'))
        yield (
            'tasks: of dead workers',
            lambda: tasks.dead(db, worlds.NOW - worlds.DAY),
        )

        def readers() -> None:
            backup_id = self._chance.choice(self._ids['backups'])
            tasks.active(db, backup_id=backup_id)

        yield ('tasks: that read a backup', readers)
        yield (
            'tasks: collections of a vault',
            lambda: tasks.active(
                db,
                kind=model.TaskKind.COLLECT,
                vault_id=self._world.large_vault,
            ),
        )
        yield (
            'tasks: locks of 100 servers',
            lambda: tasks.locks(db, [one.id for one in self._large[:PAGE]]),
        )
