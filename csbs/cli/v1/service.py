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

"""The commands ``openstack csbs service ...``, for administrators."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence

from osc_lib.command import command

from csbs.cli import common

_COLUMNS = {
    'id': 'ID',
    'binary': 'Binary',
    'host': 'Host',
    'alive': 'Alive',
    'seen_at': 'Seen At',
}
_LONG_COLUMNS = {'started_at': 'Started At'}


class ListService(command.Lister):
    """List the running processes of csbs (admin only)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--binary',
            metavar='<binary>',
            help='List services of this program, such as csbs-protection',
        )
        parser.add_argument(
            '--host', metavar='<host>', help='List services on this host'
        )
        common.add_list_options(parser, 'host:asc')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        query['binary'] = parsed_args.binary
        query['host'] = parsed_args.host
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.services(**query), tuple(shown)),
        )
