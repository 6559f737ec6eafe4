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


from csbs.api import auth
from csbs.api import errors
from csbs.tests import base

CONFIRMED = {
    'HTTP_X_IDENTITY_STATUS': 'Confirmed',
    'HTTP_X_USER_ID': 'u1',
    'HTTP_X_ROLES': 'member,reader',
    'HTTP_X_AUTH_TOKEN': 'secret',
}


class KeystoneTest(base.TestCase):
    def test_confirmed(self) -> None:
        context = auth.keystone({**CONFIRMED, 'HTTP_X_PROJECT_ID': 'p1'})
        self.assertEqual('u1', context.user_id)
        self.assertEqual('p1', context.project_id)
        self.assertEqual(['member', 'reader'], context.roles)

    def test_no_token(self) -> None:
        for status in ({}, {'HTTP_X_IDENTITY_STATUS': 'Invalid'}):
            self.assertRaises(
                errors.Unauthenticated,
                auth.keystone,
                {'HTTP_X_PROJECT_ID': 'p1', **status},
            )

    def test_no_project(self) -> None:
        self.assertRaises(auth.NoProject, auth.keystone, CONFIRMED)


class NoauthTest(base.TestCase):
    def test_nothing_said(self) -> None:
        context = auth.noauth({})
        self.assertEqual('local', context.project_id)
        self.assertEqual(
            ['admin', 'manager', 'member', 'reader'], context.roles
        )

    def test_token(self) -> None:
        context = auth.noauth({'HTTP_X_AUTH_TOKEN': 'ann:tea'})
        self.assertEqual('ann', context.user_id)
        self.assertEqual('tea', context.project_id)

    def test_header_before_token(self) -> None:
        context = auth.noauth(
            {'HTTP_X_AUTH_TOKEN': 'ann:tea', 'HTTP_X_PROJECT_ID': 'p2'}
        )
        self.assertEqual('p2', context.project_id)

    def test_lesser_roles(self) -> None:
        context = auth.noauth({'HTTP_X_ROLES': 'member, odd'})
        self.assertEqual(['member', 'odd', 'reader'], context.roles)
        self.assertEqual([], auth.noauth({'HTTP_X_ROLES': ''}).roles)
