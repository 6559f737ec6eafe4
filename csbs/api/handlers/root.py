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


"""Handlers of what anybody may ask: versions, health, the description."""

import logging
from typing import Any

from csbs import exception
from csbs.api import openapi
from csbs.api import validation
from csbs.api import versions
from csbs.api.request import Request
from csbs.api.schemas import root as schemas

LOG = logging.getLogger(__name__)


class Unhealthy(exception.CsbsError):
    """The service cannot do its work at the moment."""

    code = 'csbs.service.unhealthy'
    status = 503
    message = 'The database does not answer.'


@validation.response(200, schemas.VERSIONS)
def list_versions(req: Request) -> dict[str, Any]:
    """List the major versions of the API."""
    return {'versions': [versions.describe(req.root_url)]}


@validation.response(200, schemas.SHOW_VERSION)
def show_version(req: Request) -> dict[str, Any]:
    """Show the major version 1 of the API."""
    return {'version': versions.describe(req.root_url)}


@validation.response(200, schemas.HEALTH)
def check_health(req: Request) -> dict[str, Any]:
    """Tell whether the service can answer requests."""
    try:
        req.rt.db.ping()
    except Exception as error:
        # Whatever it is, a load balancer has to look elsewhere.
        LOG.warning('The database does not answer: %s', error)
        raise Unhealthy() from None
    return {'status': 'ok'}


@validation.response(200, schemas.OPENAPI)
def show_openapi(req: Request) -> dict[str, Any]:
    """Describe the API in OpenAPI's format."""
    # Imported late: the routes name this handler.
    from csbs.api import routes

    return openapi.document(routes.ROUTES)
