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

"""The commands ``openstack csbs quota ...``."""

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import columns
from csbs.cli import common
from csbs.sdk.v1 import quota as _quota

_LIMITS = {
    'vaults': 'vaults of the project',
    'policies': 'policies of the project',
    'policies_per_vault': 'policies of one vault',
    'servers_per_policy': 'servers of one policy (at most 64)',
    'min_capacity_gb': 'GB that a vault has at least',
    'max_capacity_gb': 'GB that a vault has at most',
}
_CAPACITIES = ('min_capacity_gb', 'max_capacity_gb')


def _limit(name: str, value: int) -> Any:
    if name in _CAPACITIES:
        return columns.GigabytesColumn(value)
    return columns.LimitColumn(value)


def _show(quota: _quota.Quota) -> tuple[Sequence[str], Sequence[Any]]:
    names = ['project_id', *_LIMITS, 'own']
    values: list[Any] = [quota.project_id]
    values += [_limit(name, quota.limits[name]) for name in _LIMITS]
    values.append(columns.ListColumn(quota.own))
    for name, value in quota.usage.items():
        names.append(f'{name}_in_use' if name != 'used_gb' else name)
        is_size = name.endswith('_gb')
        values.append(columns.GigabytesColumn(value) if is_size else value)
    return names, values


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number"
        ) from None


class ListQuota(command.Lister):
    """List the quotas of all projects that have anything (admin only)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--long',
            action='store_true',
            help='List additional fields in output',
        )
        parser.add_argument(
            '--limit',
            metavar='<num>',
            type=common.positive,
            help='List at most that many (default: all)',
        )
        parser.add_argument(
            '--marker',
            metavar='<project>',
            help='List what comes after this project (name or ID)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        query: dict[str, Any] = {'max_items': parsed_args.limit}
        if parsed_args.marker:
            query['marker'] = common.cloud_id(
                self, 'identity', 'project', parsed_args.marker
            )
        names = ['vaults', 'policies']
        if parsed_args.long:
            names = list(_LIMITS)
        headers = ['Project', *(_header(name) for name in names)]
        headers += ['Vaults In Use', 'Policies In Use', 'Capacity', 'Used']

        def row(quota: _quota.Quota) -> common.Row:
            usage: Mapping[str, int] = quota.usage
            return (
                quota.project_id,
                *(_limit(name, quota.limits[name]) for name in names),
                usage['vaults'],
                usage['policies'],
                columns.GigabytesColumn(usage['capacity_gb']),
                columns.GigabytesColumn(usage['used_gb']),
            )

        found = common.client_of(self).quotas(**query)
        return tuple(headers), (row(quota) for quota in found)


def _header(name: str) -> str:
    return name.removesuffix('_gb').replace('_', ' ').title()


class ShowQuota(command.ShowOne):
    """Show what a project may have, and what it has of that"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'project',
            metavar='<project>',
            nargs='?',
            help='Project (name or ID; default: your own)',
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        project_id = None
        if parsed_args.project:
            project_id = common.cloud_id(
                self, 'identity', 'project', parsed_args.project
            )
        return _show(common.client_of(self).get_quota(project_id))


class SetQuota(command.Command):
    """Give a project limits of its own (admin only)

    -1 stands for as many as wanted. What the project has beyond a limit
    stays; it gets no more.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'project', metavar='<project>', help='Project (name or ID)'
        )
        for name, text in _LIMITS.items():
            parser.add_argument(
                _option(name),
                metavar='<limit>',
                type=_whole,
                help=f'New limit of {text}',
            )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        limits = common.given(parsed_args, *_LIMITS)
        if not limits:
            raise exceptions.CommandError(
                f'Nothing to set: give {_options()}.'
            )
        project_id = common.cloud_id(
            self, 'identity', 'project', parsed_args.project
        )
        common.client_of(self).update_quota(project_id, **limits)


class UnsetQuota(command.Command):
    """Give a project the common limits again (admin only)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'project', metavar='<project>', help='Project (name or ID)'
        )
        for name, text in _LIMITS.items():
            parser.add_argument(
                _option(name),
                action='store_true',
                help=f'Only the limit of {text}',
            )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        project_id = common.cloud_id(
            self, 'identity', 'project', parsed_args.project
        )
        names = [name for name in _LIMITS if getattr(parsed_args, name)]
        if names:
            client.update_quota(project_id, **dict.fromkeys(names))
        else:
            client.reset_quota(project_id)


def _options() -> str:
    *most, last = (_option(name) for name in _LIMITS)
    return f'{", ".join(most)} or {last}'
