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

"""The guide "Protect your first server", with the programs themselves."""

import os
import pathlib
import subprocess
import sys
import threading

import fixtures
import requests

from csbs.tests.unit.cli import base

MIB = 1 << 20
_DEADLINE = 60
_STANDALONE = 'from csbs.cmd import standalone; standalone.main()'


class FirstServerTest(base.OpenStackTestCase):
    def endpoint(self) -> str:
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.disk = self.state / 'cloud' / 'servers' / 'web' / 'root.raw'
        self.disk.parent.mkdir(parents=True)
        self.content = os.urandom(3 * MIB) + bytes(5 * MIB)
        self.disk.write_bytes(self.content)
        process = subprocess.Popen(
            [
                sys.executable,
                '-c',
                _STANDALONE,
                # Not that of a csbs which is installed on this machine.
                '--config-file',
                os.devnull,
                '--state-dir',
                str(self.state),
                '--port',
                '0',
            ],
            env=os.environ | {'PYTHONPATH': os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.standalone = process
        self.addCleanup(self._stop)
        # a program that says nothing is ended, which ends the reading too
        watchdog = threading.Timer(_DEADLINE, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        self.assertIn('csbs answers at http://', line)
        return line.split()[-1]

    def _stop(self) -> None:
        self.standalone.terminate()
        try:
            code = self.standalone.wait(_DEADLINE)
        except subprocess.TimeoutExpired:
            self.standalone.kill()
            code = self.standalone.wait()
        assert self.standalone.stdout is not None
        self.standalone.stdout.close()
        self.assertEqual(0, code)

    def test_guide(self) -> None:
        (server,) = self.run_json('csbs', 'server', 'list')
        self.assertEqual(
            ('web', True), (server['Name'], server['Protectable'])
        )

        words = ('csbs', 'vault', 'create', '--capacity', '100', 'first')
        self.assertEqual('available', self.run_json(*words)['status'])
        create = ('csbs', 'backup', 'create', '--vault', 'first', '--wait')
        before = self.run_json(*create, '--name', 'before', 'web')
        self.assertEqual(
            ('available', 'full', 8 * MIB),
            (before['status'], before['kind'], before['size_bytes']),
        )
        self.assertGreater(4 * MIB, before['stored_bytes'])

        changed = os.urandom(MIB) + self.content[MIB:]
        self.disk.write_bytes(changed)
        after = self.run_json(*create, '--name', 'after', 'web')
        self.assertEqual(
            ('incremental', MIB), (after['kind'], after['changed_bytes'])
        )

        self.disk.write_bytes(bytes(8 * MIB))
        self.run_json('csbs', 'backup', 'restore', '--wait', 'before')
        self.assertEqual(self.content, self.disk.read_bytes())

        create = ('csbs', 'server', 'create', '--backup', 'after', '--wait')
        made = self.run_json(*create, 'web-2')
        (copy,) = (self.disk.parents[1] / made['server_id']).glob('*.raw')
        self.assertEqual(changed, copy.read_bytes())

        tasks = self.run_json('csbs', 'task', 'list')
        self.assertEqual(
            ['backup', 'backup', 'create_server', 'restore'],
            sorted(task['Kind'] for task in tasks),
        )
        self.assertEqual({'succeeded'}, {task['Status'] for task in tasks})

        for words in (
            ('csbs', 'backup', 'delete', '--wait', 'before', 'after'),
            ('csbs', 'vault', 'delete', '--wait', 'first'),
        ):
            result = self.openstack(*words)
            self.assertEqual(
                (0, '', ''), (result.code, result.out, result.err)
            )
        self.assertEqual([], self.run_json('csbs', 'vault', 'list'))

    def test_versions_need_no_login(self) -> None:
        for path in ('/', '/v1', '/v1/'):
            answer = requests.get(self._endpoint + path, timeout=_DEADLINE)
            self.assertEqual(200, answer.status_code)
