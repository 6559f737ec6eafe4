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

"""A small service on loopback that speaks the API and remembers.

Owns the behaviour that clients are tested against: real HTTP, real state,
the documented errors and paging. Tasks go on by one step each time they are
asked for, so that nothing depends on time. A Keystone of the smallest kind
is beside it under ``/identity``.
"""

from collections.abc import Callable
import http.server
import json
import threading
from typing import Any
import urllib.parse
import uuid

from csbs.tests.unit.sdk import keystone
from csbs.tests.unit.sdk import loopback_policies
from csbs.tests.unit.sdk import rows

GIB = rows.GIB
NOW = rows.NOW
PROJECT = rows.PROJECT

Answer = keystone.Answer


def _id(row: dict[str, Any]) -> str:
    # quotas are known by their project
    return str(row['id'] if 'id' in row else row['project_id'])


class Service(rows.Rows):
    """The state of the service and its answers."""

    def __init__(self) -> None:
        super().__init__()
        #: (method, path, query, headers, body) of all requests
        self.requests: list[tuple[str, str, Any, Any, Any]] = []
        #: how many requests for tasks are answered with 503 next
        self.away = 0
        #: whether tasks go on
        self.halted = False
        #: how many requests of which method are left without an answer
        self.hang_up: tuple[str, int] = ('', 0)
        self.url = ''
        self.keystone = keystone.Keystone(self)

    # ------ the work ------

    def _go_on(self, task: dict[str, Any]) -> None:
        """Move a task one step on."""
        if self.halted:
            return
        if task['status'] == 'queued':
            task |= {
                'status': 'running',
                'step': 'copying',
                'started_at': NOW,
                'host': 'node-1',
                'attempts': 1,
                'progress': 45,
                'bytes_done': 45 * GIB // 2,
                'bytes_total': 50 * GIB,
                'rate': 57.0 * (1 << 20),
                'eta_seconds': 494,
            }
        elif task['status'] == 'running':
            task |= {
                'progress': 100,
                'bytes_done': 50 * GIB,
                'rate': None,
                'eta_seconds': None,
                'finished_at': NOW,
            }
            self._finish(task)

    def _finish(self, task: dict[str, Any]) -> None:
        backups = self.tables['backups']
        backup = backups.get(task['backup_id'] or '', {})
        if backup.get('server_name') == 'broken':
            fault = {
                'code': 'csbs.volume.unreadable',
                'message': 'Volume 7 cannot be read: it is gone.',
            }
            task |= {'status': 'failed', 'progress': 45, 'fault': fault}
            backup |= {'status': 'error', 'fault': fault}
            return
        task['status'] = 'succeeded'
        match task['kind']:
            case 'backup' | 'restore':
                backup |= {'status': 'available', 'progress': 100}
            case 'create_server':
                task['result'] = {'server_id': str(uuid.uuid4())}
            case 'delete_backup':
                del backups[task['backup_id']]
            case 'delete_vault':
                del self.tables['vaults'][task['vault_id']]

    def _start(self, kind: str, resource: dict[str, Any], **ids: Any) -> None:
        resource['task_id'] = self.add_task(kind, **ids)['id']

    # ------ the API ------

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> Answer:
        """Answer a request.

        :raises keystone.Refusal: for an error
        """
        parts = [part for part in path.split('/') if part]
        if not parts:
            return 200, {'versions': [self._version()]}
        if parts[0] == 'identity':
            return self.keystone.answer(method, parts[1:], query, body)
        if len(parts) == 1:
            return 200, {'version': self._version()}
        answer = loopback_policies.answer(self, method, parts[1:], query, body)
        if answer is not None:
            return answer
        table = self.tables[parts[1]]
        if len(parts) == 2:
            if method == 'POST':
                return self._create(parts[1], dict(body[parts[1][:-1]]))
            return self.list_rows(parts[1], query)
        noun = parts[1][:-1]
        if parts[2] not in table:
            raise keystone.Refusal(
                404,
                f'csbs.{noun}.not_found',
                f'There is no {noun} {parts[2]}.',
            )
        action = parts[3] if len(parts) > 3 else method
        return self._act(noun, table[parts[2]], action, body)

    def _version(self) -> dict[str, Any]:
        return {
            'id': 'v1.0',
            'status': 'CURRENT',
            'version': '1.0',
            'min_version': '1.0',
            'max_version': '1.0',
            'links': [{'rel': 'self', 'href': f'{self.url}/v1/'}],
        }

    def list_rows(self, name: str, query: dict[str, str]) -> Answer:
        """Return a page of a list."""
        found = list(self.tables[name].values())
        for key, value in query.items():
            if key not in ('limit', 'marker', 'sort', 'all_projects'):
                found = [row for row in found if str(row.get(key)) == value]
        for key in reversed(query.get('sort', '').split(',')):
            field, _, direction = key.partition(':')
            if field:
                found.sort(
                    key=lambda row: row[field], reverse=direction == 'desc'
                )
        if 'marker' in query:
            ids = [_id(row) for row in found]
            found = found[ids.index(query['marker']) + 1 :]
        limit = int(query.get('limit', 1000))
        if limit > 1000:
            raise keystone.Refusal(
                400, 'csbs.request.invalid', 'limit: 1000 at the most.'
            )
        page = found[:limit]
        answer: dict[str, Any] = {name: page}
        if len(found) > limit:
            more = urllib.parse.urlencode(
                query | {'marker': _id(page[-1]), 'limit': limit}
            )
            # as seen from behind a proxy: not the address clients know
            href = f'http://inside.invalid/v1/{name}?{more}'
            answer[f'{name}_links'] = [{'rel': 'next', 'href': href}]
        return 200, answer

    def _create(self, name: str, body: dict[str, Any]) -> Answer:
        if name == 'vaults':
            return 201, {'vault': self.add_vault(**body)}
        server = self.tables['servers'][body['server_id']]
        vault = self.tables['vaults'][body['vault_id']]
        if server['size_gb'] > vault['capacity_gb'] - vault['used_gb']:
            raise keystone.Refusal(
                409,
                'csbs.vault.capacity_exceeded',
                f'The backup needs {server["size_gb"]} GB, but vault '
                f'{vault["id"]} has only {vault["capacity_gb"]} GB left.',
            )
        items = [
            {
                'id': str(uuid.uuid4()),
                'volume_id': volume['id'],
                'volume_name': volume['name'],
                'device': volume['device'],
                'bootable': volume['bootable'],
                'size_bytes': volume['size_bytes'],
                'size_gb': volume['size_gb'],
                'changed_bytes': volume['size_bytes'],
            }
            for volume in server['volumes']
        ]
        backup = self.add_backup(
            body.pop('name', 'backup'),
            server_name=server['name'],
            items=items,
            status='creating',
            progress=0,
            **body,
        )
        self._start(
            'backup',
            backup,
            backup_id=backup['id'],
            server_id=server['id'],
            vault_id=vault['id'],
        )
        return 202, {'backup': backup}

    def _act(
        self, noun: str, row: dict[str, Any], action: str, body: Any
    ) -> Answer:
        status = 202
        if action == 'GET':
            status = 200
            if noun == 'task':
                self._look_at(row)
        elif action == 'PATCH':
            status = 200
            row |= body[noun]
        elif noun == 'vault':
            status = self._act_on_vault(row, action, body)
        elif noun == 'backup':
            self._act_on_backup(row, action)
        elif row['status'] in ('queued', 'running'):
            row['status'] = 'cancelled'
        else:
            raise keystone.Refusal(
                409,
                'csbs.task.not_cancellable',
                f'Task {row["id"]} is {row["status"]} and can no longer be '
                f'cancelled.',
            )
        return status, {noun: row}

    def _look_at(self, task: dict[str, Any]) -> None:
        if self.away:
            self.away -= 1
            raise keystone.Refusal(503, 'csbs.away', 'Back in a moment.')
        self._go_on(task)

    def _act_on_vault(
        self, row: dict[str, Any], action: str, body: Any
    ) -> int:
        if action == 'extend':
            row['capacity_gb'] = body['capacity_gb']
            return 200
        if action == 'renew':
            row['months'] += body['months']
            return 200
        if row['backup_count']:
            raise keystone.Refusal(
                409,
                'csbs.vault.not_empty',
                f'Vault {row["id"]} still holds {row["backup_count"]} '
                f'backups; delete them first.',
            )
        row['status'] = 'deleting'
        self._start('delete_vault', row, vault_id=row['id'])
        return 202

    def _act_on_backup(self, row: dict[str, Any], action: str) -> None:
        kind, row['status'] = {
            'DELETE': ('delete_backup', 'deleting'),
            'restore': ('restore', 'restoring'),
            'servers': ('create_server', row['status']),
        }[action]
        self._start(kind, row, backup_id=row['id'])


def _handler(service: Service) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *args: Any) -> None:
            """Keep the tests' output clean."""

        def _serve(self) -> None:
            length = int(self.headers.get('Content-Length') or 0)
            raw = self.rfile.read(length)
            body = json.loads(raw) if raw else None
            url = urllib.parse.urlparse(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            path = urllib.parse.unquote(url.path)
            service.requests.append(
                (self.command, path, query, dict(self.headers), body)
            )
            method, times = service.hang_up
            if times and method == self.command:
                service.hang_up = (method, times - 1)
                self.close_connection = True
                return
            try:
                status, answer = service.answer(
                    self.command, path, query, body
                )
            except keystone.Refusal as refusal:
                status = refusal.status
                error = {
                    'status': refusal.status,
                    'code': refusal.code,
                    'title': 'Refused',
                    'detail': str(refusal),
                    'request_id': 'req-1',
                }
                answer = {'errors': [error]}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(data)))
            if 'token' in answer:
                self.send_header('X-Subject-Token', keystone.TOKEN)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    return Handler


def start(add_cleanup: Callable[..., None]) -> Service:
    """Start a service on a free port of the loopback interface.

    :param add_cleanup: the test's ``addCleanup``
    :return: the service; its ``url`` is where it listens
    """
    service = Service()
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), _handler(service)
    )
    server.daemon_threads = True
    service.url = f'http://127.0.0.1:{server.server_address[1]}'
    thread = threading.Thread(
        target=server.serve_forever, args=(0.01,), daemon=True
    )
    thread.start()
    add_cleanup(thread.join, 10)
    add_cleanup(server.server_close)
    add_cleanup(server.shutdown)
    return service
