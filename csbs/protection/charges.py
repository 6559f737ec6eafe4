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

"""What items count against their vault, kept true by comparing maps.

The first complete backup of a volume in a vault counts the volume's whole
size, every later one what differs from the one before it. Which one that is
changes when backups are deleted; :func:`rebalance` puts it right, in
whatever order things happened.
"""

from collections.abc import Iterable
import functools
import uuid

from csbs.db import backups as db_backups
from csbs.db import session
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.store import errors
from csbs.store import repository


def charge_new(
    db: session.Database,
    vault_id: str,
    item: model.Item,
    charged_bytes: int,
    against: str | None,
) -> None:
    """Charge an item whose data has just been stored.

    :raises CapacityExceeded: when it outgrew the vault
    """

    def work() -> None:
        backup = db_backups.get(db, item.backup_id)
        taken = sum(
            one.charged_bytes for one in backup.items if one.id == item.id
        )
        db_vaults.take_room(db, vault_id, charged_bytes - taken)
        db_backups.charge(db, item.id, charged_bytes, against)

    db.run(work)


def rebalance(
    db: session.Database,
    repo: repository.Repository,
    vault_id: str,
    volume_ids: Iterable[str],
) -> None:
    """Charge every item of these volumes against the one before it."""
    for volume_id in volume_ids:
        while not _rebalance_volume(db, repo, vault_id, volume_id):
            # A backup went away while its map was read: look again.
            continue


def _rebalance_volume(
    db: session.Database,
    repo: repository.Repository,
    vault_id: str,
    volume_id: str,
) -> bool:
    before: model.Item | None = None
    for link in db_backups.chain(db, vault_id, volume_id):
        item = link.item
        if link.charged_against != (before.id if before else None):
            try:
                charged = _difference(repo, before, item)
            except errors.BackupMissing:
                if _still_there(db, vault_id, volume_id, before, item):
                    raise
                return False
            charge = functools.partial(
                db_backups.charge,
                db,
                item.id,
                charged,
                before.id if before else None,
            )
            db.run(charge)
        before = item
    return True


def _still_there(
    db: session.Database,
    vault_id: str,
    volume_id: str,
    *items: model.Item | None,
) -> bool:
    present = {
        link.item.id for link in db_backups.chain(db, vault_id, volume_id)
    }
    return all(item is None or item.id in present for item in items)


def _difference(
    repo: repository.Repository,
    older: model.Item | None,
    newer: model.Item,
) -> int:
    if older is None:
        return newer.size
    return repo.changed_bytes(
        _stored_item(repo, older), _stored_item(repo, newer)
    )


def _stored_item(
    repo: repository.Repository, item: model.Item
) -> repository.ManifestItem:
    manifest = repo.manifest(uuid.UUID(item.backup_id))
    return next(
        stored for stored in manifest.items if stored.id == uuid.UUID(item.id)
    )
