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

"""Commands that prove that backups could be restored."""

import argparse
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from csbs.cli import common
from csbs.cli import work
from csbs.sdk.v1 import task as _task

_FIGURES = (
    'mode',
    'percent',
    'backup_count',
    'packs',
    'chunks',
    'bytes',
    'problem_count',
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--deep',
        action='store_true',
        help=(
            'Decrypt every chunk and compare its content, rather than only '
            'the digests of what is stored'
        ),
    )
    parser.add_argument(
        '--percent',
        metavar='<percent>',
        type=common.positive,
        help='Read only a share of what is stored, taken by chance',
    )
    work.add_wait_options(parser, 'the verification is over')


def _wish(args: argparse.Namespace) -> dict[str, Any]:
    wish: dict[str, Any] = {'mode': 'deep' if args.deep else 'quick'}
    if args.percent is not None:
        wish['percent'] = args.percent
    return wish


def _show(
    cmd: command.Command, task: _task.Task, args: argparse.Namespace
) -> tuple[Sequence[str], Sequence[Any]]:
    """Return what was found, or what is going on."""
    fields = {
        'task_id': task.id,
        'backup_id': task.backup_id,
        'vault_id': task.vault_id,
        'status': task.status,
    }
    if args.wait:
        task = work.wait_for(cmd, task.id, args)
        fields['status'] = task.status
        result = task.result or {}
        fields.update({name: result.get(name) for name in _FIGURES})
    return common.show(fields, tuple(fields))


class VerifyBackup(command.ShowOne):
    """Look whether a backup can be restored

    With --wait it exits with 1 when something is damaged; "csbs task show"
    tells what. The next backup of the server stores it anew.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'backup',
            metavar='<backup>',
            help='Backup to verify (name or ID)',
        )
        _add_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        backup = client.find_backup(parsed_args.backup, ignore_missing=False)
        task = client.verify_backup(backup, **_wish(parsed_args))
        return _show(self, task, parsed_args)


class VerifyVault(command.ShowOne):
    """Look whether all backups of a vault can be restored

    What backups share is read once. With --wait it exits with 1 when
    something is damaged; "csbs task show" tells what, and which backups that
    hurts. The next backup that needs it stores it anew.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'vault',
            metavar='<vault>',
            help='Vault to verify (name or ID)',
        )
        _add_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        client = common.client_of(self)
        vault = client.find_vault(parsed_args.vault, ignore_missing=False)
        task = client.verify_vault(vault, **_wish(parsed_args))
        return _show(self, task, parsed_args)
