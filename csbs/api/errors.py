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


"""Errors as JSON: one function from an exception to the answer's body.

Nothing of an unexpected exception gets out: its traceback is logged with the
request's id, and the caller is given that id.
"""

import http
import logging
from typing import Any

from werkzeug import exceptions as werkzeug_exceptions

from csbs import exception

LOG = logging.getLogger(__name__)

_HTTP = {
    400: ('csbs.request.invalid', 'The request is not valid.'),
    404: ('csbs.request.not_found', 'There is nothing at this address.'),
    405: (
        'csbs.request.method_not_allowed',
        'This address does not know the method of the request.',
    ),
    413: (
        'csbs.request.too_large',
        'The body of the request is too large.',
    ),
    415: (
        'csbs.request.unsupported_media_type',
        'The body of a request has to be JSON, '
        'with "Content-Type: application/json".',
    ),
}


class Unauthenticated(exception.CsbsError):
    """The caller did not show who they are."""

    code = 'csbs.request.unauthenticated'
    status = 401
    message = 'A valid token is needed in the header X-Auth-Token.'


class NotJson(exception.Invalid):
    """The body cannot even be read."""

    message = 'The body of the request is not valid JSON.'


def describe(
    error: Exception, request_id: str | None
) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the JSON body for an exception.

    :param request_id: the id that the caller finds the log's lines by
    """
    extra: dict[str, Any] = {}
    if isinstance(error, exception.CsbsError):
        status, code, detail = error.status, error.code, str(error)
        extra = getattr(error, 'extra', {})
        if status >= 500:
            LOG.error('Request failed: %s', detail, exc_info=error)
    elif isinstance(error, werkzeug_exceptions.HTTPException):
        status = error.code or 500
        code, detail = _HTTP.get(
            status, (f'csbs.request.http_{status}', error.name + '.')
        )
    else:
        LOG.error('Request failed unexpectedly', exc_info=error)
        status, code = 500, exception.CsbsError.code
        detail = (
            'Something failed inside the service. Its log tells more under '
            'the id of this request.'
        )
    return status, {
        'errors': [
            {
                'status': status,
                'code': code,
                'title': http.HTTPStatus(status).phrase,
                'detail': detail,
                'request_id': request_id,
                **extra,
            }
        ]
    }
