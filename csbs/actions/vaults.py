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

"""The verbs of vaults."""

from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import datetime
from typing import Any
import uuid

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import backups
from csbs.actions import names
from csbs.actions import policies
from csbs.actions import queue
from csbs.actions import quotas
from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import vaults as db_vaults
from csbs.domain import model

LOG = log.getLogger(__name__)

#: a prepaid month, whatever the calendar says
_MONTH = datetime.timedelta(days=30)

#: the longest term of a vault; times end with the year 9999
_MOST_MONTHS = 12000


@dataclasses.dataclass(frozen=True)
class Wish:
    """How a new vault is wanted.

    :ivar name: None for one that csbs makes up
    :ivar lock_days: days that its backups can't be deleted for
    :ivar policy_ids: policies to bind at once
    :ivar server_id: a server to back up at once, as ``backup`` says
    """

    capacity_gb: int
    months: int = 1
    name: str | None = None
    description: str = ''
    lock_days: int | None = None
    tags: Collection[str] = ()
    policy_ids: Collection[str] = ()
    server_id: str | None = None
    backup: backups.Wish = dataclasses.field(default_factory=backups.Wish)


def create(
    rt: Runtime, ctx: csbs_context.RequestContext, wish: Wish
) -> tuple[model.Vault, str | None]:
    """Make a vault with a key of its own, with all that is wanted or not.

    :returns: the vault, and the task of the first backup if one was wanted
    :raises Invalid: when the capacity is outside the limits
    :raises QuotaExceeded: when the project has all the vaults it may have
    :raises KeyMissing: when no key could be made for it
    :raises PolicyBound: when a policy is bound to another vault
    :raises Conflict: when the server can't be backed up, or does not fit
    """
    project_id = str(ctx.project_id)
    quotas.check_capacity(rt, project_id, wish.capacity_gb)
    # Counted again in the transaction; a key is not made in vain so often.
    quotas.check(
        db_vaults.count(rt.db, project_id),
        quotas.limits(rt, project_id).vaults,
        'vaults',
    )
    server = backups.look(rt, ctx, wish.server_id) if wish.server_id else None
    vault = _new_vault(rt, project_id, wish)
    try:
        first = (
            backups.prepare(rt, ctx, server, vault.key_ref) if server else None
        )
        rt.db.run(lambda: _put(rt, ctx, vault, wish, first))
    except Exception:
        _take_back_key(rt, vault)
        raise
    if first:
        rt.doorbell.wake()
    made = db_vaults.get(rt.db, vault.id)
    return made, first.task_id if first else None


def _new_vault(rt: Runtime, project_id: str, wish: Wish) -> model.Vault:
    """Return a vault that has a key, and is not on record yet."""
    now = paging.utcnow()
    vault_id = str(uuid.uuid4())
    return model.Vault(
        id=vault_id,
        project_id=project_id,
        name=wish.name or names.make('Vault-', lambda name: False),
        description=wish.description,
        capacity_gb=wish.capacity_gb,
        months=wish.months,
        status=model.VaultStatus.AVAILABLE,
        key_ref=rt.keys.create(f'csbs vault {vault_id}'),
        created_at=now,
        updated_at=None,
        expires_at=now + wish.months * _MONTH,
        lock_days=wish.lock_days,
        tags=tuple(wish.tags),
    )


def _put(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault: model.Vault,
    wish: Wish,
    first: backups.Prepared | None,
) -> None:
    """Write the vault down, its policies, and its first backup."""
    quotas.take_one(rt, vault.project_id, 'vaults')
    db_vaults.create(rt.db, vault)
    for policy_id in wish.policy_ids:
        policy = db_policies.lock(rt.db, policy_id, vault.project_id)
        policies.save(rt, policy, policies.bound(rt, ctx, policy, vault.id))
    if first:
        backups.put(rt, ctx, first, vault.id, wish.backup)


def _take_back_key(rt: Runtime, vault: model.Vault) -> None:
    """Destroy the key of a vault that was not made.

    An error can hide that it was made, and then its key must stay; so must
    it in doubt. What stays without need opens nothing.
    """
    try:
        db_vaults.get(rt.db, vault.id)
    except exception.VaultNotFound:
        try:
            rt.keys.delete(vault.key_ref)
        except exception.KeyMissing as error:
            LOG.error(
                'Vault %s was not made, but its key %s is still there: %s',
                vault.id,
                vault.key_ref,
                error,
            )
    except Exception:
        # The error that came first is the one to be seen.
        LOG.exception(
            'Vault %s may not have been made, and its key %s be left',
            vault.id,
            vault.key_ref,
        )


def update(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    changes: Mapping[str, Any],
) -> model.Vault:
    """Change a vault's name, description or tags, or lengthen its lock.

    :raises VaultLockShortened: when the lock would be shorter than it is
    """
    columns = dict(changes)
    tags = columns.pop('tags', None)
    lock_days = columns.pop('lock_days', None)

    def work() -> model.Vault:
        vault = db_vaults.get(rt.db, vault_id, ctx.project_id)
        if lock_days is not None and not db_vaults.set_lock_days(
            rt.db, vault_id, lock_days
        ):
            raise exception.VaultLockShortened(
                id=vault_id, days=vault.lock_days
            )
        if tags is not None:
            db_vaults.set_tags(rt.db, vault_id, tags)
        db_vaults.update(rt.db, vault_id, columns)
        return db_vaults.get(rt.db, vault_id)

    return rt.db.run(work)


def extend(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    capacity_gb: int,
) -> model.Vault:
    """Give a vault more capacity; it never shrinks.

    :raises Invalid: when the capacity is outside the limits or not larger
    """

    def work() -> model.Vault:
        vault = db_vaults.lock(rt.db, vault_id, ctx.project_id)
        quotas.check_capacity(rt, vault.project_id, capacity_gb)
        if capacity_gb <= vault.capacity_gb:
            raise exception.Invalid(
                f'capacity_gb: the vault has {vault.capacity_gb} GB already; '
                'its capacity can only grow.'
            )
        db_vaults.update(rt.db, vault_id, {'capacity_gb': capacity_gb})
        return db_vaults.get(rt.db, vault_id)

    return rt.db.run(work)


def renew(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    months: int,
) -> model.Vault:
    """Lengthen a vault's term, from its end or from now if that is past.

    :raises Invalid: when the term would get too long
    """

    def work() -> model.Vault:
        vault = db_vaults.lock(rt.db, vault_id, ctx.project_id)
        start = max(vault.expires_at or paging.utcnow(), paging.utcnow())
        if (vault.months + months) > _MOST_MONTHS:
            raise exception.Invalid(
                f'months: a vault can have {_MOST_MONTHS} months in all.'
            )
        changes: dict[str, Any] = {
            'months': vault.months + months,
            'expires_at': start + months * _MONTH,
        }
        if vault.status == model.VaultStatus.EXPIRED:
            changes['status'] = model.VaultStatus.AVAILABLE
        db_vaults.update(rt.db, vault_id, changes)
        return db_vaults.get(rt.db, vault_id)

    return rt.db.run(work)


def delete(
    rt: Runtime, ctx: csbs_context.RequestContext, vault_id: str
) -> model.Vault:
    """Give a vault up: its objects and its key are destroyed by a task.

    :raises VaultNotEmpty: when it holds backups
    :raises VaultTooOld: when the time to give it up is over
    """

    def work() -> model.Vault:
        vault = db_vaults.lock(rt.db, vault_id, ctx.project_id)
        if vault.status == model.VaultStatus.DELETING:
            return vault
        if vault.backup_count:
            raise exception.VaultNotEmpty(
                id=vault_id, count=vault.backup_count
            )
        _check_window(rt, vault)
        db_policies.unbind_vault(rt.db, vault_id)
        task_id = queue.put(
            rt,
            ctx,
            model.TaskKind.DELETE_VAULT,
            project_id=vault.project_id,
            vault_id=vault_id,
            cancellable=False,
        )
        db_vaults.update(
            rt.db,
            vault_id,
            {'status': model.VaultStatus.DELETING, 'task_id': task_id},
        )
        return db_vaults.get(rt.db, vault_id)

    vault = rt.db.run(work)
    rt.doorbell.wake()
    return vault


def _check_window(rt: Runtime, vault: model.Vault) -> None:
    days = rt.conf.quota.unsubscribe_days
    if days and paging.utcnow() - vault.created_at > datetime.timedelta(days):
        raise exception.VaultTooOld(days=days)
