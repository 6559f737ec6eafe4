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

"""The guide "Protect your first server", exactly as it is printed."""

import hashlib
import pathlib
import subprocess

import requests

import csbs
from csbs.tests.functional import openstack

_GUIDE = (
    pathlib.Path(csbs.__file__).parents[1] / 'doc/source/user/first-server.rst'
)
_DEADLINE = 60


def commands(first: str, behind: str) -> list[str]:
    """Return the commands that the guide prints, as they are printed.

    :param first: the title of the section that they begin in
    :param behind: the title of the first section that is not meant
    """
    text = _GUIDE.read_text()
    begin = text.index(f'\n{first}\n===')
    part = text[begin : text.index(f'\n{behind}\n===')]
    found: list[str] = []
    goes_on = False
    for line in part.splitlines():
        if line.startswith('   $ '):
            found.append(line.removeprefix('   $ '))
        elif goes_on:
            found[-1] += f'\n{line.strip()}'
        goes_on = line.endswith(('\\', '|'))
    return found


class FirstServerTest(openstack.OpenStackTestCase):
    def shell(self, lines: list[str]) -> str:
        """Type lines into a shell, which ends at the first that fails.

        :return: what is printed, with the lines themselves
        """
        done = subprocess.run(
            ['bash', '-e', '-v', '-s'],
            input=''.join(f'{line}\n' for line in lines),
            env=self.environment(),
            cwd=self.home_folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=5 * openstack.DEADLINE,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def test_ten_commands_from_vault_to_restored_server(self) -> None:
        ten = [
            line
            for line in commands('Back it up', 'Tidy up')
            if line.startswith('openstack ')
        ]
        self.assertEqual(10, len(ten), ten)

        printed = self.shell(commands('Make a server', 'Tidy up'))

        for line in ten:
            self.assertIn(f'\n{line}\n', printed)
        self.assertIn('\nroot.raw: OK\n', printed)
        self.assertIn('every day at 02:00 UTC', printed)
        backups = self.json('backup', 'list', '--sort', 'created_at:asc')
        self.assertEqual(
            [('full', 'available'), ('incremental', 'available')],
            [(one['Kind'], one['Status']) for one in backups],
        )
        tasks = self.json('task', 'list')
        self.assertEqual({'succeeded'}, {task['Status'] for task in tasks})
        self.assertEqual(
            ['backup', 'backup', 'create_server', 'policy_run', 'restore'],
            sorted(task['Kind'] for task in tasks),
        )
        made = {row['Name']: row['ID'] for row in self.json('server', 'list')}
        (copy,) = (self.servers / made['web-2']).glob('*.raw')
        sum_, _ = (self.home_folder / 'before.sha256').read_text().split()
        with copy.open('rb') as disk:
            digest = hashlib.file_digest(disk, 'sha256').hexdigest()
        self.assertEqual(sum_, digest)

        self.shell(commands('Tidy up', 'With OpenStack'))
        self.assertEqual([], self.json('vault', 'list'))
        self.assertEqual([], self.json('policy', 'list'))

    def test_versions_need_no_login(self) -> None:
        for path in ('/', '/v1', '/v1/'):
            answer = requests.get(self._endpoint + path, timeout=_DEADLINE)
            self.assertEqual(200, answer.status_code)
