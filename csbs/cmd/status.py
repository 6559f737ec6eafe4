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

"""The program csbs-status: is this installation fit to start?"""

import secrets
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from csbs import conf as csbs_conf
from csbs import exception
from csbs import keys
from csbs import notifications
from csbs import plugins
from csbs import service
from csbs.db import migration
from csbs.store import errors


class Checks(upgradecheck.UpgradeCommands):
    """What ``csbs-status upgrade check`` looks at."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__()
        self._conf = conf

    def _tables(self) -> upgradecheck.Result:
        present = migration.version(service.build_database(self._conf))
        newest = migration.newest()
        if present == newest:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        return upgradecheck.Result(
            upgradecheck.Code.FAILURE,
            f'The tables are at {present}, this release needs {newest}: run '
            'csbs-manage db sync.',
        )

    def _drivers(self) -> upgradecheck.Result:
        try:
            plugins.load('csbs.cloud', self._conf.protection.cloud)
            plugins.load('csbs.object_store', self._conf.store.backend)
            notifications.check_drivers(self._conf)
        except (plugins.UnknownDriver, exception.CsbsError) as error:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(error))
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _cloud(self) -> upgradecheck.Result:
        # Whoever runs this waits for it: an outage is not waited out.
        self._conf.set_override('outage', 0, 'openstack')
        try:
            driver = plugins.load('csbs.cloud', self._conf.protection.cloud)
            driver(self._conf).check()
        except (plugins.UnknownDriver, exception.CsbsError) as error:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(error))
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _keys(self) -> upgradecheck.Result:
        try:
            keys.from_conf(self._conf).check()
        except exception.KeyMissing as error:
            return upgradecheck.Result(
                upgradecheck.Code.FAILURE,
                f'{error} See the section [vault_keys].',
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    def _object_store(self) -> upgradecheck.Result:
        """Make a container, write, read and list an object, remove both."""
        # Whoever runs this waits for it: nothing is tried for minutes.
        self._conf.set_override('retry_timeout', 0.0, 'swift')
        name, data = 'check', secrets.token_bytes(1000)
        container = f'check-{secrets.token_hex(8)}'
        try:
            objects = service.ObjectStores(self._conf)(container)
            objects.put(name, data)
            if objects.get(name) != data:
                raise errors.Damaged(name, 'it is not what was written')
            listed = list(objects.list(''))
            objects.delete(name)
        except (plugins.UnknownDriver, errors.StoreError) as error:
            return upgradecheck.Result(upgradecheck.Code.FAILURE, str(error))
        try:
            if listed != [(name, len(data))]:
                raise errors.StoreUnreadable('its lists of objects are late')
            objects.drop()
        except errors.StoreError as error:
            return upgradecheck.Result(
                upgradecheck.Code.WARNING,
                f'The object store works, but: {error}. The container '
                f'{container} may be left.',
            )
        return upgradecheck.Result(upgradecheck.Code.SUCCESS)

    _upgrade_checks = (
        ('Tables are up to date', _tables),
        ('Drivers are there', _drivers),
        ('The cloud can be worked with', _cloud),
        ('Keys can be made and had', _keys),
        ('Object store answers', _object_store),
    )


def main() -> None:
    """Run the checks and exit with the worst one's code."""
    conf = csbs_conf.new()
    checks = Checks(conf)
    sys.exit(
        upgradecheck.main(
            conf, project='csbs', upgrade_command=checks, argv=sys.argv[1:]
        )
    )
