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

"""Options of the keys of vaults."""

from keystoneauth1 import loading
from oslo_config import cfg

from csbs.conf import auth

GROUP = cfg.OptGroup('vault_keys', title='Where the keys of vaults are kept')

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        'manager',
        default='file',
        choices=[
            ('file', 'The file that "file" names.'),
            (
                'castellan',
                'What castellan is set up with: Barbican, or what '
                '[key_manager] backend names.',
            ),
        ],
        help='Who keeps the keys of new vaults. The keys of vaults that are '
        'there already stay where they are and are found there. Barbican is '
        'used with the credentials of this section, not with those of '
        '[key_manager].',
    ),
    cfg.StrOpt(
        'file',
        default='$state_path/keys.json',
        help='The file with the keys of vaults, readable by the service '
        'alone. Keep a copy of it in a safe place: without its key a vault '
        'is lost for good.',
    ),
    cfg.IntOpt(
        'timeout',
        default=30,
        min=1,
        help='Seconds that Keystone and Barbican have to answer a request '
        'for a key. Vault has [vault] timeout instead.',
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP.name)
    loading.register_auth_conf_options(conf, GROUP.name)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options by section."""
    return [(GROUP, OPTS + auth.credential_opts())]
