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

"""Handlers of quotas."""

import dataclasses
from typing import Any

from csbs import exception
from csbs.actions import quotas as actions
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import quotas as schemas
from csbs.domain import quota as domain

#: what a project's id may have
_LONGEST = 64


def _render_quota(quota: domain.Quota) -> dict[str, Any]:
    usage = dataclasses.asdict(quota.usage)
    usage['used_gb'] = common.gib(usage.pop('used_bytes'))
    return {
        'project_id': quota.project_id,
        'limits': dataclasses.asdict(quota.limits),
        'usage': usage,
        'own': list(quota.own),
    }


def _answer(quota: domain.Quota) -> dict[str, Any]:
    return {'quota': _render_quota(quota)}


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_quotas(req: Request) -> dict[str, Any]:
    """List the quotas of all projects."""
    limit = listing.limit(req)
    found = actions.find(req.rt, req.query.get('marker'), limit + 1)
    return listing.answer(
        req, 'quotas', found, limit, _render_quota, key='project_id'
    )


@validation.response(200, schemas.SHOW)
def show_own_quota(req: Request) -> dict[str, Any]:
    """Show the quota of the caller's project."""
    return _answer(actions.get(req.rt, str(req.context.project_id)))


@validation.response(200, schemas.SHOW)
def show_quota(req: Request) -> dict[str, Any]:
    """Show the quota of a project."""
    project_id = req.args['project_id']
    if project_id != req.context.project_id:
        try:
            req.can('csbs:quotas:get_all_projects')
        except exception.Forbidden:
            # Others are not told which projects there are.
            raise exception.NotFound() from None
    return _answer(actions.get(req.rt, project_id))


@validation.body(schemas.UPDATE)
@validation.response(200, schemas.SHOW)
def update_quota(req: Request) -> dict[str, Any]:
    """Give a project limits of its own."""
    return _answer(actions.update(req.rt, _project_id(req), req.body['quota']))


@validation.response(200, schemas.SHOW)
def reset_quota(req: Request) -> dict[str, Any]:
    """Leave the limits of a project to the configuration."""
    return _answer(actions.reset(req.rt, _project_id(req)))


def _project_id(req: Request) -> str:
    project_id: str = req.args['project_id']
    if len(project_id) > _LONGEST:
        raise exception.Invalid(
            f'project_id: is longer than {_LONGEST} characters.'
        )
    return project_id
