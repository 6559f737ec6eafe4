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

"""Handlers of policies."""

from typing import Any

from csbs.actions import policies as actions
from csbs.actions import runs
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import policies as schemas
from csbs.db import policies as db
from csbs.domain import policy as domain

_FOREVER = {'kind': 'forever'}


def _render_policy(
    policy: domain.Policy, task_id: str | None = None
) -> dict[str, Any]:
    return {
        'id': policy.id,
        'project_id': policy.project_id,
        'name': policy.name,
        'enabled': policy.enabled,
        'vault_id': policy.vault_id,
        'server_ids': list(policy.server_ids),
        'schedule': {
            'times': list(policy.schedule.times),
            'timezone': policy.schedule.timezone,
            'weekdays': list(policy.schedule.weekdays),
            'every_days': policy.schedule.every_days,
        },
        'retention': {
            'kind': policy.retention.kind.value,
            'value': policy.retention.value,
        },
        'allow_pause': policy.allow_pause,
        'max_parallel': policy.max_parallel,
        'next_run_at': common.time_or_none(policy.next_run_at),
        'next_runs': [common.time(run) for run in policy.next_runs()],
        'task_id': task_id,
        'created_at': common.time(policy.created_at),
        'updated_at': common.time_or_none(policy.updated_at),
    }


def _answer(
    policy: domain.Policy, task_id: str | None = None
) -> dict[str, Any]:
    return {'policy': _render_policy(policy, task_id)}


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_policies(req: Request) -> dict[str, Any]:
    """List policies."""
    wanted = listing.of(req, 'csbs:policies:list_all_projects')
    found = db.find(req.rt.db, wanted.project_id, wanted.filters, wanted.page)
    return listing.answer(req, 'policies', found, wanted.limit, _render_policy)


@validation.body(schemas.CREATE)
@validation.response(201, schemas.SHOW)
def create_policy(req: Request) -> dict[str, Any]:
    """Create a policy."""
    fields = {'retention': _FOREVER, **req.body['policy']}
    return _answer(actions.create(req.rt, req.context, actions.Wish(**fields)))


@validation.response(200, schemas.SHOW)
def show_policy(req: Request) -> dict[str, Any]:
    """Show a policy."""
    project_id = req.readable('csbs:policies:list_all_projects')
    return _answer(db.get(req.rt.db, req.args['policy_id'], project_id))


@validation.body(schemas.UPDATE)
@validation.response(200, schemas.SHOW)
def update_policy(req: Request) -> dict[str, Any]:
    """Change a policy."""
    return _answer(
        actions.update(
            req.rt, req.context, req.args['policy_id'], req.body['policy']
        )
    )


@validation.response(200, schemas.SHOW)
def delete_policy(req: Request) -> dict[str, Any]:
    """Delete a policy; its backups stay."""
    policy = db.get(req.rt.db, req.args['policy_id'], req.context.project_id)
    actions.delete(req.rt, req.context, policy.id)
    return _answer(policy)


@validation.body(schemas.RUN)
@validation.response(202, schemas.SHOW)
def run_policy(req: Request) -> dict[str, Any]:
    """Back every server of a policy up now."""
    return _answer(*runs.start_now(req.rt, req.context, req.args['policy_id']))


@validation.response(200, schemas.SHOW)
def add_server(req: Request) -> dict[str, Any]:
    """Bind a server to a policy."""
    return _answer(
        actions.bind_server(
            req.rt,
            req.context,
            req.args['policy_id'],
            req.args['server_id'],
        )
    )


@validation.response(200, schemas.SHOW)
def remove_server(req: Request) -> dict[str, Any]:
    """Free a server from a policy."""
    return _answer(
        actions.unbind_server(
            req.rt,
            req.context,
            req.args['policy_id'],
            req.args['server_id'],
        )
    )


@validation.response(200, schemas.SHOW)
def bind_vault(req: Request) -> dict[str, Any]:
    """Bind a policy to a vault."""
    return _answer(
        actions.bind_vault(
            req.rt, req.context, req.args['vault_id'], req.args['policy_id']
        )
    )


@validation.response(200, schemas.SHOW)
def unbind_vault(req: Request) -> dict[str, Any]:
    """Take a policy off a vault."""
    return _answer(
        actions.unbind_vault(
            req.rt, req.context, req.args['vault_id'], req.args['policy_id']
        )
    )
