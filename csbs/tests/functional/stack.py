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
import pathlib
import time
from typing import Any
import uuid

import fixtures
from oslo_config import cfg
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
from csbs.scheduler import manager as scheduler_manager

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

    def make_server(
        self, name: str, disks: dict[str, bytes]
    ) -> model.Server:
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
        return wait_for(
            lambda: self._over(task_id), f'task {task_id} to end'
        )

    def _over(self, task_id: str) -> model.Task | None:
        task = db_tasks.get(self.rt.db, task_id)
        return None if task.status in states.ACTIVE_TASK else task


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Return what ``look`` finds once it finds something."""
    deadline = time.monotonic() + DEADLINE
    pause = 0.01
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'Waited too long for {what}.')
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
