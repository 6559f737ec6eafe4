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

"""``pip install csbs[cli]`` in an empty environment."""

import os
import pathlib
import shutil
import subprocess
import sys
import tomllib
from typing import Any

import fixtures

import csbs
from csbs.tests.functional import openstack

_SOURCE = pathlib.Path(csbs.__file__).parents[1]
_INSTALL_DEADLINE = 600
#: what a server needs and a client of OpenStack has as well
_OF_CLIENTS = {
    'backports.zstd',
    'cryptography',
    'keystoneauth1',
    'oslo.config',
    'oslo.context',
    'oslo.i18n',
    'oslo.log',
    'oslo.serialization',
    'oslo.utils',
    'jsonschema',
    'python-cinderclient',
    'python-novaclient',
    'requests',
    'tzdata',
    'urllib3',
}


def _name(requirement: str) -> str:
    for mark in '<>=;[ ':
        requirement = requirement.partition(mark)[0]
    return requirement


class PackageTest(openstack.OpenStackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # building leaves files behind, which do not belong into the tree
        self.tree = self.folder / 'tree'
        self.tree.mkdir()
        for name in ('setup.py', 'setup.cfg', 'pyproject.toml'):
            shutil.copy(_SOURCE / name, self.tree)
        for name in ('requirements.txt', 'README.rst', 'LICENSE'):
            shutil.copy(_SOURCE / name, self.tree)
        shutil.copytree(
            _SOURCE / 'csbs',
            self.tree / 'csbs',
            ignore=shutil.ignore_patterns('__pycache__', 'tests'),
        )

    def call_python(self, *words: str) -> str:
        done = subprocess.run(
            [str(self.folder / 'env' / 'bin' / 'python'), *words],
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith(('PYTHON', 'OS_'))
            }
            | {'PBR_VERSION': '0.0.1'},
            capture_output=True,
            text=True,
            timeout=_INSTALL_DEADLINE,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def server_packages(self) -> set[str]:
        project: dict[str, Any] = tomllib.loads(
            (_SOURCE / 'pyproject.toml').read_text()
        )['project']
        needed = project['optional-dependencies']['server']
        return {_name(one).lower() for one in needed} - _OF_CLIENTS

    def test_the_command_line_brings_no_server(self) -> None:
        subprocess.run(
            [sys.executable, '-m', 'venv', str(self.folder / 'env')],
            timeout=_INSTALL_DEADLINE,
            check=True,
        )
        self.call_python('-m', 'pip', 'install', '-q', f'{self.tree}[cli]')

        listed = self.call_python('-m', 'pip', 'list', '--format=freeze')
        names = {line.partition('==')[0].lower() for line in listed.split()}
        self.assertIn('python-openstackclient', names)
        wanted = self.server_packages()
        for name in ('flask', 'sqlalchemy', 'oslo.messaging'):
            self.assertIn(name, wanted)
        self.assertEqual(set(), names & wanted)

        self.openstack_path = self.folder / 'env' / 'bin' / 'openstack'
        self.add_server('web', b'x' * 512)
        self.works('vault', 'create', '--capacity', '100', 'v')
        made = self.json('backup', 'create', '--vault', 'v', '--wait', 'web')
        self.assertEqual('available', made['status'])
