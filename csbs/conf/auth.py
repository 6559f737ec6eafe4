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

"""Options of how csbs shows other services who it is: one way for all.

A section that has them holds what keystoneauth knows of credentials and
connections, under the names that all of OpenStack uses. With ``auth_section``
it takes its credentials from another section.
"""

from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import base as identity_base
from oslo_config import cfg
from requests import adapters

#: seconds; keystoneauth would wait for ever
_TIMEOUT = 60.0
#: seconds for which a token must still be good to be used; with the two
#: minutes of keystoneauth, each request would get a new one of those that
#: last no longer
_TOKEN_LEFT = 20

#: ways to authenticate whose options are in the sample file
_SAMPLES = ('password', 'v3applicationcredential')

_ENDPOINT = (
    'service_type',
    'service_name',
    'valid_interfaces',
    'region_name',
    'endpoint_override',
)


def register(conf: cfg.ConfigOpts, group: str) -> None:
    """Register a section's options for a session.

    Those of the way to authenticate are registered when it is known which
    one it is, by :func:`load_session`.
    """
    loading.register_auth_conf_options(conf, group)
    conf.register_opts(_session_options(), group=group)


def credential_opts() -> list[cfg.Opt]:
    """Return the options that say who csbs is, for the sample file."""
    found = {
        option.dest: option
        for option in (
            *loading.get_auth_common_conf_options(),
            *(
                option
                for name in _SAMPLES
                for option in loading.get_auth_plugin_conf_options(name)
            ),
        )
    }
    return _tidy([found[name] for name in sorted(found)])


def list_opts() -> list[cfg.Opt]:
    """Return all options of a session, for the sample file."""
    return [*credential_opts(), *_tidy(_session_options())]


def endpoint_opts(service_type: str) -> list[cfg.Opt]:
    """Return the options that find a service in the catalogue."""
    found = loading.get_adapter_conf_options(include_deprecated=False)
    cfg.set_defaults(
        found,
        service_type=service_type,
        valid_interfaces=['internal', 'public'],
    )
    return _tidy([option for option in found if option.dest in _ENDPOINT])


def load_auth(
    conf: cfg.ConfigOpts, group: str, **others: str | None
) -> plugin.BaseAuthPlugin | None:
    """Return the credentials of a section, or None when it has none.

    :param others: what to use in place of what is written there
    :raises keystoneauth1.exceptions.ClientException: when its options do not
        suffice
    """
    credentials: plugin.BaseAuthPlugin | None = (
        loading.load_auth_from_conf_options(conf, group, **others)
    )
    if isinstance(credentials, identity_base.BaseIdentityPlugin):
        credentials.MIN_TOKEN_LIFE_SECONDS = _TOKEN_LEFT
    return credentials


def load_session(
    conf: cfg.ConfigOpts, group: str, *, connections: int = 10
) -> ksa_session.Session:
    """Return a session as a section says; nothing is sent yet.

    :param connections: how many it keeps open to one host
    :raises cfg.Error: when the section, or the one it refers to, has no
        ``auth_type``
    :raises keystoneauth1.exceptions.ClientException: when its options do not
        suffice
    """
    # Only now the files are read that say where the credentials are.
    register(conf, group)
    auth = load_auth(conf, group)
    if auth is None:
        section = conf[group].auth_section or group
        raise cfg.RequiredOptError('auth_type', cfg.OptGroup(section))
    session: ksa_session.Session = loading.load_session_from_conf_options(
        conf, group, auth=auth, app_name='csbs'
    )
    for adapter in session.session.adapters.values():
        if isinstance(adapter, adapters.HTTPAdapter):
            adapter.init_poolmanager(connections, connections)
    return session


def _session_options() -> list[cfg.Opt]:
    found: list[cfg.Opt] = loading.get_session_conf_options()
    cfg.set_defaults(found, timeout=_TIMEOUT)
    return found


def _tidy(options: list[cfg.Opt]) -> list[cfg.Opt]:
    """End the help of options that are not ours as that of ours ends."""
    for option in options:
        option.help = (option.help or '').rstrip('.') + '.'
    return options
