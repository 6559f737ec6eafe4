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

"""The commands ``openstack csbs policy ...``."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import datetime
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import columns
from csbs.cli import common
from csbs.cli import work
from csbs.sdk.v1 import policy as _policy

FIELDS = (
    'id',
    'name',
    'project_id',
    'enabled',
    'vault_id',
    'server_ids',
    'schedule',
    'retention',
    'allow_pause',
    'max_parallel',
    'next_runs',
    'created_at',
    'updated_at',
)
_COLUMNS = {
    'id': 'ID',
    'name': 'Name',
    'enabled': 'Enabled',
    'schedule': 'Schedule',
    'retention': 'Keeps',
    'next_run_at': 'Next Run At',
}
_LONG_COLUMNS = {
    'vault_id': 'Vault ID',
    'server_ids': 'Server IDs',
    'allow_pause': 'Allow Pause',
    'max_parallel': 'Max Parallel',
    'project_id': 'Project',
    'created_at': 'Created At',
}
_WEEKDAYS = ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')
_NEAR = datetime.timedelta(hours=3)


def _add_policy(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument(
        'policy', metavar='<policy>', help=f'{help_text} (name or ID)'
    )


def _add_options(parser: argparse.ArgumentParser, *, new: bool) -> None:
    """Add what policies have; a new one needs to know when it runs."""
    _add_schedule_options(parser, new=new)
    _add_retention_options(parser, new=new)
    enable = parser.add_mutually_exclusive_group()
    enable.add_argument(
        '--enable',
        action='store_true',
        default=None,
        dest='enabled',
        help='Let the policy run by itself while it is bound to a vault',
    )
    enable.add_argument(
        '--disable',
        action='store_false',
        dest='enabled',
        help='Let it run by hand only' + (' (default)' if new else ''),
    )
    common.add_pause_options(parser)
    parser.add_argument(
        '--max-parallel',
        metavar='<count>',
        type=common.positive,
        help='How many of its servers to back up at the same time',
    )


def _add_schedule_options(
    parser: argparse.ArgumentParser, *, new: bool
) -> None:
    parser.add_argument(
        '--at',
        metavar='<hh:mm>',
        action='append',
        required=new,
        help='Time of day to run at (repeat option for several)',
    )
    days = parser.add_mutually_exclusive_group()
    days.add_argument(
        '--on',
        metavar='<day>',
        action='append',
        choices=_WEEKDAYS,
        help=(
            f'Day of the week to run on: {", ".join(_WEEKDAYS)} (repeat '
            f'option for several)'
        ),
    )
    days.add_argument(
        '--every-days',
        metavar='<days>',
        type=common.positive,
        help=(
            'Run every so many days, beginning anew on the first of each '
            'month: 3 is the 1st, 4th, 7th, ...'
            + (' (default: 1)' if new else '')
        ),
    )
    parser.add_argument(
        '--time-zone',
        metavar='<name>',
        help='Time zone of the times, such as Europe/Berlin'
        + (' (default: UTC)' if new else ''),
    )


def _add_retention_options(
    parser: argparse.ArgumentParser, *, new: bool
) -> None:
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument(
        '--keep-days',
        metavar='<days>',
        type=common.positive,
        help='Keep backups for so many days',
    )
    keep.add_argument(
        '--keep-count',
        metavar='<count>',
        type=common.positive,
        help='Keep that many backups of each server',
    )
    keep.add_argument(
        '--keep-forever',
        action='store_true',
        help='Keep all backups' + (' (default)' if new else ''),
    )


def _attrs(
    args: argparse.Namespace, schedule: dict[str, Any]
) -> dict[str, Any]:
    """Return what the options ask for.

    :param schedule: what the policy has so far
    """
    attrs = common.given(args, 'name', 'enabled', 'allow_pause')
    attrs |= common.given(args, 'max_parallel')
    changed = dict(schedule)
    if args.at:
        changed['times'] = args.at
    if args.time_zone:
        changed['timezone'] = args.time_zone
    if args.on or args.every_days:
        changed['weekdays'] = args.on or []
        changed['every_days'] = args.every_days
    if changed != schedule:
        attrs['schedule'] = changed
    if args.keep_forever:
        attrs['retention'] = {'kind': 'forever'}
    elif args.keep_days:
        attrs['retention'] = {'kind': 'days', 'value': args.keep_days}
    elif args.keep_count:
        attrs['retention'] = {'kind': 'count', 'value': args.keep_count}
    return attrs


class CreatePolicy(command.ShowOne):
    """Create a policy, which backs servers up by a schedule

    It runs by itself once it is enabled and bound to a vault.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'name', metavar='<name>', help='Name of the policy'
        )
        _add_options(parser, new=True)
        parser.add_argument(
            '--vault',
            metavar='<vault>',
            help='Vault to store in (name or ID)',
        )
        parser.add_argument(
            '--server',
            metavar='<server>',
            action='append',
            help=('Server to back up (name or ID; repeat option for several)'),
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        start = {} if parsed_args.on else {'every_days': 1}
        attrs = _attrs(parsed_args, start)
        if parsed_args.vault:
            attrs['vault_id'] = client.find_vault(
                parsed_args.vault, ignore_missing=False
            ).id
        if parsed_args.server:
            attrs['server_ids'] = [
                client.find_server(word, ignore_missing=False).id
                for word in parsed_args.server
            ]
        return common.show(client.create_policy(**attrs), FIELDS)


class ListPolicy(command.Lister):
    """List policies"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--name', metavar='<name>', help='List policies of this name'
        )
        parser.add_argument(
            '--vault',
            metavar='<vault>',
            help='List policies bound to this vault (name or ID)',
        )
        enable = parser.add_mutually_exclusive_group()
        enable.add_argument(
            '--enabled',
            action='store_true',
            default=None,
            help='List policies that are enabled',
        )
        enable.add_argument(
            '--disabled',
            action='store_false',
            dest='enabled',
            help='List policies that are not enabled',
        )
        common.add_list_options(parser, 'name:asc')
        common.add_marker_option(parser, 'policy')
        common.add_time_options(parser)
        common.add_project_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        query |= common.given(parsed_args, 'name', 'enabled')
        if parsed_args.vault:
            query['vault_id'] = client.find_vault(
                parsed_args.vault, ignore_missing=False
            ).id
        if parsed_args.marker:
            query['marker'] = client.find_policy(
                parsed_args.marker, ignore_missing=False
            ).id
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.policies(**query), tuple(shown)),
        )


class ShowPolicy(command.ShowOne):
    """Show the details of a policy, and when it runs the next times"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_policy(parser, 'Policy to show')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        policy = client.find_policy(parsed_args.policy, ignore_missing=False)
        return common.show(policy, FIELDS)


class SetPolicy(command.Command):
    """Set properties of a policy; a new schedule counts from now on"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_policy(parser, 'Policy to change')
        parser.add_argument(
            '--name', metavar='<name>', help='New name of the policy'
        )
        _add_options(parser, new=False)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        policy = client.find_policy(parsed_args.policy, ignore_missing=False)
        attrs = _attrs(parsed_args, policy.schedule)
        if not attrs:
            raise exceptions.CommandError(
                'Nothing to set: give an option with something new.'
            )
        client.update_policy(policy, **attrs)


class DeletePolicy(command.Command):
    """Delete policy(s); their backups stay"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'policies',
            metavar='<policy>',
            nargs='+',
            help='Policy(s) to delete (name or ID)',
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)

        def delete(word: str) -> None:
            policy = client.find_policy(word, ignore_missing=False)
            client.delete_policy(policy, ignore_missing=False)

        work.each('policy policies', parsed_args.policies, delete)


class RunPolicy(command.ShowOne):
    """Back every server of a policy up now

    With --wait, a terminal shows a bar for each server.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_policy(parser, 'Policy to run')
        work.add_wait_options(parser, 'all backups are complete')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        policy = client.find_policy(parsed_args.policy, ignore_missing=False)
        self._warn(policy)
        task_id = client.run_policy(policy).task_id
        shown: dict[str, Any] = {
            'policy_id': policy.id,
            'name': policy.name,
            'task_id': task_id,
            'backups': {},
        }
        if parsed_args.wait:
            task = work.wait_for(self, task_id, parsed_args)
            shown['backups'] = (task.result or {}).get('backups', {})
        return common.show(shown, tuple(shown))

    def _warn(self, policy: _policy.Policy) -> None:
        """Say when a scheduled run is so near that it may be left out."""
        if not policy.next_run_at:
            return
        left = datetime.datetime.fromisoformat(
            policy.next_run_at
        ) - datetime.datetime.now(datetime.UTC)
        if left < _NEAR:
            self.log.warning(
                'The next scheduled run is in %s. It is left out if this one '
                'has not ended by then.',
                columns.format_duration(left.total_seconds()),
            )


class _ServersCommand(command.Command):
    """What binding and freeing servers have in common."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_policy(parser, 'Policy')
        parser.add_argument(
            'servers',
            metavar='<server>',
            nargs='+',
            help='Server(s) (name or ID)',
        )
        return parser


class AddPolicyServer(_ServersCommand):
    """Bind server(s) to a policy

    A server is in one policy at most: one that is in another is moved here.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        policy = client.find_policy(parsed_args.policy, ignore_missing=False)

        def add(word: str) -> None:
            server = client.find_server(word, ignore_missing=False)
            client.add_server_to_policy(policy.id, server.id)

        work.each('server servers', parsed_args.servers, add, verb='add')


class RemovePolicyServer(_ServersCommand):
    """Free server(s) from a policy; their backups stay"""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        policy = client.find_policy(parsed_args.policy, ignore_missing=False)

        def remove(word: str) -> None:
            server_id = common.server_id(self, word)
            client.remove_server_from_policy(policy.id, server_id)

        work.each('server servers', parsed_args.servers, remove, verb='remove')
