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
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import common
from csbs.cli import work
from csbs.cli.v1 import policy

_STATUSES = ('available', 'expired', 'deleting', 'error')
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
    'protected_bytes',
    'saved_percent',
    'backup_count',
    'policy_ids',
    'lock_days',
    'tags',
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
    'saved_percent': 'Saved',
    'lock_days': 'Lock',
    'tags': 'Tags',
    'description': 'Description',
    'project_id': 'Project',
    'created_at': 'Created At',
    'expires_at': 'Expires At',
}


def _add_vault(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument(
        'vault', metavar='<vault>', help=f'{help_text} (name or ID)'
    )


def _add_lock_and_tags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--lock-days',
        metavar='<days>',
        type=common.positive,
        help=(
            'How many days nobody can delete a backup of the vault for; this '
            'can be lengthened later, but never shortened'
        ),
    )
    parser.add_argument(
        '--tag',
        metavar='<tag>',
        action='append',
        help='Tag of the vault (repeat option for several)',
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
        _add_lock_and_tags(parser)
        parser.add_argument(
            '--policy',
            metavar='<policy>',
            action='append',
            help=(
                'Policy to bind to the vault (name or ID; repeat option for '
                'several)'
            ),
        )
        parser.add_argument(
            '--back-up',
            metavar='<server>',
            help='Server to back up at once (name or ID)',
        )
        work.add_wait_options(parser, 'that backup is complete')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        attrs = common.given(
            parsed_args, 'name', 'months', 'description', 'lock_days'
        )
        attrs['capacity_gb'] = parsed_args.capacity
        if parsed_args.tag:
            attrs['tags'] = parsed_args.tag
        if parsed_args.policy:
            attrs['policy_ids'] = [
                client.find_policy(word, ignore_missing=False).id
                for word in parsed_args.policy
            ]
        if parsed_args.back_up:
            server = client.find_server(
                parsed_args.back_up, ignore_missing=False
            )
            attrs['backup'] = {'server_id': server.id}
        elif parsed_args.wait:
            raise exceptions.CommandError(
                'Nothing to wait for: --wait goes with --back-up.'
            )
        vault = client.create_vault(**attrs)
        if parsed_args.wait:
            work.wait_for(self, vault.task_id, parsed_args)
            vault = client.get_vault(vault.id)
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
            choices=_STATUSES,
            help=f'List vaults in this status: {", ".join(_STATUSES)}',
        )
        parser.add_argument(
            '--tag',
            metavar='<tag>',
            action='append',
            help='List vaults with this tag (repeat option for several)',
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
        if parsed_args.tag:
            query['tags'] = ','.join(parsed_args.tag)
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
    """Set properties of a vault"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to change')
        common.add_set_options(parser, 'vault')
        _add_lock_and_tags(parser)
        parser.add_argument(
            '--no-tag',
            action='store_true',
            help='Remove all tags, before those of --tag are added',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        attrs = common.given(parsed_args, 'name', 'description', 'lock_days')
        if not attrs and not parsed_args.tag and not parsed_args.no_tag:
            raise exceptions.CommandError(
                'Nothing to set: give --name, --description, --lock-days, '
                '--tag or --no-tag.'
            )
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        if parsed_args.tag or parsed_args.no_tag:
            kept = [] if parsed_args.no_tag else vault.tags or []
            tags = [*kept, *(parsed_args.tag or ())]
            attrs['tags'] = list(dict.fromkeys(tags))
        client.update_vault(vault, **attrs)


class UnsetVault(command.Command):
    """Unset properties of a vault"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to change')
        parser.add_argument(
            '--description',
            action='store_true',
            help='Remove the description',
        )
        tags = parser.add_mutually_exclusive_group()
        tags.add_argument(
            '--tag',
            metavar='<tag>',
            action='append',
            help='Tag to remove (repeat option for several)',
        )
        tags.add_argument(
            '--all-tag', action='store_true', help='Remove all tags'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        attrs: dict[str, Any] = {}
        if parsed_args.description:
            attrs['description'] = ''
        if parsed_args.all_tag:
            attrs['tags'] = []
        elif parsed_args.tag:
            attrs['tags'] = [
                tag for tag in vault.tags or () if tag not in parsed_args.tag
            ]
        if not attrs:
            raise exceptions.CommandError(
                'Nothing to unset: give --description, --tag or --all-tag.'
            )
        client.update_vault(vault, **attrs)


class AddVaultPolicy(command.ShowOne):
    """Let a policy store its backups in a vault

    An enabled policy that is bound to a vault runs by itself.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault to store in')
        parser.add_argument(
            'policy',
            metavar='<policy>',
            help='Policy to bind to it (name or ID)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        found = client.find_policy(parsed_args.policy, ignore_missing=False)
        bound = client.add_policy_to_vault(vault, found)
        return common.show(bound, policy.FIELDS)


class RemoveVaultPolicy(command.Command):
    """Take a policy off a vault; it does not run by itself any more"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_vault(parser, 'Vault that the policy stores in')
        parser.add_argument(
            'policy',
            metavar='<policy>',
            help='Policy to take off it (name or ID)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        found = client.find_policy(parsed_args.policy, ignore_missing=False)
        client.remove_policy_from_vault(vault, found)


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
        work.add_wait_options(parser, 'the vaults are gone')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)

        def delete(word: str) -> str | None:
            vault = client.find_vault(word, ignore_missing=False)
            client.delete_vault(vault, ignore_missing=False)
            return vault.task_id

        def wait(task_id: str, beside: Collection[str]) -> None:
            work.wait_for(self, task_id, parsed_args, beside)

        work.each(
            'vault vaults',
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
