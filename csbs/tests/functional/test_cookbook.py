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

"""What the cookbook does with jq, as it is printed."""

import pathlib
import shutil
import subprocess
import unittest

import csbs
from csbs.tests.functional import openstack

_PAGES = pathlib.Path(csbs.__file__).parents[1] / 'doc/source/user'
_SCRIPT = _PAGES / 'samples' / 'restore-test.sh'
#: ``openstack`` but for what belongs to Nova, which a local cloud has not
_OPENSTACK = """#!/bin/bash
if [ "$1 $2" = 'server delete' ]; then
    echo "$4" >> "$HOME/deleted"
else
    exec {program} "$@"
fi
"""


@unittest.skipUnless(shutil.which('jq'), 'jq is not installed')
class RestoreTest(openstack.OpenStackTestCase):
    def script(self) -> subprocess.CompletedProcess[str]:
        folder = self.home_folder / 'bin'
        folder.mkdir(exist_ok=True)
        program = folder / 'openstack'
        program.write_text(_OPENSTACK.format(program=self.openstack_path))
        program.chmod(0o755)
        environment = self.environment()
        return subprocess.run(
            ['bash', str(_SCRIPT), 'web'],
            env=environment | {'PATH': f'{folder}:{environment["PATH"]}'},
            capture_output=True,
            text=True,
            timeout=openstack.DEADLINE,
            check=False,
        )

    def test_the_newest_backup_is_restored(self) -> None:
        self.add_server('web', b'x' * 512)
        none = self.script()
        self.assertEqual(
            (1, '', 'web has no backup to restore.\n'),
            (none.returncode, none.stdout, none.stderr),
        )
        self.works('vault', 'create', '--capacity', '100', 'v')
        for name in ('old', 'new'):
            self.works(
                *('backup', 'create', '--vault', 'v'),
                *('--name', name, '--wait', 'web'),
            )

        done = self.script()

        self.assertEqual(
            (0, '', ''), (done.returncode, done.stdout, done.stderr)
        )
        (made,) = (self.home_folder / 'deleted').read_text().split()
        self.assertIn(made, {one['ID'] for one in self.json('server', 'list')})
        (task,) = self.json('task', 'list', '--kind', 'create_server')
        shown = self.json('task', 'show', task['ID'])
        self.assertEqual(made, shown['result']['server_id'])
        newest = self.json('backup', 'show', 'new')['id']
        self.assertEqual(newest, shown['backup_id'])


@unittest.skipUnless(shutil.which('jq'), 'jq is not installed')
class UnprotectedTest(openstack.OpenStackTestCase):
    def printed(self, title: str) -> list[str]:
        """Run the commands of a section, each in a shell of its own.

        :return: what each prints
        """
        _, _, text = (
            (_PAGES / 'cookbook.rst').read_text().partition(f'\n{title}\n=')
        )
        found = []
        for command in text.partition('\n=')[0].split('\n   $ ')[1:]:
            done = subprocess.run(
                ['bash', '-e', '-o', 'pipefail'],
                input=command.partition('\n\n')[0],
                env=self.environment(),
                capture_output=True,
                text=True,
                timeout=openstack.DEADLINE,
                check=False,
            )
            self.assertEqual((0, ''), (done.returncode, done.stderr), command)
            found.append(done.stdout)
        return found

    def test_what_is_unprotected_and_what_failed(self) -> None:
        disk = self.add_server('web', b'x' * 512)
        self.add_server('db', b'x' * 512)
        self.works('vault', 'create', '--capacity', '100', 'v')
        self.works(
            *('policy', 'create', '--at', '02:00', '--vault', 'v'),
            *('--server', 'web', 'p'),
        )
        disk.unlink()
        self.fails('policy', 'run', '--wait', 'p')

        unprotected, failed = self.printed('See that nothing is unprotected')

        self.assertEqual('db\n', unprotected)
        self.assertIn('cannot be backed up', failed)
