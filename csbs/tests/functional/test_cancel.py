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

"""Cancelling a task whose worker is in the middle of it."""

import os
import threading
import time
from typing import Any
from unittest import mock

from csbs.tests.functional import stack

MIB = 1 << 20


class CancelTest(stack.StackTestCase):
    """The wish to cancel reaches a data mover that is in the middle."""

    def setUp(self) -> None:
        super().setUp()
        self.make_stack()
        self.server = self.stack.make_server(
            'web', {'vda': stack.pattern(96 * MIB, 1)}
        )
        self.vault_id = self.make_vault()

    def test_it_stops_within_seconds(self) -> None:
        preadv, bell = os.preadv, threading.Event()
        self.addCleanup(bell.set)

        def slow(*args: Any) -> int:
            # A disk so slow that the whole takes minutes.
            bell.wait(1)
            return preadv(*args)

        with mock.patch.object(os, 'preadv', slow):
            backup = self.start_backup(self.server.id, self.vault_id)
            path = f'/v1/tasks/{backup["task_id"]}'
            running = stack.wait_for(
                lambda: self.moving(path), 'some data to be moved'
            )
            self.assertLess(running['progress'], 50)
            self.assertGreater(running['rate'], 0)
            self.assertGreater(running['eta_seconds'], 0)
            began = time.monotonic()
            self.call('POST', f'{path}/cancel', {}, expect=202)
            task = self.finish(backup, 'cancelled')
            took = time.monotonic() - began
        self.assertLess(took, 10)
        self.assertLess(task['bytes_done'], 48 * MIB)
        self.assert_nothing_temporary()
        store = self.stack.state / 'store'
        self.assertEqual([], [*store.rglob('packs/*/*')])
        self.assertEqual(0, self.get_vault(self.vault_id)['used_bytes'])

    def moving(self, path: str) -> dict[str, Any] | None:
        task: dict[str, Any] = self.call('GET', path, expect=200)['task']
        return task if task['bytes_done'] else None
