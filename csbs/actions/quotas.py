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

"""The verbs of quotas, and the counting that other verbs do."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses

from csbs import exception
from csbs.actions.runtime import Runtime
from csbs.db import policies as db_policies
from csbs.db import quotas as db_quotas
from csbs.db import session
from csbs.db import vaults as db_vaults
from csbs.domain import quota

_COUNTS: Mapping[str, Callable[[session.Database, str], int]] = {
    'vaults': db_vaults.count,
    'policies': db_policies.count,
}


def limits(rt: Runtime, project_id: str) -> quota.Limits:
    """Return the limits of a project."""
    own = db_quotas.own(rt.db, project_id)
    return quota.Limits(
        **{
            field.name: own.get(field.name, getattr(rt.conf.quota, field.name))
            for field in dataclasses.fields(quota.Limits)
        }
    )


def get(rt: Runtime, project_id: str) -> quota.Quota:
    """Return the limits of a project beside what it has."""
    return _of(rt, [project_id])[0]


def find(rt: Runtime, after: str | None, limit: int) -> list[quota.Quota]:
    """Return the quotas of all projects that have or had anything.

    :param after: the project at the end of the page before
    """
    return _of(rt, db_quotas.projects(rt.db, after, limit))


def _of(rt: Runtime, project_ids: Sequence[str]) -> list[quota.Quota]:
    usage = db_quotas.usage(rt.db, project_ids)
    return [
        quota.Quota(
            project_id=project_id,
            limits=limits(rt, project_id),
            usage=usage[project_id],
            own=tuple(sorted(db_quotas.own(rt.db, project_id))),
        )
        for project_id in project_ids
    ]


def update(
    rt: Runtime, project_id: str, changes: Mapping[str, int | None]
) -> quota.Quota:
    """Give a project limits of its own.

    What it has beyond them stays; it gets no more.

    :param changes: by name; None leaves a limit to the configuration
    :raises Invalid: when the limits can't be kept
    """

    def work() -> None:
        db_quotas.save(rt.db, project_id, changes)
        try:
            limits(rt, project_id).check()
        except ValueError as error:
            raise exception.Invalid(f'quota.{error}') from error

    rt.db.run(work)
    return get(rt, project_id)


def reset(rt: Runtime, project_id: str) -> quota.Quota:
    """Leave all limits of a project to the configuration."""
    rt.db.run(lambda: db_quotas.reset(rt.db, project_id))
    return get(rt, project_id)


def take_one(rt: Runtime, project_id: str, resource: str) -> None:
    """See that a project may have one more.

    Part of the transaction that makes it, so that two never get the same
    last place.

    :param resource: ``vaults`` or ``policies``
    :raises QuotaExceeded: when it has all it may have
    """
    db_quotas.lock(rt.db, project_id)
    check(
        _COUNTS[resource](rt.db, project_id),
        getattr(limits(rt, project_id), resource),
        resource,
    )


def check(count: int, limit: int, resource: str) -> None:
    """See that there may be one more than there are.

    :param resource: as the user is told, in the plural
    :raises QuotaExceeded: when there are as many as there may be
    """
    if limit != quota.UNLIMITED and count >= limit:
        raise exception.QuotaExceeded(limit=limit, resource=resource)


def check_capacity(rt: Runtime, project_id: str, capacity_gb: int) -> None:
    """See that a vault of a project may have a capacity.

    :raises Invalid: when it may not
    """
    bounds = limits(rt, project_id)
    if not bounds.min_capacity_gb <= capacity_gb <= bounds.max_capacity_gb:
        raise exception.Invalid(
            f'capacity_gb: {capacity_gb} is not between '
            f'{bounds.min_capacity_gb} and {bounds.max_capacity_gb}.'
        )
