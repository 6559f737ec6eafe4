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

"""The ways to Nova and Cinder: as the service, and as a user.

Owns sessions, tokens, the choice of microversions, what is tried again, and
how the errors of the client libraries become csbs' own. Only here are
requests configured; what they mean is for the other modules.

What is tried again: any request while no connection can be made, because it
was not sent then; requests that change nothing and deletions also when the
answer is lost or says that a proxy found nobody; and any that was turned away
because there were too many. Anything else would perhaps be done twice, so it
fails, and whoever sent it looks what became of it.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import time
from typing import Any
from typing import TypeVar

from cinderclient import client as cinder_client
from cinderclient import exceptions as cinder_exceptions
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import service_token
from keystoneauth1 import session as ks_session
from novaclient import client as nova_client
from novaclient import exceptions as nova_exceptions
from oslo_config import cfg
import urllib3

from csbs import context as csbs_context
from csbs import exception
from csbs.conf import auth as conf_auth

T = TypeVar('T')

GROUP = 'openstack'

#: what repeating cannot make worse
_REPEATABLE = frozenset({'GET', 'HEAD', 'OPTIONS', 'DELETE'})
_NOBODY_THERE = frozenset({408, 502, 503, 504})
#: nothing was done, for there were too many requests
_TOO_MANY = 429
_LONGEST_PAUSE = 10


class Missing(exception.CloudError):
    """What was asked for is not there, or not any more."""


@dataclasses.dataclass(frozen=True)
class Service:
    """A service and the microversions that csbs can work with.

    :ivar lowest: what csbs cannot do without
    :ivar highest: the newest one whose answers csbs knows
    :ivar release: the first release of OpenStack that has ``lowest``
    """

    name: str
    service_type: str
    lowest: tuple[int, int]
    highest: tuple[int, int]
    release: str


#: 2.89 tells the ids of attachments
NOVA = Service('Nova', 'compute', (2, 89), (2, 90), 'Xena')
#: 3.66 takes snapshots of volumes in use without being forced to
CINDER = Service('Cinder', 'block-storage', (3, 66), (3, 70), 'Xena')


@dataclasses.dataclass(frozen=True)
class Api:
    """Nova and Cinder as somebody may use them."""

    nova: Any
    cinder: Any


class TenantAuth(plugin.BaseAuthPlugin):
    """A user's token, with the service's knowledge of where things are.

    The token may have expired meanwhile: with a service token beside it, the
    services accept it for as long as Keystone's ``allow_expired_window``.
    """

    def __init__(
        self, token: str, project_id: str, service: plugin.BaseAuthPlugin
    ) -> None:
        super().__init__()
        self._token = token
        self._project_id = project_id
        self._service = service

    def get_token(self, session: ks_session.Session) -> str:
        """Return the user's token."""
        return self._token

    def get_project_id(self, session: ks_session.Session) -> str:
        """Return the user's project."""
        return self._project_id

    def get_endpoint(
        self, session: ks_session.Session, **kwargs: Any
    ) -> str | None:
        """Return where a service is for the user's project."""
        found = self._service.get_endpoint(session, **kwargs)
        own = self._service.get_project_id(session)
        if not found or not own:
            return found
        # Cinder's entry in the catalogue mostly ends in the project's id.
        return found.replace(own, self._project_id)


class Clients:
    """Ways to Nova and Cinder for everyone csbs may act as."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        """Prepare; nothing is asked before the first use.

        :raises CloudError: when the configuration names no credentials
        """
        self._conf = conf
        self._section = conf[GROUP]
        self._auth = self._load_auth()
        #: one that waits out an outage, and one that does not
        self._sessions = {
            patient: self._session(patient) for patient in (True, False)
        }
        self._service_apis: dict[bool, Api] = {}
        self._versions: dict[str, str] = {}

    def service(self, *, patient: bool = True) -> Api:
        """Return Nova and Cinder as the service's own user."""
        if patient not in self._service_apis:
            self._service_apis[patient] = self._api(patient, self._auth)
        return self._service_apis[patient]

    def tenant(self, context: csbs_context.RequestContext) -> Api | None:
        """Return Nova and Cinder within the context's project.

        As the context's user if it has a token, else as the service's user,
        whom the operator may have given a role in users' projects.

        :returns: None when neither may act there
        """
        project_id = str(context.project_id)
        if context.auth_token:
            return self._api(
                True, TenantAuth(context.auth_token, project_id, self._auth)
            )
        auth = self._load_auth(
            project_id=project_id,
            project_name=None,
            project_domain_id=None,
            project_domain_name=None,
        )
        with translated('A token for the project of the server'):
            try:
                auth.get_headers(self._sessions[True])
            except (
                ks_exceptions.Unauthorized,
                ks_exceptions.Forbidden,
                ks_exceptions.NotFound,
            ):
                return None
        return self._api(True, auth)

    def for_volume(
        self,
        context: csbs_context.RequestContext,
        volume: Mapping[str, Any],
    ) -> Api:
        """Return who may copy and delete a volume.

        The service itself, unless it is encrypted: its key can only be
        copied and deleted within its own project.

        :param volume: Cinder's description
        :raises CloudRefused: when csbs may not act there
        """
        if not volume.get('encrypted'):
            return self.service()
        api = self.tenant(context)
        if api is None:
            raise exception.CloudRefused(
                f'Volume {volume["id"]} is encrypted, and csbs may not act in '
                'its project.'
            )
        return api

    def project_id(self) -> str:
        """Return the service's own project."""
        with translated('The project of the service'):
            return str(self._auth.get_project_id(self._sessions[True]))

    def version(self, service: Service, *, patient: bool = True) -> str:
        """Return the microversion to talk to a service in.

        :raises CloudError: when the service is too old, or cannot be found
        """
        if service.name not in self._versions:
            self._versions[service.name] = self._negotiate(service, patient)
        return self._versions[service.name]

    def _load_auth(self, **others: str | None) -> plugin.BaseAuthPlugin:
        """Return the credentials of ``[openstack]``.

        :param others: what to use in place of what is written there
        """
        try:
            auth = conf_auth.load_auth(self._conf, GROUP, **others)
        except ks_exceptions.ClientException as error:
            raise exception.CloudError(
                f'The options of [{GROUP}] are not right: {error}'
            ) from error
        if auth is None:
            raise exception.CloudError(
                f'There are no credentials for OpenStack: set auth_type and '
                f'what belongs to it in [{GROUP}].'
            )
        return auth

    def _api(self, patient: bool, auth: plugin.BaseAuthPlugin) -> Api:
        common = {
            'session': self._sessions[patient],
            # Cinder asks Nova before it lets go of an attachment, unless a
            # service asks; and services let expired tokens of users pass.
            'auth': service_token.ServiceTokenAuthWrapper(auth, self._auth),
            'region_name': self._section.region_name,
            'endpoint_type': self._section.valid_interfaces,
            'retriable_status_codes': [_TOO_MANY],
            'status_code_retries': 4
            if patient and self._section.outage
            else 0,
        }
        return Api(
            nova=nova_client.Client(
                self.version(NOVA, patient=patient),
                service_type=NOVA.service_type,
                **common,
            ),
            cinder=cinder_client.Client(
                self.version(CINDER, patient=patient),
                service_type=CINDER.service_type,
                **common,
            ),
        )

    def _session(self, patient: bool) -> ks_session.Session:
        outage = self._section.outage if patient else 0
        session = loading.load_session_from_conf_options(
            self._conf, GROUP, auth=self._auth
        )
        retry = urllib3.Retry(
            total=None,
            connect=outage and 4 + outage // _LONGEST_PAUSE,
            read=2 if outage else 0,
            status=2 if outage else 0,
            redirect=0,
            other=0,
            allowed_methods=_REPEATABLE,
            status_forcelist=_NOBODY_THERE,
            raise_on_status=False,
            # A service may ask for any pause, such as an hour.
            respect_retry_after_header=False,
            backoff_factor=0.5,
            backoff_max=_LONGEST_PAUSE,
        )
        transport = ks_session.TCPKeepAliveAdapter(
            max_retries=retry, pool_maxsize=32
        )
        for scheme in ('http://', 'https://'):
            session.session.mount(scheme, transport)
        return session

    def _negotiate(self, service: Service, patient: bool) -> str:
        with translated(f'The versions of {service.name}'):
            data = adapter.Adapter(
                self._sessions[patient],
                service_type=service.service_type,
                interface=self._section.valid_interfaces,
                region_name=self._section.region_name,
            ).get_endpoint_data()
        if data is None:
            raise exception.CloudError(
                f'{service.name} is not in the catalogue of services.'
            )
        newest = data.max_microversion
        if newest is None or newest < service.lowest:
            offered = '.'.join(map(str, newest)) if newest else 'none'
            wanted = '.'.join(map(str, service.lowest))
            raise exception.CloudError(
                f'{service.name} is too old: csbs needs microversion {wanted} '
                f'(OpenStack {service.release} or newer), it offers up to '
                f'{offered}.'
            )
        return '.'.join(map(str, min(newest, service.highest)))


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn errors of the client libraries into csbs' own.

    :param what: what was being asked or done, the begin of a sentence
    :raises Missing: when the service says 404
    :raises CloudRefused: when it says that it may not or cannot be
    :raises CloudUnavailable: when it does not answer
    :raises CloudError: when it fails
    """
    try:
        yield
    except (
        nova_exceptions.ClientException,
        cinder_exceptions.ClientException,
    ) as error:
        raise _error(what, error.code, error.message or error) from error
    except ks_exceptions.HttpError as error:
        raise _error(what, error.http_status, error.message) from error
    except (
        ks_exceptions.ConnectionError,
        # What keystoneauth says when Keystone does not answer.
        ks_exceptions.DiscoveryFailure,
    ) as error:
        raise exception.CloudUnavailable(f'{what}: {error}') from error
    except ks_exceptions.ClientException as error:
        raise exception.CloudError(f'{what}: {error}') from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # The client libraries take every answer for one of the service.
        raise exception.CloudError(
            f'{what}: the answer makes no sense ({error!r})'
        ) from error


def _error(what: str, status: int, message: object) -> exception.CloudError:
    text = f'{what}: {message} (HTTP {status})'
    if status == 404:
        return Missing(text)
    if status in _NOBODY_THERE or status == _TOO_MANY:
        return exception.CloudUnavailable(text)
    if 400 <= status < 500 and status != 401:
        return exception.CloudRefused(text)
    return exception.CloudError(text)


def wait_for(
    look: Callable[[], T | None],
    what: str,
    timeout: float,
    check: Callable[[], None] = lambda: None,
    pause: float = 0.2,
) -> T:
    """Return what ``look`` finds, once it finds something.

    :param what: to be waited for; follows "waited too long for"
    :param timeout: seconds
    :param check: called before every look; may raise to end the waiting
    :param pause: seconds between the first looks; they get longer
    :raises CloudError: when the time is up
    """
    deadline = time.monotonic() + timeout
    while True:
        check()
        found = look()
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            raise exception.CloudError(
                f'Waited too long ({timeout:g} s) for {what}.'
            )
        time.sleep(pause)
        pause = min(pause * 1.3, 5)
