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


import fixtures
from werkzeug import exceptions as werkzeug_exceptions

from csbs import exception
from csbs.api import errors
from csbs.tests import base


class DescribeTest(base.TestCase):
    def one(self, error: Exception) -> dict[str, object]:
        status, body = errors.describe(error, 'req-1')
        (described,) = body['errors']
        self.assertEqual(status, described['status'])
        self.assertEqual('req-1', described['request_id'])
        return described

    def test_ours(self) -> None:
        self.assertEqual(
            {
                'status': 409,
                'code': 'csbs.vault.not_empty',
                'title': 'Conflict',
                'detail': (
                    'Vault v still holds backups (2); delete them first.'
                ),
                'request_id': 'req-1',
            },
            self.one(exception.VaultNotEmpty(id='v', count=2)),
        )

    def test_http(self) -> None:
        for error, code in (
            (werkzeug_exceptions.NotFound(), 'csbs.request.not_found'),
            (
                werkzeug_exceptions.MethodNotAllowed(),
                'csbs.request.method_not_allowed',
            ),
            (
                werkzeug_exceptions.RequestEntityTooLarge(),
                'csbs.request.too_large',
            ),
            (
                werkzeug_exceptions.UnsupportedMediaType(),
                'csbs.request.unsupported_media_type',
            ),
            (werkzeug_exceptions.Gone(), 'csbs.request.http_410'),
        ):
            described = self.one(error)
            self.assertEqual(code, described['code'])
            self.assertEqual(error.code, described['status'])

    def test_unexpected_is_logged_and_not_told(self) -> None:
        log = self.useFixture(fixtures.FakeLogger())
        try:
            raise RuntimeError('the password is x')
        except RuntimeError as error:
            described = self.one(error)
        self.assertEqual(500, described['status'])
        self.assertEqual('csbs.internal', described['code'])
        self.assertNotIn('password', described['detail'])
        self.assertIn('Traceback', log.output)
        self.assertIn('the password is x', log.output)
