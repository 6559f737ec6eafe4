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

"""Requests to Swift: sent, answered, and sent again when that may help.

Owns the connection to the service and what is a failure that may pass. What
an answer means for an object is for ``swift`` to say.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import datetime
import email.utils
import functools
import logging
from typing import Any

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa
import requests
import tenacity

_LOG = logging.getLogger(__name__)

#: bytes handed to the network at a time; a timeout is one of these
_SLICE = 256 << 10

#: seconds of the longest pause between two attempts
_LONGEST = 30.0

_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST)

#: 401 is one for a token that Keystone gave a moment ago, since its tokens
#: are void in the second of a revocation; 499 is Swift's word for an upload
#: that ended early
_PASSING = frozenset({401, 408, 429, 499, 500, 502, 503, 504})

_REASONS = {
    401: 'the credentials are not accepted',
    403: 'the user has no role that allows this, or a quota is used up',
    413: 'there is no space left, or a quota is used up',
    507: 'there is no space left for objects',
}


class Failed(Exception):
    """A request was not answered in a way that is of any use."""


class Passing(Exception):
    """A request failed in a way that may pass.

    :ivar pause: seconds to wait, when the service said so
    """

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Body:
    """What a request carries: a buffer in slices, never copied.

    It can be iterated over any number of times, so that a request can be
    sent again, by keystoneauth too. It is sent with its length; requests
    falls back to chunks for what is empty, hence the ``bytes`` for that.
    """

    def __init__(self, view: memoryview) -> None:
        self._view = view

    @classmethod
    def of(cls, view: memoryview) -> 'Body | bytes':
        """Return the body for a buffer of bytes."""
        return cls(view) if len(view) else b''

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self._view), _SLICE):
            yield self._view[start : start + _SLICE]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the service answered, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Sends requests to one account. May be used by several threads."""

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        timeouts: tuple[float, float],
        patience: float,
    ) -> None:
        """Use a session that knows how to authenticate.

        :param timeouts: seconds to connect, and between two pieces of an
            answer
        :param patience: seconds for which a request is sent again
        """
        self._adapter = adapter
        self._timeouts = timeouts
        self._patience = patience

    @functools.cached_property
    def endpoint(self) -> str:
        """The URL of the account.

        It is looked for once: to find it in the catalogue of a large cloud
        costs more than the rest of a request.

        :raises Failed: when there is none
        """
        found: str = self._repeat(self._find_endpoint)
        return found

    def request(
        self,
        method: str,
        path: str,
        *,
        accept: Collection[int],
        again: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: Body | bytes | None = None,
        verify: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Send a request until it is answered with a status of ``accept``.

        :param path: below the account, or the URL of something else, which
            gets no token
        :param again: statuses that may pass, beside the usual ones
        :param verify: raises :class:`Passing` when an answer is not right
        :raises Failed: when there is no such answer in time
        """

        def attempt() -> Answer:
            answer = self._send(
                method, path, headers=headers, params=params, body=body
            )
            _judge(answer, accept, again)
            if verify:
                verify(answer)
            return answer

        answer: Answer = self._repeat(attempt)
        return answer

    def _repeat(self, attempt: Callable[[], Any]) -> Any:
        """Call ``attempt`` until it does not raise :class:`Passing`.

        keystoneauth repeats requests as well, but it gives up at an answer
        that breaks off in the middle and at a Keystone that does not answer
        while a token is renewed, both of which a backup of many hours meets;
        it waits as long as any Retry-After says, and has no limit in time.
        So its own repeating stays off, and this is the one place that does
        it. Every request may be repeated: objects are written whole, under
        names that are never given to other content, or by their only
        writer; all else removes or reads.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=tenacity.stop_before_delay(self._patience),
            wait=_pause,
            before_sleep=_tell,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Passing as error:
            raise Failed(str(error)) from error

    def _find_endpoint(self) -> str:
        adapter = self._adapter
        with _translated():
            found = adapter.get_endpoint()
            if found and '%(' in found:
                # One from the configuration, for whatever project it is.
                project = adapter.get_project_id()
                found %= {
                    'project_id': project,
                    'tenant_id': project,
                    'user_id': adapter.get_user_id(),
                }
        if not found:
            raise Failed(
                f'the catalogue has no {adapter.service_type} with the '
                f'interface {adapter.interface} in the region '
                f'{adapter.region_name or "that is the default"}'
            )
        return found.rstrip('/')

    def _send(
        self, method: str, path: str, body: Body | bytes | None, **kwargs: Any
    ) -> Answer:
        """Send a request once, with a new token if the old one is refused."""
        headers = {'Accept-Encoding': 'identity', **(kwargs['headers'] or {})}
        ours = '://' not in path
        url = self.endpoint + path if ours else path
        try:
            with _translated():
                response = self._adapter.request(
                    url,
                    method,
                    params=kwargs['params'] or {},
                    headers=headers,
                    data=body,
                    timeout=self._timeouts,
                    authenticated=ours,
                    raise_exc=False,
                    redirect=False,
                    stream=True,
                    # Bodies are large, or name what a tenant has.
                    log=False,
                    connect_retries=0,
                )
                with response:
                    return _read(method, response)
        except Passing:
            if body:
                self._renew_token()
            raise

    def _renew_token(self) -> None:
        """Find out whether a large request broke off for its old token.

        A service may refuse a request, close the connection while the body
        is still on its way, and so never get its answer through.
        """
        with contextlib.suppress(ksa.ClientException):
            self._adapter.head(
                self.endpoint,
                timeout=self._timeouts,
                raise_exc=False,
                redirect=False,
                log=False,
                connect_retries=0,
            )


def _read(method: str, response: requests.Response) -> Answer:
    """Read an answer; one that is not whole is no answer."""
    # In one piece: as many bytes as were announced are read at once, into
    # the memory that is returned.
    body = b''.join(response.iter_content(None))
    length = response.headers.get('Content-Length', '')
    if method != 'HEAD' and length.isdecimal() and int(length) != len(body):
        raise Passing(f'an answer of {length} bytes broke off')
    return Answer(response.status_code, response.headers, body)


def _judge(
    answer: Answer, accept: Collection[int], again: Collection[int]
) -> None:
    """Let an answer pass that is among those accepted."""
    status = answer.status
    if status in accept:
        return
    reason = f'the service answered {status}'
    transaction = answer.headers.get('X-Trans-Id')
    if transaction:
        reason += f' (transaction {transaction})'
    if status in _REASONS:
        reason = f'{_REASONS[status]}: {reason}'
    elif 300 <= status < 400:
        reason = f'the endpoint leads elsewhere: {reason}'
    if status in _PASSING or status in again:
        raise Passing(reason, _retry_after(answer.headers))
    raise Failed(reason)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a service asks to wait for."""
    value = headers.get('Retry-After', '').strip()
    if value.isdecimal():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        return None
    return (when - datetime.datetime.now(datetime.UTC)).total_seconds()


def _pause(state: tenacity.RetryCallState) -> float:
    """Return how long to wait: as told, within reason, or ever longer."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Passing) and error.pause is not None:
        return min(max(error.pause, 0.0), _LONGEST)
    return _BACKOFF(state)


def _tell(state: tenacity.RetryCallState) -> None:
    _LOG.warning(
        'Swift: %s; trying again in %.1f seconds',
        state.outcome.exception() if state.outcome else None,
        state.upcoming_sleep,
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Tell failures of the way there that may pass from those that stay."""
    try:
        yield
    except ksa.UnknownConnectionError as error:
        # What is no URL will not be one the next time.
        if isinstance(error.original, ValueError):
            raise Failed(str(error)) from error
        raise Passing(str(error)) from error
    except ksa.SSLError as error:
        if 'CERTIFICATE_VERIFY_FAILED' in str(error):
            raise Failed(str(error)) from error
        raise Passing(str(error)) from error
    except (
        ksa.RetriableConnectionFailure,
        ksa.DiscoveryFailure,
        requests.RequestException,
    ) as error:
        raise Passing(str(error)) from error
    except ksa.HttpError as error:
        # Only Keystone's: an answer of Swift raises nothing.
        if error.http_status in _PASSING - {401}:
            raise Passing(f'Keystone: {error}') from error
        raise Failed(f'Keystone does not give a token: {error}') from error
    except ksa.ClientException as error:
        raise Failed(str(error)) from error
