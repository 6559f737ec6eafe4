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

"""What a task needs to know and nobody may read: tokens and passwords.

Owns the place they have in a task's parameters. They are encrypted with a key
of the vault that the task works on, bound to the task, and taken out of the
row when the task ends.
"""

from collections.abc import Mapping
from typing import Any

from csbs import context as csbs_context
from csbs import keys
from csbs.actions.runtime import Runtime
from csbs.db import tasks as db_tasks
from csbs.db import vaults as db_vaults
from csbs.domain import model


def seal(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    vault_id: str,
    task_id: str,
    **secrets: str | None,
) -> dict[str, Any]:
    """Return parameters that hold the caller's token and more secrets.

    :raises KeyMissing: when there is something to keep and no key for it
    """
    key_ref = db_vaults.get(rt.db, vault_id).key_ref
    return seal_with(rt, ctx, key_ref, task_id, **secrets)


def seal_with(
    rt: Runtime,
    ctx: csbs_context.RequestContext,
    key_ref: str,
    task_id: str,
    **secrets: str | None,
) -> dict[str, Any]:
    """Do as :func:`seal`, with the key of a vault that may not exist yet.

    :raises KeyMissing: when there is something to keep and no key for it
    """
    known = {**secrets, 'token': ctx.auth_token}
    plain = {name: text for name, text in known.items() if text is not None}
    if not plain:
        return {}
    key = rt.keys.get(key_ref)
    return {
        db_tasks.SEALED: {
            name: keys.seal(key, text, f'{task_id}/{name}')
            for name, text in plain.items()
        }
    }


def unseal(rt: Runtime, task: model.Task) -> Mapping[str, str]:
    """Return a task's secrets by name.

    :raises KeyMissing: KeyWrong or the like, when they can't be read
    """
    kept = task.params.get(db_tasks.SEALED)
    if not kept:
        return {}
    key = rt.keys.get(db_vaults.get(rt.db, str(task.vault_id)).key_ref)
    return {
        name: keys.unseal(key, text, f'{task.id}/{name}')
        for name, text in kept.items()
    }
