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

"""Objects in OpenStack Swift, or in whatever speaks its API.

Owns the ``swift`` driver: what a container and an object are there, and what
an answer means for them. How requests get there is for ``swift_client``.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import hashlib
import itertools
import json
import logging
import re
from typing import Any
import urllib.parse

from keystoneauth1 import adapter as ksa_adapter

from csbs.store import errors
from csbs.store.objects import base
from csbs.store.objects import swift_client

_LOG = logging.getLogger(__name__)

_MD5 = re.compile(r'[0-9a-f]{32}', re.ASCII)
_RANGE = re.compile(r'bytes (\d+)-\d+/(?:\d+|\*)', re.ASCII)

#: the most objects deleted with one request: it has to end within the
#: timeout
_BULK = 1000

#: bytes of an object whose MD5 costs nothing
_SMALL = 1 << 20

#: Swift asks all replicas for the newest, so that what was overwritten or
#: removed a moment ago is not seen again; packs never are
_NEWEST = {'X-Newest': 'true'}


class SwiftStore:
    """A container of Swift."""

    def __init__(
        self,
        client: swift_client.Client,
        container: str,
        policy: str | None = None,
        checksums: str = 'auto',
    ) -> None:
        """Open a container, which is made when it is not there.

        :param policy: the storage policy of a new container
        :param checksums: whether Swift is sent the MD5 of what is large:
            ``always``, ``never``, or ``auto`` for when it goes by plain HTTP
        :raises ValueError: when no container can have that name
        :raises StoreUnreadable: when the service does not answer
        :raises StoreUnwritable: when the container cannot be made
        """
        self._client = client
        self._container = base.check_container(container)
        self._checksums = checksums
        answer = self._request(
            errors.StoreUnreadable, 'HEAD', accept=(200, 204, 404)
        )
        if answer.status == 404:
            self._create(policy)
            return
        found = answer.headers.get('X-Storage-Policy')
        if policy and found and found != policy:
            _LOG.warning(
                'Container %s has the storage policy %s rather than %s; it '
                'is used as it is',
                container,
                found,
                policy,
            )

    @classmethod
    def from_options(
        cls, options: Mapping[str, Any], container: str
    ) -> 'SwiftStore':
        """Open a container.

        :param options: ``session``, a keystoneauth session that is shared by
            all containers of the process; ``service_type``,
            ``service_name``, ``interface``, ``region_name`` and
            ``endpoint_override`` to find the service with;
            ``container_prefix``; ``storage_policy``; ``checksums``;
            ``connect_timeout``, ``timeout`` and ``retry_timeout`` in seconds
        :raises ValueError: when no container can have that name
        """
        base.check_container(container)
        adapter = ksa_adapter.Adapter(
            session=options['session'],
            service_type=options.get('service_type') or 'object-store',
            service_name=options.get('service_name'),
            interface=options.get('interface'),
            region_name=options.get('region_name'),
            endpoint_override=options.get('endpoint_override'),
        )
        client = swift_client.Client(
            adapter,
            (options['connect_timeout'], options['timeout']),
            options['retry_timeout'],
        )
        prefix = options.get('container_prefix') or ''
        return cls(
            client,
            prefix + container,
            options.get('storage_policy'),
            options.get('checksums') or 'auto',
        )

    def put(self, name: str, data: base.Buffer) -> None:
        base.check_name(name)
        view = memoryview(data).cast('B')
        headers = {'Content-Type': 'application/octet-stream'}
        digest = None
        if len(view) <= _SMALL or self._checks_large:
            # Swift refuses what has another one.
            digest = hashlib.md5(view, usedforsecurity=False).hexdigest()
            headers['ETag'] = digest

        def verify(answer: swift_client.Answer) -> None:
            found = _digest(answer.headers)
            if answer.status == 201 and digest and found not in (None, digest):
                raise swift_client.Passing('it arrived altered')

        answer = self._request(
            errors.StoreUnwritable,
            'PUT',
            name,
            accept=(201, 404),
            # 202: there is a newer one, by the clock of another proxy.
            again=(202, 422),
            headers=headers,
            body=swift_client.Body.of(view),
            verify=verify,
        )
        if answer.status == 404:
            raise errors.StoreUnwritable(self._gone(name))

    def get(
        self, name: str, offset: int = 0, length: int | None = None
    ) -> bytes:
        base.check_name(name)
        if (offset, length) == (0, None):
            return self._get_whole(name)
        if (length is not None and length <= 0) or offset < 0:
            return self._get_nothing(name, offset, length or 0)
        end = '' if length is None else offset + length - 1
        answer = self._request(
            errors.StoreUnreadable,
            'GET',
            name,
            accept=(206, 404, 416),
            headers={'Range': f'bytes={offset}-{end}'},
        )
        if answer.status == 404:
            raise self._missing(name)
        if answer.status == 416:
            # What begins at the very end has no bytes; for us that is fine.
            if length is None and offset == self.size(name):
                return b''
            raise errors.Damaged(name, 'it is shorter than expected')
        part = _RANGE.fullmatch(answer.headers.get('Content-Range', ''))
        if not part or int(part[1]) != offset:
            raise errors.StoreUnreadable(
                f'{self._container}/{name}: another part of it was sent'
            )
        if length is not None and len(answer.body) != length:
            raise errors.Damaged(name, 'it is shorter than expected')
        return answer.body

    def size(self, name: str) -> int:
        base.check_name(name)
        answer = self._request(
            errors.StoreUnreadable,
            'HEAD',
            name,
            accept=(200, 204, 404),
            headers=_NEWEST,
        )
        if answer.status == 404:
            raise self._missing(name)
        try:
            return int(answer.headers['Content-Length'])
        except (KeyError, ValueError):
            raise errors.StoreUnreadable(
                f'{self._container}/{name}: its size was not told'
            ) from None

    def delete(self, name: str) -> None:
        # 409: there is a newer one, by the clock of another proxy.
        self._request(
            errors.StoreUnwritable,
            'DELETE',
            base.check_name(name),
            accept=(200, 204, 404),
            again=(409,),
        )

    def delete_many(self, names: Iterable[str]) -> None:
        pending = map(base.check_name, names)
        while batch := tuple(itertools.islice(pending, self._bulk or 1)):
            for name in self._delete_bulk(batch) if len(batch) > 1 else batch:
                self.delete(name)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        base.check_prefix(prefix)
        params = {'format': 'json', 'prefix': prefix}
        # A page may be short for many reasons; only an empty one is the end.
        while page := self._page(params):
            yield from page
            params['marker'] = page[-1][0]

    def drop(self) -> None:
        answer = self._request(
            errors.StoreUnwritable, 'DELETE', accept=(204, 404, 409)
        )
        if answer.status == 409:
            raise errors.StoreUnwritable(
                f'container {self._container} is not empty, or not yet in '
                'the eyes of the service; try again later'
            )

    # ------ containers ------

    def _create(self, policy: str | None) -> None:
        headers = {'X-Storage-Policy': policy} if policy else {}
        answer = self._request(
            errors.StoreUnwritable,
            'PUT',
            accept=(201, 202, 204, 400, 409),
            headers=headers,
        )
        if answer.status == 400:
            raise errors.StoreUnwritable(self._why_not(policy))
        if answer.status == 409:
            _LOG.warning(
                'Container %s was made with another storage policy than %s '
                'meanwhile; it is used as it is',
                self._container,
                policy,
            )

    def _why_not(self, policy: str | None) -> str:
        """Say why a container could not be made."""
        known = self._capabilities.get('swift', {}).get('policies') or []
        names = [each.get('name', '') for each in known]
        if not policy or not names or policy in names:
            return (
                f'the service does not make the container {self._container}'
                + (f' with the storage policy {policy}' if policy else '')
            )
        return f'there is no storage policy {policy}; there are: ' + ', '.join(
            sorted(names)
        )

    @functools.cached_property
    def _checks_large(self) -> bool:
        """Whether large objects get the MD5 that small ones always have.

        It takes as much processor time as all else that is done to a pack.
        """
        if self._checksums == 'auto':
            return not self._client.endpoint.startswith('https://')
        return self._checksums == 'always'

    @functools.cached_property
    def _capabilities(self) -> dict[str, Any]:
        """What the cluster says of itself; nothing when it says nothing."""
        try:
            url = urllib.parse.urlsplit(self._client.endpoint)
            path = url.path.rpartition('/v1')[0] + '/info'
            answer = self._client.request(
                'GET',
                urllib.parse.urlunsplit((*url[:2], path, '', '')),
                accept=(200,),
            )
            found = json.loads(answer.body)
        except (swift_client.Failed, ValueError) as error:
            _LOG.info('The object store does not tell what it can: %s', error)
            return {}
        return found if isinstance(found, dict) else {}

    @functools.cached_property
    def _bulk(self) -> int:
        """How many objects one request may delete; 0 when none can."""
        found = self._capabilities.get('bulk_delete')
        if not isinstance(found, dict):
            return 0
        return min(_BULK, int(found.get('max_deletes_per_request', _BULK)))

    # ------ objects ------

    def _get_whole(self, name: str) -> bytes:
        def verify(answer: swift_client.Answer) -> None:
            expected = _digest(answer.headers)
            if answer.status != 200 or not expected:
                return
            md5 = hashlib.md5(answer.body, usedforsecurity=False)
            if md5.hexdigest() != expected:
                raise swift_client.Passing('it arrived altered')

        answer = self._request(
            errors.StoreUnreadable,
            'GET',
            name,
            accept=(200, 404),
            headers=_NEWEST,
            verify=verify,
        )
        if answer.status == 404:
            raise self._missing(name)
        return answer.body

    def _get_nothing(self, name: str, offset: int, length: int) -> bytes:
        """Return no bytes, if the object has that place."""
        if length or not 0 <= offset <= self.size(name):
            raise errors.Damaged(name, 'it is shorter than expected')
        return b''

    def _delete_bulk(self, names: Sequence[str]) -> Sequence[str]:
        """Delete objects with one request; return what may be left."""
        paths = '\n'.join(self._path(name) for name in names)
        answer = self._request(
            errors.StoreUnwritable,
            'POST',
            accept=(200,),
            path='',
            params={'bulk-delete': ''},
            headers={
                'Content-Type': 'text/plain',
                'Accept': 'application/json',
            },
            body=paths.encode(),
        )
        try:
            result = json.loads(answer.body)
            status = result['Response Status']
            wrong = len(result['Errors'])
        except (ValueError, KeyError, TypeError) as error:
            raise errors.StoreUnwritable(
                f'{self._container}: the answer to a deletion is not valid'
            ) from error
        if wrong or not status.startswith(('200', '404')):
            return names
        return []

    def _page(self, params: Mapping[str, str]) -> Sequence[tuple[str, int]]:
        answer = self._request(
            errors.StoreUnreadable,
            'GET',
            accept=(200, 204, 404),
            params=params,
        )
        if answer.status == 404:
            raise errors.StoreUnreadable(self._gone())
        try:
            return [
                (entry['name'], int(entry['bytes']))
                for entry in json.loads(answer.body or b'[]')
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise errors.StoreUnreadable(
                f'{self._container}: a list of objects is not valid'
            ) from error

    # ------ requests ------

    def _request(
        self,
        failure: type[errors.StoreError],
        method: str,
        name: str = '',
        *,
        path: str | None = None,
        **kwargs: Any,
    ) -> swift_client.Answer:
        """Send a request for the container or an object of it."""
        if path is None:
            path = self._path(name)
        try:
            return self._client.request(method, path, **kwargs)
        except swift_client.Failed as error:
            raise failure(f'{self._shown(name)}: {error}') from error

    def _path(self, name: str = '') -> str:
        return '/' + urllib.parse.quote(self._shown(name))

    def _shown(self, name: str = '') -> str:
        return f'{self._container}/{name}' if name else self._container

    def _missing(self, name: str) -> errors.StoreError:
        """Tell an object that is missing from a container that is."""
        answer = self._request(
            errors.StoreUnreadable, 'HEAD', accept=(200, 204, 404)
        )
        if answer.status == 404:
            return errors.StoreUnreadable(self._gone(name))
        return errors.ObjectMissing(name)

    def _gone(self, name: str = '') -> str:
        return f'{self._shown(name)}: there is no container {self._container}'


def _digest(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 of an object's bytes, where the answer has it."""
    if 'X-Static-Large-Object' in headers or 'X-Object-Manifest' in headers:
        # Put there by another tool, in parts; it is of something else then.
        return None
    etag = headers.get('ETag', '').strip('"')
    return etag if _MD5.fullmatch(etag) else None
