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


"""Tests of what a worker that dies at any step leaves of the local cloud.

The worker is a process of its own that is killed at its first, second, third
... touch of the file system (as ``sys.addaudithook`` sees them); then another
one empties the ledger, as the watchdog would.
"""

from collections.abc import Callable
import os
import sys
import uuid

from csbs.cloud import base
from csbs.domain import model
from csbs.tests.unit.cloud import fakes

_TOUCHES = ('open', 'os.', 'fcntl.', 'shutil.')
_DIED = 77
_MOST = 1000


def _die_at(step: int) -> None:
    left = step

    def hook(event: str, _arguments: object) -> None:
        nonlocal left
        if event.startswith(_TOUCHES):
            left -= 1
            if left == 0:
                os._exit(_DIED)

    sys.addaudithook(hook)


class CrashTest(fakes.LocalCloudTestCase):
    def died(self, step: int, work: Callable[[], object]) -> bool:
        """Do the work in a process that dies at its step, if it has one."""
        child = os.fork()
        if not child:
            code = 1
            try:
                _die_at(step)
                work()
                code = 0
            finally:
                os._exit(code)
        _pid, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        self.assertIn(code, (0, _DIED))
        return code == _DIED

    def crash_everywhere(
        self,
        work: Callable[[], object],
        state: Callable[[], object],
        at_least: int,
    ) -> None:
        """See that nothing is left wherever the work ends."""
        before = state()
        for step in range(1, _MOST):
            if not self.died(step, work):
                break
            self.ledger.discard_all()
            self.assertEqual(before, state(), f'died at step {step}')
        self.assertGreater(step, at_least)
        self.assertLess(step, _MOST - 1)
        # done to its end, but the worker did not come to say so
        self.assertNotEqual(before, state())
        self.ledger.discard_all()
        self.assertEqual(before, state())

    def files(self) -> dict[str, str]:
        return fakes.tree(self.root)

    def snapshot(self, server: model.Server) -> None:
        self.cloud.snapshot(
            self.context,
            server,
            self.ledger,
            backup_id=str(uuid.uuid4()),
            allow_pause=False,
            fallback=lambda: None,
        )

    def test_snapshot(self) -> None:
        self.make_server()
        server = self.get()
        self.crash_everywhere(
            lambda: self.snapshot(server),
            self.files,
            at_least=10,
        )

    def test_create_server(self) -> None:
        self.make_server()

        def work() -> None:
            volumes = []
            for device in ('/dev/vda', '/dev/vdb'):
                _entry, volume = self.cloud.create_volume(
                    self.context,
                    base.VolumeSpec(
                        device, fakes.MIB, device, device == '/dev/vda', {}
                    ),
                    self.ledger,
                )
                with self.cloud.open_new_volume(volume, self.ledger) as writer:
                    writer.write(0, memoryview(b'data'))
                volumes.append(volume)
            self.cloud.create_server(
                self.context,
                base.ServerSpec('new', {}, {}),
                volumes,
                self.ledger,
            )

        self.crash_everywhere(work, self.files, at_least=20)

    def test_hold(self) -> None:
        self.make_server()

        def state() -> tuple[model.Server, bool]:
            server = self.get()
            folder = self.root / 'servers' / 'web'
            left = os.path.exists(folder / 'server.json')
            text = (folder / 'server.json').read_text() if left else ''
            return server, 'held' in text

        self.crash_everywhere(
            lambda: self.cloud.hold(self.context, self.get(), self.ledger),
            state,
            at_least=10,
        )

    def test_discard(self) -> None:
        path = self.make_server()
        (path / 'server.json').write_text('{}')
        server = self.get()
        for step in range(1, _MOST):
            self.snapshot(server)
            self.cloud.hold(self.context, server, self.ledger)
            died = self.died(step, self.ledger.discard_all)
            self.ledger.discard_all()
            self.assertEqual([], os.listdir(self.root / 'snapshots'))
            self.assertEqual(server, self.get())
            if not died:
                break
        self.assertGreater(step, 10)
