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

"""The commands ``openstack csbs task ...``."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from csbs.cli import common
from csbs.cli import work

_KINDS = (
    'backup',
    'restore',
    'create_server',
    'delete_backup',
    'collect',
    'delete_vault',
    'policy_run',
    'verify',
)
_STATUSES = (
    'queued',
    'running',
    'succeeded',
    'failed',
    'cancelled',
    'skipped',
)
_FIELDS = (
    'id',
    'project_id',
    'kind',
    'status',
    'step',
    'progress',
    'bytes_done',
    'bytes_total',
    'rate',
    'eta_seconds',
    'fault',
    'result',
    'backup_id',
    'server_id',
    'vault_id',
    'policy_id',
    'parent_id',
    'trigger',
    'planned_at',
    'host',
    'attempts',
    'created_at',
    'started_at',
    'finished_at',
)
_COLUMNS = {
    'id': 'ID',
    'kind': 'Kind',
    'status': 'Status',
    'progress': 'Progress',
    'rate': 'Rate',
    'eta_seconds': 'Time Left',
    'created_at': 'Created At',
}
_LONG_COLUMNS = {
    'step': 'Step',
    'bytes_done': 'Done',
    'bytes_total': 'Total',
    'backup_id': 'Backup ID',
    'server_id': 'Server ID',
    'vault_id': 'Vault ID',
    'policy_id': 'Policy ID',
    'parent_id': 'Run ID',
    'host': 'Host',
    'project_id': 'Project',
    'finished_at': 'Finished At',
    'fault': 'Fault',
}


class ListTask(command.Lister):
    """List tasks: what csbs has done, does and has to do"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--kind',
            metavar='<kind>',
            choices=_KINDS,
            help=f'List tasks of this kind: {", ".join(_KINDS)}',
        )
        parser.add_argument(
            '--status',
            metavar='<status>',
            choices=_STATUSES,
            help=f'List tasks in this status: {", ".join(_STATUSES)}',
        )
        parser.add_argument(
            '--backup',
            metavar='<backup>',
            help='List tasks that work on this backup (name or ID)',
        )
        parser.add_argument(
            '--server',
            metavar='<server>',
            help='List tasks that work on this server (name or ID)',
        )
        parser.add_argument(
            '--vault',
            metavar='<vault>',
            help='List tasks that work on this vault (name or ID)',
        )
        parser.add_argument(
            '--policy',
            metavar='<policy>',
            help='List tasks that work for this policy (name or ID)',
        )
        parser.add_argument(
            '--run',
            metavar='<task>',
            help='List the tasks that this run of a policy started (ID)',
        )
        common.add_list_options(parser)
        common.add_marker_option(parser, 'task', names=False)
        common.add_time_options(parser)
        common.add_project_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[common.Row]]:
        client = common.client_of(self)
        query = common.list_query(self, parsed_args)
        for name in ('kind', 'status', 'marker'):
            query[name] = getattr(parsed_args, name)
        if parsed_args.server:
            query['server_id'] = common.server_id(self, parsed_args.server)
        if parsed_args.backup:
            query['backup_id'] = common.past_id(
                client.find_backup, parsed_args.backup
            )
        if parsed_args.vault:
            query['vault_id'] = common.past_id(
                client.find_vault, parsed_args.vault
            )
        if parsed_args.policy:
            query['policy_id'] = common.past_id(
                client.find_policy, parsed_args.policy
            )
        query['parent_id'] = parsed_args.run
        shown = _COLUMNS | (_LONG_COLUMNS if parsed_args.long else {})
        return (
            tuple(shown.values()),
            common.rows(client.tasks(**query), tuple(shown)),
        )


class ShowTask(command.ShowOne):
    """Show the details of a task"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument('task', metavar='<task>', help='Task to show (ID)')
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        return common.show(client.get_task(parsed_args.task), _FIELDS)


class CancelTask(command.Command):
    """Cancel task(s); what they began is undone"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'tasks', metavar='<task>', nargs='+', help='Task(s) to cancel (ID)'
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        client = common.client_of(self)

        def cancel(word: str) -> None:
            client.cancel_task(word)

        work.each('task tasks', parsed_args.tasks, cancel, verb='cancel')


class WatchTask(command.ShowOne):
    """Watch a task until it ends

    Shows a progress bar on a terminal and the task when it has succeeded.
    Exits with 1 if it failed. To interrupt the watching does not stop the
    task.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'task', metavar='<task>', help='Task to watch (ID)'
        )
        work.add_timeout_option(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        task = work.wait_for(self, parsed_args.task, parsed_args)
        return common.show(task, _FIELDS)
