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

"""Options of the short way to volumes in Ceph."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'rbd',
    title='The short way to volumes in Ceph',
    help='With it snapshots take milliseconds, nothing temporary is made in '
    'Cinder, and an incremental backup reads only what changed. Needs the '
    'Python modules rados and rbd of the Ceph client, and a Ceph user that '
    'may do what the one of Cinder may.',
)

OPTS: list[cfg.Opt] = [
    cfg.ListOpt(
        'pools',
        default=[],
        help='The pools in which Cinder keeps volumes. A volume that is in '
        'none of them is read and written through Cinder and os-brick, as '
        'are all when the list is empty.',
    ),
    cfg.StrOpt(
        'conf_file',
        default='/etc/ceph/ceph.conf',
        help='The configuration file of the Ceph cluster.',
    ),
    cfg.StrOpt(
        'user',
        default='cinder',
        help='The Ceph user, without "client.".',
    ),
    cfg.IntOpt(
        'timeout',
        default=60,
        min=1,
        help='Seconds after which a request to Ceph is given up.',
    ),
    cfg.IntOpt(
        'self_check',
        default=16,
        min=0,
        help='How many places of a volume, taken by chance from what Ceph '
        'says is unchanged, are compared before it is believed. If any '
        'differs, all of the volume is read.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
