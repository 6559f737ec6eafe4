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

import functools
import gc
import os
import threading
from typing import Any

from keystoneauth1 import exceptions as ksa
from oslo_config import cfg
from oslo_log import log

from csbs import conf as csbs_conf
from csbs import keys
from csbs import notifications
from csbs import plugins
from csbs import rpc
from csbs.actions.runtime import Runtime
from csbs.conf import auth
from csbs.db import session
from csbs.store import errors
from csbs.store.objects import base as objects_base


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
        objects=ObjectStores(conf),
        courier=notifications.from_conf(conf, db),
    )


def spare_collector() -> None:
    """Let the garbage collector pass over all that a process is made of.

    Lists make so many objects that it looks through everything for every
    tenth of them, and that takes longer than the list. To be called once,
    when everything is there that stays.
    """
    gc.collect()
    gc.freeze()


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


class ObjectStores:
    """Opens containers of the object store that the configuration names.

    What all of them share, such as a session that holds a token and
    connections, is made once for the process, when it is first needed: not
    every process has credentials for the object store.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._open: Any = None

    def __call__(self, container: str) -> objects_base.ObjectStore:
        """Open a container, which is made when it is not there.

        :raises plugins.UnknownDriver: when there is no such driver
        :raises StoreError: when it cannot be opened
        """
        with self._lock:
            if self._open is None:
                name = self._conf.store.backend
                driver = plugins.load('csbs.object_store', name)
                options = _store_options(self._conf, name)
                self._open = functools.partial(driver, options)
        store: objects_base.ObjectStore = self._open(container)
        return store


def _store_options(conf: cfg.ConfigOpts, driver: str) -> dict[str, Any]:
    """Return what a driver of object stores is told.

    :raises StoreUnreadable: when the configuration lacks something
    """
    if driver != 'swift':
        return {'path': conf.store.path}
    section = conf.swift
    try:
        session = auth.load_session(
            conf, 'swift', connections=section.connections
        )
    except (cfg.Error, ksa.ClientException) as error:
        raise errors.StoreUnreadable(
            f'the section [swift] does not suffice: {error}'
        ) from error
    return {
        'session': session,
        'interface': section.valid_interfaces,
        **{
            name: section[name]
            for name in (
                'checksums',
                'connect_timeout',
                'container_prefix',
                'endpoint_override',
                'region_name',
                'retry_timeout',
                'service_name',
                'service_type',
                'storage_policy',
                'timeout',
            )
        },
    }
