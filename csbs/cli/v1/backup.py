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

"""The commands ``openstack csbs backup ...``."""

import argparse
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence
import sys
from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from csbs.cli import common
from csbs.cli import work
from csbs.sdk.v1 import backup as _backup

_STATUSES = (
    'creating',
    'preparing_snapshot',
    'snapshotting_consistent',
    'snapshotting_inconsistent',
    'backing_up',
    'available',
    'restoring',
    'deleting',
    'error',
    'error_deleting',
)
_CONSISTENCIES = ('crash_consistent', 'shut_off', 'none')
_FIELDS = (
    'id',
    'name',
    'description',
    'project_id',
    'status',
    'progress',
    'fault',
    'server_id',
    'server_name',
    'vault_id',
    'kind',
    'trigger',
    'consistency',
    'snapshot_method',
    'paused_seconds',
    'policy_id',
    'parent_id',
    'size_gb',
    'size_bytes',
    'changed_bytes',
    'transferred_bytes',
    'stored_bytes',
    'backup_items',
    'server',
    'task_id',
    'created_at',
    'snapshot_at',
    'updated_at',
)
_COLUMNS = {
    'id': 'ID',
    'name': 'Name',
    'server_name': 'Server',
    'status': 'Status',
    'progress': 'Progress',
    'kind': 'Kind',
    'size_gb': 'Size',
    'created_at': 'Created At',
}
_LONG_COLUMNS = {
    'server_id': 'Server ID',
    'vault_id': 'Vault ID',
    'trigger': 'Trigger',
    'consistency': 'Consistency',
    'snapshot_method': 'Snapshot Method',
    'paused_seconds': 'Paused',
    'policy_id': 'Policy ID',
    'changed_bytes': 'Changed',
    'stored_bytes': 'Stored',
    'project_id': 'Project',
    'description': 'Description',
    'fault': 'Fault',
}
_ITEM_COLUMNS = {
    'id': 'ID',
    'volume_name': 'Volume Name',
    'volume_id': 'Volume ID',
    'device': 'Device',
    'bootable': 'Bootable',
    'size_gb': 'Size',
    'changed_bytes': 'Changed',
}


def _add_backup(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument(
        'backup', metavar='<backup>', help=f'{help_text} (name or ID)'
    )


class CreateBackup(command.ShowOne):
    """Back a server up with all its volumes

    The first backup of a server is full, every later one stores only what
    has changed since. Any of them restores the whole server.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'server',
            metavar='<server>',
            help='Server to back up (name or ID)',
        )
        parser.add_argument(
            '--vault',
            metavar='<vault>',
            required=True,
            help='Vault to store the backup in (name or ID)',
        )
        parser.add_argument(
            '--name', metavar='<name>', help='Name of the backup'
        )
        parser.add_argument(
            '--description',
            metavar='<description>',
            help='Description of the backup',
        )
        common.add_pause_options(parser)
        work.add_wait_options(parser, 'the backup is complete')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        server = client.find_server(parsed_args.server, ignore_missing=False)
        if server.notice:
            self.log.warning('%s', server.notice)
        backup = client.create_backup(
            server_id=server.id,
            vault_id=vault.id,
            **common.given(parsed_args, 'name', 'description', 'allow_pause'),
        )
        if parsed_args.wait:
            work.wait_for(self, backup.task_id, parsed_args)
            backup = client.get_backup(backup.id)
        return common.show(backup, _FIELDS)


class ListBackup(command.Lister):
    """List backups"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--server',
            metavar='<server>',
            help=(
                'List backups of this server (name or ID; the ID also when '
                'the server is gone)'
            ),
        )
        parser.add_argument(
            '--vault',
            metavar='<vault>',
            help='List backups in this vault (name or ID)',
        )
        parser.add_argument(
            '--policy',
            metavar='<policy>',
            help='List backups that this policy made (name or ID)',
        )
        parser.add_argument(
            '--name', metavar='<name>', help='List backups of this name'
        )
        parser.add_argument(
            '--status',
            metavar='<status>',
            choices=_STATUSES,
            help=f'List backups in this status: {", ".join(_STATUSES)}',
        )
        parser.add_argument(
            '--kind',
            metavar='<kind>',
            choices=('full', 'incremental'),
            help='List backups of this kind: full or incremental',
        )
        parser.add_argument(
            '--consistency',
            metavar='<consistency>',
            choices=_CONSISTENCIES,
            help=(
                f'List backups of this consistency: '
                f'{", ".join(_CONSISTENCIES)}'
            ),
        )
        parser.add_argument(
            '--trigger',
            metavar='<trigger>',
            choices=('manual', 'run_now', 'scheduled'),
            help=(
                'List backups started this way: manual (one server by '
                'hand), run_now (a policy by hand) or scheduled'
            ),
        )
        common.add_list_options(parser)
        common.add_marker_option(parser, 'backup')
        common.add_time_options(parser)
        common.add_project_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        query |= common.given(
            parsed_args, 'name', 'status', 'kind', 'trigger', 'consistency'
        )
        if parsed_args.policy:
            query['policy_id'] = common.past_id(
                client.find_policy, parsed_args.policy
            )
        if parsed_args.server:
            query['server_id'] = common.server_id(self, parsed_args.server)
        if parsed_args.vault:
            query['vault_id'] = client.find_vault(
                parsed_args.vault, ignore_missing=False
            ).id
        if parsed_args.marker:
            query['marker'] = client.find_backup(
                parsed_args.marker, ignore_missing=False
            ).id
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.backups(**query), tuple(shown)),
        )


class ShowBackup(command.ShowOne):
    """Show the details of a backup"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_backup(parser, 'Backup to show')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        return common.show(_full(self, parsed_args.backup), _FIELDS)


def _full(cmd: command.Command, name_or_id: str) -> _backup.Backup:
    """Return a backup with its items, which a list may leave out."""
    client = common.client_of(cmd)
    backup = client.find_backup(name_or_id, ignore_missing=False)
    return client.get_backup(backup.id)


class SetBackup(command.Command):
    """Set the name or description of a backup"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_backup(parser, 'Backup to change')
        common.add_set_options(parser, 'backup')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)
        backup = client.find_backup(parsed_args.backup, ignore_missing=False)
        client.update_backup(backup, **common.set_attrs(parsed_args))


class DeleteBackup(command.Command):
    """Delete backup(s)

    Every other backup stays complete, whatever is deleted.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'backups',
            metavar='<backup>',
            nargs='+',
            help='Backup(s) to delete (name or ID)',
        )
        work.add_wait_options(parser, 'the backups are gone')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)

        def delete(word: str) -> str | None:
            backup = client.find_backup(word, ignore_missing=False)
            client.delete_backup(backup, ignore_missing=False)
            return backup.task_id

        def wait(task_id: str, beside: Collection[str]) -> None:
            work.wait_for(self, task_id, parsed_args, beside)

        work.each(
            'backup backups',
            parsed_args.backups,
            delete,
            wait if parsed_args.wait else None,
        )


class RestoreBackup(command.ShowOne):
    """Write a backup over the server it was made of

    All volumes of the backup are written; the server is stopped meanwhile.
    This cannot be undone, so on a terminal it asks first, unless --yes is
    given. As with other commands of openstack that ask, a script is not
    asked: without a terminal the restore starts at once. To get a new server
    instead, use "csbs server create".
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_backup(parser, 'Backup to restore')
        power = parser.add_mutually_exclusive_group()
        power.add_argument(
            '--power-on',
            action='store_true',
            default=None,
            help='Start the server afterwards',
        )
        power.add_argument(
            '--no-power-on',
            action='store_false',
            dest='power_on',
            help='Leave the server stopped afterwards',
        )
        parser.add_argument(
            '-y',
            '--yes',
            action='store_true',
            help='Do not ask whether to go on',
        )
        work.add_wait_options(parser, 'the server is restored')
        return parser

    def _confirm(self, backup: _backup.Backup) -> None:
        stdin = self.app.stdin or sys.stdin
        if not stdin.isatty():
            return
        self.app.stderr.write(
            f'All volumes of server {backup.server_name} '
            f'({backup.server_id}) that are in backup '
            f'{backup.name or backup.id} go back to what they were at '
            f'{backup.snapshot_at or backup.created_at}. What was written '
            f'since is lost, and this cannot be undone.\n'
            f'Go on? [y/N] '
        )
        self.app.stderr.flush()
        if stdin.readline().strip().lower() not in ('y', 'yes'):
            raise exceptions.CommandError('Nothing was restored.')

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        backup = client.find_backup(parsed_args.backup, ignore_missing=False)
        if not parsed_args.yes:
            self._confirm(backup)
        backup = client.restore_backup(backup, parsed_args.power_on)
        task_id = backup.task_id
        if parsed_args.wait:
            work.wait_for(self, task_id, parsed_args)
            backup = client.get_backup(backup.id)
        fields = ('backup_id', 'server_id', 'server_name', 'status', 'task_id')
        return common.show(
            {
                'backup_id': backup.id,
                'server_id': backup.server_id,
                'server_name': backup.server_name,
                'status': backup.status,
                'task_id': task_id,
            },
            fields,
        )


class ListBackupItem(command.Lister):
    """List the volumes in a backup"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_backup(parser, 'Backup whose volumes to list')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        backup = _full(self, parsed_args.backup)
        return (
            tuple(_ITEM_COLUMNS.values()),
            common.rows(backup.backup_items or (), tuple(_ITEM_COLUMNS)),
        )
