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

"""The commands ``openstack csbs server ...``."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from csbs.cli import common
from csbs.cli import work

_FIELDS = (
    'id',
    'name',
    'project_id',
    'status',
    'protectable',
    'reason',
    'notice',
    'size_gb',
    'volumes',
    'policy_id',
    'last_backup_id',
    'last_backup_at',
    'task_id',
)
_COLUMNS = {
    'id': 'ID',
    'name': 'Name',
    'status': 'Status',
    'size_gb': 'Size',
    'protectable': 'Protectable',
    'last_backup_at': 'Last Backup At',
}
_LONG_COLUMNS = {
    'volumes': 'Volumes',
    'policy_id': 'Policy ID',
    'last_backup_id': 'Last Backup ID',
    'task_id': 'Task ID',
    'reason': 'Reason',
    'project_id': 'Project',
}


class ListServer(command.Lister):
    """List servers and whether they can be backed up"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--name', metavar='<name>', help='List servers of this name'
        )
        parser.add_argument(
            '--status',
            metavar='<status>',
            help='List servers in this status, such as ACTIVE or SHUTOFF',
        )
        parser.add_argument(
            '--policy',
            metavar='<policy>',
            help='List servers bound to this policy (name or ID)',
        )
        can = parser.add_mutually_exclusive_group()
        can.add_argument(
            '--protectable',
            action='store_true',
            default=None,
            help='List servers that can be backed up',
        )
        can.add_argument(
            '--not-protectable',
            action='store_false',
            dest='protectable',
            help='List servers that cannot be backed up',
        )
        common.add_list_options(parser, 'name:asc')
        common.add_marker_option(parser, 'server')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        query |= common.given(parsed_args, 'name', 'protectable')
        if parsed_args.policy:
            query['policy_id'] = client.find_policy(
                parsed_args.policy, ignore_missing=False
            ).id
        if parsed_args.status:
            query['status'] = parsed_args.status.upper()
        if parsed_args.marker:
            query['marker'] = client.find_server(
                parsed_args.marker, ignore_missing=False
            ).id
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.servers(**query), tuple(shown)),
        )


class ShowServer(command.ShowOne):
    """Show a server, whether it can be backed up, and if not why"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server', metavar='<server>', help='Server to show (name or ID)'
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        server = client.find_server(parsed_args.server, ignore_missing=False)
        return common.show(client.get_server(server.id), _FIELDS)


class CreateServer(command.ShowOne):
    """Create a new server from a backup

    Flavor, image properties and volumes are those of the backup. The server
    that was backed up is not touched and need not exist any more.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'name', metavar='<name>', help='Name of the new server'
        )
        parser.add_argument(
            '--backup',
            metavar='<backup>',
            required=True,
            help='Backup to create the server from (name or ID)',
        )
        parser.add_argument(
            '--flavor',
            metavar='<flavor>',
            help="Flavor (name or ID; default: the backup's)",
        )
        parser.add_argument(
            '--network',
            metavar='<network>',
            action='append',
            help=(
                'Network to connect the server to (name or ID; repeat option '
                'for several), or auto to let the cloud choose, or none'
            ),
        )
        parser.add_argument(
            '--key-name',
            metavar='<key-name>',
            help='Key pair to log in with',
        )
        parser.add_argument(
            '--password',
            metavar='<password>',
            help="The administrator's password",
        )
        parser.add_argument(
            '--security-group',
            metavar='<security-group>',
            action='append',
            help='Security group (name or ID; repeat option for several)',
        )
        parser.add_argument(
            '--availability-zone',
            metavar='<zone-name>',
            help="Availability zone (default: the backup's)",
        )
        parser.add_argument(
            '--no-power-on',
            action='store_false',
            dest='power_on',
            default=None,
            help='Leave the new server stopped',
        )
        work.add_wait_options(parser, 'the server exists')
        return parser

    def _networks(self, words: list[str] | None) -> list[str] | str | None:
        if not words:
            return None
        if len(words) == 1 and words[0] in ('auto', 'none'):
            return words[0]
        return [
            common.cloud_id(self, 'network', 'network', word) for word in words
        ]

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        backup = client.find_backup(parsed_args.backup, ignore_missing=False)
        flavor_id = None
        if parsed_args.flavor:
            flavor_id = common.cloud_id(
                self, 'compute', 'flavor', parsed_args.flavor
            )
        backup = client.create_server_from_backup(
            backup,
            name=parsed_args.name,
            networks=self._networks(parsed_args.network),
            key_name=parsed_args.key_name,
            admin_pass=parsed_args.password,
            security_groups=parsed_args.security_group,
            flavor_id=flavor_id,
            availability_zone=parsed_args.availability_zone,
            power_on=parsed_args.power_on,
        )
        made: dict[str, Any] = {
            'name': parsed_args.name,
            'server_id': None,
            'backup_id': backup.id,
            'task_id': backup.task_id,
        }
        if parsed_args.wait:
            task = work.wait_for(self, backup.task_id, parsed_args)
            made['server_id'] = (task.result or {}).get('server_id')
        return common.show(made, tuple(made))
