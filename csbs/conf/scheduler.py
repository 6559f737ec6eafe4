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

"""Options of the scheduler."""

from oslo_config import cfg

GROUP = cfg.OptGroup('scheduler', title='The service that watches the clock')

OPTS: list[cfg.Opt] = [
    cfg.IntOpt(
        'interval',
        default=5,
        min=1,
        help='Seconds between two looks at what is due.',
    ),
    cfg.IntOpt(
        'dead_after',
        default=30,
        min=5,
        help='Seconds without a sign of life after which a task counts as '
        'left by a dead worker and is given to another. Keep it several '
        'times [protection] heartbeat_interval.',
    ),
    cfg.StrOpt(
        'prune_time',
        default='00:00',
        regex=r'^([01]\d|2[0-3]):[0-5]\d$',
        help='The time of day, on the clock of each policy, at which backups '
        'that a policy keeps no longer are deleted.',
    ),
    cfg.IntOpt(
        'spread',
        default=600,
        min=0,
        help='Seconds over which the runs of policies that are due at the '
        'same time are spread. Each policy has a place of its own in it, '
        'the same one every time. Runs by hand begin at once. 0: all begin '
        'when they are due.',
    ),
    cfg.IntOpt(
        'task_history_days',
        default=90,
        min=0,
        help='Days that tasks which are over stay in the list of tasks. '
        '0: for ever.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
