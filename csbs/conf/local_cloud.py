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


"""Where the directory of disk images is that serves as a cloud."""

from oslo_config import cfg

GROUP = cfg.OptGroup(
    'local_cloud',
    title='The local cloud: servers as folders of disk images',
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'path',
        default='$state_path/cloud',
        help='Directory that holds the servers of the local cloud, their '
        'snapshots and new volumes. Every folder under its "servers" '
        'folder that holds raw disk images is a server. '
        'Snapshots take no room and no time where the file system can '
        'clone files (XFS, Btrfs), so all of the directory is best on one '
        'such file system.',
    ),
    cfg.FloatOpt(
        'freeze_timeout',
        default=30.0,
        min=0.0,
        help='Seconds to wait for those who write to the disks of a server '
        'to pause. When they do not, a snapshot is taken all the same and '
        'labelled as not consistent; a restore in place is refused.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
