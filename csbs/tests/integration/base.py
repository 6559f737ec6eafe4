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

"""csbs' services as real processes, on a real cloud.

Owns one set of services for a class of tests: an API, a scheduler and two
protection services on RabbitMQ and a database server.
"""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from typing import Any
import uuid

import requests
import sqlalchemy as sa

from csbs import conf as csbs_conf
from csbs import service
from csbs.cloud import disk
from csbs.db import backups as db_backups
from csbs.db import models
from csbs.db import vaults as db_vaults
from csbs.protection import repositories
from csbs.tests import base
from csbs.tests.functional import processes
from csbs.tests.integration import cloud

_BIN = pathlib.Path(sys.executable).parent

_CONFIG = """
[DEFAULT]
debug = false
host = {host}
state_path = {state}
transport_url = {transport}
log_file = {state}/{host}.log
control_exchange = {prefix}
[api]
auth_strategy = keystone
response_validation = error
[database]
connection = {database}
[keystone_authtoken]
auth_type = password
auth_url = {auth_url}
username = {username}
password = {password}
user_domain_id = default
project_id = {project_id}
service_token_roles = service
service_token_roles_required = true
[protection]
cloud = openstack
poll_interval = 1
heartbeat_interval = 1
search_interval = 15
{protection}
[scheduler]
interval = 1
{scheduler}
[store]
backend = swift
collect_grace = 0
{store}
[swift]
auth_section = openstack
container_prefix = {prefix}-
region_name = {region}
valid_interfaces = public
[vault_keys]
manager = castellan
auth_section = openstack
[barbican]
barbican_region_name = {region}
barbican_endpoint_type = public
[openstack]
auth_type = password
auth_url = {auth_url}
username = {username}
password = {password}
user_domain_id = default
project_id = {project_id}
region_name = {region}
valid_interfaces = public
my_ip = 127.0.0.1
settle = 20
{openstack}
[rbd]
pools = {pools}
"""


class IntegrationTestCase(base.TestCase):
    """A class of tests that shares one cloud and one set of services.

    :cvar rbd: whether csbs takes the short way to volumes in Ceph
    :cvar workers: how many protection services there are
    :cvar options: more lines of the configuration, by section
    :cvar alone: whether no other class of tests may run at the same time
    """

    rbd = True
    workers = 1
    options: dict[str, str] = {}
    alone = False
    cloud: cloud.Cloud
    owner: cloud.User

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        with contextlib.ExitStack() as undo:
            undo.enter_context(cloud.turn(alone=cls.alone))
            cls.cloud = cloud.Cloud()
            undo.callback(cls.cloud.close)
            cls.state = pathlib.Path(
                undo.enter_context(tempfile.TemporaryDirectory())
            )
            cls.owner = cls.cloud.user('owner')
            cls.port = processes.free_port()
            cls.processes: dict[str, subprocess.Popen[bytes]] = {}
            cls.database = undo.enter_context(_database(cls.cloud.prefix))
            cls.configure()
            undo.callback(cls.stop_services)
            cls.start_services()
            cls.make_more()
            cls._undo = undo.pop_all()

    @classmethod
    def tearDownClass(cls) -> None:
        cls._undo.close()
        super().tearDownClass()

    @classmethod
    def make_more(cls) -> None:
        """Make what all tests of the class need; for subclasses."""

    @classmethod
    def configure(cls) -> None:
        """Write the configuration of every process."""
        values = {
            'state': cls.state,
            'prefix': cls.cloud.prefix,
            'database': cls.database,
            'transport': cloud.need('CSBS_TEST_TRANSPORT_URL'),
            'auth_url': cls.cloud.auth_url,
            'username': cls.cloud.service.name,
            'password': cls.cloud.service.password,
            'project_id': cls.cloud.service.auth['project_id'],
            'region': cls.cloud.region,
            'pools': cloud.need('CSBS_TEST_RBD_POOL') if cls.rbd else '',
            **{
                section: cls.options.get(section, '')
                for section in ('protection', 'store', 'openstack')
            },
            'scheduler': cls.options.get('scheduler', 'dead_after = 6'),
        }
        for host in ('api', 'scheduler', 'one', 'two'):
            path = cls.state / f'{host}.conf'
            path.write_text(_CONFIG.format(host=host, **values))
            path.chmod(0o600)

    @classmethod
    def start_services(cls) -> None:
        cls.run_program('csbs-manage', 'api', 'db', 'sync')
        cls.start('scheduler')
        for host in ('one', 'two')[: cls.workers]:
            cls.start(host)
        cls.start('api')

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                url = f'http://127.0.0.1:{cls.port}/healthcheck'
                return requests.get(url, timeout=5).ok
            return False

        cloud.wait_for(ready, 'the API to answer')

    @classmethod
    def stop_services(cls) -> None:
        for process in cls.processes.values():
            process.terminate()
        for name, process in cls.processes.items():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(60)
                raise AssertionError(f'{name} does not end') from None

    @classmethod
    def start(cls, host: str) -> None:
        """Start one service."""
        config = str(cls.state / f'{host}.conf')
        if host == 'api':
            command = [
                str(_BIN / 'python'),
                '-c',
                'import sys\n'
                'from cheroot import wsgi\n'
                'port = int(sys.argv.pop())\n'
                'from csbs.wsgi import api\n'
                "server = wsgi.Server(('127.0.0.1', port), api.application)\n"
                'server.start()\n',
                str(cls.port),
            ]
        else:
            program = 'scheduler' if host == 'scheduler' else 'protection'
            command = [
                str(_BIN / f'csbs-{program}'),
                '--config-file',
                config,
            ]
        with open(cls.state / f'{host}.out', 'ab') as output:
            cls.processes[host] = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**_environment(), 'OS_CSBS_CONFIG_FILES': config},
            )

    @classmethod
    def kill(cls, host: str) -> None:
        """Let a service die as in a power cut, children and all."""
        cls.send(host, signal.SIGKILL)
        cls.processes.pop(host).wait(60)

    @classmethod
    def send(cls, host: str, number: int) -> None:
        """Send a signal to a service and all its processes."""
        parent = cls.processes[host].pid
        for pid in [parent, *_children(parent)]:
            os.kill(pid, number)

    @classmethod
    def run_program(cls, program: str, host: str, *words: str) -> str:
        done = subprocess.run(
            [
                str(_BIN / program),
                '--config-file',
                str(cls.state / f'{host}.conf'),
                *words,
            ],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=cloud.DEADLINE,
            check=False,
        )
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        return done.stdout

    # What users do.

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        user: cloud.User | None = None,
        expect: int | None = None,
    ) -> Any:
        """Send a request as a user; return the body of the answer."""
        token = (user or self.owner).connection.session.get_token()
        answer = requests.request(
            method,
            f'http://127.0.0.1:{self.port}{path}',
            json=body,
            headers={'X-Auth-Token': token},
            timeout=180,
        )
        if expect is None:
            self.assertLess(answer.status_code, 300, answer.text)
        else:
            self.assertEqual(expect, answer.status_code, answer.text)
        return answer.json()

    def vault(self) -> str:
        """Return the id of the class's vault."""
        vaults = self.call('GET', '/v1/vaults')['vaults']
        if not vaults:
            body = {'vault': {'name': 'v', 'capacity_gb': 1000}}
            vaults = [self.call('POST', '/v1/vaults', body)['vault']]
        return str(vaults[0]['id'])

    def start_backup(self, server: Any, **fields: Any) -> dict[str, Any]:
        body = {
            'server_id': server.id,
            'vault_id': self.vault(),
            **fields,
        }
        backup: dict[str, Any] = self.call(
            'POST', '/v1/backups', {'backup': body}
        )['backup']
        return backup

    def back_up(self, server: Any, **fields: Any) -> dict[str, Any]:
        """Back a server up; return the backup, which must be available."""
        backup = self.start_backup(server, **fields)
        self.finish(backup)
        return self.backup(backup['id'])

    def backup(self, backup_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call('GET', f'/v1/backups/{backup_id}')[
            'backup'
        ]
        return found

    def start_restore(
        self, backup: dict[str, Any], **choices: Any
    ) -> dict[str, Any]:
        asked: dict[str, Any] = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/restore',
            {'restore': choices},
        )['backup']
        return asked

    def start_new_server(
        self, backup: dict[str, Any], **choices: Any
    ) -> dict[str, Any]:
        asked: dict[str, Any] = self.call(
            'POST',
            f'/v1/backups/{backup["id"]}/servers',
            {'server': choices},
        )['backup']
        return asked

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call('GET', f'/v1/tasks/{task_id}')[
            'task'
        ]
        return found

    def finish(
        self, asked: dict[str, Any], status: str = 'succeeded'
    ) -> dict[str, Any]:
        """Wait for a task to end; return it."""

        def over() -> dict[str, Any] | None:
            with contextlib.suppress(requests.ConnectionError):
                task = self.task(asked['task_id'])
                return task if task['finished_at'] else None
            return None

        task: dict[str, Any] = cloud.wait_for(
            over, f'task {asked["task_id"]} to end', 2 * cloud.DEADLINE
        )
        self.assertEqual(status, task['status'], f'{task}\n{self.logs()}')
        return task

    # What tests look at.

    def logs(self) -> str:
        """Return the ends of the services' logs."""
        return '\n'.join(
            f'=== {path.name}\n' + path.read_text()[-4000:]
            for path in sorted(self.state.glob('*.log'))
        )

    @contextlib.contextmanager
    def disks_of(self, backup_id: str) -> Iterator[dict[str, pathlib.Path]]:
        """Give the disks in a backup as sparse files, by device."""
        conf = csbs_conf.load(
            default_config_files=[str(self.state / 'one.conf')]
        )
        rt = service.build_runtime(conf)
        backup = db_backups.get(rt.db, backup_id)
        vault = db_vaults.get(rt.db, backup.vault_id)
        with tempfile.TemporaryDirectory(dir=self.state) as folder:
            found = {}
            with repositories.opened(rt, vault) as repo:
                manifest = repo.manifest(uuid.UUID(backup.id))
                for item in backup.items:
                    path = pathlib.Path(folder, os.path.basename(item.device))
                    stored = next(
                        one for one in manifest.items if str(one.id) == item.id
                    )
                    disk.create(path, stored.size)
                    with disk.writer(path) as writer:
                        repo.restore_item(stored, writer)
                    found[path.name] = path
            rt.db.dispose()
            yield found

    def leftovers(self) -> list[str]:
        """Return what csbs has in the cloud for a while, and in its ledger."""
        found = []
        engine = sa.create_engine(self.database)
        with engine.connect() as link:
            for table in (models.Resource, models.ServerLock):
                rows = link.execute(sa.select(table.__table__))
                found += [f'{table.__tablename__} {row}' for row in rows]
            ids = link.scalars(sa.select(models.Task.id))
            tasks = {f'csbs-{task_id}' for task_id in ids}
        engine.dispose()
        blocks = self.cloud.admin.block_storage
        for kind, things in (
            ('volume', blocks.volumes(all_projects=True)),
            ('snapshot', blocks.snapshots(all_projects=True)),
            ('group', blocks.groups(all_projects=True)),
        ):
            found += [
                f'{kind} {each.name}'
                for each in things
                # Without its end the mark is that of the task.
                if str(each.name).rpartition('-')[0] in tasks
            ]
        return found

    def assert_nothing_left(self) -> None:
        """See that nothing temporary is left, at the latest in a minute."""
        cloud.wait_for(
            lambda: not self.leftovers(),
            f'nothing to be left: {self.leftovers()}',
            90,
        )

    def volume_ids(self, server: Any) -> list[str]:
        """Return the ids of a server's volumes by device."""
        attached = self.owner.connection.compute.volume_attachments(server)
        return [
            each.volume_id
            for each in sorted(attached, key=lambda each: each.device)
        ]


def _environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONUNBUFFERED': '1'}


def _children(pid: int) -> list[int]:
    direct = [
        int(child)
        for path in pathlib.Path(f'/proc/{pid}/task').glob('*/children')
        for child in path.read_text().split()
    ]
    return [*direct, *(g for child in direct for g in _children(child))]


@contextlib.contextmanager
def _database(prefix: str) -> Iterator[str]:
    """Make a database beside the one that is given; give its URL."""
    url = sa.make_url(cloud.need('CSBS_TEST_DATABASE_URL'))
    name = f'{url.database}_{prefix.replace("-", "_")}'
    engine = sa.create_engine(url, isolation_level='AUTOCOMMIT')
    with engine.connect() as link:
        link.execute(sa.text(f'CREATE DATABASE {name}'))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as link:
            link.execute(sa.text(f'DROP DATABASE {name}'))
        engine.dispose()
