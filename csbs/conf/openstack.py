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

"""Options of the OpenStack cloud whose servers are protected."""

from oslo_config import cfg

from csbs.conf import auth

GROUP = cfg.OptGroup(
    'openstack',
    title='The OpenStack cloud: who csbs is there, and its patience',
    help='Used with [protection] cloud = openstack. The user needs the roles '
    'admin and service in the project of services.',
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'region_name',
        help='The region whose services are used. Needed when there are '
        'several.',
    ),
    cfg.ListOpt(
        'valid_interfaces',
        default=['internal', 'public'],
        help='Which endpoints of Nova and Cinder are used, in order of '
        'preference.',
    ),
    cfg.StrOpt(
        'my_ip',
        help='The address of this host that the storage knows it by. By '
        'default the one that the default route leads over.',
    ),
    cfg.IntOpt(
        'outage',
        default=120,
        min=0,
        help='Seconds for which a task waits for a service that cannot be '
        'reached before it fails. Requests of users do not wait.',
    ),
    cfg.IntOpt(
        'snapshot_timeout',
        default=300,
        min=1,
        help='Seconds that the snapshots of a server may take.',
    ),
    cfg.IntOpt(
        'pause_timeout',
        default=30,
        min=1,
        help='Seconds that a server may stand still while its volumes are '
        'frozen. When the time is up it goes on, whatever became of the '
        'snapshots.',
    ),
    cfg.IntOpt(
        'volume_timeout',
        default=1800,
        min=1,
        help='Seconds that making or deleting a volume may take. Some storage '
        'copies all of a volume to make one from a snapshot.',
    ),
    cfg.IntOpt(
        'server_timeout',
        default=600,
        min=1,
        help='Seconds that stopping, starting, making or deleting a server '
        'may take.',
    ),
    cfg.FloatOpt(
        'settle',
        default=120,
        min=0,
        help='Seconds for which a request may still come true whose answer '
        'was lost, or whose sender died. So long what it asked for stays in '
        'the ledger and is looked for again.',
    ),
    cfg.StrOpt(
        'root_helper',
        default='sudo',
        help='The command that starts privsep-helper with the rights of root '
        'when the service does not have them. Volumes in Ceph need none.',
    ),
    cfg.BoolOpt(
        'use_multipath',
        default=False,
        help='Whether volumes are attached over several paths at once.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)
    auth.register(conf, GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS + auth.list_opts())]
