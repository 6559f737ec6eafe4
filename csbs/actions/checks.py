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

"""The preconditions that several verbs and the workers check alike."""

from csbs import exception
from csbs.db import paging
from csbs.domain import model

#: from here on the user is told that a server is large
LARGE_SERVER = 4 << 40

_GOOD_VOLUME = frozenset({'in-use', 'available'})


def server_ready(server: model.Server) -> None:
    """See that a server can be backed up or restored right now.

    :raises ServerUnprotectable: when it never can
    :raises ServerWrongState: when its state does not allow it
    :raises VolumeWrongState: when a volume's does not
    """
    server_bindable(server)
    for volume in server.volumes:
        if volume.status not in _GOOD_VOLUME:
            raise exception.VolumeWrongState(
                id=volume.id, status=volume.status
            )


def not_half_restored(server: model.Server) -> None:
    """See that a server's disks are not what a failed restore left.

    :raises ServerWrongState: when they are
    """
    if server.half_restored:
        raise exception.ServerWrongState(
            f'A restore of server {server.id} failed half way; restore it '
            'again first.'
        )


def vault_takes_backups(vault: model.Vault) -> None:
    """See that a vault takes new backups.

    :raises VaultUnavailable: when it is being deleted or broken
    :raises VaultExpired: when its term has ended
    """
    past = vault.expires_at is not None and (
        vault.expires_at <= paging.utcnow()
    )
    if vault.status == model.VaultStatus.EXPIRED or (
        past and vault.status == model.VaultStatus.AVAILABLE
    ):
        raise exception.VaultExpired(id=vault.id)
    if vault.status != model.VaultStatus.AVAILABLE:
        raise exception.VaultUnavailable(id=vault.id, status=vault.status)


def vault_stays(vault: model.Vault) -> None:
    """See that a vault is not being deleted.

    :raises VaultUnavailable: when it is
    """
    if vault.status == model.VaultStatus.DELETING:
        raise exception.VaultUnavailable(id=vault.id, status=vault.status)


def not_locked(vault: model.Vault, backup: model.Backup) -> None:
    """See that a backup is old enough for its vault to let it go.

    :raises BackupLocked: when it is not
    """
    until = vault.locked_until(backup)
    if until is not None and until > paging.utcnow():
        raise exception.BackupLocked(
            id=backup.id,
            vault_id=vault.id,
            until=until.isoformat('T', 'seconds'),
        )


def server_bindable(server: model.Server) -> None:
    """See that a policy may have a server.

    :raises ServerUnprotectable: when it can never be backed up
    :raises ServerWrongState: when it neither runs nor is shut off
    """
    if server.unprotectable:
        raise exception.ServerUnprotectable(
            id=server.id, reason=server.unprotectable
        )
    if server.status == model.ServerStatus.OTHER:
        raise exception.ServerWrongState(
            id=server.id, status=server.raw_status
        )


def items_fit(backup: model.Backup, server: model.Server) -> None:
    """See that every item of a backup has a volume to go back onto.

    :raises VolumeMissing: when one is no longer attached
    :raises VolumeTooSmall: when one is smaller than it was
    :raises VolumeKeyGone: when one is encrypted with another key than then
    """
    volumes = {volume.id: volume for volume in server.volumes}
    for item in backup.items:
        volume = volumes.get(item.volume_id)
        if volume is None:
            raise exception.VolumeMissing(id=item.volume_id)
        if volume.size < item.size:
            raise exception.VolumeTooSmall(
                id=volume.id, size=volume.size, needed=item.size
            )
        facts = backup.server_facts.get('volumes', {}).get(volume.id, {})
        if facts.get('encryption_key_id') != volume.facts.get(
            'encryption_key_id'
        ):
            raise exception.VolumeKeyGone(id=volume.id)
