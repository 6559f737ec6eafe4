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

"""Configuration: one module a section, and one way to load them all.

There is no global configuration object: whoever needs options is handed
the object that :func:`load` made.
"""

from collections.abc import Sequence

from oslo_config import cfg
from oslo_db import options as db_options
from oslo_log import log
from oslo_messaging import opts as messaging_opts
from oslo_middleware import cors
from oslo_policy import opts as policy_opts
from oslo_utils import importutils

from csbs.conf import api
from csbs.conf import base
from csbs.conf import local_cloud
from csbs.conf import openstack
from csbs.conf import protection
from csbs.conf import quota
from csbs.conf import rbd
from csbs.conf import scheduler
from csbs.conf import store
from csbs.conf import swift
from csbs.conf import vault_keys

MODULES = (
    api,
    base,
    local_cloud,
    openstack,
    protection,
    quota,
    rbd,
    scheduler,
    store,
    swift,
    vault_keys,
)

#: what the libraries log by themselves at a level that would drown our own
_LOG_LEVELS = [
    'alembic=WARN',
    # Their callers say what failed, once.
    'barbicanclient=CRITICAL',
    'castellan=CRITICAL',
    'cheroot=WARN',
    'keystoneauth=WARN',
    'keystonemiddleware=WARN',
    # It would write the passwords of new servers down.
    'novaclient=WARN',
    'oslo.messaging=WARN',
    'oslo_messaging=WARN',
    'sqlalchemy=WARN',
    'stevedore=WARN',
    'urllib3=WARN',
]


def new() -> cfg.ConfigOpts:
    """Return a configuration object with every option registered."""
    conf = cfg.ConfigOpts()
    for module in MODULES:
        module.register_opts(conf)
    log.register_options(conf)
    log.set_defaults(default_log_levels=_LOG_LEVELS)
    db_options.set_defaults(conf)
    policy_opts.set_defaults(conf)
    conf.register_opts(cors.CORS_OPTS, 'cors')
    _register_messaging(conf)
    return conf


def _register_messaging(conf: cfg.ConfigOpts) -> None:
    for group, options in messaging_opts.list_opts():
        conf.register_opts(options, group)
    # These it reads from the object it is given, but registers with the
    # global one only.
    for module in ('metrics', 'tracing'):
        client = importutils.try_import(f'oslo_messaging._{module}.client')
        if client is not None:
            name = f'oslo_messaging_{module}'
            conf.register_opts(getattr(client, name), name)


def publish(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Give libraries that know only the global object the same files.

    :returns: the global object
    """
    cfg.CONF(
        [],
        project='csbs',
        default_config_files=list(conf.config_file or ()),
    )
    return cfg.CONF


def load(
    argv: Sequence[str] = (),
    *,
    prog: str | None = None,
    default_config_files: Sequence[str] | None = None,
) -> cfg.ConfigOpts:
    """Return the configuration from files and command line.

    :param argv: the arguments after the program's name
    :param default_config_files: None for the usual places
    """
    conf = new()
    conf(
        list(argv),
        project='csbs',
        prog=prog,
        default_config_files=(
            None
            if default_config_files is None
            else list(default_config_files)
        ),
    )
    return conf
