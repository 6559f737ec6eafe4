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

"""What the resources of the API have in common.

Owns paging, finding by name, the body of a DELETE's answer, and actions;
each resource's own fields are in the module named after it.
"""

from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Mapping
import itertools
import re
from typing import Any
from typing import Self
import urllib.parse
import uuid

from keystoneauth1 import adapter
from openstack import exceptions
from openstack import resource
from openstack import utils
import requests

#: the most entries that the service puts on one page
MAX_PAGE = 1000

#: the filters of all lists of what projects own; times are RFC 3339
COMMON_FILTERS = (
    'all_projects',
    'created_before',
    'created_since',
    'id',
    'project_id',
    'sort',
)

# What may stand in a URL's path as it is.
_PATH_SAFE = re.compile(r'[A-Za-z0-9_~-][A-Za-z0-9._~-]*')


def looks_like_id(value: str) -> bool:
    """Tell whether a word is written as the service writes its ids."""
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


class Resource(resource.Resource):
    """The base of all resources of the service."""

    commit_method = 'PATCH'

    @classmethod
    def list(
        cls,
        session: adapter.Adapter,
        *args: Any,
        max_items: int | None = None,
        **params: Any,
    ) -> Generator[Self, None, None]:
        """Return a generator of resources, over as many pages as needed.

        :param session: the proxy
        :param max_items: how many to yield at most
        :param params: filters and paging
        """
        for name, value in params.items():
            if isinstance(value, bool):
                params[name] = 'true' if value else 'false'
        if max_items:
            params['limit'] = params.get('limit') or min(max_items, MAX_PAGE)
        found = super().list(session, *args, **params)
        # openstacksdk's own max_items asks for one page too many
        yield from itertools.islice(found, max_items)

    @classmethod
    def _get_next_link(
        cls,
        uri: str,
        response: requests.Response,
        data: dict[str, Any],
        marker: str | None,
        limit: str | None,
        total_yielded: int,
    ) -> tuple[str | None, Mapping[str, Any]]:
        # The service links a next page exactly when there is one, so there
        # is no need to try. Only the query of the link is used: behind a
        # proxy that ends TLS its host and scheme may be wrong, and a token
        # should not be sent there.
        for link in data.get(f'{cls.resources_key}_links') or ():
            if link.get('rel') == 'next' and link.get('href'):
                query = urllib.parse.urlparse(link['href']).query
                return uri, dict(urllib.parse.parse_qsl(query))
        return None, {}

    @classmethod
    def _describe(cls, candidate: Self) -> str:
        """Return what tells a resource from others of the same name."""
        created_at = getattr(candidate, 'created_at', None)
        if created_at:
            return f'{candidate.id} (created {created_at})'
        return str(candidate.id)

    @classmethod
    def _get_one_match(
        cls, name_or_id: str, results: Iterable[Self]
    ) -> Self | None:
        matches = [
            result
            for result in results
            if name_or_id in (result.id, result.name)
        ]
        if len(matches) > 1:
            candidates = ', '.join(cls._describe(match) for match in matches)
            raise exceptions.DuplicateResource(
                f"There are {len(matches)} {cls.resources_key} named "
                f"'{name_or_id}'; use the ID of one: {candidates}."
            )
        return matches[0] if matches else None

    @classmethod
    def find(  # type: ignore[override]
        cls,
        session: adapter.Adapter,
        name_or_id: str,
        ignore_missing: bool = True,
        **params: Any,
    ) -> Self | None:
        """Find a resource by its id or name.

        Ids are looked up directly. Anything else is a name first, so that a
        name never becomes part of a URL's path by accident.

        :param session: the proxy
        :param name_or_id: the word a user gave
        :param ignore_missing: return None instead of raising
        :param params: filters for the search by name
        :raises openstack.exceptions.NotFoundException: when nothing matches
        :raises openstack.exceptions.DuplicateResource: when several have
            the name; the message lists them
        """
        is_id = looks_like_id(name_or_id)
        found = cls._fetch_if_there(session, name_or_id) if is_id else None
        if found is None and 'name' in cls._query_mapping._mapping:
            found = cls._get_one_match(
                name_or_id, cls.list(session, name=name_or_id, **params)
            )
        if found is None and not is_id and _PATH_SAFE.fullmatch(name_or_id):
            found = cls._fetch_if_there(session, name_or_id)
        if found is None and not ignore_missing:
            raise exceptions.NotFoundException(
                f"There is no {cls.resource_key} with the name or ID "
                f"'{name_or_id}'."
            )
        return found

    @classmethod
    def _fetch_if_there(
        cls, session: adapter.Adapter, resource_id: str
    ) -> Self | None:
        match = cls.existing(
            id=resource_id,
            connection=session._get_connection(),  # type: ignore[attr-defined]
        )
        try:
            return match.fetch(session)
        except (
            exceptions.NotFoundException,
            exceptions.BadRequestException,
        ):
            return None

    def delete(self, session: adapter.Adapter, *args: Any, **kw: Any) -> Self:
        """Delete the resource; what the answer says of it is kept.

        :param session: the proxy
        :return: the resource with the ``task_id`` that deletes it
        :raises openstack.exceptions.HttpException: when it is refused
        """
        response = self._raw_delete(session, params=kw.get('params'))
        self._translate_response(response)
        return self

    def act(
        self,
        session: adapter.Adapter,
        action: str,
        body: dict[str, Any],
    ) -> Self:
        """Post an action and take over the resource that it answers.

        :param session: the proxy
        :param action: the last part of the URL
        :param body: the request's body
        :raises openstack.exceptions.HttpException: when it is refused
        """
        response = session.post(
            utils.urljoin(self.base_path, self.id, action), json=body
        )
        self._translate_response(response)
        return self
