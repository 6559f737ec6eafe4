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


from csbs import exception
from csbs.api import versions
from csbs.tests import base


class NegotiateTest(base.TestCase):
    def negotiate(self, value: str) -> str:
        return str(versions.negotiate({versions.HEADER: value}))

    def test_none_gets_the_first(self) -> None:
        self.assertEqual(versions.VERSIONS[0], str(versions.negotiate({})))
        self.assertEqual(versions.VERSIONS[0], self.negotiate('compute 2.90'))

    def test_named(self) -> None:
        for version in versions.VERSIONS:
            self.assertEqual(
                version, self.negotiate(f'server-backup {version}')
            )

    def test_latest(self) -> None:
        self.assertEqual(
            versions.VERSIONS[-1], self.negotiate('server-backup latest')
        )

    def test_unsupported(self) -> None:
        error = self.assertRaises(
            versions.VersionNotSupported,
            self.negotiate,
            'server-backup 1.999',
        )
        self.assertEqual(406, error.status)
        self.assertEqual(versions.VERSIONS[-1], error.extra['max_version'])

    def test_nonsense(self) -> None:
        for value in ('one', '1', '1.x'):
            self.assertRaises(
                exception.Invalid, self.negotiate, f'server-backup {value}'
            )
