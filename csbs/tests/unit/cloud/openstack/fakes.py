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


"""What the tests of the driver share: a cloud, the driver, a ledger, workers.

Owns what a dead worker is: one whose every further request and every further
line in the ledger never happens.
"""

from collections.abc import Callable
from collections.abc import Collection
import contextlib
import dataclasses
import datetime
import functools
import json
import logging
import pathlib
import sys
import threading
import time
from typing import Any
from unittest import mock
import uuid

import fixtures
from keystoneauth1 import session as ks_session

from csbs import conf as csbs_conf
from csbs import context as csbs_context
from csbs import exception
from csbs.cloud import base as cloud_base
from csbs.cloud.openstack import driver
from csbs.domain import model
from csbs.tests import base
from csbs.tests.unit.cloud.openstack.stub import cinder
from csbs.tests.unit.cloud.openstack.stub import cloud as stub
from csbs.tests.unit.cloud.openstack.stub import keystone
from csbs.tests.unit.cloud.openstack.stub import nova

PROJECT = uuid.uuid4().hex
OTHER_PROJECT = uuid.uuid4().hex

_CONFIG = """
[DEFAULT]
host = worker
state_path = {root}/state
[openstack]
auth_type = password
auth_url = {url}/identity/v3
username = csbs
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
region_name = r
my_ip = 127.0.0.1
{options}
[rbd]
{rbd}
"""

#: no waiting that a test does not ask for
OPTIONS = {
    'timeout': 1,
    'outage': 10,
    'snapshot_timeout': 2,
    'pause_timeout': 2,
    'volume_timeout': 3,
    'server_timeout': 3,
    'settle': 60,
}


#: how much shorter than in earnest the driver waits between two looks
_HASTE = 20


class _Clock:
    """The module ``time``, with pauses made shorter."""

    monotonic = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        threading.Event().wait(seconds / _HASTE)


class Died(BaseException):
    """The worker is dead; nothing that it does has an effect."""


class Life:
    """How many steps a worker still lives for.

    A step is a request, or a line in the ledger.
    """

    def __init__(self, steps: int | None = None) -> None:
        self.steps = steps
        self.done = 0

    def step(self) -> None:
        """Do one more, or be dead."""
        if self.steps is not None and self.done >= self.steps:
            raise Died
        self.done += 1


class _Adapter(ks_session.TCPKeepAliveAdapter):
    def __init__(self, life: Life, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._life = life

    def send(self, *args: Any, **kwargs: Any) -> Any:
        self._life.step()
        return super().send(*args, **kwargs)


class Ledger:
    """A ledger in memory, which may outlive the worker that writes it."""

    def __init__(self, life: Life | None = None) -> None:
        self.task_id = str(uuid.uuid4())
        self.entries: list[model.Resource] = []
        self.life = life or Life()
        self.cloud: cloud_base.Cloud | None = None
        self.context = csbs_context.RequestContext.for_service(PROJECT)
        #: called by check()
        self.wish: Callable[[], None] = lambda: None

    def check(self) -> None:
        self.wish()

    def plan(self, kind: model.ResourceKind, **data: Any) -> model.Resource:
        self.life.step()
        entry = model.Resource(
            id=str(uuid.uuid4()),
            task_id=self.task_id,
            kind=kind,
            data=json.loads(json.dumps(data)),
            created_at=datetime.datetime.now(datetime.UTC),
        )
        self.entries.append(entry)
        return entry

    def update(self, entry: model.Resource, **data: Any) -> model.Resource:
        self.life.step()
        for index, known in enumerate(self.entries):
            if known.id == entry.id:
                known = dataclasses.replace(
                    known,
                    data={**known.data, **json.loads(json.dumps(data))},
                )
                self.entries[index] = known
                return known
        raise AssertionError('There is no such entry.')

    def discard(self, entry: model.Resource) -> None:
        self.life.step()
        assert self.cloud is not None
        for known in list(self.entries):
            if known.id == entry.id:
                self.cloud.discard(self.context, known)
                self.keep(known)

    def keep(self, entry: model.Resource) -> None:
        self.life.step()
        self.entries = [it for it in self.entries if it.id != entry.id]

    def clear(self, *, but: Collection[str] = ()) -> None:
        """Take everything back that can be, the newest first."""
        for entry in reversed(list(self.entries)):
            if entry.id not in but:
                with contextlib.suppress(exception.CsbsError):
                    self.discard(entry)

    def grow_old(self) -> None:
        """Let so much time pass that no lost request comes true any more."""
        age = datetime.timedelta(seconds=OPTIONS['settle'] + 1)
        self.entries = [
            dataclasses.replace(it, created_at=it.created_at - age)
            for it in self.entries
        ]

    def kinds(self) -> list[str]:
        """Return what is in it."""
        return [str(entry.kind) for entry in self.entries]


@dataclasses.dataclass
class Worker:
    """A process that works, with its driver and its life."""

    driver: driver.OpenStackCloud
    life: Life


class OpenStackTestCase(base.TestCase):
    """A cloud with a driver that looks at it."""

    options: dict[str, Any] = {}
    rbd = ''

    def setUp(self) -> None:
        super().setUp()
        where = 'csbs.cloud.openstack'
        for name, value in (
            (f'{where}.clients.time', _Clock()),
            ('urllib3.util.retry.time', _Clock()),
            ('keystoneauth1.session.time', _Clock()),
            (f'{where}.pause._SETTLE', 0.2),
            # It looks at this machine, and wants to be root for that.
            ('os_brick.initiator.connector.get_connector_properties', _host),
        ):
            self.useFixture(fixtures.MonkeyPatch(name, value))
        # Client and server take turns in one process, at once.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(0.0002)
        # To write every request down takes longer than to send it.
        for name in (
            'keystoneauth',
            'novaclient',
            'os_brick',
            'stevedore',
            'urllib3',
        ):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.stub = self.make_stub()
        self.life = Life()
        self.driver = self.worker(self.life)
        self.ledger = self.make_ledger()
        self.backup_id = str(uuid.uuid4())
        self.context = self.user()

    def make_stub(self) -> stub.Cloud:
        """Return a new cloud in which csbs may act for the project."""
        made = stub.Cloud(
            pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        )
        self.useFixture(made)
        made.keystone.grant(PROJECT, 'member')
        return made

    def worker(
        self, life: Life | None = None, cloud: stub.Cloud | None = None
    ) -> driver.OpenStackCloud:
        """Return a driver as a new process would have it."""
        life, cloud = life or Life(), cloud or self.stub
        options = {**OPTIONS, **self.options}
        text = _CONFIG.format(
            root=cloud.root,
            url=cloud.url,
            password=keystone.PASSWORD,
            options='\n'.join(f'{it} = {options[it]}' for it in options),
            rbd=self.rbd,
        )
        path = cloud.root / 'csbs.conf'
        path.write_text(text)
        conf = csbs_conf.load(default_config_files=[str(path)])
        with mock.patch.object(
            ks_session,
            'TCPKeepAliveAdapter',
            functools.partial(_Adapter, life),
        ):
            made = driver.OpenStackCloud.from_conf(conf)
        for session in made._clients._sessions.values():
            # Looking for proxies takes longer, too.
            session.session.trust_env = False
        return made

    def make_ledger(
        self,
        cloud: driver.OpenStackCloud | None = None,
        life: Life | None = None,
    ) -> Ledger:
        ledger = Ledger(life)
        ledger.cloud = cloud or self.driver
        return ledger

    def user(
        self, project_id: str = PROJECT, **more: Any
    ) -> csbs_context.RequestContext:
        """Return the context of a user's request."""
        return csbs_context.RequestContext(
            project_id=project_id, is_admin=False, overwrite=False, **more
        )

    def task(self, token: str | None = None) -> csbs_context.RequestContext:
        """Return the context of a task for the project."""
        context = csbs_context.RequestContext.for_service(PROJECT)
        context.auth_token = token
        return context

    def make_server(
        self,
        *kinds: str,
        project_id: str = PROJECT,
        cloud: stub.Cloud | None = None,
        **more: Any,
    ) -> nova.Server:
        """Return a new server with a volume of each of these types."""
        cloud = cloud or self.stub
        volumes = [
            self.make_volume(f'disk-{number}', kind, project_id, cloud=cloud)
            for number, kind in enumerate(kinds or ('plain', 'plain'))
        ]
        return cloud.nova.make_server(project_id, *volumes, **more)

    def make_volume(
        self,
        name: str = 'disk',
        kind: str = 'plain',
        project_id: str = PROJECT,
        *,
        cloud: stub.Cloud | None = None,
        **more: Any,
    ) -> cinder.Volume:
        """Return a new volume with some bytes of its own."""
        cloud = cloud or self.stub
        volume = cloud.cinder.make_volume(project_id, name, kind, **more)
        with open(cloud.cinder.path(volume.id), 'r+b') as content:
            content.seek(4096)
            content.write(name.encode())
        return volume

    def get(self, server: nova.Server) -> model.Server:
        """Return a server as the driver sees it."""
        return self.driver.server(self.task(), server.id)

    def empty(
        self, ledger: Ledger, cloud: driver.OpenStackCloud | None = None
    ) -> None:
        """Take back what a ledger holds, as the sweeper does in the end."""
        ledger.life, ledger.cloud = Life(), cloud or self.driver
        ledger.clear()
        ledger.grow_old()
        ledger.clear()
        self.assertEqual([], ledger.entries)

    def freeze(
        self,
        server: nova.Server,
        context: csbs_context.RequestContext | None = None,
        **more: Any,
    ) -> cloud_base.SnapshotSet:
        """Freeze a server's volumes; see that it says when it falls back."""
        fallbacks: list[None] = []
        found = self.driver.snapshot(
            context or self.task(),
            self.get(server),
            self.ledger,
            **{
                'backup_id': self.backup_id,
                'allow_pause': False,
                'fallback': lambda: fallbacks.append(None),
                **more,
            },
        )
        fell = found.method == model.SnapshotMethod.SEQUENTIAL
        self.assertEqual(int(fell), len(fallbacks))
        self.assertEqual(
            fell, found.consistency == model.Consistency.NONE, found
        )
        self.assertEqual(
            {it.volume_id for it in server.disks}, found.snapshots.keys()
        )
        return found

    def read(
        self,
        snapshot: cloud_base.Snapshot,
        context: csbs_context.RequestContext | None = None,
    ) -> bytes:
        """Return the first bytes of what is in a snapshot."""
        with self.driver.open_snapshot(
            context or self.task(), snapshot, self.ledger
        ) as reader:
            content = bytearray(16)
            reader.read_into(4096, memoryview(content))
        return bytes(content.rstrip(b'\0'))

    def assert_unchanged(
        self, before: tuple[Any, ...], cloud: stub.Cloud | None = None
    ) -> None:
        """See that a cloud is as it was when :func:`state` was taken."""
        self.assertEqual(before, state(cloud or self.stub))


def _host(
    root_helper: str, my_ip: str, multipath: bool, *args: Any, host: str
) -> dict[str, Any]:
    return {'host': host, 'ip': my_ip, 'multipath': multipath}


def state(cloud: stub.Cloud) -> tuple[Any, ...]:
    """Return all that must be the same again after a task that failed."""
    cloud.pass_time()
    return (
        {
            one: (it.status, it.task_state, it.locked_by, it.locked_reason)
            for one, it in cloud.nova.servers.items()
        },
        {
            one: (it.name, it.status, it.group_id)
            for one, it in cloud.cinder.volumes.items()
        },
        {it.name for it in cloud.snapshots.all.values()},
        {it.name for it in cloud.groups.groups.values()},
        {it.name for it in cloud.groups.snapshots.values()},
        {it.id for it in cloud.attachments.all.values()},
    )
