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
from collections.abc import Mapping
import dataclasses
import datetime
import secrets
from typing import Any
import uuid

from csbs import context as csbs_context
from csbs import exception
from csbs.actions import backups
from csbs.actions import checks
from csbs.actions import queue
from csbs.actions.runtime import Runtime
from csbs.db import backups as db_backups
from csbs.db import paging
from csbs.db import policies as db_policies
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model
from csbs.domain import policy as domain
from csbs.domain import recurrence
from csbs.domain import retention as domain_retention
from csbs.domain import states


def create(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    name: str | None,
    enabled: bool,
    schedule: Mapping[str, Any],
    retention: Mapping[str, Any],
    allow_pause: bool | None = None,
) -> domain.Policy:
    """Make a policy, bound to no vault and no server.

    :raises Invalid: when schedule or retention is not one
    :raises QuotaExceeded: when the project has all it may have
    """
    now = paging.utcnow()
    policy = domain.Policy(
        id=str(uuid.uuid4()),
        project_id=str(ctx.project_id),
        name=name or f'Policy-{secrets.randbelow(10000):04}',
        enabled=enabled,
        vault_id=None,
        schedule=_schedule(schedule),
        retention=_retention(retention),
        created_at=now,
        updated_at=None,
        next_run_at=None,
        prune_at=now,
        allow_pause=allow_pause,
    )
    policy = _planned(rt, policy, now)

    def work() -> domain.Policy:
        _check_quota(rt, ctx)
        db_policies.create(rt.db, policy)
        return policy

    return rt.db.run(work)


def update(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    changes: Mapping[str, Any],
) -> domain.Policy:
    """Change a policy; its next run is reckoned anew.

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
    limit = rt.conf.quota.policies_per_vault

    def bind(policy: domain.Policy) -> domain.Policy:
        db_vaults.get(rt.db, vault_id, ctx.project_id)
        checks.vault_takes_backups(db_vaults.lock(rt.db, vault_id))
        if policy.vault_id not in (None, vault_id):
            raise exception.PolicyBound(id=policy_id, vault_id=policy.vault_id)
        page = paging.Page(limit=max(limit, 0) + 1)
        bound = db_policies.find(rt.db, None, {'vault_id': vault_id}, page)
        others = [one for one in bound if one.id != policy_id]
        if 0 <= limit <= len(others):
            raise exception.QuotaExceeded(
                limit=limit, resource='policies of a vault'
            )
        return dataclasses.replace(policy, vault_id=vault_id)

    return _change(rt, ctx, policy_id, bind)


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
    limit = rt.conf.quota.servers_per_policy
    db_policies.get(rt.db, policy_id, ctx.project_id)
    checks.server_ready(rt.cloud.server(ctx, server_id))

    def work() -> domain.Policy:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        if server_id in policy.server_ids:
            return policy
        if len(policy.server_ids) >= min(limit, domain.MAX_SERVERS):
            raise exception.QuotaExceeded(
                limit=limit, resource='servers of a policy'
            )
        db_policies.add_server(rt.db, policy_id, server_id)
        return db_policies.get(rt.db, policy_id)

    return rt.db.run(work)


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


def run_now(
    rt: Runtime, ctx: csbs_context.RequestContext, policy_id: str
) -> tuple[domain.Policy, str]:
    """Back every server of a policy up; return it and the run's task.

    :raises PolicyNotReady: when it has no vault or no server
    :raises ServerBusy: when one of its servers is being worked on
    """

    def work() -> tuple[domain.Policy, str]:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        _check_ready(policy)
        busy = db_tasks.locks(rt.db, policy.server_ids)
        if busy:
            raise exception.ServerBusy(
                'These servers of the policy are being worked on: '
                f'{", ".join(sorted(busy))}.'
            )
        if run_by_hand_unfinished(rt, policy):
            raise exception.PolicyRunning(id=policy.id)
        return policy, put_run(rt, ctx, policy, model.Trigger.RUN_NOW)

    result = rt.db.run(work)
    rt.doorbell.wake()
    return result


def put_run(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy: domain.Policy,
    trigger: model.Trigger,
    skipped: model.Fault | None = None,
) -> str:
    """Queue a run, or put on record that it was skipped; return the task."""
    return queue.put(
        rt,
        ctx,
        model.TaskKind.POLICY_RUN,
        project_id=policy.project_id,
        vault_id=policy.vault_id,
        params={'policy_id': policy.id, 'trigger': str(trigger)},
        skipped=skipped,
    )


def run_by_hand_unfinished(rt: Runtime, policy: domain.Policy) -> bool:
    """Tell whether a run by hand, or a backup of one, is going on."""
    by_hand = str(model.Trigger.RUN_NOW)
    for task in db_tasks.active(
        rt.db, kind=model.TaskKind.POLICY_RUN, project_id=policy.project_id
    ):
        if (
            task.params.get('policy_id') == policy.id
            and task.params.get('trigger') == by_hand
        ):
            return True
    page = paging.Page(limit=domain.MAX_SERVERS)
    return any(
        backup.status in states.IN_MAKING
        for backup in db_backups.find(
            rt.db,
            policy.project_id,
            {'policy_id': policy.id, 'trigger': by_hand},
            page,
        )
    )


def prune(
    rt: Runtime, policy: domain.Policy, now: datetime.datetime
) -> list[str]:
    """Delete what a policy keeps no longer; return the backups' ids.

    One that is being read, or deleted already, is left for the next time.
    """
    ctx = csbs_context.RequestContext.for_service(policy.project_id)
    made = db_backups.find(
        rt.db,
        policy.project_id,
        {
            'policy_id': policy.id,
            'trigger': str(model.Trigger.SCHEDULED),
        },
        paging.Page(limit=domain_retention.MAX_VALUE),
    )
    gone = []
    for one in domain_retention.expired(policy.retention, made, now):
        try:
            backups.delete(rt, ctx, one.backup.id)
        except (exception.Conflict, exception.NotFound):
            continue
        gone.append(one.backup.id)
    return gone


def _change(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    policy_id: str,
    change: Callable[[domain.Policy], domain.Policy],
) -> domain.Policy:
    def work() -> domain.Policy:
        policy = db_policies.lock(rt.db, policy_id, ctx.project_id)
        changed = _planned(rt, change(policy), paging.utcnow())
        db_policies.save(rt.db, changed)
        return db_policies.get(rt.db, policy_id)

    return rt.db.run(work)


def _planned(
    rt: Runtime, policy: domain.Policy, now: datetime.datetime
) -> domain.Policy:
    """Return the policy with its next times reckoned."""
    return dataclasses.replace(
        policy,
        next_run_at=policy.next_after(now),
        prune_at=policy.next_prune(now, rt.conf.scheduler.prune_time),
    )


def _check_ready(policy: domain.Policy) -> None:
    if policy.vault_id is None:
        raise exception.PolicyNotReady(
            id=policy.id, reason='it is bound to no vault'
        )
    if not policy.server_ids:
        raise exception.PolicyNotReady(id=policy.id, reason='it has no server')


def _check_quota(rt: Runtime, ctx: csbs_context.RequestContext) -> None:
    limit = rt.conf.quota.policies
    if limit < 0:
        return
    page = paging.Page(limit=limit)
    if len(db_policies.find(rt.db, ctx.project_id, {}, page)) >= limit:
        raise exception.QuotaExceeded(limit=limit, resource='policies')


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
