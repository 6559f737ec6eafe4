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


"""The story: a server is backed up, changed, spoilt and brought back.

Owns the order of the steps and what is checked after each of them. Everything
goes through the REST API; the disks are looked at from outside.
"""

from collections.abc import Sequence
import dataclasses
import pathlib
import time
from typing import Any

import api
import disks
import screen

#: what one small backup may write beside its chunks: maps, manifest, lease
_OVERHEAD = 2 * disks.MIB

_SHAPES = {
    'web': (('root', 512, 72), ('data', 256, 40)),
    'db': (('root', 512, 56), ('data', 384, 48)),
}

#: bytes needed on the disk in all: servers, spoilt disks, a snapshot, the
#: backups and the new server
ROOM = 1400 * disks.MIB


@dataclasses.dataclass
class Row:
    """What a step did, for the table at the end.

    :ivar data: bytes in use on the disks; rates that count holes would flatter
    """

    step: str
    data: int
    seconds: float
    stored: int | None = None

    def cells(self) -> list[str]:
        rate = self.data / self.seconds if self.seconds else 0
        return [
            self.step,
            screen.size(self.data),
            f'{self.seconds:.1f} s',
            f'{screen.size(rate)}/s',
            '' if self.stored is None else screen.size(self.stored),
        ]


class Story:
    """One run of the demonstration in a local cloud."""

    def __init__(self, cloud: pathlib.Path) -> None:
        self._cloud = cloud
        self._files = disks.Files()
        self._rows: list[Row] = []
        self._vault = ''
        self.web: disks.Server
        self.db: disks.Server
        self._api: api.Api

    def make_servers(self) -> None:
        """Make the servers before the service starts."""
        screen.title('Two servers, with real files on their disks')
        if disks.tool('mke2fs') is None:
            screen.say(
                '  mke2fs is not installed, so the files lie one after '
                'another on the disks, without a file system.'
            )
        self.web, self.db = (
            disks.make_server(
                self._cloud,
                name,
                [
                    (disk, size * disks.MIB, data * disks.MIB)
                    for disk, size, data in shape
                ],
                self._files,
            )
            for name, shape in _SHAPES.items()
        )

    def play(self, service_api: api.Api) -> None:
        """Play all of it.

        :raises Problem: when anything is not as it must be
        """
        self._api = service_api
        screen.title('A vault to keep backups in')
        vault = self._api.call(
            'POST',
            '/v1/vaults',
            {'vault': {'name': 'quickstart', 'capacity_gb': 100}},
        )['vault']
        self._vault = vault['id']
        screen.good(f'vault {vault["name"]}, {vault["capacity_gb"]} GB')

        screen.title('The first backup of each server is a full one')
        at_first = self.web.pictures()
        of_db = self.db.pictures()
        first = self._back_up(self.web, 'first')
        self._back_up(self.db, 'database')
        self._full(first)

        screen.title('A day of work on web: files removed, files written')
        disks.change(self.web, self._cloud, self._files)
        later = self.web.pictures()
        changed = sum(
            before.changed(after)
            for before, after in zip(at_first, later, strict=True)
        )
        if not changed:
            raise screen.Problem('The disks did not change.')
        most = changed * disks.CHUNK
        screen.good(
            f'{changed} pieces of 256 KiB differ, {screen.size(most)} in all'
        )

        screen.title('The second backup moves what changed and no more')
        second = self._back_up(self.web, 'second')
        self._incremental(second, most)

        screen.title('Ransomware on web: every byte in use becomes noise')
        disks.spoil(self.web)
        spoilt = self.web.pictures()
        if any(
            p.digest == q.digest for p, q in zip(spoilt, later, strict=True)
        ):
            raise screen.Problem('The disks were not spoilt.')
        screen.good('both disks are unreadable now')

        screen.title('Restore of the first backup, in place')
        self._restore(first, at_first)
        screen.title('Restore of the second backup, in place')
        self._restore(second, later)

        screen.title('A new server from the first backup')
        self._new_server(first, at_first)

        screen.title('The first backup is deleted; the second needs it not')
        self._delete(first)
        disks.spoil(self.web)
        self._restore(second, later, note=' alone')

        screen.title('The other server all this time')
        self._compare(self.db, of_db, 'what they were')
        self._table()

    def _back_up(self, server: disks.Server, name: str) -> dict[str, Any]:
        start = time.monotonic()
        backup: dict[str, Any] = self._api.call(
            'POST',
            '/v1/backups',
            {
                'backup': {
                    'server_id': server.id,
                    'vault_id': self._vault,
                    'name': name,
                }
            },
        )['backup']
        self._finish(backup['task_id'])
        backup = self._backup(backup)
        seconds = time.monotonic() - start
        screen.good(
            f'backup {name} of {server.name}: {backup["kind"]}, '
            f'{backup["consistency"]}, '
            f'{screen.size(backup["transferred_bytes"])} moved of '
            f'{screen.size(backup["size_bytes"])}, in {seconds:.1f} s'
        )
        self._rows.append(
            Row(
                f'{backup["kind"]} backup of {server.name}',
                server.in_use(),
                seconds,
                backup['stored_bytes'],
            )
        )
        if backup['consistency'] != 'crash_consistent':
            raise screen.Problem('The disks are not of one instant.')
        return backup

    def _full(self, backup: dict[str, Any]) -> None:
        if backup['kind'] != 'full':
            raise screen.Problem('The first backup is not a full one.')
        # a chunk at either end of every extent may be taken whole
        if backup['transferred_bytes'] > 2 * self.web.in_use() + _OVERHEAD:
            raise screen.Problem('Holes were moved.')
        screen.good('holes of the disks were neither read nor stored')

    def _incremental(self, backup: dict[str, Any], most: int) -> None:
        if backup['kind'] != 'incremental':
            raise screen.Problem('The second backup is not incremental.')
        if not 0 < backup['changed_bytes'] <= most:
            raise screen.Problem(
                f'{backup["changed_bytes"]} bytes count as changed, but '
                f'{most} did.'
            )
        if backup['transferred_bytes'] > most + _OVERHEAD:
            raise screen.Problem(
                f'{backup["transferred_bytes"]} bytes were moved, but only '
                f'{most} changed.'
            )
        screen.good(
            f'{screen.size(backup["changed_bytes"])} changed, '
            f'{screen.size(backup["transferred_bytes"])} moved, '
            f'{screen.size(backup["stored_bytes"])} stored'
        )

    def _restore(
        self,
        backup: dict[str, Any],
        expected: Sequence[disks.Picture],
        note: str = '',
    ) -> None:
        start = time.monotonic()
        answer = self._api.call(
            'POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}
        )['backup']
        self._finish(answer['task_id'])
        seconds = time.monotonic() - start
        self._rows.append(
            Row(
                f'restore of {backup["name"]}{note}',
                self.web.in_use(),
                seconds,
            )
        )
        self._compare(self.web, expected, f'those in backup {backup["name"]}')
        server = self._api.call('GET', f'/v1/servers/{self.web.id}')['server']
        if server['status'] != 'ACTIVE':
            raise screen.Problem(f'Server web is {server["status"]} now.')
        screen.good('web runs again')

    def _new_server(
        self, backup: dict[str, Any], expected: Sequence[disks.Picture]
    ) -> None:
        start = time.monotonic()
        answer = self._api.call(
            'POST',
            f'/v1/backups/{backup["id"]}/servers',
            {'server': {'name': 'web-again', 'networks': 'none'}},
        )['backup']
        task = self._finish(answer['task_id'])
        seconds = time.monotonic() - start
        server_id = task['result']['server_id']
        server = self._api.call('GET', f'/v1/servers/{server_id}')['server']
        if server_id == self.web.id or server['name'] != 'web-again':
            raise screen.Problem('The new server is not the one asked for.')
        again = disks.load_server(self._cloud, server_id)
        self._rows.append(
            Row(f'new server from {backup["name"]}', again.in_use(), seconds)
        )
        self._compare(again, expected, f'those in backup {backup["name"]}')

    def _delete(self, backup: dict[str, Any]) -> None:
        answer = self._api.call('DELETE', f'/v1/backups/{backup["id"]}')
        self._finish(answer['backup']['task_id'])
        try:
            self._backup(backup)
        except api.ApiError as error:
            if error.status != 404:
                raise
            screen.good(f'backup {backup["name"]} is gone')
        else:
            raise screen.Problem('The deleted backup is still there.')

    def _compare(
        self,
        server: disks.Server,
        expected: Sequence[disks.Picture],
        what: str,
    ) -> None:
        checked = True
        pairs = zip(server.disks, expected, strict=True)
        for disk, picture in pairs:
            with screen.waiting(f'Comparing {disk.path.name}'):
                found = disks.take(disk.path)
            if found.size != picture.size:
                raise screen.Problem(
                    f'{disk.path} has {found.size} bytes instead of '
                    f'{picture.size}.'
                )
            if found.digest != picture.digest:
                raise screen.Problem(
                    f'The disks of {server.name} are not {what}: '
                    f'{disk.path} differs in {picture.changed(found)} '
                    'pieces of 256 KiB.'
                )
            checked = disks.check(disk) and checked
        screen.good(
            f'the disks of {server.name} are {what}, bit by bit'
            + (', and their file systems are clean' if checked else '')
        )

    def _finish(self, task_id: str) -> dict[str, Any]:
        def show(task: dict[str, Any]) -> None:
            rate = task.get('rate')
            screen.bar(
                task['progress'],
                f'{task["step"] or task["status"]}  '
                f'{screen.size(task["bytes_done"])}'
                + (f'  {screen.size(rate)}/s' if rate else ''),
            )

        return self._api.wait(task_id, show)

    def _backup(self, backup: dict[str, Any]) -> dict[str, Any]:
        found = self._api.call('GET', f'/v1/backups/{backup["id"]}')
        return dict(found['backup'])

    def _table(self) -> None:
        screen.title('What was done')
        screen.table(
            ('step', 'in use', 'time', 'rate', 'stored'),
            [row.cells() for row in self._rows],
        )
        vault = self._api.call('GET', f'/v1/vaults/{self._vault}')['vault']
        screen.say(
            f'  The vault holds {vault["backup_count"]} backups: '
            f'{screen.size(vault["used_bytes"])} by the size of the disks, '
            f'{screen.size(vault["stored_bytes"])} really stored.'
        )
