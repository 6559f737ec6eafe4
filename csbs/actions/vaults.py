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

from collections.abc import Mapping
import datetime
import secrets
from typing import Any
import uuid

from oslo_log import log

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import queue
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


def create(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    name: str | None,
    description: str,
    capacity_gb: int,
    months: int,
) -> model.Vault:
    """Make a vault with a key of its own.

    :raises Invalid: when the capacity is outside the limits
    :raises QuotaExceeded: when the project has all the vaults it may have
    :raises KeyMissing: when no key could be made for it
    """
    _check_capacity(rt, capacity_gb)
    _check_quota(rt, ctx.project_id)
    now = paging.utcnow()
    vault_id = str(uuid.uuid4())
    key_ref = rt.keys.create(f'csbs vault {vault_id}')
    vault = model.Vault(
        id=vault_id,
        project_id=str(ctx.project_id),
        name=name or f'Vault-{secrets.randbelow(10000):04}',
        description=description,
        capacity_gb=capacity_gb,
        months=months,
        status=model.VaultStatus.AVAILABLE,
        key_ref=key_ref,
        created_at=now,
        updated_at=None,
        expires_at=now + months * _MONTH,
    )

    def work() -> None:
        _check_quota(rt, ctx.project_id)
        db_vaults.create(rt.db, vault)

    try:
        rt.db.run(work)
    except Exception:
        _take_back_key(rt, vault)
        raise
    return vault


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
    """Change a vault's name or description."""

    def work() -> model.Vault:
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        db_vaults.update(rt.db, vault_id, changes)
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
    _check_capacity(rt, capacity_gb)

    def work() -> model.Vault:
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        vault = db_vaults.lock(rt.db, vault_id)
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
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        vault = db_vaults.lock(rt.db, vault_id)
        start = max(vault.expires_at or paging.utcnow(), paging.utcnow())
        if (vault.months + months) > _MOST_MONTHS:
            raise exception.Invalid(
                f'months: a vault can have {_MOST_MONTHS} months in all.'
            )
        db_vaults.update(
            rt.db,
            vault_id,
            {
                'months': vault.months + months,
                'expires_at': start + months * _MONTH,
            },
        )
        return db_vaults.get(rt.db, vault_id)

    return rt.db.run(work)


def delete(
    rt: Runtime, ctx: csbs_context.RequestContext, vault_id: str
) -> model.Vault:
    """Give a vault up: its objects and its key are destroyed by a task.

    :raises VaultNotEmpty: when it holds backups
    :raises Conflict: when the time to unsubscribe is over
    """

    def work() -> model.Vault:
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        vault = db_vaults.lock(rt.db, vault_id)
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


def _check_capacity(rt: Runtime, capacity_gb: int) -> None:
    low = rt.conf.quota.min_capacity_gb
    high = rt.conf.quota.max_capacity_gb
    if not low <= capacity_gb <= high:
        raise exception.Invalid(
            f'capacity_gb: {capacity_gb} is not between {low} and {high}.'
        )


def _check_quota(rt: Runtime, project_id: str | None) -> None:
    limit = rt.conf.quota.vaults
    if limit < 0:
        return
    page = paging.Page(limit=limit)
    if len(db_vaults.find(rt.db, project_id, {}, page)) >= limit:
        raise exception.QuotaExceeded(limit=limit, resource='vaults')


def _check_window(rt: Runtime, vault: model.Vault) -> None:
    days = rt.conf.quota.unsubscribe_days
    if days and paging.utcnow() - vault.created_at > datetime.timedelta(days):
        raise exception.Conflict(
            f'A vault can only be deleted within {days} days of its creation.'
        )
