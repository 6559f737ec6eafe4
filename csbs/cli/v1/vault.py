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

"""The commands ``openstack csbs vault ...``."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from csbs.cli import common

_FIELDS = (
    'id',
    'name',
    'description',
    'project_id',
    'status',
    'capacity_gb',
    'used_gb',
    'used_bytes',
    'stored_bytes',
    'backup_count',
    'months',
    'task_id',
    'created_at',
    'updated_at',
    'expires_at',
)
_COLUMNS = {
    'id': 'ID',
    'name': 'Name',
    'status': 'Status',
    'capacity_gb': 'Capacity',
    'used_gb': 'Used',
    'stored_bytes': 'Stored',
    'backup_count': 'Backups',
}
_LONG_COLUMNS = {
    'description': 'Description',
    'project_id': 'Project',
    'created_at': 'Created At',
    'expires_at': 'Expires At',
}


def _add_vault(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument(
        'vault', metavar='<vault>', help=f'{help_text} (name or ID)'
    )


class CreateVault(command.ShowOne):
    """Create a vault, which backups are stored in"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('name', metavar='<name>', help='Name of the vault')
        parser.add_argument(
            '--capacity',
            metavar='<gb>',
            type=common.positive,
            required=True,
            help='Capacity in GB (100 to 1024000)',
        )
        parser.add_argument(
            '--months',
            metavar='<months>',
            type=common.positive,
            help='Term in months (default: 1)',
        )
        parser.add_argument(
            '--description',
            metavar='<description>',
            help='Description of the vault',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        attrs = {
            'name': parsed_args.name,
            'capacity_gb': parsed_args.capacity,
            'months': parsed_args.months,
            'description': parsed_args.description,
        }
        vault = common.client_of(self).create_vault(
            **{key: value for key, value in attrs.items() if value is not None}
        )
        return common.show(vault, _FIELDS)


class ListVault(command.Lister):
    """List vaults"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--name', metavar='<name>', help='List vaults of this name'
        )
        parser.add_argument(
            '--status',
            metavar='<status>',
            choices=('available', 'deleting', 'error'),
            help='List vaults in this status: available, deleting or error',
        )
        common.add_list_options(parser, 'name:asc')
        common.add_marker_option(parser, 'vault')
        common.add_time_options(parser)
        common.add_project_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        query['name'] = parsed_args.name
        query['status'] = parsed_args.status
        if parsed_args.marker:
            query['marker'] = client.find_vault(
                parsed_args.marker, ignore_missing=False
            ).id
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.vaults(**query), tuple(shown)),
        )


class ShowVault(command.ShowOne):
    """Show the details of a vault"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to show')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        return common.show(vault, _FIELDS)


class SetVault(command.Command):
    """Set the name or description of a vault"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to change')
        common.add_set_options(parser, 'vault')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        client.update_vault(vault, **common.set_attrs(parsed_args))


class DeleteVault(command.Command):
    """Delete vault(s) that hold no backups

    What a vault stores can be read with its key only. The key is destroyed
    with the vault.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'vaults',
            metavar='<vault>',
            nargs='+',
            help='Vault(s) to delete (name or ID)',
        )
        common.add_wait_options(parser, 'the vaults are gone')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)

        def delete(word: str) -> str | None:
            vault = client.find_vault(word, ignore_missing=False)
            client.delete_vault(vault, ignore_missing=False)
            return vault.task_id

        def wait(task_id: str) -> None:
            common.wait_for(self, task_id, parsed_args)

        common.delete_many(
            'vault',
            parsed_args.vaults,
            delete,
            wait if parsed_args.wait else None,
        )


class ExtendVault(command.ShowOne):
    """Give a vault a larger capacity"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to extend')
        parser.add_argument(
            '--capacity',
            metavar='<gb>',
            type=common.positive,
            required=True,
            help='New capacity in GB; it can only grow',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        vault = client.extend_vault(vault, parsed_args.capacity)
        return common.show(vault, _FIELDS)


class RenewVault(command.ShowOne):
    """Make the term of a vault longer"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to renew')
        parser.add_argument(
            '--months',
            metavar='<months>',
            type=common.positive,
            default=1,
            help='How many months to add (default: 1)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        vault = client.renew_vault(vault, parsed_args.months)
        return common.show(vault, _FIELDS)
