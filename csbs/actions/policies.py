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

"""The verbs of policies."""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import datetime
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import checks
from csbs.actions import names
from csbs.actions import quotas
from csbs.actions.runtime import Runtime
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import vaults as db_vaults
from csbs.domain import policy as domain
from csbs.domain import recurrence
from csbs.domain import retention as domain_retention


@dataclasses.dataclass(frozen=True)
class Wish:
    """How a new policy is wanted.

    :ivar name: None for one that csbs makes up
    """

    schedule: Mapping[str, Any]
    retention: Mapping[str, Any]
    name: str | None = None
    enabled: bool = False
    allow_pause: bool | None = None
    max_parallel: int | None = None
    vault_id: str | None = None
    server_ids: Collection[str] = ()


def create(
    rt: Runtime, ctx: csbs_context.RequestContext, wish: Wish
) -> domain.Policy:
    """Make a policy, and bind it at once as far as that is wanted.

    :raises Invalid: when schedule or retention is not one
    :raises QuotaExceeded: when the project has all it may have
    :raises ServerWrongState: when a server neither runs nor is shut off
    """
    now = paging.utcnow()
    project_id = str(ctx.project_id)
    policy = domain.Policy(
        id=str(uuid.uuid4()),
        project_id=project_id,
        name='',
        enabled=wish.enabled,
        vault_id=wish.vault_id,
        schedule=_schedule(wish.schedule),
        retention=_retention(wish.retention),
        created_at=now,
        updated_at=None,
        next_run_at=None,
        prune_at=None,
        allow_pause=wish.allow_pause,
        max_parallel=wish.max_parallel,
    )
    for server_id in wish.server_ids:
        checks.server_bindable(rt.cloud.server(ctx, server_id))
    policy = _planned(rt, policy, now)

    def work() -> domain.Policy:
        quotas.take_one(rt, project_id, 'policies')
        name = wish.name or names.make(
            'Policy-',
            lambda name: db_policies.name_taken(rt.db, project_id, name),
        )
        if wish.vault_id is not None:
            _check_vault(rt, ctx, wish.vault_id)
        db_policies.create(rt.db, dataclasses.replace(policy, name=name))
        for server_id in wish.server_ids:
            _add_server(rt, db_policies.get(rt.db, policy.id), server_id)
        return db_policies.get(rt.db, policy.id)

    return rt.db.run(work)


def update(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    changes: Mapping[str, Any],
) -> domain.Policy:
    """Change a policy; a new schedule counts from now on.

    :raises Invalid: when schedule or retention is not one
    """
    wanted = dict(changes)
    if 'schedule' in wanted:
        wanted['schedule'] = _schedule(wanted['schedule'])
    if 'retention' in wanted:
        wanted['retention'] = _retention(wanted['retention'])
    return _change(
        rt,
        ctx,
        policy_id,
        lambda policy: dataclasses.replace(policy, **wanted),
    )


def delete(
    rt: Runtime, ctx: csbs_context.RequestContext, policy_id: str
) -> None:
    """Delete a policy; its backups stay."""

    def work() -> None:
        db_policies.lock(rt.db, policy_id, ctx.project_id)
        db_policies.delete(rt.db, policy_id)

    rt.db.run(work)


def bind_vault(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    policy_id: str,
) -> domain.Policy:
    """Let a policy store into a vault; fine when it does already.

    :raises PolicyBound: when it is bound to another
    :raises QuotaExceeded: when the vault has all it may have
    """
    return _change(
        rt,
        ctx,
        policy_id,
        lambda policy: bound(rt, ctx, policy, vault_id),
    )


def bound(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy: domain.Policy,
    vault_id: str,
) -> domain.Policy:
    """Return a policy bound to a vault, in a transaction that has its row.

    :raises PolicyBound: when it is bound to another
    :raises QuotaExceeded: when the vault has all it may have
    """
    db_vaults.get(rt.db, vault_id, ctx.project_id)
    if policy.vault_id not in (None, vault_id):
        raise exception.PolicyBound(id=policy.id, vault_id=policy.vault_id)
    _check_vault(rt, ctx, vault_id, already=policy.vault_id == vault_id)
    return dataclasses.replace(policy, vault_id=vault_id)


def _check_vault(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    *,
    already: bool = False,
) -> None:
    """See that one more policy may be bound to a vault, which is locked.

    :param already: whether the policy is bound to it
    """
    vault = db_vaults.lock(rt.db, vault_id, ctx.project_id)
    checks.vault_takes_backups(vault)
    if not already:
        quotas.check(
            db_policies.count_of_vault(rt.db, vault_id),
            quotas.limits(rt, vault.project_id).policies_per_vault,
            'policies of a vault',
        )


def unbind_vault(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    policy_id: str,
) -> domain.Policy:
    """Take a policy off a vault; it does not run by itself any more."""

    def unbind(policy: domain.Policy) -> domain.Policy:
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        if policy.vault_id != vault_id:
            return policy
        return dataclasses.replace(policy, vault_id=None)

    return _change(rt, ctx, policy_id, unbind)


def bind_server(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    server_id: str,
) -> domain.Policy:
    """Bind a server, taking it from the policy that has it now.

    :raises ServerWrongState: when it neither runs nor is shut off
    :raises QuotaExceeded: when the policy has all it may have
    """
    db_policies.get(rt.db, policy_id, ctx.project_id)
    checks.server_bindable(rt.cloud.server(ctx, server_id))

    def work() -> domain.Policy:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        if server_id not in policy.server_ids:
            _add_server(rt, policy, server_id)
        return db_policies.get(rt.db, policy_id)

    return rt.db.run(work)


def _add_server(rt: Runtime, policy: domain.Policy, server_id: str) -> None:
    limit = quotas.limits(rt, policy.project_id).servers_per_policy
    quotas.check(
        len(policy.server_ids),
        min(limit, domain.MAX_SERVERS),
        'servers of a policy',
    )
    db_policies.add_server(rt.db, policy.id, server_id)


def unbind_server(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    server_id: str,
) -> domain.Policy:
    """Free a server; fine when the policy does not have it."""

    def work() -> domain.Policy:
        db_policies.lock(rt.db, policy_id, ctx.project_id)
        db_policies.remove_server(rt.db, server_id, policy_id)
        return db_policies.get(rt.db, policy_id)

    return rt.db.run(work)


def _change(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    change: Callable[[domain.Policy], domain.Policy],
) -> domain.Policy:
    def work() -> domain.Policy:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        save(rt, policy, change(policy))
        return db_policies.get(rt.db, policy_id)

    return rt.db.run(work)


def save(rt: Runtime, old: domain.Policy, new: domain.Policy) -> None:
    """Write a policy over what it was, in a transaction that has its row.

    Its next times are reckoned anew only when what they depend on changed:
    a run that is due, or a look at its backups, is not lost by a new name.
    """
    planned = _planned(rt, new, paging.utcnow())
    if (old.schedule, old.enabled, old.vault_id) == (
        new.schedule,
        new.enabled,
        new.vault_id,
    ):
        planned = dataclasses.replace(
            planned,
            next_run_at=old.next_run_at,
            fire_at=old.fire_at,
            prune_at=old.prune_at,
        )
    db_policies.save(rt.db, planned)


def _planned(
    rt: Runtime, policy: domain.Policy, now: datetime.datetime
) -> domain.Policy:
    """Return the policy with its next times reckoned."""
    section = rt.conf.scheduler
    plan = policy.plan(now, datetime.timedelta(seconds=section.spread))
    return dataclasses.replace(
        policy,
        next_run_at=plan.next_run_at,
        fire_at=plan.fire_at,
        prune_at=policy.next_prune(now, section.prune_time),
    )


def _schedule(value: Mapping[str, Any]) -> recurrence.Schedule:
    try:
        return recurrence.Schedule(
            times=tuple(value['times']),
            timezone=value.get('timezone', 'UTC'),
            weekdays=tuple(value.get('weekdays', ())),
            every_days=value.get('every_days'),
        )
    except ValueError as error:
        raise exception.Invalid(f'policy.schedule.{error}') from error


def _retention(value: Mapping[str, Any]) -> domain_retention.Retention:
    try:
        return domain_retention.Retention(
            domain_retention.RetentionKind(value['kind']), value.get('value')
        )
    except ValueError as error:
        raise exception.Invalid(f'policy.retention.{error}') from error
