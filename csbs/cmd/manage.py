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

"""The program csbs-manage: what an operator does to the database."""

import sys

from oslo_config import cfg
from oslo_log import log

from csbs import conf as csbs_conf
from csbs import service
from csbs.db import migration


def _sync(conf: cfg.ConfigOpts) -> int:
    db = service.build_database(conf)
    before = migration.version(db)
    migration.sync(db)
    after = migration.version(db)
    print('up to date' if before == after else f'{before} -> {after}')
    return 0


def _version(conf: cfg.ConfigOpts) -> int:
    print(migration.version(service.build_database(conf)))
    return 0


_COMMANDS = {('db', 'sync'): _sync, ('db', 'version'): _version}


def _add_parsers(subparsers: object) -> None:
    helps = {
        'sync': 'Bring the tables up to date.',
        'version': 'Print the revision the tables are at.',
    }
    group = subparsers.add_parser(  # type: ignore[attr-defined]
        'db', help='The database.'
    )
    actions = group.add_subparsers(dest='action', required=True)
    for name, text in helps.items():
        actions.add_parser(name, help=text)


def main() -> None:
    """Run one command and exit with its code."""
    conf = csbs_conf.new()
    conf.register_cli_opt(
        cfg.SubCommandOpt('command', title='commands', handler=_add_parsers)
    )
    conf(sys.argv[1:], project='csbs', prog='csbs-manage')
    log.setup(conf, 'csbs')
    sys.exit(_COMMANDS[conf.command.name, conf.command.action](conf))
