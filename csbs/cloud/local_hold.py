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


"""How a server of the local cloud is stopped for a restore, and let go.

Owns ``held`` in a server's description: who holds it now (``by``, None when
the last one left it half restored) and what it was like before (``before``).
That outlives the worker, so another one can take over and still knows
whether the server ran.
"""

from collections.abc import Mapping
import logging
import pathlib
from typing import Any

from csbs import exception
from csbs.cloud import local_folder
from csbs.domain import model

LOG = logging.getLogger(__name__)

_HELD = 'csbs is restoring this server'
_HALF = (
    'The last restore did not finish, so the disks are a mixture of old and '
    'new; restore the server again'
)


def power(on: Any) -> str:
    """Return the status of a server that is on, unless ``on`` is False."""
    status = model.ServerStatus
    return (status.SHUTOFF if on is False else status.ACTIVE).value


def stop(path: pathlib.Path, holder: str, timeout: float) -> None:
    """Stop and lock a server, on behalf of ``holder`` from now on.

    :param timeout: seconds to wait for those who write to the disks
    :raises CloudError: when they do not pause, or the server cannot be
        stopped
    :raises Unusable: when its description cannot be understood
    :raises OSError: when its description cannot be written
    """
    with local_folder.locked(path, local_folder.LOCK_TIMEOUT):
        description = local_folder.load(path)
        server = local_folder.inspect(path).server
        # a dead worker may have stopped it: what that one found counts
        before = (description.get('held') or {}).get('before') or {
            'status': server.raw_status,
            'locked': server.locked,
            'locked_reason': description.get('locked_reason'),
        }
        if server.status is model.ServerStatus.OTHER:
            raise exception.CloudError(
                f'Server {server.name} is {server.raw_status} and cannot be '
                'stopped.'
            )
        with local_folder.quiet(path, timeout) as still:
            if not still:
                raise exception.CloudError(
                    f'Server {server.name} cannot be stopped: something '
                    'keeps writing to its disks.'
                )
            local_folder.update(
                path,
                status=power(False),
                locked=True,
                locked_reason=_HELD,
                held={'by': holder, 'before': before},
            )
    LOG.info('Stopped and locked server %s for a restore', server.id)


def release(path: pathlib.Path, data: Mapping[str, Any]) -> None:
    """Let go of a server, if the ledger entry's holder still holds it.

    :param data: the entry's: holder, keep_stopped, power_on
    :raises Unusable: when its description cannot be understood
    :raises OSError: when its description cannot be written
    """
    with local_folder.locked(path, local_folder.LOCK_TIMEOUT):
        held = local_folder.load(path).get('held') or {}
        if held.get('by') != data['holder']:
            return  # never held, let go already, or held by another
        before = held['before']
        if data.get('keep_stopped'):
            local_folder.update(
                path,
                locked_reason=_HALF,
                held={'by': None, 'before': before},
            )
            LOG.warning('Left server %s half restored', data['server_id'])
            return
        power_on = data.get('power_on')
        local_folder.update(
            path,
            status=before['status'] if power_on is None else power(power_on),
            locked=before['locked'],
            locked_reason=before['locked_reason'],
            held=None,
        )
    LOG.info('Unlocked server %s', data['server_id'])
