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

"""A Cinder driver for the lab: volumes that are block devices of this host.

It stands in for iSCSI and the like, which need what small kernels lack. A
volume is a sparse file on an XFS, attached as a loop device. Snapshots and
clones are files that share its blocks; making one is a single step in the
kernel, so that it is of one instant even while a guest writes.

The device's path is a link named after the volume, which stays the same when
the number of the loop device changes. All attachments of a volume share it;
the device goes with the last of them.
"""

import pathlib
from typing import Any

from cinder import coordination
from cinder.image import image_utils
from cinder.volume import driver
from cinder.volume import volume_utils
from oslo_concurrency import processutils
from oslo_config import cfg
from oslo_utils import units

OPTIONS = [
    cfg.StrOpt('loop_folder', help='Where volumes and their devices lie.'),
]


class LoopDriver(driver.VolumeDriver):
    """Volumes on loop devices, for one host."""

    VERSION = '1'
    VENDOR = 'lab'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    def do_setup(self, context: Any) -> None:
        """Find the folders."""
        folder = pathlib.Path(self.configuration.loop_folder)
        self._volumes = folder / 'volumes'
        self._devices = folder / 'devices'

    def check_for_setup_error(self) -> None:
        """Fail when files cannot share blocks here."""
        probe = self._volumes / 'probe'
        probe.touch()
        _clone(probe, self._volumes / 'probe2')
        for path in (probe, self._volumes / 'probe2'):
            path.unlink()

    def _update_volume_stats(self) -> None:
        blocks, _err = processutils.execute(
            'stat', '-f', '-c', '%b %a %S', self._volumes
        )
        total, free, size = (int(word) for word in blocks.split())
        self._stats = {
            'volume_backend_name': self.configuration.volume_backend_name,
            'vendor_name': self.VENDOR,
            'driver_version': self.VERSION,
            'storage_protocol': 'local',
            'pools': [
                {
                    'pool_name': 'loop',
                    'total_capacity_gb': total * size / units.Gi,
                    'free_capacity_gb': free * size / units.Gi,
                    'reserved_percentage': 0,
                    'thin_provisioning_support': True,
                    'max_over_subscription_ratio': '20.0',
                    'provisioned_capacity_gb': 0,
                    'multiattach': True,
                }
            ],
        }

    def local_path(self, volume: Any) -> str:
        """Return the path of a volume's file."""
        return str(self._volumes / volume.name)

    def create_volume(self, volume: Any) -> None:
        """Make a file of nothing but a hole."""
        _resize(self._volumes / volume.name, volume.size)

    def delete_volume(self, volume: Any) -> None:
        """Delete the file, and the device if one was left behind."""
        self._detach(volume)
        (self._volumes / volume.name).unlink(missing_ok=True)

    def create_snapshot(self, snapshot: Any) -> None:
        """Let a new file share the volume's blocks."""
        _clone(
            self._volumes / snapshot.volume_name,
            self._volumes / snapshot.name,
        )

    def delete_snapshot(self, snapshot: Any) -> None:
        """Delete the file."""
        (self._volumes / snapshot.name).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        """Let a new file share the snapshot's blocks."""
        path = self._volumes / volume.name
        _clone(self._volumes / snapshot.name, path)
        _resize(path, volume.size)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        """Let a new file share the other volume's blocks."""
        path = self._volumes / volume.name
        _clone(self._volumes / src_vref.name, path)
        _resize(path, volume.size)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Make the file longer, and the device if there is one."""
        _resize(self._volumes / volume.name, new_size)
        device = self._device(volume)
        if device:
            processutils.execute('losetup', '-c', device)

    def copy_image_to_volume(
        self,
        context: Any,
        volume: Any,
        image_service: Any,
        image_id: str,
    ) -> None:
        """Write an image into the file."""
        path = self._volumes / volume.name
        image_utils.fetch_to_raw(
            context,
            image_service,
            image_id,
            str(path),
            self.configuration.volume_dd_blocksize,
            size=volume.size,
        )
        _resize(path, volume.size)

    def copy_volume_to_image(
        self,
        context: Any,
        volume: Any,
        image_service: Any,
        image_meta: dict[str, Any],
    ) -> None:
        """Make the file an image."""
        volume_utils.upload_volume(
            context,
            image_service,
            image_meta,
            self.local_path(volume),
            volume,
        )

    def ensure_export(self, context: Any, volume: Any) -> None:
        """Attach the device of a volume in use again, after a reboot."""
        if volume.volume_attachment:
            self._attach(volume)

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        """Do nothing: a device is made when the first asks for it."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """Detach the device; Cinder calls this after the last detachment."""
        self._detach(volume)

    def initialize_connection(
        self, volume: Any, connector: Any
    ) -> dict[str, Any]:
        """Return where the device is, the same for all who ask."""
        return {
            'driver_volume_type': 'local',
            'data': {'device_path': str(self._attach(volume))},
        }

    def terminate_connection(
        self, volume: Any, connector: Any, **kwargs: Any
    ) -> bool:
        """Return whether others still use the device.

        The attachment that goes is still in the list.
        """
        volume.refresh()
        using = [a for a in volume.volume_attachment if a.connection_info]
        return len(using) > 1

    @coordination.synchronized('labloop-{volume.id}')
    def _attach(self, volume: Any) -> pathlib.Path:
        device = self._device(volume)
        if not device:
            device, _err = processutils.execute(
                'losetup', '-f', '--show', self._volumes / volume.name
            )
        link = self._devices / volume.name
        fresh = link.with_suffix('.new')
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(device.strip())
        fresh.replace(link)
        return link

    def _detach(self, volume: Any) -> None:
        device = self._device(volume)
        if device:
            processutils.execute('losetup', '-d', device)
        (self._devices / volume.name).unlink(missing_ok=True)

    def _device(self, volume: Any) -> str:
        """Return the device of a volume, or nothing."""
        path = self._volumes / volume.name
        if not path.exists():
            return ''
        out, _err = processutils.execute(
            'losetup', '-n', '-O', 'NAME', '-j', path
        )
        return out.strip()


def _clone(source: pathlib.Path, target: pathlib.Path) -> None:
    processutils.execute('cp', '--reflink=always', source, target)


def _resize(path: pathlib.Path, size_gb: int) -> None:
    processutils.execute('truncate', '-s', f'{size_gb}G', path)
