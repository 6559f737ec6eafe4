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

"""Options of the protection service, which runs the tasks."""

from oslo_config import cfg

GROUP = cfg.OptGroup('protection', title='The service that runs tasks')

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'cloud',
        default='local',
        help='The driver of the cloud whose servers are protected, a name '
        'from the entry points csbs.cloud.',
    ),
    cfg.IntOpt(
        'slots',
        default=2,
        min=1,
        help='How many tasks one process runs at the same time.',
    ),
    cfg.IntOpt(
        'max_parallel',
        default=4,
        min=1,
        max=64,
        help='How many servers of one policy are backed up at the same time, '
        'by all processes together, unless the policy says else. How many '
        'backups one process makes at a time is set by slots.',
    ),
    cfg.IntOpt(
        'poll_interval',
        default=5,
        min=1,
        help='Seconds between two looks into the queue when no message '
        'announced a new task.',
    ),
    cfg.IntOpt(
        'heartbeat_interval',
        default=3,
        min=1,
        help='Seconds between two signs of life of a running task. Progress '
        'and the wish to cancel travel with it.',
    ),
    cfg.IntOpt(
        'max_attempts',
        default=3,
        min=1,
        help='How many workers may die on a task before it fails.',
    ),
    cfg.IntOpt(
        'search_interval',
        default=600,
        min=15,
        help='Seconds between two searches of the cloud for what bears the '
        'mark of csbs and is in no ledger any more.',
    ),
    cfg.BoolOpt(
        'allow_pause',
        default=False,
        help='Whether a server may be paused for the moment in which its '
        'volumes are frozen, where the cloud has no better way to get '
        'them all at one instant.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
