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


"""Handlers of vaults."""

from typing import Any

from csbs.actions import backups as backup_actions
from csbs.actions import vaults as actions
from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import vaults as schemas
from csbs.db import vaults as db
from csbs.domain import model


def _render_vault(
    vault: model.Vault, task_id: str | None = None
) -> dict[str, Any]:
    return {
        'id': vault.id,
        'project_id': vault.project_id,
        'name': vault.name,
        'description': vault.description,
        'capacity_gb': vault.capacity_gb,
        'months': vault.months,
        'status': vault.status.value,
        'used_gb': vault.used_gb,
        'used_bytes': vault.used_bytes,
        'stored_bytes': vault.stored_bytes,
        'protected_bytes': vault.protected_bytes,
        'saved_percent': common.saved_percent(
            vault.protected_bytes, vault.stored_bytes
        ),
        'backup_count': vault.backup_count,
        'policy_ids': list(vault.policy_ids),
        'lock_days': vault.lock_days,
        'tags': list(vault.tags),
        'task_id': vault.task_id or task_id,
        'created_at': common.time(vault.created_at),
        'updated_at': common.time_or_none(vault.updated_at),
        'expires_at': common.time_or_none(vault.expires_at),
    }


def _answer(vault: model.Vault, task_id: str | None = None) -> dict[str, Any]:
    return {'vault': _render_vault(vault, task_id)}


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_vaults(req: Request) -> dict[str, Any]:
    """List vaults."""
    wanted = listing.of(req, 'csbs:vaults:list_all_projects')
    filters = dict(wanted.filters)
    if 'tags' in filters:
        filters['tags'] = filters['tags'].split(',')
    found = db.find(req.rt.db, wanted.project_id, filters, wanted.page)
    return listing.answer(req, 'vaults', found, wanted.limit, _render_vault)


@validation.body(schemas.CREATE)
@validation.response(201, schemas.SHOW)
def create_vault(req: Request) -> dict[str, Any]:
    """Create a vault."""
    fields = dict(req.body['vault'])
    first = dict(fields.pop('backup', {}))
    server_id = first.pop('server_id', None)
    return _answer(
        *actions.create(
            req.rt,
            req.context,
            actions.Wish(
                server_id=server_id,
                backup=backup_actions.Wish(**first),
                **fields,
            ),
        )
    )


@validation.response(200, schemas.SHOW)
def show_vault(req: Request) -> dict[str, Any]:
    """Show a vault."""
    project_id = req.readable('csbs:vaults:list_all_projects')
    return _answer(db.get(req.rt.db, req.args['vault_id'], project_id))


@validation.body(schemas.UPDATE)
@validation.response(200, schemas.SHOW)
def update_vault(req: Request) -> dict[str, Any]:
    """Change a vault's name, description or tags, or lengthen its lock."""
    return _answer(
        actions.update(
            req.rt, req.context, req.args['vault_id'], req.body['vault']
        )
    )


@validation.response(202, schemas.SHOW)
def delete_vault(req: Request) -> dict[str, Any]:
    """Delete an empty vault."""
    return _answer(actions.delete(req.rt, req.context, req.args['vault_id']))


@validation.body(schemas.EXTEND)
@validation.response(200, schemas.SHOW)
def extend_vault(req: Request) -> dict[str, Any]:
    """Give a vault more capacity."""
    return _answer(
        actions.extend(
            req.rt,
            req.context,
            req.args['vault_id'],
            req.body['capacity_gb'],
        )
    )


@validation.body(schemas.RENEW)
@validation.response(200, schemas.SHOW)
def renew_vault(req: Request) -> dict[str, Any]:
    """Lengthen a vault's term."""
    return _answer(
        actions.renew(
            req.rt, req.context, req.args['vault_id'], req.body['months']
        )
    )
