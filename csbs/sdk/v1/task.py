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

"""Tasks: pieces of work with state, progress and result."""

from typing import Any
from typing import Self

from keystoneauth1 import adapter
from openstack import resource
from openstack import utils

from csbs.sdk.v1 import _base

#: the statuses that a task never leaves
FINAL_STATUSES = frozenset({'succeeded', 'failed', 'cancelled', 'skipped'})


class Task(_base.Resource):
    """A task. Times are RFC 3339."""

    resource_key = 'task'
    resources_key = 'tasks'
    base_path = '/tasks'

    allow_fetch = True
    allow_list = True

    _query_mapping = resource.QueryParameters(
        'backup_id',
        'kind',
        'parent_id',
        'policy_id',
        'server_id',
        'status',
        'vault_id',
        *_base.COMMON_FILTERS,
    )

    #: the project that owns it
    project_id: str = resource.Body('project_id')
    #: ``backup``, ``restore``, ``create_server``, ``delete_backup``,
    #: ``collect``, ``delete_vault``, ``policy_run`` or ``verify``
    kind: str = resource.Body('kind')
    #: ``queued``, ``running``, ``succeeded``, ``failed``, ``cancelled`` or
    #: ``skipped``
    status: str = resource.Body('status')
    #: a short word for what it does now
    step: str | None = resource.Body('step')
    #: how far it is, 0 to 100
    progress: int = resource.Body('progress', type=int)
    #: how many bytes are done
    bytes_done: int = resource.Body('bytes_done', type=int)
    #: how many bytes there are to do, as far as is known
    bytes_total: int = resource.Body('bytes_total', type=int)
    #: bytes a second, or None
    rate: float | None = resource.Body('rate')
    #: seconds that it will still take, or None
    eta_seconds: float | None = resource.Body('eta_seconds')
    #: the backup that it works on
    backup_id: str | None = resource.Body('backup_id')
    #: the server that it works on
    server_id: str | None = resource.Body('server_id')
    #: the vault that it works on
    vault_id: str | None = resource.Body('vault_id')
    #: the policy that it works for
    policy_id: str | None = resource.Body('policy_id')
    #: the run that it is a part of
    parent_id: str | None = resource.Body('parent_id')
    #: who started it: ``manual``, ``run_now`` or ``scheduled``
    trigger: str | None = resource.Body('trigger')
    #: the time of the schedule that it was started for
    planned_at: str | None = resource.Body('planned_at')
    #: where it runs
    host: str | None = resource.Body('host')
    #: how many times it was begun
    attempts: int = resource.Body('attempts', type=int)
    #: what came of it, such as ``server_id`` of a new server
    result: dict[str, Any] | None = resource.Body('result')
    #: why it failed: ``{'code': ..., 'message': ...}``, or None
    fault: dict[str, str] | None = resource.Body('fault')
    #: when it was asked for
    created_at: str = resource.Body('created_at')
    #: when it was begun
    started_at: str | None = resource.Body('started_at')
    #: when it ended
    finished_at: str | None = resource.Body('finished_at')

    @property
    def is_finished(self) -> bool:
        """Tell whether the task has ended, well or not."""
        return self.status in FINAL_STATUSES

    @property
    def has_failed(self) -> bool:
        """Tell whether the task has ended, and not well."""
        return self.is_finished and self.status != 'succeeded'

    def cancel(self, session: adapter.Adapter) -> Self:
        """Ask the task to stop and undo what it began.

        :param session: the proxy
        :raises openstack.exceptions.HttpException: when it is refused
        """
        return self.act(session, 'cancel', {})

    @classmethod
    def verify(
        cls,
        session: adapter.Adapter,
        found: _base.Resource,
        mode: str,
        percent: int,
    ) -> Self:
        """Look whether a backup, or all of a vault, can be restored.

        :param session: the proxy
        :param found: the backup or vault
        :param mode: ``quick`` or ``deep``
        :param percent: of what is stored that is read
        :raises openstack.exceptions.HttpException: when it is refused
        """
        response = session.post(
            utils.urljoin(found.base_path, found.id, 'verify'),
            json={'verify': {'mode': mode, 'percent': percent}},
        )
        task = cls()
        task._translate_response(response)
        return task
