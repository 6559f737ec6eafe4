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


"""Handlers of services: the processes of csbs."""

from typing import Any

from csbs.api import listing
from csbs.api import validation
from csbs.api.handlers import common
from csbs.api.request import Request
from csbs.api.schemas import services as schemas
from csbs.db import services as db
from csbs.domain import model


def _render_service(service: model.Service) -> dict[str, Any]:
    return {
        'id': service.id,
        'binary': service.binary,
        'host': service.host,
        'started_at': common.time(service.started_at),
        'seen_at': common.time(service.seen_at),
        'alive': service.alive,
    }


@validation.query(schemas.LIST_QUERY)
@validation.response(200, schemas.LIST)
def list_services(req: Request) -> dict[str, Any]:
    """List the processes of this service."""
    return listing.answer_in_memory(
        req,
        'services',
        [_render_service(service) for service in db.find(req.rt.db)],
        (('binary', False), ('host', False)),
    )
