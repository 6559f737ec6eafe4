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

"""All of csbs in one process, for tests."""

from collections.abc import Callable
import os
import pathlib
import random
import threading
import time
from typing import Any
import uuid

import fixtures
from oslo_config import cfg
import sqlalchemy as sa
from werkzeug import test as werkzeug_test

from csbs import conf as csbs_conf
from csbs import context as csbs_context
from csbs import service
from csbs.actions.runtime import Runtime
from csbs.api import app
from csbs.db import migration
from csbs.db import tasks as db_tasks
from csbs.domain import model
from csbs.domain import states
from csbs.protection import manager as protection_manager
from csbs.protection import runner
from csbs.protection.run import Run
from csbs.scheduler import manager as scheduler_manager
from csbs.tests import base

#: seconds after which a test that waits gives up
DEADLINE = 60


class StackFixture(fixtures.Fixture):
    """API, scheduler and protection in process, all real.

    In-memory messages, SQLite, a folder as store, a directory as cloud.

    :param start: whether the services run; without, a test calls them
    :param overrides: configuration by ``section.option``
    """

    def __init__(self, *, start: bool = True, **overrides: Any) -> None:
        self._start = start
        self._overrides = overrides

    def _setUp(self) -> None:
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.conf = self._configure()
        self.rt: Runtime = service.build_runtime(self.conf)
        self.addCleanup(self.rt.db.dispose)
        migration.sync(self.rt.db)
        self.servers = self.state / 'cloud' / 'servers'
        self.context = csbs_context.RequestContext(
            user_id='user', project_id='local', overwrite=False
        )
        self.http = werkzeug_test.Client(app.create_app(self.rt))
        self.scheduler = scheduler_manager.Manager(self.rt)
        self.protection = protection_manager.Manager(self.rt)
        if self._start:
            for part in (self.protection, self.scheduler):
                part.start()
                self.addCleanup(part.stop)

    def restart_protection(self) -> None:
        """Start a new worker after the first was stopped."""
        self.protection = protection_manager.Manager(self.rt)
        self.protection.start()
        self.addCleanup(self.protection.stop)

    def run_queue(self, limit: int | None = None) -> int:
        """Do what a worker does until the queue is empty.

        :param limit: tasks after which to stop
        :returns: how many were run
        """
        count = 0
        while limit is None or count < limit:
            task = db_tasks.claim(self.rt.db, 'worker')
            if task is None:
                break
            runner.execute(Run(self.rt, task, 'worker'))
            count += 1
        return count

    def _configure(self) -> cfg.ConfigOpts:
        conf = csbs_conf.new()
        conf([], project='csbs', default_config_files=[])
        for name, value in {
            'state_path': str(self.state),
            'host': 'test',
            'transport_url': 'fake:/',
            # The in-memory transport is shared by the whole process.
            'control_exchange': uuid.uuid4().hex,
            'api.auth_strategy': 'noauth',
            'api.response_validation': 'error',
            'local_cloud.path': str(self.state / 'cloud'),
            'scheduler.interval': 1,
            'protection.heartbeat_interval': 1,
            'protection.poll_interval': 1,
            'store.collect_grace': 0,
            **{
                name.replace('__', '.'): value
                for name, value in self._overrides.items()
            },
        }.items():
            group, _, option = name.rpartition('.')
            conf.set_override(option, value, group or None)
        return conf

    def make_server(self, name: str, disks: dict[str, bytes]) -> model.Server:
        """Put a server with these disks into the cloud."""
        folder = self.servers / name
        folder.mkdir(parents=True)
        for disk, content in disks.items():
            (folder / f'{disk}.raw').write_bytes(content)
        return next(
            server
            for server in self.rt.cloud.servers(self.context)
            if server.name == name
        )

    def wait_for_task(self, task_id: str) -> model.Task:
        """Return the task once it is over."""
        return wait_for(lambda: self._over(task_id), f'task {task_id} to end')

    def _over(self, task_id: str) -> model.Task | None:
        task = db_tasks.get(self.rt.db, task_id)
        return None if task.status in states.ACTIVE_TASK else task


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Return what ``look`` finds once it finds something."""
    deadline = time.monotonic() + DEADLINE
    pause, bell = 0.01, threading.Event()
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'Waited too long for {what}.')
        bell.wait(pause)
        pause = min(pause * 1.5, 0.25)


class StackTestCase(base.TestCase):
    """A test with all of csbs, and the main job's verbs over HTTP."""

    def make_stack(self, **kwargs: Any) -> StackFixture:
        """Make the process; ``self.stack`` from then on."""
        self.stack = self.useFixture(StackFixture(**kwargs))
        return self.stack

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: int,
    ) -> Any:
        """Send a request and return the body of its answer."""
        answer = self.stack.http.open(path, method=method, json=body)
        self.assertEqual(expect, answer.status_code, answer.text)
        return answer.json

    def error(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: int,
    ) -> dict[str, Any]:
        """Send a request that must fail and return its error."""
        answer = self.call(method, path, body, expect=expect)
        (error,) = answer['errors']
        self.assertEqual(expect, error['status'])
        self.assertTrue(error['request_id'].startswith('req-'))
        return error

    def make_vault(self, capacity_gb: int = 100) -> str:
        body = {'vault': {'name': 'v1', 'capacity_gb': capacity_gb}}
        return self.call('POST', '/v1/vaults', body, expect=201)['vault']['id']

    def start_backup(
        self, server_id: str, vault_id: str, **fields: Any
    ) -> dict[str, Any]:
        body = {
            'backup': {'server_id': server_id, 'vault_id': vault_id, **fields}
        }
        return self.call('POST', '/v1/backups', body, expect=202)['backup']

    def back_up(self, server_id: str, vault_id: str) -> dict[str, Any]:
        """Make a backup and return it available."""
        backup = self.start_backup(server_id, vault_id)
        self.finish(backup)
        backup = self.get_backup(backup['id'])
        self.assertEqual('available', backup['status'])
        return backup

    def get_backup(self, backup_id: str) -> dict[str, Any]:
        return self.call('GET', f'/v1/backups/{backup_id}', expect=200)[
            'backup'
        ]

    def get_vault(self, vault_id: str) -> dict[str, Any]:
        return self.call('GET', f'/v1/vaults/{vault_id}', expect=200)['vault']

    def finish(
        self, resource: dict[str, Any], status: str = 'succeeded'
    ) -> dict[str, Any]:
        """Wait for a resource's task and return it as the API shows it."""
        self.stack.wait_for_task(resource['task_id'])
        task = self.call(
            'GET', f'/v1/tasks/{resource["task_id"]}', expect=200
        )['task']
        self.assertEqual(status, task['status'], task)
        return task

    def restore(self, backup_id: str, **choices: Any) -> dict[str, Any]:
        """Restore in place and return the task."""
        backup = self.call(
            'POST',
            f'/v1/backups/{backup_id}/restore',
            {'restore': choices},
            expect=202,
        )['backup']
        return self.finish(backup)

    def delete_backup(self, backup_id: str) -> None:
        """Delete a backup and wait until it is gone."""
        backup = self.call('DELETE', f'/v1/backups/{backup_id}', expect=202)[
            'backup'
        ]
        self.finish(backup)
        self.error('GET', f'/v1/backups/{backup_id}', expect=404)

    def assert_nothing_temporary(self) -> None:
        """See that the ledger and the cloud hold nothing of csbs."""
        with self.stack.rt.db.reader() as session:
            left = session.execute(sa.text('SELECT * FROM resources'))
            self.assertEqual([], list(left))
            left = session.execute(sa.text('SELECT * FROM server_locks'))
            self.assertEqual([], list(left))
        cloud = self.stack.state / 'cloud'
        for folder in ('snapshots', 'volumes'):
            self.assertEqual([], os.listdir(cloud / folder))


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress and are the same every time."""
    return random.Random(seed).randbytes(size)
