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

"""What the commands share: options, finding by name, output, deleting.

Owns the conventions, so that all commands follow the same. Knows nothing of
a single resource.
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import datetime
import logging
from typing import Any

from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import columns
from csbs.sdk.v1 import _base
from csbs.sdk.v1 import _proxy

LOG = logging.getLogger(__name__)

#: how a field looks, by its name, the same in all commands
FORMATTERS: Mapping[str, Any] = {
    'backup_items': columns.VolumesColumn,
    'backups': columns.MappingColumn,
    'bytes_done': columns.SizeColumn,
    'bytes_total': columns.SizeColumn,
    'capacity_gb': columns.GigabytesColumn,
    'changed_bytes': columns.SizeColumn,
    'created_at': columns.TimeColumn,
    'eta_seconds': columns.DurationColumn,
    'expires_at': columns.TimeColumn,
    'fault': columns.FaultColumn,
    'finished_at': columns.TimeColumn,
    'last_backup_at': columns.TimeColumn,
    'lock_days': columns.DaysColumn,
    'months': columns.MonthsColumn,
    'next_run_at': columns.TimeColumn,
    'next_runs': columns.TimesColumn,
    'paused_seconds': columns.PauseColumn,
    'planned_at': columns.TimeColumn,
    'policy_ids': columns.ListColumn,
    'progress': columns.PercentColumn,
    'protected_bytes': columns.SizeColumn,
    'rate': columns.RateColumn,
    'result': columns.MappingColumn,
    'retention': columns.RetentionColumn,
    'saved_percent': columns.PercentColumn,
    'schedule': columns.ScheduleColumn,
    'seen_at': columns.TimeColumn,
    'server': columns.ServerColumn,
    'server_ids': columns.ListColumn,
    'size_bytes': columns.SizeColumn,
    'size_gb': columns.GigabytesColumn,
    'snapshot_at': columns.TimeColumn,
    'started_at': columns.TimeColumn,
    'stored_bytes': columns.SizeColumn,
    'tags': columns.ListColumn,
    'tasks': columns.MappingColumn,
    'transferred_bytes': columns.SizeColumn,
    'updated_at': columns.TimeColumn,
    'used_bytes': columns.SizeColumn,
    'used_gb': columns.GigabytesColumn,
    'volumes': columns.VolumesColumn,
}

# Fields that resources of the SDK have under another name than the API.
_API_NAMES = {'backup_items': 'items'}

Row = tuple[Any, ...]


def client_of(cmd: command.Command) -> _proxy.Proxy:
    """Return the SDK's proxy for a command.

    :param cmd: the command
    """
    client: _proxy.Proxy = cmd.app.client_manager.csbs  # type: ignore
    return client


def show(
    resource: Mapping[str, Any], fields: Sequence[str]
) -> tuple[Sequence[str], Sequence[Any]]:
    """Return all fields of a resource as a command prints them.

    :param resource: the resource or a mapping
    :param fields: the names of the fields in order
    """
    values = []
    for field in fields:
        column = FORMATTERS.get(field, columns.TextColumn)
        value = resource[field]
        values.append(value if isinstance(value, bool) else column(value))
    return [_API_NAMES.get(field, field) for field in fields], values


def rows(
    resources: Iterable[Mapping[str, Any]], fields: Sequence[str]
) -> Iterable[Row]:
    """Return the rows of a list.

    :param resources: what to list
    :param fields: the names of the fields in order
    """
    return (tuple(show(resource, fields)[1]) for resource in resources)


def positive(text: str) -> int:
    """Read a whole number above 0 from the command line.

    :param text: what the user gave
    :raises argparse.ArgumentTypeError: when it is none
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number above 0"
        )
    return number


def add_list_options(
    parser: argparse.ArgumentParser, example: str = 'created_at:desc'
) -> None:
    """Add the options that every list has.

    :param parser: the command's parser
    :param example: a value of ``--sort`` that makes sense there
    """
    parser.add_argument(
        '--long',
        action='store_true',
        help='List additional fields in output',
    )
    parser.add_argument(
        '--sort',
        metavar='<key>[:<direction>]',
        help=(
            f'Sort by the given fields and directions (asc or desc), '
            f'separated by commas, for example {example}'
        ),
    )
    parser.add_argument(
        '--limit',
        metavar='<num>',
        type=positive,
        help='List at most that many (default: all)',
    )


def add_project_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of lists that administrators see more of.

    :param parser: the command's parser
    """
    parser.add_argument(
        '--project',
        metavar='<project>',
        help='List what that project has (name or ID) (admin only)',
    )
    parser.add_argument(
        '--all-projects',
        action='store_true',
        help='List what all projects have (admin only)',
    )


def add_marker_option(
    parser: argparse.ArgumentParser, noun: str, names: bool = True
) -> None:
    """Add ``--marker``.

    :param parser: the command's parser
    :param noun: what is listed
    :param names: whether these have names
    """
    parser.add_argument(
        '--marker',
        metavar=f'<{noun}>',
        help=(
            f'List what comes after this {noun} '
            f'({"name or ID" if names else "ID"})'
        ),
    )


def instant(text: str) -> str:
    """Read a time from the command line; without a zone it is UTC.

    :param text: ISO 8601, a day alone means its beginning
    :return: RFC 3339 in UTC, as the API wants it
    :raises argparse.ArgumentTypeError: when it is no time
    """
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a time; write it as 2026-11-23 or "
            f"2026-11-23T10:00:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return f'{moment.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}'


def add_time_options(parser: argparse.ArgumentParser) -> None:
    """Add the filters by time of creation.

    :param parser: the command's parser
    """
    parser.add_argument(
        '--created-since',
        metavar='<time>',
        type=instant,
        help=(
            'List what was created at this time or later '
            '(ISO 8601, UTC unless it names a zone)'
        ),
    )
    parser.add_argument(
        '--created-before',
        metavar='<time>',
        type=instant,
        help='List what was created before this time',
    )


def add_pause_options(parser: argparse.ArgumentParser) -> None:
    """Add whether servers may be paused.

    :param parser: the command's parser
    """
    pause = parser.add_mutually_exclusive_group()
    pause.add_argument(
        '--allow-pause',
        action='store_true',
        default=None,
        help=(
            'Pause a server for a moment where its volumes cannot be captured '
            'at one instant otherwise'
        ),
    )
    pause.add_argument(
        '--no-allow-pause',
        action='store_false',
        dest='allow_pause',
        help='Never pause a server',
    )


def add_set_options(parser: argparse.ArgumentParser, noun: str) -> None:
    """Add what can be set.

    :param parser: the command's parser
    :param noun: what it is set on
    """
    parser.add_argument(
        '--name', metavar='<name>', help=f'New name of the {noun}'
    )
    parser.add_argument(
        '--description',
        metavar='<description>',
        help=f'New description of the {noun}; an empty one removes it',
    )


def given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return those arguments that the user gave.

    :param args: the command's arguments
    :param names: which of them
    """
    values = {name: getattr(args, name) for name in names}
    return {name: one for name, one in values.items() if one is not None}


def set_attrs(args: argparse.Namespace) -> dict[str, str]:
    """Return what the options of ``set`` ask for.

    :param args: the command's arguments
    :raises osc_lib.exceptions.CommandError: when they ask for nothing
    """
    attrs = given(args, 'name', 'description')
    if not attrs:
        raise exceptions.CommandError(
            'Nothing to set: give --name or --description.'
        )
    return attrs


def list_query(cmd: command.Command, args: argparse.Namespace) -> Any:
    """Return the query that the options common to lists stand for.

    :param cmd: the command
    :param args: its arguments
    :raises openstack.exceptions.NotFoundException: for an unknown project
    """
    query: dict[str, Any] = {
        'sort': args.sort,
        'max_items': args.limit,
        'created_since': getattr(args, 'created_since', None),
        'created_before': getattr(args, 'created_before', None),
    }
    if getattr(args, 'all_projects', False):
        query['all_projects'] = True
    if getattr(args, 'project', None):
        query['all_projects'] = True
        query['project_id'] = cloud_id(
            cmd, 'identity', 'project', args.project
        )
    return {name: value for name, value in query.items() if value is not None}


def cloud_id(
    cmd: command.Command, service: str, kind: str, name_or_id: str
) -> str:
    """Return the id of something that another service of the cloud has.

    Without a catalogue (``--os-auth-type none`` or a bare token) there is
    nobody to ask, and what the user gave is used as it is.

    :param cmd: the command
    :param service: the attribute of the SDK's connection
    :param kind: what it is, as the SDK's ``find_`` methods call it
    :param name_or_id: what the user gave
    :raises openstack.exceptions.NotFoundException: when there is none
    :raises openstack.exceptions.DuplicateResource: when there are many
    """
    manager: Any = cmd.app.client_manager
    if manager.auth_ref is None:
        return name_or_id
    find = getattr(getattr(manager.sdk_connection, service), f'find_{kind}')
    try:
        found = find(name_or_id, ignore_missing=False)
    except sdk_exceptions.ForbiddenException:
        # one who may not look it up may still know the id
        return name_or_id
    return str(found.id)


def past_id(find: Callable[..., Any], name_or_id: str) -> str:
    """Return the id of something that may be gone by now.

    :param find: the proxy's method that finds it
    :param name_or_id: what the user gave
    :raises openstack.exceptions.NotFoundException: when there is none, and
        what the user gave is no id
    :raises openstack.exceptions.DuplicateResource: when there are many
    """
    try:
        return str(find(name_or_id, ignore_missing=False).id)
    except sdk_exceptions.NotFoundException:
        if _base.looks_like_id(name_or_id):
            return name_or_id
        raise


def server_id(cmd: command.Command, name_or_id: str) -> str:
    """Return the id of a server, which may be gone by now.

    :param cmd: the command
    :param name_or_id: what the user gave
    :raises openstack.exceptions.SDKException: as :func:`past_id`
    """
    return past_id(client_of(cmd).find_server, name_or_id)
