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

"""The programs as real processes: started, killed, started again."""

import os
import signal
import socket
import subprocess
import time
from typing import Any

from csbs.tests.functional import processes
from csbs.tests.functional import stack

MIB = 1 << 20


class StandaloneTest(processes.ProcessTestCase):
    def start_standalone(self) -> subprocess.Popen[str]:
        process = self.start(
            'csbs-standalone',
            '--state-dir',
            str(self.state),
            '--port',
            str(self.port),
        )
        self.wait_until_ready()
        return process

    def test_killed_in_a_backup(self) -> None:
        disks = self.make_disks(vda=96 * MIB, vdb=32 * MIB)
        process = self.start_standalone()
        vault_id = self.make_vault()
        good = self.start_backup(vault_id)
        self.assertEqual('succeeded', self.finish(good)['status'])
        for path in (self.state / 'cloud' / 'servers' / 'web').glob('*.raw'):
            with path.open('r+b') as file:
                for offset in range(0, path.stat().st_size, 256 * 1024):
                    file.seek(offset)
                    file.write(os.urandom(64))
        changed = self.read_disks()
        backup = self.start_backup(vault_id)
        stack.wait_for(
            lambda: self.reached(backup, 'backing_up'),
            'the data to move',
        )
        self.end(process, signal.SIGKILL)

        began = time.monotonic()
        self.start_standalone()
        task = self.finish(backup)
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual('succeeded', task['status'])
        self.assertEqual([], os.listdir(self.state / 'cloud' / 'snapshots'))
        self.restore(good)
        self.assertEqual(disks, self.read_disks())
        self.restore(backup)
        self.assertEqual(changed, self.read_disks())
        again = self.start_backup(vault_id)
        self.assertEqual('succeeded', self.finish(again)['status'])

    def reached(self, resource: dict[str, Any], step: str) -> bool:
        """Tell whether a task came to a step, or even to its end."""
        task = self.task(resource['task_id'])
        return task['step'] == step or bool(task['finished_at'])

    def test_killed_in_a_restore(self) -> None:
        disks = self.make_disks(vda=96 * MIB, vdb=32 * MIB)
        process = self.start_standalone()
        backup = self.start_backup(self.make_vault())
        self.assertEqual('succeeded', self.finish(backup)['status'])
        for path in (self.state / 'cloud' / 'servers' / 'web').glob('*.raw'):
            path.write_bytes(os.urandom(path.stat().st_size))
        asked = self.call(
            'POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}
        )['backup']
        stack.wait_for(
            lambda: self.reached(asked, 'writing'),
            'the first byte to be written',
        )
        self.end(process, signal.SIGKILL)

        self.start_standalone()
        self.assertEqual('succeeded', self.finish(asked)['status'])
        self.assertEqual(disks, self.read_disks())
        (server,) = self.call('GET', '/v1/servers')['servers']
        self.assertEqual('ACTIVE', server['status'])
        self.assertTrue(server['protectable'], server['reason'])

    def restore(self, backup: dict[str, Any]) -> None:
        asked = self.call(
            'POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}
        )['backup']
        self.assertEqual('succeeded', self.finish(asked)['status'])

    def test_ended_politely(self) -> None:
        process = self.start_standalone()
        printed = self.end(process)
        self.assertEqual(0, process.returncode, printed)
        self.assertEqual(
            f'csbs answers at http://127.0.0.1:{self.port}\n', printed
        )

    def test_port_in_use(self) -> None:
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', self.port))
            taken.listen()
            process = self.start(
                'csbs-standalone',
                '--state-dir',
                str(self.state),
                '--port',
                str(self.port),
            )
            printed = process.communicate(timeout=stack.DEADLINE)[0]
        self.assertEqual(1, process.returncode)
        self.assertIn(f'Port {self.port}', printed)
        self.assertEqual(1, printed.count('\n'))

    def test_folder_in_use(self) -> None:
        self.start_standalone()
        process = self.start(
            'csbs-standalone', '--state-dir', str(self.state), '--port', '0'
        )
        printed = process.communicate(timeout=stack.DEADLINE)[0]
        self.assertEqual(1, process.returncode)
        self.assertIn('Another csbs-standalone', printed)
        self.assertEqual(1, printed.count('\n'))


class SeparateProcessesTest(processes.ProcessTestCase):
    """Scheduler and protection apart; the API in this process.

    The doorbell can't be heard across processes here, so this shows too
    that the queue is found without it.
    """

    def test_main_job(self) -> None:
        disks = self.make_disks(vda=3 * MIB)
        config = self.state / 'csbs.conf'
        config.write_text(
            '[DEFAULT]\n'
            f'state_path = {self.state}\n'
            'transport_url = fake:/\n'
            '[protection]\npoll_interval = 1\n'
            f'[local_cloud]\npath = {self.state}/cloud\n'
            '[api]\nauth_strategy = noauth\n'
        )
        arguments = ('--config-file', str(config))
        printed = self.run_to_end('csbs-manage', *arguments, 'db', 'sync')
        self.assertIn('0001', printed)
        self.run_to_end('csbs-status', *arguments, 'upgrade', 'check')
        services = [
            self.start(f'csbs-{name}', *arguments)
            for name in ('scheduler', 'protection')
        ]
        self.start_web('csbs.wsgi.api', self.port)
        self.wait_until_ready()
        vault_id = self.make_vault()
        backup = self.start_backup(vault_id)
        self.assertEqual('succeeded', self.finish(backup)['status'])
        path = self.state / 'cloud' / 'servers' / 'web' / 'vda.raw'
        path.write_bytes(bytes(3 * MIB))
        asked = self.call(
            'POST', f'/v1/backups/{backup["id"]}/restore', {'restore': {}}
        )['backup']
        self.assertEqual('succeeded', self.finish(asked)['status'])
        self.assertEqual(disks, self.read_disks())
        found = self.call('GET', '/v1/services')['services']
        self.assertEqual(
            ['csbs-protection', 'csbs-scheduler'],
            [one['binary'] for one in found if one['alive']],
        )
        for process in services:
            printed = self.end(process)
            self.assertEqual(0, process.returncode, printed)
