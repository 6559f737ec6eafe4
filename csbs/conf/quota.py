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

"""Options of the limits a project has unless told otherwise."""

from oslo_config import cfg

GROUP = cfg.OptGroup('quota', title='Default limits of a project')

OPTS: list[cfg.Opt] = [
    cfg.IntOpt(
        'vaults',
        default=10,
        min=-1,
        help='Vaults a project may have. -1: no limit.',
    ),
    cfg.IntOpt(
        'policies',
        default=20,
        min=-1,
        help='Policies a project may have. -1: no limit.',
    ),
    cfg.IntOpt(
        'policies_per_vault',
        default=10,
        min=-1,
        help='Policies that may be bound to one vault. -1: no limit.',
    ),
    cfg.IntOpt(
        'servers_per_policy',
        default=10,
        min=1,
        max=64,
        help='Servers that may be bound to one policy.',
    ),
    cfg.IntOpt(
        'min_capacity_gb',
        default=100,
        min=1,
        help='The smallest capacity of a vault in GB.',
    ),
    cfg.IntOpt(
        'max_capacity_gb',
        default=1024000,
        min=1,
        help='The largest capacity of a vault in GB.',
    ),
    cfg.IntOpt(
        'unsubscribe_days',
        default=7,
        min=0,
        help='Days after its creation within which a vault may be given up. '
        '0: at any time, as suits a private cloud. Only an empty vault can '
        'be given up at all.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
