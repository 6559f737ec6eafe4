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

"""Volumes attached to this host, read and written.

Owns attachments from the request to Cinder to the open device: os-brick
connects whatever the storage speaks, Ceph is spoken to directly. Every
attachment is in the ledger before it exists.

The second attachment of a volume that a server has is how a volume is
restored in place. It is made as Nova makes the one for a live migration: for
the same server, with the connector in the request that creates it, since
Cinder refuses to add one later. It is completed at once, because snapshots
and Nova's own detaching are refused before.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import logging
import os
import pathlib
import platform
import sys
import threading
from typing import Any

import os_brick
from os_brick import exception as brick_exception
from os_brick.initiator import connector as brick_connector
from oslo_concurrency import lockutils
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_privsep import daemon
from oslo_privsep import priv_context
from oslo_utils import netutils

from csbs import conf as csbs_conf
from csbs import exception
from csbs.cloud import base
from csbs.cloud import disk
from csbs.cloud.openstack import clients
from csbs.cloud.openstack import privileged
from csbs.cloud.openstack import rbd
from csbs.cloud.openstack import temporary
from csbs.domain import model
from csbs.store import volume as store_volume

LOG = logging.getLogger(__name__)

_RBD = 'rbd'

_BRICK_ERRORS = (
    OSError,
    brick_exception.BrickException,
    daemon.FailedToDropPrivileges,
    processutils.ProcessExecutionError,
    # of what it knows nothing about
    ValueError,
)


class Attacher:
    """Attaches volumes to this host."""

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        own: clients.Clients,
        ceph: rbd.Cluster | None,
    ) -> None:
        self._conf = conf
        self._section = conf.openstack
        self._clients = own
        self._ceph = ceph
        self._setup_lock = threading.Lock()
        self._ready = False

    @contextlib.contextmanager
    def opened(
        self,
        volume: Mapping[str, Any],
        ledger: base.Ledger,
        *,
        server_id: str | None = None,
        writable: bool = False,
    ) -> Iterator[Any]:
        """Attach a volume and open it as a VolumeReader or VolumeWriter.

        :param volume: Cinder's description
        :param server_id: the server that has it already
        :raises CloudError: when it cannot be attached
        :raises OSError: when it cannot be opened
        """
        cinder = self._clients.service().cinder
        with temporary.planned(
            ledger,
            model.ResourceKind.ATTACHMENT,
            volume_id=volume['id'],
            server_id=server_id,
            host=self._conf.host,
        ) as entry:
            connector = self._connector(volume)
            what = f'Volume {volume["id"]} to be attached'
            with temporary.asked(ledger, entry, what):
                made = cinder.attachments.create(
                    volume['id'],
                    connector,
                    server_id,
                    'rw' if writable else 'ro',
                )
            ledger.update(entry, attachment_id=made['id'])
            with clients.translated(what):
                cinder.attachments.complete(made['id'])
            with self._connected(made['connection_info'], writable) as found:
                yield found

    def discard(self, data: Mapping[str, Any]) -> bool:
        """Take an attachment back; fine when it is gone.

        :param data: the ledger entry's
        :returns: whether there was one to be taken back
        :raises CloudError: when it is there and cannot be taken back
        """
        attachments = self._clients.service().cinder.attachments
        if data.get('attachment_id'):
            ids = [data['attachment_id']]
        else:
            # The answer to the request was lost, if it was ever sent.
            ids = self._ours(data)
        for attachment_id in ids:
            with (
                contextlib.suppress(clients.Missing),
                clients.translated(f'Attachment {attachment_id}'),
            ):
                attachments.delete(attachment_id)
        return bool(ids)

    def _ours(self, data: Mapping[str, Any]) -> list[str]:
        """Return attachments of a volume that nobody knows the ids of.

        They are not Nova's, and nobody has completed them: csbs does that as
        soon as it knows the id, so another task's is not among them.
        """
        api, server_id = self._clients.service(), data.get('server_id')
        with clients.translated(f'The attachments of {data["volume_id"]}'):
            found = api.cinder.attachments.list(
                search_opts={
                    'volume_id': data['volume_id'],
                    'all_tenants': True,
                },
                detailed=True,
            )
        novas = set()
        if server_id:
            with (
                contextlib.suppress(clients.Missing),
                clients.translated(f'The volumes of server {server_id}'),
            ):
                novas = {
                    each.attachment_id
                    for each in api.nova.volumes.get_server_volumes(server_id)
                }
        return [
            each.id
            for each in found
            if each.instance == server_id
            and each.id not in novas
            and each.status != 'attached'
        ]

    def _connector(self, volume: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the storage has to know of this host."""
        plain = {
            'host': self._conf.host,
            'ip': self._section.my_ip or netutils.get_my_ipv4(),
            'platform': platform.machine(),
            'os_type': sys.platform,
            'multipath': self._section.use_multipath,
            'do_local_attach': False,
        }
        if self._ceph and self._ceph.locate(volume):
            return plain
        self._setup()
        try:
            found: dict[str, Any] = brick_connector.get_connector_properties(
                self._section.root_helper,
                plain['ip'],
                plain['multipath'],
                False,
                host=plain['host'],
            )
        except _BRICK_ERRORS as error:
            raise exception.CloudError(
                f'os-brick cannot tell what this host can attach: {error}'
            ) from error
        return {**found, 'do_local_attach': False}

    @contextlib.contextmanager
    def _connected(
        self, connection: Mapping[str, Any], writable: bool
    ) -> Iterator[store_volume.VolumeReader]:
        protocol = str(connection.get('driver_volume_type'))
        if protocol == _RBD and self._ceph:
            pool, _slash, name = str(connection['name']).partition('/')
            if pool in self._conf.rbd.pools:
                image = rbd.Image(pool, name)
                with (
                    self._ceph.writer(image)
                    if writable
                    else self._ceph.reader(image, None)
                ) as found:
                    yield found
                return
        self._setup()
        try:
            connector = brick_connector.InitiatorConnector.factory(
                protocol,
                self._section.root_helper,
                use_multipath=self._section.use_multipath,
                conn=dict(connection),
                do_local_attach=False,
                nfs_mount_point_base=os.path.join(
                    self._conf.state_path, 'mnt'
                ),
            )
        except _BRICK_ERRORS as error:
            raise exception.CloudError(
                f'os-brick cannot connect the volume: {error}'
            ) from error
        with _device(connector, connection) as path:
            if protocol == _RBD:
                name = str(connection['name'])
                yield rbd.Writer(rbd.Library(), path.rbd_image, name)
                return
            if connection.get('format') not in (None, 'raw'):
                raise exception.CloudError(
                    f'The volume is a {connection["format"]} file; csbs '
                    'reads raw ones only.'
                )
            with _accessible(str(path)):
                flags = os.O_RDWR if writable else os.O_RDONLY
                with disk.opened(pathlib.Path(path), flags) as handle:
                    yield disk.DiskWriter(handle)

    def _setup(self) -> None:
        """Prepare what os-brick and its privileged process need, once.

        Both know only the global configuration.
        """
        with self._setup_lock:
            if self._ready:
                return
            published = csbs_conf.publish(self._conf)
            locks = os.path.join(self._conf.state_path, 'locks')
            os.makedirs(locks, mode=0o700, exist_ok=True)
            lockutils.set_defaults(lock_path=locks)
            os_brick.setup(published)
            helper = self._section.root_helper.split()
            priv_context.init(root_helper=[] if os.geteuid() == 0 else helper)
            self._ready = True


@contextlib.contextmanager
def _device(connector: Any, connection: Mapping[str, Any]) -> Iterator[Any]:
    """Connect a volume to this host; give its path, or what serves as one."""
    properties = dict(connection)
    try:
        device = connector.connect_volume(properties)
    except _BRICK_ERRORS as error:
        raise exception.CloudError(
            f'os-brick cannot connect the volume: {error}'
        ) from error
    failed = True
    try:
        yield device['path']
        failed = False
    finally:
        try:
            connector.disconnect_volume(
                properties, device, force=failed, ignore_errors=failed
            )
        except _BRICK_ERRORS as error:
            # What was read or written is not the worse for it, and the
            # storage lets go of the connection with the attachment.
            LOG.warning('os-brick cannot disconnect a volume: %s', error)


@contextlib.contextmanager
def _accessible(path: str) -> Iterator[None]:
    """Let the service's user open a device for a while."""
    me = os.geteuid()
    if me == 0 or os.access(path, os.R_OK | os.W_OK):
        yield
        return
    before = privileged.give(path, me)
    try:
        yield
    finally:
        privileged.give(path, before)
