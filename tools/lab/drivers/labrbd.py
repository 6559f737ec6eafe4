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

"""A Cinder driver for the lab: RBD with group snapshots of one instant.

It stands in for an array that has them. Cinder's own RBD driver has no such
method, so that Cinder makes one snapshot after another, about one a second.
Here the guests that use the volumes are suspended, which drains and flushes
what they wrote, all snapshots are made, and the guests go on. A writer that
is no guest is not held back.

Neither of the ways that librbd has will do: Ceph 16 cannot clone from its
group snapshots, and taking the exclusive locks makes a writer that waits for
one fail with EROFS.
"""

import contextlib
from typing import Any

from cinder.volume.drivers import rbd
from oslo_concurrency import processutils


class ConsistentRBDDriver(rbd.RBDDriver):
    """The stock driver, and groups."""

    VENDOR_VERSION = 'lab'

    def _update_volume_stats(self) -> None:
        super()._update_volume_stats()
        self._stats['consistent_group_snapshot_enabled'] = True

    def create_group(self, context: Any, group: Any) -> dict[str, str]:
        """Note nothing: a group is only in Cinder's database."""
        return {'status': 'available'}

    def update_group(
        self,
        context: Any,
        group: Any,
        add_volumes: Any = None,
        remove_volumes: Any = None,
    ) -> tuple[None, None, None]:
        """Note nothing: a group is only in Cinder's database."""
        return None, None, None

    def delete_group(
        self, context: Any, group: Any, volumes: list[Any]
    ) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Delete the volumes of a group."""
        for volume in volumes:
            self.delete_volume(volume)
        return {'status': 'deleted'}, [
            {'id': volume.id, 'status': 'deleted'} for volume in volumes
        ]

    def create_group_snapshot(
        self, context: Any, group_snapshot: Any, snapshots: list[Any]
    ) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Make all snapshots at one instant, or none."""
        servers = {
            attachment.instance_uuid
            for snapshot in snapshots
            for attachment in snapshot.volume.volume_attachment
            if attachment.instance_uuid
        }
        with contextlib.ExitStack() as images:
            pairs = [
                (
                    images.enter_context(
                        rbd.RBDVolumeProxy(self, snapshot.volume_name)
                    ),
                    snapshot.name,
                )
                for snapshot in snapshots
            ]
            with contextlib.ExitStack() as undo:
                with _suspended(servers):
                    for image, name in pairs:
                        image.create_snap(name)
                        undo.callback(_remove, image, name)
                for image, name in pairs:
                    image.protect_snap(name)
                undo.pop_all()
        return {'status': 'available'}, [
            {'id': snapshot.id, 'status': 'available'}
            for snapshot in snapshots
        ]

    def delete_group_snapshot(
        self, context: Any, group_snapshot: Any, snapshots: list[Any]
    ) -> tuple[dict[str, str], list[dict[str, str]]]:
        """Delete the snapshots one by one."""
        for snapshot in snapshots:
            self.delete_snapshot(snapshot)
        return {'status': 'deleted'}, [
            {'id': snapshot.id, 'status': 'deleted'} for snapshot in snapshots
        ]


def _remove(image: Any, name: str) -> None:
    if image.is_protected_snap(name):
        image.unprotect_snap(name)
    image.remove_snap(name)


@contextlib.contextmanager
def _suspended(servers: set[str]) -> Any:
    """Hold those of the servers that run."""
    with contextlib.ExitStack() as held:
        for server in sorted(servers):
            if _is_running(server):
                _virsh('suspend', server)
                held.callback(_virsh, 'resume', server)
        yield


def _is_running(server: str) -> bool:
    try:
        return _virsh('domstate', server).strip() == 'running'
    except processutils.ProcessExecutionError:
        # A server that was never started is not known to libvirt.
        return False


def _virsh(*arguments: str) -> str:
    out, _err = processutils.execute(
        'virsh', '-c', 'qemu:///system', *arguments, timeout=30
    )
    return out
