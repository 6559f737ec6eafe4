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

"""Keys in whatever castellan is set up with: Barbican, Vault and others.

Owns how castellan is told who asks and how long to wait, and which sentence
each of its failures becomes. The keys belong to the service, not to users.

castellan is made for users' requests. It gives its sessions no time limit,
has no way to renew a token but to ask for a new one with each call, and lets
errors of the libraries below it through. The first two are put right by the
credentials that it is handed here, the third by :func:`_fault`.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import secrets
import threading
from typing import Any
from typing import TypeVar

from barbicanclient import exceptions as barbican_exceptions
from castellan import key_manager
from castellan.common import exception as castellan_exception
from castellan.common.objects import symmetric_key
from keystoneauth1 import exceptions as auth_exceptions
from keystoneauth1 import plugin
from keystoneauth1 import session as auth_session
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from stevedore import exception as stevedore_exception

from csbs import exception
from csbs.conf import auth as conf_auth
from csbs.keys import base

LOG = log.getLogger(__name__)

T = TypeVar('T')


class _TimedAuth(plugin.BaseAuthPlugin):
    """Credentials that limit how long the sessions they serve wait.

    They are asked before each request. They outlive the sessions, so that
    a token serves until it is refused or about to expire, for all threads.
    """

    def __init__(self, auth: plugin.BaseAuthPlugin, timeout: float) -> None:
        super().__init__()
        self._auth = auth
        self._timeout = timeout

    def get_headers(
        self, session: auth_session.Session
    ) -> dict[str, str] | None:
        session.timeout = self._timeout
        return self._auth.get_headers(session)

    def get_endpoint(
        self, session: auth_session.Session, **kwargs: Any
    ) -> str | None:
        session.timeout = self._timeout
        return self._auth.get_endpoint(session, **kwargs)

    def get_connection_params(self, session: auth_session.Session) -> Any:
        return self._auth.get_connection_params(session)

    def invalidate(self) -> bool:
        return self._auth.invalidate()


# castellan before 5.6 knows the class by just this name.
class RequestContext(oslo_context.RequestContext):
    """The service itself, as who castellan is asked."""

    def __init__(
        self, auth: plugin.BaseAuthPlugin | None, timeout: float
    ) -> None:
        super().__init__(overwrite=False)
        self._auth = auth and _TimedAuth(auth, timeout)

    def get_auth_plugin(self) -> plugin.BaseAuthPlugin:
        """Return what castellan's sessions authenticate with.

        :raises MissingAuthPlugin: when none is configured
        """
        if self._auth is None:
            raise auth_exceptions.MissingAuthPlugin()
        return self._auth


class CastellanKeys:
    """Keys that castellan stores; connects at the first use."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._connection: tuple[Any, RequestContext] | None = None

    def create(self, name: str) -> str:
        """Make a key here and have it stored.

        Storing is one request that is over when it is answered. An order
        for a key would have to be polled, and leave itself behind.

        What was stored is fetched once, since not all drivers notice that
        it was not, and a role may permit to write but not to read.
        """
        key = secrets.token_bytes(base.KEY_BYTES)
        stored = symmetric_key.SymmetricKey('AES', len(key) * 8, key, name)
        ref = str(self._ask(lambda api, who: api.store(who, stored)))
        try:
            if self.get(ref) != key:
                raise exception.KeyUnavailable(
                    reason='it returned another key than it was given'
                )
        except exception.KeyMissing:
            with contextlib.suppress(exception.KeyMissing):
                self.delete(ref)
            raise
        return ref

    def get(self, ref: str) -> bytes:
        """Return a key."""
        key = self._ask(lambda api, who: api.get(who, ref).get_encoded())
        if not isinstance(key, bytes) or len(key) != base.KEY_BYTES:
            raise exception.KeyMissing(
                reason=f'what the key manager has as {ref} is no such key'
            )
        return key

    def delete(self, ref: str) -> None:
        """Destroy a key; fine when it is gone."""
        try:
            self._ask(lambda api, who: api.delete(who, ref))
        except exception.KeyUnavailable:
            raise
        except exception.KeyMissing:
            pass

    def check(self) -> None:
        """Make a key and destroy it: nothing less shows that it can."""
        self.delete(self.create('csbs check'))

    def _ask(self, question: Callable[[Any, RequestContext], T]) -> T:
        try:
            return question(*self._connect())
        except Exception as error:
            # Drivers let through what the libraries below them raise.
            raise _fault(error) from error

    def _connect(self) -> tuple[Any, RequestContext]:
        with self._lock:
            if self._connection is None:
                auth = conf_auth.load_auth(self._conf, 'vault_keys')
                self._connection = (
                    key_manager.API(self._conf),
                    RequestContext(auth, self._conf.vault_keys.timeout),
                )
            return self._connection


#: sentences for what the libraries raise; the first that fits is taken
_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (
        auth_exceptions.AuthPluginException,
        'the credentials for it are not configured',
    ),
    (ImportError, 'its driver cannot be loaded'),
    (stevedore_exception.NoMatches, 'its driver cannot be loaded'),
    (
        auth_exceptions.CatalogException,
        'it is not in the catalogue of services',
    ),
    (castellan_exception.Forbidden, 'it does not permit this to the service'),
    (auth_exceptions.ConnectionError, 'it does not answer'),
)

#: sentences for what servers answer
_STATUSES = {
    401: 'it does not accept the credentials of the service',
    403: 'it does not permit this to the service',
}


def _fault(error: Exception) -> exception.KeyMissing:
    """Return what users are told of a failure; the rest is logged."""
    if isinstance(error, castellan_exception.ManagedObjectNotFoundError):
        return exception.KeyMissing(reason='the key manager does not have it')
    causes = list(_causes(error))
    LOG.warning(
        'The key manager failed: %s (%s)',
        error,
        ' for '.join(type(cause).__name__ for cause in causes),
    )
    return exception.KeyUnavailable(reason=_reason(causes))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those it was raised in place of."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(causes: Sequence[BaseException]) -> str:
    for kind, reason in _KINDS:
        if any(isinstance(cause, kind) for cause in causes):
            return reason
    status = max(_status(cause) for cause in causes)
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return 'it answers with an error'
    for cause in causes:
        # All that requests raises is an OSError; a ValueError as well when
        # there was an answer, but no sense in it.
        if isinstance(cause, OSError) and not isinstance(cause, ValueError):
            return 'it does not answer'
    return 'it gives no usable answer'


def _status(cause: BaseException) -> int:
    """Return the HTTP status that an error is about, 0 if none."""
    if isinstance(cause, barbican_exceptions.HTTPAuthError):
        # It does not know its own.
        return 401
    if isinstance(cause, barbican_exceptions.HTTPError):
        return int(cause.status_code)
    if isinstance(cause, auth_exceptions.HttpError):
        return cause.http_status
    return 0
