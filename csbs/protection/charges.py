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

What counts is told in ``domain.charge``. Which backup is the one before
another changes when backups are deleted; :func:`rebalance` puts the charges
right, in whatever order things happened.
"""

from collections.abc import Iterable
import dataclasses
import functools
import itertools
import uuid

from csbs.db import backups as db_backups
from csbs.db import charges as db_charges
from csbs.db import session
from csbs.db import vaults as db_vaults
from csbs.domain import charge
from csbs.domain import model
from csbs.store import errors
from csbs.store import repository


def charge_new(
    db: session.Database,
    vault_id: str,
    item: model.Item,
    parent: model.Item | None,
    changed_bytes: int,
) -> None:
    """Charge an item whose data has just been stored.

    Never too little; where it may be too much, :func:`rebalance` reckons it
    anew when the backup is complete.

    :param parent: the item that it was compared with
    :raises CapacityExceeded: when it outgrew the vault
    """

    def work() -> None:
        backup = db_backups.get(db, item.backup_id)
        taken = sum(
            one.charged_bytes for one in backup.items if one.id == item.id
        )
        charged, against, estimated = item.size, None, False
        newest = db_charges.newest_item(db, vault_id, item.volume_id)
        if parent is not None and newest is not None:
            if newest.id == parent.id:
                charged = min(
                    item.size,
                    charge.later(changed_bytes, parent.size, item.size),
                )
                against = parent.id
                # What it grew by may be among what changed.
                estimated = item.size != parent.size
        db_vaults.take_room(db, vault_id, charged - taken)
        db_charges.charge(db, item.id, charged, against, estimated=estimated)

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
            # A backup came or went while maps were read: look again.
            continue


def _rebalance_volume(
    db: session.Database,
    repo: repository.Repository,
    vault_id: str,
    volume_id: str,
) -> bool:
    before: model.Item | None = None
    for link in db_charges.chain(db, vault_id, volume_id):
        item = link.item
        if link.estimated or link.charged_against != (
            before.id if before else None
        ):
            try:
                charged = _difference(repo, before, item)
            except errors.BackupMissing:
                chain = db_charges.chain(db, vault_id, volume_id)
                if _follows(chain, before, item):
                    raise
                return False
            if not db.run(
                functools.partial(
                    _charge, db, vault_id, volume_id, before, item, charged
                )
            ):
                return False
        before = item
    return True


def _charge(
    db: session.Database,
    vault_id: str,
    volume_id: str,
    before: model.Item | None,
    item: model.Item,
    charged: int,
) -> bool:
    """Set a charge, if what it was reckoned against is still the one before.

    Under the vault's lock: of two that reckon, the later one looks at what
    the earlier one saw, or at something newer.
    """
    db_vaults.lock(db, vault_id)
    if not _follows(db_charges.chain(db, vault_id, volume_id), before, item):
        return False
    db_charges.charge(db, item.id, charged, before.id if before else None)
    return True


def _follows(
    chain: list[db_charges.ChainItem],
    before: model.Item | None,
    item: model.Item,
) -> bool:
    ids = [None, *(link.item.id for link in chain)]
    wanted = (before.id if before else None, item.id)
    return wanted in itertools.pairwise(ids)


def _difference(
    repo: repository.Repository,
    older: model.Item | None,
    newer: model.Item,
) -> int:
    if older is None:
        return newer.size
    # What one of them does not have is no difference but growth.
    common = dataclasses.replace(
        _stored_item(repo, newer), size=min(older.size, newer.size)
    )
    changed = repo.changed_bytes(_stored_item(repo, older), common)
    return charge.later(changed, older.size, newer.size)


def _stored_item(
    repo: repository.Repository, item: model.Item
) -> repository.ManifestItem:
    manifest = repo.manifest(uuid.UUID(item.backup_id))
    return next(
        stored for stored in manifest.items if stored.id == uuid.UUID(item.id)
    )
