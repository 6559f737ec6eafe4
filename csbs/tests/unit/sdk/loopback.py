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

GIB = 1 << 30
NOW = '2026-11-23T10:00:00Z'
PROJECT = keystone.PROJECT

Answer = keystone.Answer


def _volume(name: str, gigabytes: int, device: str) -> dict[str, Any]:
    return {
        'id': str(uuid.uuid4()),
        'name': name,
        'size_gb': gigabytes,
        'size_bytes': gigabytes * GIB,
        'device': device,
        'bootable': device == '/dev/vda',
        'status': 'in-use',
    }


class Service:
    """The state of the service and its answers."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {
            name: {}
            for name in ('vaults', 'backups', 'tasks', 'servers', 'services')
        }
        #: (method, path, query, headers, body) of all requests
        self.requests: list[tuple[str, str, Any, Any, Any]] = []
        #: how many requests for tasks are answered with 503 next
        self.away = 0
        #: whether tasks go on
        self.halted = False
        self.url = ''
        self.keystone = keystone.Keystone(self)

    # ------ what tests prepare ------

    def add_server(self, name: str, **changes: Any) -> dict[str, Any]:
        volumes = [
            _volume(f'{name}-boot', 10, '/dev/vda'),
            _volume(f'{name}-data', 40, '/dev/vdb'),
        ]
        server: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'name': name,
            'status': 'ACTIVE',
            'volumes': volumes,
            'size_gb': 50,
            'policy_id': None,
            'last_backup_id': None,
            'last_backup_at': None,
            'task_id': None,
            'protectable': True,
            'reason': None,
            'notice': None,
            'created_at': NOW,
        } | changes
        self.tables['servers'][server['id']] = server
        return server

    def add_vault(self, name: str, **changes: Any) -> dict[str, Any]:
        vault: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'name': name,
            'description': '',
            'capacity_gb': 100,
            'months': 1,
            'status': 'available',
            'used_gb': 0,
            'used_bytes': 0,
            'stored_bytes': 0,
            'protected_bytes': 0,
            'saved_percent': 0,
            'backup_count': 0,
            'policy_ids': [],
            'lock_days': None,
            'tags': [],
            'task_id': None,
            'created_at': NOW,
            'updated_at': None,
            'expires_at': '2026-12-23T10:00:00Z',
        } | changes
        self.tables['vaults'][vault['id']] = vault
        return vault

    def add_backup(self, name: str, **changes: Any) -> dict[str, Any]:
        backup: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'vault_id': str(uuid.uuid4()),
            'server_id': str(uuid.uuid4()),
            'server_name': 'web-1',
            'name': name,
            'description': '',
            'status': 'available',
            'kind': 'full',
            'trigger': 'manual',
            'consistency': 'crash_consistent',
            'snapshot_method': 'group',
            'paused_seconds': None,
            'policy_id': None,
            'parent_id': None,
            'size_bytes': 50 * GIB,
            'size_gb': 50,
            'changed_bytes': 50 * GIB,
            'transferred_bytes': 3 * GIB,
            'stored_bytes': 3 * GIB // 2,
            'progress': 100,
            'fault': None,
            'task_id': None,
            'created_at': NOW,
            'updated_at': NOW,
            'snapshot_at': NOW,
            'items': [],
            'server': {'flavor': {'vcpus': 2}, 'name': 'web-1'},
        } | changes
        self.tables['backups'][backup['id']] = backup
        return backup

    def add_task(self, kind: str, **changes: Any) -> dict[str, Any]:
        task: dict[str, Any] = {
            'id': str(uuid.uuid4()),
            'project_id': PROJECT,
            'kind': kind,
            'status': 'queued',
            'step': '',
            'progress': 0,
            'bytes_done': 0,
            'bytes_total': 0,
            'rate': None,
            'eta_seconds': None,
            'backup_id': None,
            'server_id': None,
            'vault_id': None,
            'policy_id': None,
            'parent_id': None,
            'trigger': None,
            'planned_at': None,
            'host': None,
            'attempts': 0,
            'result': {},
            'fault': None,
            'created_at': NOW,
            'started_at': None,
            'finished_at': None,
        } | changes
        self.tables['tasks'][task['id']] = task
        return task

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
        table = self.tables[parts[1]]
        if len(parts) == 2:
            if method == 'POST':
                return self._create(parts[1], dict(body[parts[1][:-1]]))
            return self._list(parts[1], query)
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

    def _list(self, name: str, query: dict[str, str]) -> Answer:
        rows = list(self.tables[name].values())
        for key, value in query.items():
            if key not in ('limit', 'marker', 'sort', 'all_projects'):
                rows = [row for row in rows if str(row.get(key)) == value]
        for key in reversed(query.get('sort', '').split(',')):
            field, _, direction = key.partition(':')
            if field:
                rows.sort(
                    key=lambda row: row[field], reverse=direction == 'desc'
                )
        if 'marker' in query:
            ids = [row['id'] for row in rows]
            rows = rows[ids.index(query['marker']) + 1 :]
        limit = int(query.get('limit', 1000))
        if limit > 1000:
            raise keystone.Refusal(
                400, 'csbs.request.invalid', 'limit: 1000 at the most.'
            )
        page = rows[:limit]
        answer: dict[str, Any] = {name: page}
        if len(rows) > limit:
            more = urllib.parse.urlencode(
                query | {'marker': page[-1]['id'], 'limit': limit}
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

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

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
