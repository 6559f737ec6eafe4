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

"""The one tree of errors that users may see.

Every class has a stable dotted ``code``, an HTTP status and a sentence. The
store has a tree of its own (``store.errors``), which knows nothing of users;
``protection`` translates it.
"""

from typing import Any

from csbs.domain import model


class CsbsError(Exception):
    """An error with a stable code and a sentence a user understands."""

    code = 'csbs.internal'
    status = 500
    message = 'Something failed inside the service.'

    def __init__(self, message: str | None = None, **kwargs: Any) -> None:
        """Use ``message`` or the class's sentence, filled with ``kwargs``."""
        super().__init__(message or self.message.format(**kwargs))

    @property
    def fault(self) -> model.Fault:
        """Return the error as it is kept on tasks and backups."""
        return model.Fault(code=self.code, message=str(self))


class Invalid(CsbsError):
    code = 'csbs.request.invalid'
    status = 400
    message = 'The request is not valid.'


class Forbidden(CsbsError):
    code = 'csbs.request.forbidden'
    status = 403
    message = 'You are not allowed to do this.'


class NotFound(CsbsError):
    code = 'csbs.request.not_found'
    status = 404
    message = 'There is no such resource.'


class VaultNotFound(NotFound):
    code = 'csbs.vault.not_found'
    message = 'There is no vault {id}.'


class BackupNotFound(NotFound):
    code = 'csbs.backup.not_found'
    message = 'There is no backup {id}.'


class PolicyNotFound(NotFound):
    code = 'csbs.policy.not_found'
    message = 'There is no policy {id}.'


class TaskNotFound(NotFound):
    code = 'csbs.task.not_found'
    message = 'There is no task {id}.'


class ServerNotFound(NotFound):
    code = 'csbs.server.not_found'
    message = 'There is no server {id}.'


class Conflict(CsbsError):
    code = 'csbs.request.conflict'
    status = 409
    message = 'The request does not fit the present state.'


class VaultNotEmpty(Conflict):
    code = 'csbs.vault.not_empty'
    message = 'Vault {id} still holds backups ({count}); delete them first.'


class VaultUnavailable(Conflict):
    code = 'csbs.vault.unavailable'
    message = 'Vault {id} is {status} and takes no new backups.'


class VaultExpired(Conflict):
    code = 'csbs.vault.expired'
    message = 'The term of vault {id} has ended; renew it first.'


class VaultTooOld(Conflict):
    code = 'csbs.vault.too_old'
    message = 'A vault can only be given up within {days} days of creation.'


class VaultLockShortened(Conflict):
    code = 'csbs.vault.lock_shortened'
    message = (
        'The backups of vault {id} are locked for {days} days; the lock can '
        'only be lengthened.'
    )


class CapacityExceeded(Conflict):
    code = 'csbs.vault.capacity_exceeded'
    message = (
        'The backup needs {needed_gb} GB, but vault {id} has only '
        '{free_gb} GB left; extend it or delete backups.'
    )


class QuotaExceeded(Conflict):
    code = 'csbs.quota.exceeded'
    status = 403
    message = 'The quota of {limit} {resource} is used up.'


class PolicyBound(Conflict):
    code = 'csbs.policy.bound'
    message = (
        'Policy {id} is bound to vault {vault_id}; unbind it there first.'
    )


class PolicyNotReady(Conflict):
    code = 'csbs.policy.not_ready'
    message = 'Policy {id} cannot run: {reason}.'


class PolicyRunning(Conflict):
    code = 'csbs.policy.running'
    message = 'A run of policy {id} is not finished: task {task_id}.'


class RunIncomplete(CsbsError):
    code = 'csbs.policy.run_incomplete'
    message = (
        '{failed} of {count} servers were not backed up; the tasks of the '
        'servers say why.'
    )


class BackupBusy(Conflict):
    code = 'csbs.backup.wrong_status'
    message = 'Backup {id} is {status}; it must be {wanted}.'


class BackupLocked(Conflict):
    code = 'csbs.backup.locked'
    message = 'Backup {id} is locked by vault {vault_id} until {until}.'


class ServerBusy(Conflict):
    code = 'csbs.server.busy'
    message = 'Server {id} is being worked on by task {task_id}.'


class ServerWrongState(Conflict):
    code = 'csbs.server.wrong_state'
    message = 'Server {id} is {status}; it must be ACTIVE or SHUTOFF.'


class ServerUnprotectable(Conflict):
    code = 'csbs.server.unprotectable'
    message = 'Server {id} cannot be backed up: {reason}.'


class VolumeWrongState(Conflict):
    code = 'csbs.volume.wrong_state'
    message = 'Volume {id} is {status}; it must be in-use or available.'


class VolumeMissing(Conflict):
    code = 'csbs.volume.missing'
    message = 'Volume {id} of the backup is no longer attached to the server.'


class VolumeTooSmall(Conflict):
    code = 'csbs.volume.too_small'
    message = (
        'Volume {id} has {size} bytes, fewer than the {needed} in the backup.'
    )


class VolumeKeyGone(Conflict):
    code = 'csbs.volume.key_gone'
    message = (
        'Volume {id} was encrypted with a key that is gone: the volume was '
        'deleted or encrypted anew since the backup.'
    )


class VolumeShared(Conflict):
    code = 'csbs.volume.shared'
    message = (
        'Volume {id} is also attached to server {server_id}, which runs; '
        'stop that server first.'
    )


class TaskNotCancellable(Conflict):
    code = 'csbs.task.not_cancellable'
    message = 'Task {id} is {status} and can no longer be cancelled.'


class TaskCancelled(CsbsError):
    code = 'csbs.task.cancelled'
    status = 409
    message = 'The task was cancelled.'


class TaskLost(CsbsError):
    """The task belongs to another worker by now; stop touching anything."""

    code = 'csbs.task.lost'
    message = 'The worker lost its claim on the task.'


class TaskInterrupted(CsbsError):
    """The worker is asked to go down; another will go on with the task."""

    code = 'csbs.task.interrupted'
    message = 'The worker is going down.'


class WorkerDied(CsbsError):
    code = 'csbs.task.worker_died'
    message = 'The worker died during the task, {attempts} times in all.'


class CloudError(CsbsError):
    code = 'csbs.cloud.error'
    status = 502
    message = 'The cloud answered with an error.'


class CloudRefused(CloudError):
    code = 'csbs.cloud.refused'
    status = 409
    message = 'The cloud refused.'


class CloudUnavailable(CloudError):
    code = 'csbs.cloud.unavailable'
    status = 503
    message = 'The cloud does not answer.'


class CloudUnsettled(CloudError):
    """The answer to a request was lost, and it may still come true."""

    code = 'csbs.cloud.unsettled'
    status = 503
    message = 'The {kind} may still be made that the cloud was asked for.'


class VolumeUnreadable(CloudError):
    code = 'csbs.volume.unreadable'
    message = 'Volume {id} cannot be read: {reason}.'


class VolumeUnwritable(CloudError):
    code = 'csbs.volume.unwritable'
    message = 'Volume {id} cannot be written: {reason}.'


class StoreUnwritable(CsbsError):
    code = 'csbs.store.unwritable'
    message = 'The object store cannot be written: {reason}.'


class StoreUnreadable(CsbsError):
    code = 'csbs.store.unreadable'
    message = 'The object store cannot be read: {reason}.'


class StoreDamaged(CsbsError):
    code = 'csbs.store.damaged'
    message = 'A stored object is missing or altered: {reason}.'


class BackupsDamaged(StoreDamaged):
    """What a verification found; its task's result has the details."""

    code = 'csbs.store.damaged'
    message = (
        '{problems} stored objects are missing or altered; {backups} backups '
        'cannot be restored whole. The first: {reason}'
    )


class KeyWrong(CsbsError):
    code = 'csbs.key.wrong'
    message = "The vault's key does not open it."


class KeyMissing(CsbsError):
    code = 'csbs.key.missing'
    message = "The vault's key cannot be had: {reason}."


class KeyUnavailable(KeyMissing):
    """The key manager can't be asked now; the key need not be lost."""

    code = 'csbs.key.unavailable'
    status = 503
    message = 'The key manager cannot be used now: {reason}.'
