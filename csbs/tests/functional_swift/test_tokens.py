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

"""Jobs that take longer than a token lives."""

import time
from typing import Any
from typing import ClassVar
import unittest

import requests

from csbs.store.objects import base as objects_base
from csbs.tests.functional import faults
from csbs.tests.functional import stack
from csbs.tests.functional import swift


class TestTokens(swift.SwiftTestCase):
    """Tokens of a few seconds, and a Swift that soon forgets that they are."""

    short: ClassVar[swift.Swift]

    @classmethod
    def setUpClass(cls) -> None:
        reason = swift.missing()
        if reason:
            raise unittest.SkipTest(reason)
        cls.short = swift.Swift(expiration=20, token_cache=1)
        cls.short.setUp()
        cls.addClassCleanup(cls.short.cleanUp)
        cls.section = cls.short.section()
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        self.keystone = self.useFixture(
            faults.FaultyProxy(self.short.keystone.url)
        )

    def used_to_the_end(self) -> tuple[objects_base.ObjectStore, Any]:
        """Return a container, and a session that renews no token early.

        keystoneauth renews a token that lives for less than two minutes: of
        these, each before each request.
        """
        store: Any = self.open_store('one', connections=2)
        session = store._client._adapter.session
        session.auth.MIN_TOKEN_LIFE_SECONDS = 0
        return store, session

    def test_tokens_expire(self) -> None:
        store, session = self.used_to_the_end()
        self.put_until_renewed(store, session)

    def test_a_token_is_revoked(self) -> None:
        store, session = self.used_to_the_end()
        store.put('a', b'x')
        answer = requests.delete(
            f'{self.short.keystone.url}/auth/tokens',
            headers={
                'X-Auth-Token': session.get_token(),
                'X-Subject-Token': session.get_token(),
            },
            timeout=60,
        )
        self.assertEqual(204, answer.status_code)
        self.put_until_renewed(store, session)

    def put_until_renewed(
        self, store: objects_base.ObjectStore, session: Any
    ) -> None:
        """Store objects until another token is used; all must arrive."""
        first = session.get_token()
        deadline = time.monotonic() + stack.DEADLINE
        number = 0
        while session.get_token() == first:
            store.put(f'packs/{number}', bytes(2 << 20))
            number += 1
            if time.monotonic() > deadline:
                raise AssertionError('The token lives on.')
        store.put(f'packs/{number}', bytes(2 << 20))
        self.assertEqual(
            [2 << 20] * (number + 1),
            [size for _name, size in store.list('packs/')],
        )

    def test_keystone_is_away_when_a_token_is_due(self) -> None:
        store = self.open_store('one', auth_url=self.keystone.url)
        self.keystone.clear()
        self.keystone.add('answer', 'POST', status=503, times=2)
        self.keystone.add('cut', 'POST', times=1)
        self.keystone.add('answer', 'POST', status=500, times=1)
        store.put('packs/a', b'x')
        self.assertEqual(b'x', store.get('packs/a'))
        self.assertGreater(self.keystone.count('POST', '/auth/tokens'), 4)
