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

"""The doorbell over the in-memory transport."""

import threading
from typing import Any
from unittest import mock
import uuid

import oslo_messaging as messaging

from csbs import conf as csbs_conf
from csbs import rpc
from csbs.tests import base


class RpcTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.conf = csbs_conf.new()
        self.conf([], project='csbs', default_config_files=[])
        self.conf.set_override('transport_url', 'fake:/')
        self.conf.set_override('control_exchange', uuid.uuid4().hex)

    def listen(self, host: str) -> tuple[threading.Event, list[str]]:
        woken, cancelled = threading.Event(), []

        def cancel(task_id: str) -> None:
            cancelled.append(task_id)
            woken.set()

        server = rpc.server(self.conf, host, woken.set, cancel)
        server.start()

        def end() -> None:
            server.stop()
            server.wait()

        self.addCleanup(end)
        return woken, cancelled

    def test_every_worker_hears_it(self) -> None:
        heard = [self.listen(host)[0] for host in ('one', 'two')]
        rpc.RpcDoorbell(self.conf).wake()
        for woken in heard:
            self.assertTrue(woken.wait(30))

    def test_cancel_names_the_task(self) -> None:
        woken, cancelled = self.listen('one')
        rpc.RpcDoorbell(self.conf).cancel('task-1')
        self.assertTrue(woken.wait(30))
        self.assertEqual(['task-1'], cancelled)

    def test_ringing_never_fails(self) -> None:
        doorbell = rpc.RpcDoorbell(self.conf)

        def broken(*args: Any, **kwargs: Any) -> None:
            raise messaging.MessageDeliveryFailure('no broker')

        with mock.patch.object(messaging.RPCClient, 'cast', broken):
            doorbell.wake()
            doorbell.cancel('task-1')
