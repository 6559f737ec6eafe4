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

"""The proxy: everything that can be done with version 1 of the service.

Owns the calls; fields are in the resources' modules, errors in
``sdk.exceptions``, waiting in ``_wait``.
"""

from collections.abc import Callable
from collections.abc import Generator
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import overload

from openstack import proxy
import requests

from csbs.sdk import exceptions
from csbs.sdk.v1 import _policies
from csbs.sdk.v1 import _wait
from csbs.sdk.v1 import backup as _backup
from csbs.sdk.v1 import policy as _policy
from csbs.sdk.v1 import quota as _quota
from csbs.sdk.v1 import server as _server
from csbs.sdk.v1 import service as _service
from csbs.sdk.v1 import statistics as _statistics
from csbs.sdk.v1 import task as _task
from csbs.sdk.v1 import vault as _vault


class Proxy(_policies.PolicyCalls, proxy.Proxy):
    """Version 1 of the cloud server backup service.

    Every call can raise :class:`csbs.sdk.exceptions.ApiError` (by the HTTP
    status one of its subclasses, which are openstacksdk's own classes too)
    with the service's sentence and a stable code. Whatever takes a resource
    takes its id as well. Lists take ``limit`` (entries a page, at most
    1000), ``marker``, ``max_items``, ``sort`` (``created_at:desc,name:asc``)
    and fields of the resource. Lists of vaults, backups and tasks also take
    ``created_since`` and ``created_before``, and for administrators
    ``all_projects`` and ``project_id``.

    All calls work from microversion 1.0 on, the lowest there is; a call that
    needs a later one says so.
    """

    api_version: ClassVar[Literal['1']] = '1'

    _resource_registry = {
        'backup': _backup.Backup,
        'policy': _policy.Policy,
        'quota': _quota.Quota,
        'server': _server.Server,
        'service': _service.Service,
        'statistics': _statistics.Statistics,
        'task': _task.Task,
        'vault': _vault.Vault,
    }

    def request(
        self,
        url: str,
        method: str,
        error_message: str | None = None,
        raise_exc: bool | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request and raise what the service answers as an error.

        :param url: the URL, relative to the endpoint
        :param method: the HTTP method
        :param error_message: openstacksdk's, not used
        :param raise_exc: False to get the response even of an error
        :raises csbs.sdk.exceptions.ApiError: when the service refuses
        """
        response = super().request(
            url, method, error_message, False, *args, **kwargs
        )
        if raise_exc is not False:
            exceptions.raise_from_response(response)
        return response

    # ====== Vaults ======

    def vaults(self, **query: Any) -> Generator[_vault.Vault, None, None]:
        """Return a generator of vaults.

        :param query: filters and paging, see the class
        """
        return self._list(_vault.Vault, **query)

    def get_vault(self, vault: str | _vault.Vault) -> _vault.Vault:
        """Return a vault by its id.

        :param vault: the vault or its id
        :raises openstack.exceptions.NotFoundException: when there is none
        """
        return self._get(_vault.Vault, vault)

    @overload
    def find_vault(
        self, name_or_id: str, ignore_missing: Literal[False]
    ) -> _vault.Vault: ...

    @overload
    def find_vault(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _vault.Vault | None: ...

    def find_vault(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _vault.Vault | None:
        """Return a vault by its name or id.

        :param name_or_id: the name or id
        :param ignore_missing: return None when there is none
        :raises openstack.exceptions.NotFoundException: when there is none
        :raises openstack.exceptions.DuplicateResource: when there are many
        """
        return self._find(_vault.Vault, name_or_id, ignore_missing)

    def create_vault(self, **attrs: Any) -> _vault.Vault:
        """Create a vault.

        :param attrs: ``capacity_gb`` (GB), and if wanted ``name``,
            ``description``, ``months``, ``lock_days``, ``tags``,
            ``policy_ids`` (policies to bind to it) and ``backup``
            (``{'server_id': ..., 'name': ..., 'description': ...,
            'allow_pause': ...}``: a server to back up at once, which
            ``task_id`` of the result does)
        """
        return self._create(_vault.Vault, **attrs)

    def update_vault(
        self, vault: str | _vault.Vault, **attrs: Any
    ) -> _vault.Vault:
        """Change a vault's name, description or tags, or lengthen its lock.

        :param vault: the vault or its id
        :param attrs: ``name``, ``description``, ``tags`` or ``lock_days``
        """
        return self._update(_vault.Vault, vault, **attrs)

    def delete_vault(
        self, vault: str | _vault.Vault, ignore_missing: bool = True
    ) -> _vault.Vault | None:
        """Delete an empty vault; ``task_id`` of the result does the work.

        :param vault: the vault or its id
        :param ignore_missing: return None when there is none
        :raises openstack.exceptions.ConflictException: when it has backups
        """
        return self._delete(_vault.Vault, vault, ignore_missing)

    def extend_vault(
        self, vault: str | _vault.Vault, capacity_gb: int
    ) -> _vault.Vault:
        """Give a vault a larger capacity.

        :param vault: the vault or its id
        :param capacity_gb: the new capacity in GB
        """
        resource = self._get_resource(_vault.Vault, vault)
        return resource.extend(self, capacity_gb)

    def renew_vault(
        self, vault: str | _vault.Vault, months: int
    ) -> _vault.Vault:
        """Make a vault's term longer.

        :param vault: the vault or its id
        :param months: by how many months
        """
        resource = self._get_resource(_vault.Vault, vault)
        return resource.renew(self, months)

    # ====== Backups ======

    def backups(self, **query: Any) -> Generator[_backup.Backup, None, None]:
        """Return a generator of backups.

        :param query: filters and paging, see the class
        """
        return self._list(_backup.Backup, **query)

    def get_backup(self, backup: str | _backup.Backup) -> _backup.Backup:
        """Return a backup by its id.

        :param backup: the backup or its id
        :raises openstack.exceptions.NotFoundException: when there is none
        """
        return self._get(_backup.Backup, backup)

    @overload
    def find_backup(
        self, name_or_id: str, ignore_missing: Literal[False]
    ) -> _backup.Backup: ...

    @overload
    def find_backup(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _backup.Backup | None: ...

    def find_backup(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _backup.Backup | None:
        """Return a backup by its name or id.

        :param name_or_id: the name or id
        :param ignore_missing: return None when there is none
        :raises openstack.exceptions.NotFoundException: when there is none
        :raises openstack.exceptions.DuplicateResource: when there are many
        """
        return self._find(_backup.Backup, name_or_id, ignore_missing)

    def create_backup(self, **attrs: Any) -> _backup.Backup:
        """Start to back a server up; ``task_id`` of the result does it.

        :param attrs: ``server_id`` and ``vault_id``, and if wanted ``name``,
            ``description`` and ``allow_pause`` (whether the server may be
            paused for a moment to get its volumes at one instant)
        """
        return self._create(_backup.Backup, **attrs)

    def update_backup(
        self, backup: str | _backup.Backup, **attrs: Any
    ) -> _backup.Backup:
        """Change a backup's ``name`` or ``description``.

        :param backup: the backup or its id
        :param attrs: what to change
        """
        return self._update(_backup.Backup, backup, **attrs)

    def delete_backup(
        self, backup: str | _backup.Backup, ignore_missing: bool = True
    ) -> _backup.Backup | None:
        """Start to delete a backup; ``task_id`` of the result does it.

        :param backup: the backup or its id
        :param ignore_missing: return None when there is none
        """
        return self._delete(_backup.Backup, backup, ignore_missing)

    def restore_backup(
        self, backup: str | _backup.Backup, power_on: bool | None = None
    ) -> _backup.Backup:
        """Start to write a backup over the server it was made of.

        This cannot be undone. ``task_id`` of the result does it.

        :param backup: the backup or its id
        :param power_on: whether the server runs afterwards; None leaves
            that to the service
        """
        resource = self._get_resource(_backup.Backup, backup)
        return resource.restore(self, power_on)

    def create_server_from_backup(
        self,
        backup: str | _backup.Backup,
        *,
        name: str,
        networks: list[str] | str | None = None,
        key_name: str | None = None,
        admin_pass: str | None = None,
        security_groups: list[str] | None = None,
        flavor_id: str | None = None,
        availability_zone: str | None = None,
        power_on: bool | None = None,
    ) -> _backup.Backup:
        """Start to make a new server from a backup.

        ``task_id`` of the result does it; the new server's id is in that
        task's ``result['server_id']`` as soon as it is known.

        :param backup: the backup or its id
        :param name: the new server's name
        :param networks: ids of networks, or ``auto`` or ``none``
        :param key_name: the key pair to log in with
        :param admin_pass: the password to log in with
        :param security_groups: names of security groups
        :param flavor_id: another flavor than the backup's
        :param availability_zone: another zone than the backup's
        :param power_on: whether to leave it running; the default is yes
        """
        resource = self._get_resource(_backup.Backup, backup)
        return resource.create_server(
            self,
            name=name,
            networks=networks,
            key_name=key_name,
            admin_pass=admin_pass,
            security_groups=security_groups,
            flavor_id=flavor_id,
            availability_zone=availability_zone,
            power_on=power_on,
        )

    # ====== Tasks ======

    def tasks(self, **query: Any) -> Generator[_task.Task, None, None]:
        """Return a generator of tasks.

        :param query: filters and paging, see the class
        """
        return self._list(_task.Task, **query)

    def get_task(self, task: str | _task.Task) -> _task.Task:
        """Return a task by its id.

        :param task: the task or its id
        :raises openstack.exceptions.NotFoundException: when there is none
        """
        return self._get(_task.Task, task)

    def verify_backup(
        self,
        backup: str | _backup.Backup,
        *,
        mode: str = 'quick',
        percent: int = 100,
    ) -> _task.Task:
        """Start to look whether a backup can be restored.

        The task that is returned fails when something is damaged; its
        ``result`` tells what.

        :param backup: the backup or its id
        :param mode: ``quick``, by digests, or ``deep``, by content
        :param percent: of what is stored, taken by chance, that is read
        """
        resource = self._get_resource(_backup.Backup, backup)
        return _task.Task.verify(self, resource, mode, percent)

    def verify_vault(
        self,
        vault: str | _vault.Vault,
        *,
        mode: str = 'quick',
        percent: int = 100,
    ) -> _task.Task:
        """Start to look whether all backups of a vault can be restored.

        :param vault: the vault or its id
        :param mode: as in :meth:`verify_backup`
        :param percent: as in :meth:`verify_backup`
        """
        resource = self._get_resource(_vault.Vault, vault)
        return _task.Task.verify(self, resource, mode, percent)

    def cancel_task(self, task: str | _task.Task) -> _task.Task:
        """Ask a task to stop and undo what it began.

        :param task: the task or its id
        :raises openstack.exceptions.ConflictException: when it is too late
        """
        return self._get_resource(_task.Task, task).cancel(self)

    def wait_for_task(
        self,
        task: str | _task.Task,
        timeout: float | None = None,
        interval: float = 2,
        callback: Callable[[_task.Task], None] | None = None,
    ) -> _task.Task:
        """Wait until a task has ended.

        An API that cannot be reached for less than a minute is not an end
        of the wait: the task goes on without it.

        :param task: the task or its id
        :param timeout: how many seconds to wait; None waits for ever
        :param interval: seconds between two questions
        :param callback: called with the task whenever it was asked for
        :return: the task, which has succeeded
        :raises csbs.sdk.exceptions.TaskFailed: when it ended in another way
        :raises openstack.exceptions.ResourceTimeout: when it still runs
        """
        task_id = _task.Task._get_id(task)
        return _wait.wait(
            lambda: self._get(_task.Task, task_id, skip_cache=True),
            timeout,
            interval,
            callback,
        )

    def wait_for_backup(
        self,
        backup: str | _backup.Backup,
        timeout: float | None = None,
        interval: float = 2,
        callback: Callable[[_task.Task], None] | None = None,
    ) -> _backup.Backup:
        """Wait until the task that works on a backup has ended.

        :param backup: the backup or its id
        :param timeout: how many seconds to wait; None waits for ever
        :param interval: seconds between two questions
        :param callback: called with the task whenever it was asked for
        :return: the backup as it is then
        :raises csbs.sdk.exceptions.TaskFailed: when the task failed
        :raises openstack.exceptions.ResourceTimeout: when it still runs
        """
        backup_id = _backup.Backup._get_id(backup)
        task_id = backup.task_id if isinstance(backup, dict) else None
        if not task_id:
            task_id = self.get_backup(backup_id).task_id
        if task_id:
            self.wait_for_task(task_id, timeout, interval, callback)
        return self.get_backup(backup_id)

    # ====== Servers ======

    def servers(self, **query: Any) -> Generator[_server.Server, None, None]:
        """Return a generator of the project's servers.

        :param query: filters and paging, see the class
        """
        return self._list(_server.Server, **query)

    def get_server(self, server: str | _server.Server) -> _server.Server:
        """Return a server by its id.

        :param server: the server or its id
        :raises openstack.exceptions.NotFoundException: when there is none
        """
        return self._get(_server.Server, server)

    @overload
    def find_server(
        self, name_or_id: str, ignore_missing: Literal[False]
    ) -> _server.Server: ...

    @overload
    def find_server(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _server.Server | None: ...

    def find_server(
        self, name_or_id: str, ignore_missing: bool = True
    ) -> _server.Server | None:
        """Return a server by its name or id.

        :param name_or_id: the name or id
        :param ignore_missing: return None when there is none
        :raises openstack.exceptions.NotFoundException: when there is none
        :raises openstack.exceptions.DuplicateResource: when there are many
        """
        return self._find(_server.Server, name_or_id, ignore_missing)

    # ====== Services ======

    def services(
        self, **query: Any
    ) -> Generator[_service.Service, None, None]:
        """Return a generator of the processes of csbs (administrators).

        :param query: ``binary``, ``host`` and paging
        """
        return self._list(_service.Service, **query)
