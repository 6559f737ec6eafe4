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

"""A real Swift for tests: all its servers, and a Keystone before them.

Swift is installed by ``tox -e functional-swift``.
"""

import atexit
from collections.abc import Mapping
import contextlib
import functools
import os
import pathlib
import pwd
import tempfile
from typing import Any
from typing import ClassVar
import unittest
import uuid

import fixtures
from oslo_config import cfg

from csbs import conf as csbs_conf
from csbs import service
from csbs.store.objects import base as objects_base
from csbs.tests import base
from csbs.tests.functional import faults
from csbs.tests.functional import identity
from csbs.tests.functional import processes
from csbs.tests.functional import stack

#: the storage policies, the default first
POLICIES = ('gold', 'silver')

#: who may use the account of the project ``service``
USER = 'backup'

_COMMON = """
[swift-hash]
swift_hash_path_suffix = csbs
[storage-policy:0]
name = gold
default = yes
[storage-policy:1]
name = silver
[swift-constraints]
container_listing_limit = 400
"""

_SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {user}
swift_dir = {folder}
workers = 0
"""

_STORAGE = """
devices = {folder}/devices
mount_check = false
disable_fallocate = true
recon_cache_path = {folder}
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[{kind}-updater]
recon_cache_path = {folder}
"""

_PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats bulk
    authtoken keystoneauth copy container-quotas slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:slo]
use = egg:swift#slo
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = member
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {auth_url}
auth_type = password
auth_url = {auth_url}
username = swift
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
token_cache_time = {token_cache}
"""

#: Swift reads policies from /etc when it is imported, whatever swift_dir is
_RUN = """
import importlib
import sys
from swift.common import utils
utils.set_swift_dir(sys.argv.pop(1))
from swift.common import constraints
from swift.common import storage_policy
constraints.reload_constraints()
storage_policy.reload_storage_policies()
kind = sys.argv.pop(1)
name = {
    'object': 'obj.server',
    'object-updater': 'obj.updater',
}.get(kind, f'{kind}.server')
importlib.import_module(f'swift.{name}').main()
"""

_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder, *rings = sys.argv[1:]
for ring in rings:
    name, port = ring.split('=')
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({
        'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port),
        'device': 'd1', 'weight': 1.0,
    })
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{name}.ring.gz')
"""


def missing() -> str | None:
    """Say why there can be no Swift here, or None."""
    with tempfile.NamedTemporaryFile() as file:
        try:
            os.setxattr(file.name, 'user.csbs', b'')
        except OSError as error:
            return (
                'The folder for temporary files keeps no extended '
                f'attributes, which Swift needs: {error.strerror}. TMPDIR '
                'can name another.'
            )
    return None


class Swift(fixtures.Fixture):
    """A Swift with one replica of everything, and two storage policies.

    :ivar url: of the proxy server
    :ivar proxy: the proxy server, to be stopped and started
    :ivar updates: stands before the container server
    :ivar keystone: the Keystone that knows its users
    :param expiration: seconds for which a token is valid
    :param token_cache: seconds for which it is not looked at again
    """

    def __init__(self, expiration: int = 3600, token_cache: int = 300) -> None:
        self._expiration = expiration
        self._token_cache = token_cache

    def _setUp(self) -> None:
        self.keystone = self.useFixture(identity.Keystone(self._expiration))
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'devices' / 'd1').mkdir(parents=True)
        (self.folder / 'swift.conf').write_text(_COMMON)
        ports = {
            kind: processes.free_port()
            for kind in ('account', 'container', 'object', 'proxy')
        }
        self.updates = self.useFixture(
            faults.FaultyProxy(f'http://127.0.0.1:{ports["container"]}')
        )
        self._make_rings(ports)
        for kind in ('account', 'container', 'object'):
            self._start(kind, ports[kind], _STORAGE)
        self.url = f'http://127.0.0.1:{ports["proxy"]}'
        for user, role in (('swift', 'admin'), (USER, 'member')):
            self.keystone.add_user(user, 'service', role)
        self.keystone.add_service(
            'object-store', 'swift', f'{self.url}/v1/AUTH_%(project_id)s'
        )
        for kind in ('account', 'container', 'object'):
            url = f'http://127.0.0.1:{ports[kind]}'
            stack.wait_for(
                functools.partial(processes.answers, url),
                f'the {kind} server to answer',
            )
        self.proxy = self._start('proxy', ports['proxy'], _PROXY)
        self.wait_until_ready()

    def _make_rings(self, ports: dict[str, int]) -> None:
        processes.run(
            'python',
            '-c',
            _RINGS,
            str(self.folder),
            f'account={ports["account"]}',
            f'container={self.updates.url.rpartition(":")[2]}',
            f'object={ports["object"]}',
            f'object-1={ports["object"]}',
        )

    def _start(self, kind: str, port: int, template: str) -> processes.Program:
        config = self.folder / f'{kind}-server.conf'
        config.write_text(
            (_SERVER + template).format(
                kind=kind,
                port=port,
                folder=self.folder,
                user=pwd.getpwuid(os.getuid()).pw_name,
                auth_url=self.keystone.url,
                password=identity.PASSWORD,
                token_cache=self._token_cache,
            )
        )
        return self.useFixture(
            processes.Program(
                self.folder / f'{kind}.out',
                'python',
                '-c',
                _RUN,
                str(self.folder),
                kind,
                str(config),
            )
        )

    def wait_until_ready(self) -> None:
        """Return when the proxy server answers."""
        stack.wait_for(
            lambda: processes.answers(f'{self.url}/healthcheck'),
            'Swift to answer',
        )

    def update_lists(self) -> None:
        """Tell the container server what it was not told before."""
        processes.run(
            'python',
            '-c',
            _RUN,
            str(self.folder),
            'object-updater',
            str(self.folder / 'object-server.conf'),
            '--once',
        )

    def section(self, **changes: Any) -> dict[str, Any]:
        """Return what the section [swift] has to say."""
        return {
            'auth_type': 'password',
            'region_name': identity.REGION,
            **self.keystone.credentials(USER, 'service'),
            **changes,
        }

    def logs(self) -> str:
        """Return what the servers printed."""
        parts = []
        for path in sorted(self.folder.glob('*.out')):
            with contextlib.suppress(OSError):
                parts.append(f'{path.name}:\n{path.read_text()}')
        return '\n'.join(parts)


@functools.cache
def shared() -> Swift:
    """Return the Swift that the tests of this process share."""
    cluster = Swift()
    cluster.setUp()
    atexit.register(cluster.cleanUp)
    return cluster


class SwiftTestCase(base.TestCase):
    """A test that opens containers as csbs does, and removes them."""

    #: what the section [swift] says, if it is not the shared Swift's
    section: Mapping[str, Any] | None = None
    cluster: ClassVar[Swift]
    _opened: ClassVar[dict[str, service.ObjectStores]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls._opened = {}
        if cls.section is None:
            # Not within a test: its temporary files go with it.
            reason = missing()
            if reason:
                raise unittest.SkipTest(reason)
            cls.cluster = shared()

    def setUp(self) -> None:
        self.prefix = f'{uuid.uuid4().hex}-'
        super().setUp()

    def configure(self, **changes: Any) -> cfg.ConfigOpts:
        """Return a configuration, read from a file."""
        section = {
            'container_prefix': 'test-',
            'retry_timeout': 60,
            **(self.section or self.cluster.section()),
            **changes,
        }
        lines = ['[store]', 'backend = swift', '[swift]']
        lines += [
            f'{name} = {value}'
            for name, value in section.items()
            if value is not None
        ]
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
            file.write('\n'.join(lines) + '\n')
            file.flush()
            return csbs_conf.load(default_config_files=[file.name])

    def stores(self, **changes: Any) -> service.ObjectStores:
        """Return what opens containers; a process has one for each way."""
        key = repr(sorted(changes.items()))
        if key not in self._opened:
            found = service.ObjectStores(self.configure(**changes))
            self._opened[key] = found
        return self._opened[key]

    def open_store(
        self, container: str, **changes: Any
    ) -> objects_base.ObjectStore:
        """Open a container of this test; it is gone after it."""
        store = self.stores(**changes)(self.prefix + container)
        self.addCleanup(self._remove, container)
        return store

    def _remove(self, container: str) -> None:
        store = self.stores()(self.prefix + container)
        store.delete_many([name for name, _size in store.list('')])
        store.drop()
