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

"""The errors that users of the SDK meet.

The service answers every error as ``{"errors": [{"status", "code", "title",
"detail", "request_id"}]}`` (the format of the OpenStack API guidelines),
which openstacksdk itself does not read. The classes here are openstacksdk's
own and carry the sentence and the stable code beside.
"""

from typing import Any
from typing import TYPE_CHECKING

from openstack import exceptions

if TYPE_CHECKING:
    import requests

    from csbs.sdk.v1 import task as _task


class ApiError(exceptions.HttpException):
    """An error that the service answered.

    :ivar code: the stable dotted code, such as ``csbs.vault.not_found``
    :ivar request_id: what an operator finds the request by in the logs
    """

    def __init__(
        self,
        message: str,
        response: 'requests.Response | None' = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message=message, response=response, details=message)
        self.code = code
        self.request_id = request_id or self.request_id

    def __str__(self) -> str:
        """Return the sentence and what support needs to know beside it."""
        marks = [self.code] if self.code else []
        if self.source == 'Server' and self.request_id:
            marks.append(self.request_id)
        if not marks:
            return str(self.message)
        return f'{self.message} ({", ".join(marks)})'


class BadRequest(ApiError, exceptions.BadRequestException):
    """The request is not valid (400)."""


class Forbidden(ApiError, exceptions.ForbiddenException):
    """The request is not allowed, or a quota is used up (403)."""


class NotFound(ApiError, exceptions.NotFoundException):
    """There is no such resource (404)."""


class Conflict(ApiError, exceptions.ConflictException):
    """The request does not fit the present state (409)."""


class TaskFailed(exceptions.ResourceFailure):
    """A task that was waited for ended, but not well.

    :ivar task: the task as it was last seen
    :ivar code: the stable code of its fault, or None
    """

    def __init__(self, task: '_task.Task') -> None:
        fault = task.fault or {}
        self.task = task
        self.code: str | None = fault.get('code')
        message = fault.get('message')
        if not message:
            message = f'Task {task.id} ended as {task.status}.'
        if self.code:
            message = f'{message} ({self.code})'
        super().__init__(message)


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
}


def _read_errors(response: 'requests.Response') -> list[dict[str, Any]]:
    """Return the error objects of a response, none if it holds no such."""
    if 'json' not in response.headers.get('content-type', ''):
        return []
    try:
        body = response.json()
    except ValueError:
        return []
    errors = body.get('errors') if isinstance(body, dict) else None
    if not isinstance(errors, list):
        return []
    return [error for error in errors if isinstance(error, dict)]


def raise_from_response(response: 'requests.Response') -> None:
    """Raise what a response of the service reports, if it is an error.

    A response that is an error of another make (a proxy's page, the answer
    of the authentication middleware) is left to openstacksdk.

    :param response: any response
    :raises ApiError: one of the subclasses here, by the HTTP status
    """
    if response.status_code < 400:
        return
    errors = _read_errors(response)
    if not errors:
        return
    sentences = [
        str(error.get('detail') or error.get('title') or '').strip()
        for error in errors
    ]
    message = ' '.join(sentence for sentence in sentences if sentence)
    cls = _BY_STATUS.get(response.status_code, ApiError)
    raise cls(
        message=message or f'The service answered {response.status_code}.',
        response=response,
        code=errors[0].get('code'),
        request_id=errors[0].get('request_id'),
    )
