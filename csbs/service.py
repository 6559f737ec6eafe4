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

"""Connecting a process to all it works with, from the configuration."""

import os
from typing import Any

from oslo_config import cfg
from oslo_log import log

from csbs import conf as csbs_conf
from csbs import keys
from csbs import notifications
from csbs import plugins
from csbs import rpc
from csbs.actions.runtime import Runtime
from csbs.db import session


def build_runtime(conf: cfg.ConfigOpts | None = None) -> Runtime:
    """Connect a process to all it works with.

    :param conf: None to load it from the files in the environment variable
        ``OS_CSBS_CONFIG_FILES`` (separated by semicolons), else from the
        usual places
    :raises plugins.UnknownDriver: when the configuration names one
    """
    if conf is None:
        files = os.environ.get('OS_CSBS_CONFIG_FILES')
        conf = csbs_conf.load(
            default_config_files=files.split(';') if files else None
        )
        log.setup(conf, 'csbs')
    db = build_database(conf)
    return Runtime(
        conf=conf,
        db=db,
        cloud=plugins.load('csbs.cloud', conf.protection.cloud)(conf),
        keys=keys.from_conf(conf),
        doorbell=rpc.RpcDoorbell(conf),
        courier=notifications.from_conf(conf, db),
    )


def build_database(conf: cfg.ConfigOpts) -> session.Database:
    """Connect to the database alone."""
    return session.Database(**_database_options(conf))


def _database_options(conf: cfg.ConfigOpts) -> dict[str, Any]:
    section = conf.database
    return {
        'connection': section.connection
        or f'sqlite:///{conf.state_path}/csbs.sqlite',
        'slave_connection': section.slave_connection,
        'max_retries': section.max_retries,
        'retry_interval': section.retry_interval,
        'max_pool_size': section.max_pool_size,
        'max_overflow': section.max_overflow,
        'pool_timeout': section.pool_timeout,
        'connection_recycle_time': section.connection_recycle_time,
    }
