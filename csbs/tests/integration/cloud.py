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

"""A real OpenStack for tests: users of one's own, servers, disks.

Any cloud will do that ``OS_CLOUD`` or the usual ``OS_*`` variables lead to,
as an administrator who may make projects and users; without them every test
skips. What else is needed comes from the environment:

``CSBS_TEST_IMAGE``, ``CSBS_TEST_FLAVOR``
    An image with the guest of ``tools/lab`` and a flavor without a disk.
``CSBS_TEST_DATABASE_URL``, ``CSBS_TEST_TRANSPORT_URL``
    A database, beside which more may be made whose names begin like its
    own, and a message bus for csbs' services.
``CSBS_TEST_RBD_POOL``
    Where Cinder keeps its volumes in Ceph; without it the tests of the short
    way to Ceph skip.
``CSBS_TEST_LAB``
    The program that stops and starts services of the lab; without it the
    tests of outages skip.
``CSBS_TEST_OUTAGE``
    For how many seconds they stop each, such as 60; without it they skip.
    The services of OpenStack themselves do not always come through it well,
    so that other tests may fail after it.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import datetime
import fcntl
import os
import pathlib
import random
import secrets
import subprocess
import tempfile
import time
from typing import Any
import unittest

import openstack
from openstack import exceptions
from os_brick.initiator import connector

#: seconds after which a test that waits for the cloud gives up
DEADLINE = 300
GIB = 1 << 30

_SERVICE_ROLES = ('admin', 'service')


def wait_for(
    look: Callable[[], Any],
    what: str,
    timeout: float = DEADLINE,
    pause: float = 0.3,
) -> Any:
    """Return what ``look`` finds once it finds something."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'Waited too long for {what}.')
        time.sleep(pause)


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for those that want the cloud for themselves, or be one."""
    path = pathlib.Path(tempfile.gettempdir(), 'csbs-integration.lock')
    with open(path, 'a') as lock:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH

        def had() -> bool:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                return True
            return False

        wait_for(had, 'the other tests', 12 * DEADLINE, pause=1)
        yield


def need(name: str) -> str:
    """Return a variable of the environment, or skip the test."""
    value = os.environ.get(name)
    if not value:
        raise unittest.SkipTest(f'{name} is not set')
    return value


class User:
    """A user with a project of its own."""

    def __init__(self, cloud: 'Cloud', name: str, *roles: str) -> None:
        identity = cloud.admin.identity
        self.password = secrets.token_hex(16)
        self.name = f'{cloud.prefix}-{name}'
        self.project = identity.create_project(
            name=self.name, domain_id='default'
        )
        self.user = identity.create_user(
            name=self.name, password=self.password, domain_id='default'
        )
        for role in roles:
            cloud.grant(self.user, self.project, role)
        self.auth = {
            'auth_url': cloud.auth_url,
            'username': self.name,
            'password': self.password,
            'project_id': self.project.id,
            'user_domain_id': 'default',
        }
        self.connection = cloud.connect(self.auth)


class Cloud:
    """The cloud with what a class of tests makes in it."""

    def __init__(self) -> None:
        if not (os.environ.get('OS_CLOUD') or os.environ.get('OS_AUTH_URL')):
            raise unittest.SkipTest('no cloud is given: set OS_CLOUD or OS_*')
        self.admin = openstack.connect(
            compute_default_microversion='2.90',
            block_storage_default_microversion='3.68',
        )
        self.auth_url = self.admin.auth['auth_url']
        self.region = self.admin.config.get_region_name()
        self.prefix = f'csbs-it-{secrets.token_hex(3)}'
        self._undo = contextlib.ExitStack()
        self._undo.callback(self._remove_users)
        self.users: list[User] = []
        self.image = self.admin.image.find_image(
            os.environ.get('CSBS_TEST_IMAGE', 'lab-tiny'),
            ignore_missing=False,
        )
        self.flavor = self.admin.compute.find_flavor(
            os.environ.get('CSBS_TEST_FLAVOR', 'lab.tiny'),
            ignore_missing=False,
        )
        self.service = self._make_service_user()

    def close(self) -> None:
        """Remove all that was made."""
        self._undo.close()

    def undo(self, *call: Any) -> None:
        """Call this at the end."""
        self._undo.callback(*call)

    def user(self, name: str) -> User:
        """Make a user like those a cloud is full of."""
        roles = ['member']
        if self.admin.identity.find_role('creator'):
            roles.append('creator')
        user = User(self, name, *roles)
        self.users.append(user)
        self.admin.block_storage.update_quota_set(
            user.project.id, volumes=100, snapshots=100, gigabytes=2000
        )
        self.undo(self.remove_servers, user)
        return user

    def data_image(self, user: User, *files: str) -> Any:
        """Make an image of a small file system with empty files in it."""
        with tempfile.TemporaryDirectory() as folder:
            root, path = pathlib.Path(folder, 'root'), f'{folder}/image'
            root.mkdir()
            for name in files:
                (root / name).touch()
            subprocess.run(
                [
                    *('mke2fs', '-q', '-F', '-t', 'ext4', '-d', str(root)),
                    *('-O', '^has_journal', path, '64M'),
                ],
                check=True,
                timeout=60,
                env=_with_sbin(),
            )
            image = user.connection.image.create_image(
                f'{self.prefix}-data',
                filename=path,
                disk_format='raw',
                container_format='bare',
                wait=True,
                timeout=DEADLINE,
            )
        self.undo(user.connection.image.delete_image, image)
        return image

    def network(self, user: User, name: str, cidr: str) -> Any:
        """Make a network with a subnet."""
        network = user.connection.network.create_network(
            name=f'{self.prefix}-{name}'
        )
        self.undo(user.connection.network.delete_network, network)
        user.connection.network.create_subnet(
            network_id=network.id, cidr=cidr, ip_version=4, enable_dhcp=False
        )
        return network

    def volume(self, user: User, name: str, **more: Any) -> Any:
        """Make a volume.

        An encrypted one fails at times: QEMU measures how long it takes to
        make its key, and on a busy machine cannot.
        """
        try:
            return self._volume(user, name, more)
        except exceptions.ResourceFailure:
            return self._volume(user, name, more)

    def _volume(self, user: User, name: str, more: Any) -> Any:
        blocks = user.connection.block_storage
        volume = blocks.create_volume(name=name, **{'size': 1, **more})
        return blocks.wait_for_status(
            volume, 'available', ['error'], interval=0.3, wait=DEADLINE
        )

    def server(
        self,
        user: User,
        name: str,
        disks: list[Any],
        networks: Any = 'none',
        **more: Any,
    ) -> Any:
        """Make a server of volumes and wait until its guest runs."""
        compute = user.connection.compute
        server = compute.create_server(
            name=name,
            flavor_id=self.flavor.id,
            networks=networks,
            block_device_mapping=[
                {
                    'uuid': disk.id,
                    'source_type': 'volume',
                    'destination_type': 'volume',
                    'boot_index': -1 if number else 0,
                    'delete_on_termination': False,
                }
                for number, disk in enumerate(disks)
            ],
            **more,
        )
        compute.wait_for_server(server, interval=0.5, wait=DEADLINE)
        self.wait_for_boots(user, server, 1)
        return server

    def wait_for_boots(self, user: User, server: Any, count: int) -> str:
        """Wait until the guest has booted so often; return the console."""

        def look() -> str | None:
            with contextlib.suppress(exceptions.ConflictException):
                text: str = user.connection.compute.get_server_console_output(
                    server.id
                )['output']
                if text.count('LAB-BOOT-OK') >= count:
                    return text
            return None

        found: str = wait_for(look, f'{server.name} to boot', pause=1)
        return found

    @contextlib.contextmanager
    def attached(self, volume_id: str) -> Iterator[Any]:
        """Attach a volume that no server has; give a raw file object."""
        blocks = self.admin.block_storage
        made = blocks.create_attachment(
            volume_id,
            connector={'host': 'tests', 'do_local_attach': False},
            mode='rw',
        )
        try:
            link = connector.InitiatorConnector.factory(
                made.connection_info['driver_volume_type'],
                None,
                do_local_attach=False,
            )
            device = link.connect_volume(dict(made.connection_info))
            handle = device['path']
            try:
                yield handle
            finally:
                link.disconnect_volume(dict(made.connection_info), device)
        finally:
            blocks.delete_attachment(made)

    def grant(self, user: Any, project: Any, role: str) -> None:
        """Give a user a role in a project."""
        identity = self.admin.identity
        identity.assign_project_role_to_user(
            project, user, identity.find_role(role, ignore_missing=False)
        )

    def _make_service_user(self) -> User:
        service = User(self, 'service')
        identity = self.admin.identity
        own = identity.find_project('service', ignore_missing=False)
        for role in _SERVICE_ROLES:
            self.grant(service.user, own, role)
        for role in ('member', 'creator'):
            found = identity.find_role(role)
            if found:
                identity.put(
                    f'/OS-INHERIT/domains/default/users/{service.user.id}'
                    f'/roles/{found.id}/inherited_to_projects'
                )
        service.auth['project_id'] = own.id
        service.connection = self.connect(service.auth)
        self.users.append(service)
        self.undo(self._remove_vaults, service)
        return service

    def connect(self, auth: dict[str, str]) -> Any:
        """Return a connection as somebody."""
        return openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth=dict(auth),
            region_name=self.region,
            compute_default_microversion='2.90',
            block_storage_default_microversion='3.68',
        )

    def _remove_vaults(self, service: User) -> None:
        """Remove the containers of vaults, and the keys of this user."""
        objects = service.connection.object_store
        for container in list(objects.containers(prefix=self.prefix)):
            for each in list(objects.objects(container)):
                objects.delete_object(each, ignore_missing=True)
            objects.delete_container(container)
        secrets_of = service.connection.key_manager
        for secret in list(secrets_of.secrets()):
            if secret.name and secret.name.startswith('csbs vault '):
                mine = secret.to_dict().get('creator_id')
                if mine in (None, service.user.id):
                    secrets_of.delete_secret(secret)

    def fill(self, volume: Any, mib: int, seed: int) -> None:
        """Write so much that does not compress to a volume, from 64 MiB on.

        :param volume: one that no server has
        """
        chance = random.Random(seed)
        with self.attached(volume.id) as handle:
            handle.seek(64 << 20)
            for _piece in range(mib // 4):
                handle.write(chance.randbytes(4 << 20))
            handle.flush()

    def remove_servers(self, user: User) -> None:
        """Delete the servers and volumes of a user."""
        compute, blocks = user.connection.compute, self.admin.block_storage
        for server in list(compute.servers()):
            with contextlib.suppress(exceptions.NotFoundException):
                self.admin.compute.unlock_server(server.id)
                compute.delete_server(server)
                compute.wait_for_delete(server, interval=0.5, wait=DEADLINE)
        mine = {'all_tenants': True, 'project_id': user.project.id}
        for snapshot in list(blocks.snapshots(**mine)):
            blocks.delete_snapshot(snapshot)
            blocks.wait_for_delete(snapshot, interval=0.5, wait=DEADLINE)
        for volume in list(user.connection.block_storage.volumes()):
            with contextlib.suppress(exceptions.NotFoundException):
                user.connection.block_storage.delete_volume(volume)
                blocks.wait_for_delete(volume, interval=0.5, wait=DEADLINE)

    def _remove_users(self) -> None:
        for user in self.users:
            self.admin.identity.delete_user(user.user)
            self.admin.identity.delete_project(user.project)


def guest_file(disk: pathlib.Path, name: str) -> str:
    """Return a file from the file system in a disk image.

    :param disk: with an ext4 file system, in its first partition or bare
    """
    with open(disk, 'rb') as image:
        head = image.read(512)
    offset = 0
    if head[510:] == b'\x55\xaa' and head[450]:
        offset = 512 * int.from_bytes(head[454:458], 'little')
    done = subprocess.run(
        ['debugfs', '-R', f'cat {name}', f'{disk}?offset={offset}'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=_with_sbin(),
    )
    return done.stdout


def seconds(begin: str, end: str) -> float:
    """Return the seconds between two times of the API."""
    first, last = map(datetime.datetime.fromisoformat, (begin, end))
    return (last - first).total_seconds()


def _with_sbin() -> dict[str, str]:
    return {**os.environ, 'PATH': f'{os.environ["PATH"]}:/usr/sbin:/sbin'}


def lab(*words: str) -> None:
    """Run a command of the lab, or skip when there is none."""
    subprocess.run(
        [need('CSBS_TEST_LAB'), *words],
        check=True,
        timeout=DEADLINE,
        capture_output=True,
    )
