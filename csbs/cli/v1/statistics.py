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

"""The command ``openstack csbs statistics show``."""

import argparse
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from csbs.cli import common

_FIELDS = (
    'project_id',
    'vaults',
    'capacity_gb',
    'used_bytes',
    'protected_bytes',
    'stored_bytes',
    'saved_percent',
    'policies',
    'enabled_policies',
    'backups',
    'protected_servers',
    'last_backup_at',
    'tasks',
)


class ShowStatistics(command.ShowOne):
    """Show what is protected, stored and going on"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument(
            '--project',
            metavar='<project>',
            help='Show what that project has (name or ID) (admin only)',
        )
        whose.add_argument(
            '--all-projects',
            action='store_true',
            help='Count all projects together (admin only)',
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
        found = common.client_of(self).get_statistics(
            project_id, parsed_args.all_projects
        )
        return common.show(found, _FIELDS)
