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

"""The courier, with a message bus in memory and with none."""

import datetime
import threading
from typing import Any
import uuid

from csbs import conf as csbs_conf
from csbs import notifications
from csbs import plugins
from csbs.db import outbox
from csbs.db import paging
from csbs.db import vaults
from csbs.tests import base
from csbs.tests import fixtures as csbs_fixtures
from csbs.tests.unit.db import suite

_LATER = datetime.timedelta(minutes=2)
#: nobody listens there
_NO_BUS = 'rabbit://guest:guest@127.0.0.1:1/'


class CourierTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.db = self.useFixture(csbs_fixtures.DatabaseFixture()).db
        self.conf = csbs_conf.new()
        self.conf([], project='csbs', default_config_files=[])
        self.conf.set_override('host', 'here')
        self.conf.set_override('transport_url', 'fake:/')
        self.conf.set_override('control_exchange', uuid.uuid4().hex)
        self.choose('messagingv2')

    def choose(self, *drivers: str) -> None:
        self.conf.set_override(
            'driver', list(drivers), 'oslo_messaging_notifications'
        )

    def courier(self) -> notifications.Courier:
        courier = notifications.from_conf(self.conf, self.db)
        assert courier is not None
        return courier

    def listen(self) -> csbs_fixtures.ListenerFixture:
        return self.useFixture(csbs_fixtures.ListenerFixture(self.conf))

    def add_vaults(self, count: int = 1) -> list[str]:
        made = [suite.make_vault() for _ in range(count)]
        for vault in made:
            self.db.run(lambda vault=vault: vaults.create(self.db, vault))
        return [vault.id for vault in made]

    def wait_until_struck_out(self) -> None:
        look = threading.Event()
        for _ in range(600):
            if outbox.waiting_since(self.db) is None:
                return
            look.wait(0.05)
        raise AssertionError('The outbox is not emptied.')

    def ids(self, heard: list[dict[str, Any]]) -> list[str]:
        return [one['payload']['data']['after']['id'] for one in heard]

    def test_off_by_default(self) -> None:
        for drivers in ((), ('noop',)):
            self.choose(*drivers)
            self.assertIsNone(notifications.from_conf(self.conf, self.db))
            self.add_vaults()
            self.assertIsNone(outbox.waiting_since(self.db))

    def test_unknown_driver(self) -> None:
        self.choose('messagingv2', 'pigeon')
        error = self.assertRaises(plugins.UnknownDriver, self.courier)
        self.assertIn('messagingv2', str(error))

    def test_what_is_sent(self) -> None:
        listener = self.listen()
        self.courier()
        made = self.add_vaults(3)
        heard = listener.wait_for(lambda heard: len(heard) == 3)
        self.assertEqual(made, self.ids(heard))
        self.assertEqual('csbs.vault.created', heard[0]['event_type'])
        self.assertEqual('csbs.here', heard[0]['publisher_id'])
        payload = heard[0]['payload']
        self.assertEqual(
            ('VaultPayload', 'csbs', '1.0'),
            (payload['name'], payload['namespace'], payload['version']),
        )
        numbers = [one['payload']['data']['sequence'] for one in heard]
        self.assertEqual(sorted(set(numbers)), numbers)
        self.wait_until_struck_out()

    def test_a_process_that_dies_behind_the_commit(self) -> None:
        listener = self.listen()
        # It has written the events down, and sends nothing any more.
        self.db.watch(outbox.Outbox(lambda letters: None))
        made = self.add_vaults(2)
        courier = self.courier()
        now = paging.utcnow()
        courier.collect(now)
        courier.collect(now + _LATER)
        heard = listener.wait_for(lambda heard: len(heard) >= 2)
        self.assertEqual(made, self.ids(heard))
        self.wait_until_struck_out()
        self.assertEqual(2, len(listener.heard))

    def test_a_bus_that_is_away_holds_nobody_up(self) -> None:
        self.conf.set_override('transport_url', _NO_BUS)
        courier = self.courier()
        made = self.add_vaults(3)
        now = paging.utcnow()
        # What could not be sent is tried again, and stays.
        for minutes in (2, 4):
            courier.collect(now + datetime.timedelta(minutes=minutes))
        self.assertIsNotNone(outbox.waiting_since(self.db))

        self.conf.set_override('transport_url', 'fake:/')
        listener = self.listen()
        self.courier().collect(now + datetime.timedelta(minutes=10))
        heard = listener.wait_for(lambda heard: len(heard) >= 3)
        self.assertEqual(made, self.ids(heard))
        self.wait_until_struck_out()

    def test_more_than_a_process_keeps_in_memory(self) -> None:
        listener = self.listen()
        courier = self.courier()
        letters: list[outbox.Letter] = []
        self.db.watch(outbox.Outbox(letters.extend))
        self.add_vaults()
        courier.deliver(letters * 1500)
        listener.wait_for(lambda heard: len(heard) > 900)
        self.wait_until_struck_out()
