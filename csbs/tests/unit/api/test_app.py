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


"""The application around the handlers, with a real database behind it."""

import datetime
import io
import pathlib
from typing import Any

import fixtures
from werkzeug import test as werkzeug_test

from csbs import conf as csbs_conf
from csbs.actions import runtime
from csbs.api import app
from csbs.db import models
from csbs.db import session
from csbs.tests import base
from csbs.tests import fixtures as csbs_fixtures

MIB = 1 << 20


class AppTestCase(base.TestCase):
    strategy = 'noauth'

    def setUp(self) -> None:
        super().setUp()
        self.conf = csbs_conf.new()
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # Where nobody listens; no test gets as far as asking there.
        (path / 'csbs.conf').write_text(
            '[keystone_authtoken]\n'
            'www_authenticate_uri = http://127.0.0.1:1/v3\n'
            'auth_type = password\n'
            'auth_url = http://127.0.0.1:1/v3\n'
            'username = csbs\n'
            'password = secret\n'
        )
        self.conf(
            [],
            project='csbs',
            default_config_files=[str(path / 'csbs.conf')],
        )
        self.conf.set_override('auth_strategy', self.strategy, 'api')
        self.conf.set_override('response_validation', 'error', 'api')
        self.db = self.useFixture(csbs_fixtures.DatabaseFixture()).db
        self.client = self.make_client()

    def make_client(self) -> werkzeug_test.Client:
        # Neither a cloud nor keys nor messages are touched here.
        nothing: Any = None
        return werkzeug_test.Client(
            app.create_app(
                runtime.Runtime(
                    conf=self.conf,
                    db=self.db,
                    cloud=nothing,
                    keys=nothing,
                    doorbell=nothing,
                    objects=nothing,
                )
            )
        )

    def open(
        self, path: str, status: int, method: str = 'GET', **kwargs: Any
    ) -> werkzeug_test.TestResponse:
        answer = self.client.open(path, method=method, **kwargs)
        self.assertEqual(status, answer.status_code, answer.text)
        return answer

    def error(self, path: str, status: int, **kwargs: Any) -> dict[str, Any]:
        answer = self.open(path, status, **kwargs)
        (error,) = answer.json['errors']
        self.assertEqual(status, error['status'])
        self.assertEqual(
            answer.headers['X-Openstack-Request-Id'], error['request_id']
        )
        found: dict[str, Any] = error
        return found


class PublicTest(AppTestCase):
    def test_versions(self) -> None:
        (version,) = self.open('/', 200).json['versions']
        self.assertEqual('v1', version['id'])
        self.assertEqual('1.0', version['min_version'])
        self.assertEqual('http://localhost/v1/', version['links'][0]['href'])
        for path in ('/v1', '/v1/'):
            self.assertEqual(version, self.open(path, 200).json['version'])

    def test_behind_a_proxy(self) -> None:
        self.conf.set_override(
            'enable_proxy_headers_parsing', True, 'oslo_middleware'
        )
        answer = self.open(
            '/v1',
            200,
            headers={
                'X-Forwarded-Proto': 'https',
                'X-Forwarded-Host': 'cloud.example.com',
                'X-Forwarded-Prefix': '/server-backup',
            },
        )
        self.assertEqual(
            'https://cloud.example.com/server-backup/v1/',
            answer.json['version']['links'][0]['href'],
        )

    def test_openapi(self) -> None:
        document = self.open('/v1/openapi.json', 200).json
        self.assertEqual('3.1.0', document['openapi'])

    def test_healthy(self) -> None:
        self.assertEqual({'status': 'ok'}, self.open('/healthcheck', 200).json)

    def test_unhealthy(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        self.db = session.Database(f'sqlite:///{folder}/missing/csbs.sqlite')
        self.addCleanup(self.db.dispose)
        self.client = self.make_client()
        error = self.error('/healthcheck', 503)
        self.assertEqual('csbs.service.unhealthy', error['code'])


class RequestTest(AppTestCase):
    def test_headers_of_an_answer(self) -> None:
        headers = self.open('/v1/vaults', 200).headers
        self.assertEqual('server-backup 1.0', headers['OpenStack-API-Version'])
        self.assertIn('OpenStack-API-Version', headers['Vary'])
        self.assertTrue(headers['X-Openstack-Request-Id'].startswith('req-'))

    def test_unsupported_version(self) -> None:
        error = self.error(
            '/v1/vaults',
            406,
            headers={'OpenStack-API-Version': 'server-backup 7.0'},
        )
        self.assertEqual('csbs.request.version_not_supported', error['code'])
        self.assertEqual('1.0', error['max_version'])

    def test_unknown_address(self) -> None:
        for path in ('/v2', '/v1/nothing', '/v1/vaults/a/b', '/v1/vaults/%00'):
            error = self.error(path, 404)
            self.assertIn(
                error['code'],
                ('csbs.request.not_found', 'csbs.vault.not_found'),
            )

    def test_unknown_method(self) -> None:
        error = self.error('/v1/vaults', 405, method='PUT')
        self.assertEqual('csbs.request.method_not_allowed', error['code'])
        answer = self.open('/v1/vaults', 405, method='PUT')
        self.assertEqual(
            {'GET', 'HEAD', 'POST'},
            set(answer.headers['Allow'].split(', ')),
        )

    def test_head(self) -> None:
        self.assertEqual(b'', self.open('/v1', 200, method='HEAD').data)

    def test_no_json(self) -> None:
        for body in (b'{', b'\xff', b'[' * 90000, b'{"vault": NaN}'):
            error = self.error(
                '/v1/vaults',
                400,
                method='POST',
                data=body,
                content_type='application/json',
            )
            self.assertEqual('csbs.request.invalid', error['code'])

    def test_no_text(self) -> None:
        for text in ('\\u0000', '\\ud800'):
            body = '{"vault": {"capacity_gb": 100, "description": "%s"}}'
            self.error(
                '/v1/vaults',
                400,
                method='POST',
                data=body % text,
                content_type='application/json',
            )

    def test_wrong_media_type(self) -> None:
        error = self.error(
            '/v1/vaults', 415, method='POST', data='a=b', content_type='a/b'
        )
        self.assertEqual('csbs.request.unsupported_media_type', error['code'])

    def test_too_large(self) -> None:
        error = self.error(
            '/v1/vaults',
            413,
            method='POST',
            data=b' ' * MIB,
            content_type='application/json',
        )
        self.assertEqual('csbs.request.too_large', error['code'])

    def test_too_large_without_saying_so(self) -> None:
        error = self.error(
            '/v1/vaults',
            413,
            method='POST',
            input_stream=io.BytesIO(b' ' * MIB),
            content_type='application/json',
            environ_overrides={'wsgi.input_terminated': True},
        )
        self.assertEqual('csbs.request.too_large', error['code'])

    def test_invalid(self) -> None:
        error = self.error(
            '/v1/vaults', 400, method='POST', json={'vault': {'name': 'x y'}}
        )
        self.assertIn('vault.capacity_gb: is missing.', error['detail'])
        self.assertIn('vault.name: may hold only', error['detail'])
        error = self.error('/v1/vaults?nonsense=1', 400)
        self.assertEqual('nonsense: is not known here.', error['detail'])

    def test_rule_comes_before_the_body(self) -> None:
        error = self.error(
            '/v1/vaults',
            403,
            method='POST',
            json={'nonsense': 1},
            headers={'X-Roles': 'reader'},
        )
        self.assertEqual('csbs.request.forbidden', error['code'])
        self.assertIn('csbs:vaults:create', error['detail'])

    def test_operators_rules(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        path = pathlib.Path(folder) / 'policy.yaml'
        path.write_text('"csbs:vaults:list": "role:auditor"\n')
        self.conf.set_override('policy_file', str(path), 'oslo_policy')
        self.client = self.make_client()
        self.error('/v1/vaults', 403)
        self.open('/v1/vaults', 200, headers={'X-Roles': 'auditor'})

    def test_cross_origin(self) -> None:
        origin = 'https://dashboard.example.com'
        self.conf.set_override('allowed_origin', [origin], 'cors')
        self.client = self.make_client()
        answer = self.client.options(
            '/v1/vaults',
            headers={
                'Origin': origin,
                'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'X-Auth-Token',
            },
        )
        self.assertEqual(200, answer.status_code)
        self.assertEqual(origin, answer.headers['Access-Control-Allow-Origin'])

    def test_wrong_answers(self) -> None:
        # Only what the database holds can be wrong without being our fault.
        now = datetime.datetime.now(datetime.UTC)
        with self.db.writer() as tx:
            tx.add(
                models.Service(
                    id='no uuid',
                    binary='b',
                    host='h',
                    started_at=now,
                    seen_at=now,
                )
            )
        self.error('/v1/services', 500)
        log = self.useFixture(fixtures.FakeLogger())
        self.conf.set_override('response_validation', 'warn', 'api')
        self.open('/v1/services', 200)
        self.assertIn('does not fit its schema', log.output)


class KeystoneTest(AppTestCase):
    strategy = 'keystone'

    def test_public_needs_no_token(self) -> None:
        for path in ('/', '/v1', '/healthcheck', '/v1/openapi.json'):
            self.open(path, 200)

    def test_token_needed(self) -> None:
        error = self.error('/v1/vaults', 401)
        self.assertEqual('csbs.request.unauthenticated', error['code'])
        answer = self.open('/v1/vaults', 401)
        self.assertIn('WWW-Authenticate', answer.headers)

    def test_headers_are_not_believed(self) -> None:
        self.error(
            '/v1/vaults',
            401,
            headers={
                'X-Identity-Status': 'Confirmed',
                'X-Project-Id': 'p1',
                'X-Roles': 'admin',
            },
        )
