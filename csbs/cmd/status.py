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

import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck

from csbs import conf as csbs_conf
from csbs import exception
from csbs import keys
from csbs import plugins
from csbs import service
from csbs.db import migration


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

    _upgrade_checks = (
        ('Tables are up to date', _tables),
        ('Drivers are there', _drivers),
        ('The cloud can be worked with', _cloud),
        ('Keys can be made and had', _keys),
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
