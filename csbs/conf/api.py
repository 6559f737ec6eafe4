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


"""Options of the REST API."""

from oslo_config import cfg

GROUP = cfg.OptGroup('api', title='The REST API')

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'host',
        default='127.0.0.1',
        help='The address that csbs-standalone listens on. Under uWSGI and '
        'the like the web server has its own setting.',
    ),
    cfg.PortOpt(
        'port',
        default=8799,
        help='The port that csbs-standalone listens on.',
    ),
    cfg.StrOpt(
        'auth_strategy',
        default='keystone',
        choices=[
            (
                'keystone',
                'A Keystone token is needed, see [keystone_authtoken]',
            ),
            ('noauth', 'Everybody may do everything; never in production'),
        ],
        help='How callers show who they are. With noauth the project comes '
        'from X-Project-Id, or from an X-Auth-Token of the form '
        '<user>:<project>, or is called "local".',
    ),
    cfg.IntOpt(
        'max_limit',
        default=1000,
        min=1,
        max=10000,
        help='The most resources that one page of a list has. A larger '
        'limit in a request is lowered to this.',
    ),
    cfg.StrOpt(
        'response_validation',
        default='warn',
        choices=[
            ('error', 'Answer 500 in its place'),
            ('warn', 'Send it and log a warning'),
            ('ignore', 'Do not look'),
        ],
        help='What to do with an answer that does not fit its own schema.',
    ),
    cfg.IntOpt(
        'max_body_bytes',
        default=114688,
        min=1024,
        help='The largest body of a request, in bytes.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS)]
