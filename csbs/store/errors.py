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

"""The errors of the store, one tree.

Owns what can go wrong between bytes and objects. Knows nothing of users:
whoever calls the store translates. Errors of a volume that is read or
written (``OSError``) pass through the store unchanged and are not here.
"""

import uuid


class StoreError(Exception):
    """Base of everything the store raises by itself."""


class ObjectMissing(StoreError):
    """An object is not there."""

    def __init__(self, name: str) -> None:
        super().__init__(f'object {name} is missing')
        self.name = name


class StoreUnreadable(StoreError):
    """The object store did not answer, or not with what was asked."""


class StoreUnwritable(StoreError):
    """The object store did not take what it was given."""


class Damaged(StoreError):
    """An object is there but is not what was once written."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f'object {name} is damaged: {reason}')
        self.name = name
        self.reason = reason


class WrongKey(StoreError):
    """The vault is sound, but this is not its key."""


class UnsupportedFormat(StoreError):
    """The object was written by a newer csbs, or by something else."""


class BackupMissing(StoreError):
    """There is no finished backup of this id."""

    def __init__(self, backup_id: uuid.UUID) -> None:
        super().__init__(f'there is no finished backup {backup_id}')
        self.backup_id = backup_id


class BackupExists(StoreError):
    """The backup is finished already and cannot be written again."""

    def __init__(self, backup_id: uuid.UUID) -> None:
        super().__init__(f'backup {backup_id} is finished already')
        self.backup_id = backup_id


class LeaseLost(StoreError):
    """Another writer, or nobody any more, owns the unfinished backup."""


class TargetTooSmall(StoreError):
    """A volume to restore to is smaller than what was backed up."""
