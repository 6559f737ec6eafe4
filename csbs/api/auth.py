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


"""Who asks: from a request's headers to a context.

With ``keystone`` the headers were checked and written by keystonemiddleware,
which takes out what a caller put there; with ``noauth`` they are believed.
"""

from collections.abc import Mapping
from typing import Any

from csbs import context as csbs_context
from csbs import exception
from csbs.api import errors

_LOCAL_PROJECT = 'local'
#: each one implies those before it, as Keystone's own do
_LOCAL_ROLES = ('reader', 'member', 'manager', 'admin')


class NoProject(exception.Forbidden):
    """The token is good, but not for any project."""

    code = 'csbs.request.project_scope_required'
    message = (
        'The token is not scoped to a project; '
        'everything here belongs to a project, so ask for one that is.'
    )


class IdentityUnavailable(exception.CsbsError):
    """The token could be good or bad; Keystone did not say."""

    code = 'csbs.identity.unavailable'
    status = 503
    message = 'Keystone cannot be asked about the token; try again later.'


def keystone(environ: Mapping[str, Any]) -> csbs_context.RequestContext:
    """Return the context of a request that went through auth_token.

    :raises Unauthenticated: without a valid token
    :raises NoProject: when the token is scoped to something else
    """
    if environ.get('HTTP_X_IDENTITY_STATUS') != 'Confirmed':
        raise errors.Unauthenticated()
    context = csbs_context.RequestContext.from_environ(dict(environ))
    if not context.project_id:
        raise NoProject()
    return context


def noauth(environ: Mapping[str, Any]) -> csbs_context.RequestContext:
    """Return the context of a request that is believed what it says.

    ``X-Roles`` may name lesser roles than admin, to try the rules out.
    """
    token = environ.get('HTTP_X_AUTH_TOKEN', '')
    user, _, project = token.partition(':')
    return csbs_context.RequestContext(
        user_id=environ.get('HTTP_X_USER_ID') or user or _LOCAL_PROJECT,
        project_id=(
            environ.get('HTTP_X_PROJECT_ID') or project or _LOCAL_PROJECT
        ),
        roles=_with_implied(environ.get('HTTP_X_ROLES', 'admin')),
        auth_token=token or None,
        request_id=environ.get('openstack.request_id'),
        global_request_id=environ.get('openstack.global_request_id'),
    )


def _with_implied(text: str) -> list[str]:
    roles = {role.strip() for role in text.split(',')} - {''}
    for position, role in enumerate(_LOCAL_ROLES):
        if role in roles:
            roles.update(_LOCAL_ROLES[:position])
    return sorted(roles)


STRATEGIES = {'keystone': keystone, 'noauth': noauth}
