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

"""What the backups of a vault count, kept as figures of the vault.

Summing up a large vault would take longer the larger it is, and it is asked
for all the time. Owns these figures: whoever changes which backups a vault
has, how they stand, or what their items are charged, does it inside
:func:`kept`.
"""

from collections import Counter
from collections.abc import Iterator
import contextlib

import sqlalchemy as sa
from sqlalchemy import orm

from csbs.db import models
from csbs.db.session import Database
from csbs.domain import states

_FIGURES = ('used_bytes', 'protected_bytes', 'backup_count')


@contextlib.contextmanager
def kept(db: Database, *backup_ids: str) -> Iterator[orm.Session]:
    """Keep the figures of vaults true while these backups change.

    Two that change the same backup come one after another, and what a vault
    has grown by is added to whatever it has by then; so the figures are
    right whatever happens at the same time.
    """
    with db.writer() as session:
        before = _figures(session, backup_ids)
        yield session
        session.flush()
        after = _figures(session, backup_ids)
        for vault_id in sorted({*before, *after}):
            grown = {
                name: after.get(vault_id, Counter())[name]
                - before.get(vault_id, Counter())[name]
                for name in _FIGURES
            }
            if any(grown.values()):
                _add(session, vault_id, grown)


def _figures(
    session: orm.Session, backup_ids: tuple[str, ...]
) -> dict[str, Counter[str]]:
    """Return what these backups count, by vault; their rows stay locked."""
    vault_ids: dict[str, str] = {}
    figures: dict[str, Counter[str]] = {}
    for row in session.execute(
        sa.select(
            models.Backup.id,
            models.Backup.vault_id,
            models.Backup.status,
            models.Backup.size,
        )
        .where(models.Backup.id.in_(backup_ids))
        .order_by(models.Backup.id)
        .with_for_update()
    ):
        vault_ids[row.id] = row.vault_id
        figure = figures.setdefault(row.vault_id, Counter())
        figure['backup_count'] += 1
        if row.status in states.COMPLETE:
            figure['protected_bytes'] += row.size
    for backup_id, charged in session.execute(
        sa.select(models.Item.backup_id, models.Item.charged_bytes).where(
            models.Item.backup_id.in_(vault_ids)
        )
    ):
        figures[vault_ids[backup_id]]['used_bytes'] += charged
    return figures


def _add(session: orm.Session, vault_id: str, grown: dict[str, int]) -> None:
    session.execute(
        sa.update(models.Vault)
        .where(models.Vault.id == vault_id)
        .values(
            {
                name: getattr(models.Vault, name) + change
                for name, change in grown.items()
            }
        )
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
