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

"""How the disks of a server of the local cloud are frozen.

Owns the copies' layout within the folder of one snapshot, and the judgement
of whether they are of one instant. Removes nothing: the ledger does.
"""

from collections.abc import Callable
from collections.abc import Sequence
import contextlib
import datetime
import errno
import logging
import os
import pathlib
import time

from csbs import exception
from csbs.cloud import base
from csbs.cloud import disk
from csbs.cloud import local_folder
from csbs.domain import model

LOG = logging.getLogger(__name__)


def freeze(
    folder: local_folder.Folder,
    volumes: Sequence[model.Volume],
    target: pathlib.Path,
    timeout: float,
    fallback: Callable[[], None],
) -> base.SnapshotSet:
    """Copy or clone all disks while those who write to them are held off.

    :param target: the folder to make, with a file for each volume
    :param timeout: seconds to wait for the writers
    :param fallback: called when they do not pause
    :raises CloudError: when a disk cannot be copied
    :raises OSError: when the folders cannot be used
    """
    target.mkdir()
    with contextlib.ExitStack() as stack:
        with local_folder.locked(folder.path, local_folder.LOCK_TIMEOUT):
            still = stack.enter_context(
                local_folder.quiet(folder.path, timeout)
            )
        begin = time.monotonic()
        if not still:
            fallback()
        now = local_folder.inspect(folder.path)
        taken_at = datetime.datetime.now(datetime.UTC)
        before = _marks(now)
        snapshots = {
            volume.id: _copy(now, volume.id, target) for volume in volumes
        }
        # not all who write ask for the lock; they are found out here
        still = still and _marks(now) == before
        seconds = time.monotonic() - begin
    if not still:
        LOG.warning(
            'The disks of server %s were perhaps written while copied',
            now.server.id,
        )
        consistency = model.Consistency.NONE
        method = model.SnapshotMethod.SEQUENTIAL
    elif now.server.status is model.ServerStatus.SHUTOFF:
        consistency = model.Consistency.SHUT_OFF
        method = model.SnapshotMethod.SHUT_OFF
    else:
        consistency = model.Consistency.CRASH_CONSISTENT
        method = model.SnapshotMethod.PAUSE
    return base.SnapshotSet(
        consistency,
        method,
        taken_at,
        snapshots,
        seconds if method is model.SnapshotMethod.PAUSE else None,
    )


def _copy(
    folder: local_folder.Folder, volume_id: str, target: pathlib.Path
) -> base.Snapshot:
    if volume_id not in folder.files:
        raise exception.VolumeUnreadable(
            id=volume_id,
            reason=folder.server.unprotectable
            or 'the server has no such volume any more',
        )
    try:
        size = disk.copy(folder.files[volume_id], target / f'{volume_id}.raw')
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise exception.CloudError(
                f'There is too little room in {target.parent} for a '
                f'snapshot of server {folder.server.name}.'
            ) from error
        raise exception.VolumeUnreadable(
            id=volume_id, reason=disk.why(error)
        ) from error
    return base.Snapshot(volume_id, size, f'{target.name}/{volume_id}')


def _marks(folder: local_folder.Folder) -> list[tuple[int, ...]]:
    found = [os.stat(path) for path in folder.files.values()]
    return [(f.st_ino, f.st_size, f.st_mtime_ns) for f in found]
