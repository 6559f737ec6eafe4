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

"""The rows of a made-up cloud, as the text that databases load fastest.

Backups come in the order in which they would have been made, so that a
database lays them down as it would have then.
"""

from collections.abc import Iterator
import datetime
import functools
import json

from benchmarks.catalogue import world as worlds

#: table, then its columns in the order of the rows
COLUMNS = {
    'vaults': (
        'id project_id name description capacity_gb months status key_ref '
        'task_id stored_bytes collect_due_at created_at updated_at expires_at '
        'used_bytes backup_count protected_bytes lock_days'
    ).split(),
    'vault_tags': 'vault_id tag'.split(),
    'policies': (
        'id project_id name enabled vault_id schedule retention_kind '
        'retention_value allow_pause max_parallel next_run_at fire_at '
        'prune_at created_at updated_at'
    ).split(),
    'policy_servers': 'server_id policy_id created_at'.split(),
    'backups': (
        'id project_id vault_id server_id server_name name description '
        'status kind trigger_ consistency policy_id parent_id server_facts '
        'size changed_bytes transferred_bytes stored_bytes task_id '
        'created_at updated_at snapshot_at snapshot_method paused_seconds '
        'fault_code fault_message'
    ).split(),
    'items': (
        'id backup_id position volume_id volume_name device bootable size '
        'changed_bytes charged_bytes charged_against'
    ).split(),
    'tasks': (
        'id project_id kind status backup_id server_id vault_id params '
        'result step bytes_done bytes_total attempts cancellable '
        'cancel_requested owner request_id user_id created_at started_at '
        'finished_at heartbeat_at fault_code fault_message policy_id '
        'parent_id'
    ).split(),
    'quotas': 'project_id vaults policies'.split(),
}

_NULL = '\\N'
#: days whose runs are on record; the backups before were made without
_RUN_DAYS = 3
_SCHEDULE = json.dumps(
    {
        'times': ['02:00'],
        'timezone': 'Asia/Shanghai',
        'weekdays': [],
        'every_days': 1,
    }
)
_IDLE = '{}'


def of_vaults(world: worlds.World) -> Iterator[str]:
    """Return the rows of vaults."""
    made = worlds.NOW - 400 * worlds.DAY
    ends = _text(worlds.NOW + 300 * worlds.DAY)
    for number, vault in enumerate(world.vaults):
        yield _line(
            vault.id,
            vault.project_id,
            f'vault-{number % 97}',
            'Servers that earn money',
            1024000,
            24,
            'available',
            f'csbs-vault-{vault.id}',
            _NULL,
            vault.used_bytes // 3,
            _NULL,
            _text(made + datetime.timedelta(minutes=number)),
            _NULL,
            ends,
            vault.used_bytes,
            vault.backups,
            vault.protected_bytes,
            7 if number % 5 == 0 else _NULL,
        )


def of_vault_tags(world: worlds.World) -> Iterator[str]:
    """Return the rows of tags: a team for each vault, a word for some."""
    for number, vault in enumerate(world.vaults):
        yield _line(vault.id, f'team-{number % 50}')
        if number % 3 == 0:
            yield _line(vault.id, 'gold')


def of_quotas(world: worlds.World) -> Iterator[str]:
    """Return the rows of quotas: only the large project has its own."""
    for project_id in {vault.project_id: None for vault in world.vaults}:
        own = project_id == world.large_project
        yield _line(project_id, *((10, 100) if own else (_NULL, _NULL)))


def of_policies(world: worlds.World) -> Iterator[str]:
    """Return the rows of policies; a few are due, a third runs at two."""
    made = worlds.NOW - 300 * worlds.DAY
    two = worlds.NOW.replace(hour=2) + worlds.DAY
    minute = datetime.timedelta(minutes=1)
    for number, (policy_id, project_id, vault_id) in enumerate(world.policies):
        run_at: datetime.datetime | None = None
        if number % 5000 == 0:
            run_at = worlds.NOW - minute
        elif number % 10 < 3:
            run_at = two
        elif number % 10 < 7:
            run_at = worlds.NOW + (1 + number * 37 % 1440) * minute
        prune_at = worlds.NOW + (1 + number % 24) * 60 * minute
        if number % 5000 == 1:
            prune_at = worlds.NOW - minute
        yield _line(
            policy_id,
            project_id,
            f'Policy-{number % 10000:04}',
            int(run_at is not None),
            vault_id,
            _SCHEDULE,
            'count',
            7 if number % 20 else 67,
            _NULL,
            _NULL,
            *([_text(run_at) if run_at else _NULL] * 2),
            _text(prune_at),
            _text(made + number * minute),
            _NULL,
        )


def of_policy_servers(world: worlds.World) -> Iterator[str]:
    """Return the rows that bind servers to policies."""
    made = _text(worlds.NOW - 200 * worlds.DAY)
    for server in world.servers:
        if server.policy_id is not None:
            yield _line(server.id, server.policy_id, made)


def of_backups(world: worlds.World) -> Iterator[tuple[str, str]]:
    """Return the tables and rows of backups, their items and their tasks."""
    servers = sorted(world.servers, key=lambda one: one.second_of_day)
    before: dict[int, tuple[str, list[str]]] = {}
    runs: dict[tuple[str | None, int], str] = {}
    today = worlds.NOW.replace(hour=0)
    for age in range(max(one.keeps for one in servers) - 1, -1, -1):
        for server in servers:
            if age < server.keeps:
                moment = today + datetime.timedelta(
                    days=-age, seconds=server.second_of_day
                )
                run_id: str | None = None
                if server.policy_id and age < _RUN_DAYS:
                    key = (server.policy_id, age)
                    if key not in runs:
                        runs[key] = world.new_id()
                        yield 'tasks', _of_run(server, runs[key], moment)
                    run_id = runs[key]
                yield from _of_backup(
                    world, server, age, moment, before, run_id
                )


def _of_run(
    server: worlds.Server, run_id: str, moment: datetime.datetime
) -> str:
    return of_task(
        run_id,
        server.project_id,
        'succeeded',
        moment,
        (_NULL, _NULL, server.vault.id),
        kind='policy_run',
        policy_id=server.policy_id,
    )


def _of_backup(
    world: worlds.World,
    server: worlds.Server,
    age: int,
    moment: datetime.datetime,
    before: dict[int, tuple[str, list[str]]],
    run_id: str | None,
) -> Iterator[tuple[str, str]]:
    backup_id, task_id = world.new_id(), world.new_id()
    parent_id, older = before.get(server.number, (_NULL, []))
    failed = server.fails(age)
    number = server.number + age
    made, ended = _text(moment), _text(moment + datetime.timedelta(minutes=7))
    trigger = 'scheduled' if server.policy_id else 'manual'
    if number % 41 == 0:
        trigger = 'run_now' if server.policy_id else 'manual'
    fault = ('csbs.cloud.error', 'The cloud answered with an error.')
    changed = 0 if failed else server.size // 50
    yield (
        'backups',
        _line(
            backup_id,
            server.project_id,
            server.vault.id,
            server.id,
            _server_name(server),
            f'autobk_{number * 7919 % 10000:04}',
            '',
            'error' if failed else 'available',
            'full' if age + 1 == server.keeps else 'incremental',
            trigger,
            _NULL if failed else _consistency(number),
            server.policy_id or _NULL,
            parent_id,
            _facts(server),
            server.size,
            changed,
            changed,
            changed // 2,
            task_id,
            made,
            ended,
            _NULL if failed else made,
            _NULL if failed else _method(number),
            _NULL,
            *(fault if failed else (_NULL, _NULL)),
        ),
    )
    items = []
    for position, (volume_id, size) in enumerate(server.volumes):
        items.append(world.new_id())
        yield (
            'items',
            _line(
                items[-1],
                backup_id,
                position,
                volume_id,
                f'{_server_name(server)}-disk-{position}',
                f'/dev/vd{chr(97 + position % 26)}',
                int(position == 0),
                size,
                0 if failed else size // 50,
                worlds.charged(server, size, age),
                older[position] if older else _NULL,
            ),
        )
    if not failed:
        before[server.number] = backup_id, items
    yield (
        'tasks',
        of_task(
            task_id,
            server.project_id,
            'failed' if failed else 'succeeded',
            moment,
            (backup_id, server.id, server.vault.id),
            fault if failed else None,
            policy_id=server.policy_id,
            parent_id=run_id,
        ),
    )


def of_task(
    task_id: str,
    project_id: str,
    status: str,
    moment: datetime.datetime,
    works_on: tuple[str, str, str],
    fault: tuple[str, str] | None = None,
    *,
    kind: str = 'backup',
    policy_id: str | None = None,
    parent_id: str | None = None,
) -> str:
    """Return the row of a task.

    :param works_on: backup, server and vault
    """
    begun = status != 'queued'
    over = status not in ('queued', 'running')
    started = moment + datetime.timedelta(seconds=2)
    return _line(
        task_id,
        project_id,
        kind,
        status,
        *works_on,
        _IDLE,
        _IDLE,
        '' if over or not begun else 'backing_up',
        7 << 30 if begun else 0,
        9 << 30,
        int(begun),
        1,
        0,
        'backup-1/0123456789ab' if begun else _NULL,
        f'req-{task_id}',
        project_id,
        _text(moment),
        _text(started) if begun else _NULL,
        _text(started + datetime.timedelta(minutes=7)) if over else _NULL,
        _text(started + datetime.timedelta(minutes=6)) if begun else _NULL,
        *(fault or (_NULL, _NULL)),
        policy_id or _NULL,
        parent_id or _NULL,
    )


def of_queue(world: worlds.World) -> Iterator[str]:
    """Return the rows of tasks that are not over."""
    waiting = max(300, len(world.servers) // 50)
    for number in range(waiting + waiting // 10):
        server = world.servers[number * 7 % len(world.servers)]
        yield of_task(
            world.new_id(),
            server.project_id,
            'queued' if number < waiting else 'running',
            worlds.NOW + datetime.timedelta(seconds=number),
            (world.new_id(), server.id, server.vault.id),
        )


def _server_name(server: worlds.Server) -> str:
    return f'web-{server.number % 5000}'


def _consistency(number: int) -> str:
    if number % 50 == 0:
        return 'none'
    return 'shut_off' if number % 9 == 0 else 'crash_consistent'


def _method(number: int) -> str:
    if number % 50 == 0:
        return 'sequential'
    return 'shut_off' if number % 9 == 0 else 'group'


@functools.cache
def _facts(server: worlds.Server) -> str:
    """Return a description as long as a cloud's are."""
    return json.dumps(
        {
            'flavor': {
                'original_name': 'm1.large',
                'vcpus': 4,
                'ram': 8192,
                'disk': 0,
                'extra_specs': {'hw:cpu_policy': 'shared'},
            },
            'availability_zone': 'nova',
            'key_name': 'operator',
            'metadata': {'service': 'shop', 'cost_center': '4711'},
            'config_drive': False,
            'networks': [
                {
                    'network_id': server.vault.id,
                    'port_id': server.id,
                    'mac_address': 'fa:16:3e:00:00:01',
                    'fixed_ips': [
                        {
                            'subnet_id': server.vault.id,
                            'ip_address': '10.0.0.7',
                        }
                    ],
                    'tag': None,
                }
            ],
            'security_groups': [{'id': server.vault.id, 'name': 'default'}],
            'volumes': {
                volume_id: {
                    'type': 'ceph',
                    'availability_zone': 'nova',
                    'image_metadata': {
                        'container_format': 'bare',
                        'disk_format': 'raw',
                        'min_disk': '0',
                        'min_ram': '0',
                    },
                    'bootable': True,
                }
                for volume_id, _ in server.volumes
            },
        }
    )


def _text(moment: datetime.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(' ', 'microseconds')


def _line(*values: object) -> str:
    return '\t'.join(map(str, values)) + '\n'
