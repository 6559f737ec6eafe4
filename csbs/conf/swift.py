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

"""Options of the object store "swift"."""

from oslo_config import cfg

from csbs.conf import auth

GROUP = cfg.OptGroup(
    'swift',
    title='OpenStack Swift, or Ceph RGW with its API, as the object store',
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'container_prefix',
        default='csbs-',
        regex=r'^([0-9A-Za-z][0-9A-Za-z_-]{0,99})?$',
        help='What the names of containers begin with; the id of the vault '
        'follows. Do not change it once there are vaults: they would not be '
        'found.',
    ),
    cfg.StrOpt(
        'storage_policy',
        help='The storage policy of new containers, for instance one with '
        'erasure coding. When it is not given, the cluster uses its own '
        'default. A container keeps the policy it was made with.',
    ),
    cfg.StrOpt(
        'checksums',
        default='auto',
        choices=[
            ('auto', 'When the endpoint is not HTTPS, which does the same'),
            ('always', 'With every object'),
            ('never', 'With objects of at most 1 MiB only'),
        ],
        help='When Swift is sent the MD5 of an object, so that it refuses '
        'one that was altered on its way. It costs more than a second of '
        'processor time a gigabyte stored.',
    ),
    cfg.FloatOpt(
        'connect_timeout',
        default=20.0,
        min=0.1,
        help='Seconds to wait for a connection. How long to wait for an '
        'answer is said by "timeout".',
    ),
    cfg.FloatOpt(
        'retry_timeout',
        default=300.0,
        min=0.0,
        help='Seconds for which a request is sent again that fails in a way '
        'that may pass, such as a lost connection or an overloaded service. '
        'So long may Swift or Keystone be away without a task failing.',
    ),
    cfg.IntOpt(
        'connections',
        default=32,
        min=1,
        help='How many connections one process keeps open. It needs one for '
        'each thread that stores or restores: [protection] slots times '
        '[store] threads, and two more for each slot.',
    ),
    *auth.endpoint_opts('object-store'),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)
    auth.register(conf, GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, [*OPTS, *auth.list_opts()])]
