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


"""Tests of requests: what is tried again, what is waited for, who asks."""

import logging
import time
from typing import Any

from cinderclient import exceptions as cinder_exceptions
import fixtures

from csbs import conf as csbs_conf
from csbs import exception
from csbs.cloud import base
from csbs.cloud.openstack import clients
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import keystone


class RetryTest(fakes.OpenStackTestCase):
    """A request is never repeated when it may have been done."""

    def setUp(self) -> None:
        super().setUp()
        self.driver.check()
        self.volume = self.make_volume()
        self.api = self.driver._clients.service()
        self.impatient = self.driver._clients.service(patient=False)

    def create(self, api: clients.Api | None = None) -> None:
        with clients.translated('A snapshot'):
            (api or self.api).cinder.volume_snapshots.create(self.volume.id)

    def look(self, api: clients.Api | None = None) -> None:
        with clients.translated('A volume'):
            (api or self.api).cinder.volumes.get(self.volume.id)

    def test_what_changes_something(self) -> None:
        for kind, made in (
            (500, 0),
            (502, 0),
            (503, 0),
            (504, 0),
            ('cut', 0),
            ('garbage', 0),
            ('lost', 1),
        ):
            with self.subTest(kind=kind):
                self.stub.snapshots.all.clear()
                before = len(self.stub.log)
                self.stub.fail(kind, 'POST volume/snapshots')
                self.assertRaises(exception.CloudError, self.create)
                self.assertEqual(1, len(self.stub.log) - before)
                self.assertEqual(made, len(self.stub.snapshots.all))

    def test_looks_and_deletions(self) -> None:
        def delete() -> None:
            volume = self.make_volume()
            with clients.translated('A volume'):
                self.api.cinder.volumes.delete(volume.id)

        for work in (self.look, delete):
            for kind in (502, 503, 504, 'cut'):
                with self.subTest(kind=kind):
                    before = len(self.stub.log)
                    self.stub.fail(kind, 'volume/volumes', times=2)
                    work()
                    self.assertEqual(3, len(self.stub.log) - before)
                    self.stub.fail(kind, 'volume/volumes', times=9)
                    error = self.assertRaises(exception.CloudError, work)
                    self.assertIsInstance(error, exception.CloudUnavailable)
                    self.stub.faults.clear()

    def test_too_many_requests(self) -> None:
        """Nothing was done, so anything may be tried again; but not soon."""
        self.stub.fail(429, 'volume/', times=4)
        self.create()
        self.assertEqual(1, len(self.stub.snapshots.all))
        self.stub.fail(429, 'volume/', times=5)
        self.assertRaises(exception.CloudUnavailable, self.create)
        self.stub.fail(429, 'volume/')
        self.assertRaises(
            exception.CloudUnavailable, self.create, self.impatient
        )
        self.assertEqual(1, len(self.stub.snapshots.all))

    def test_errors(self) -> None:
        for status, kind in (
            (400, exception.CloudRefused),
            (401, exception.CloudError),
            (403, exception.CloudRefused),
            (404, clients.Missing),
            (409, exception.CloudRefused),
            (413, exception.CloudRefused),
            (429, exception.CloudUnavailable),
            (500, exception.CloudError),
            (503, exception.CloudUnavailable),
        ):
            with self.subTest(status):
                self.stub.fail(status, 'volume/volumes', times=5)
                error = self.assertRaises(exception.CloudError, self.look)
                self.assertIs(kind, type(error))
                self.assertIn(f'(HTTP {status})', str(error))
                self.stub.faults.clear()

    def test_garbage(self) -> None:
        self.stub.fail('garbage', 'volume/volumes')
        error = self.assertRaises(exception.CloudError, self.look)
        self.assertIn('makes no sense', str(error))

    def test_a_service_that_asks_for_a_long_pause(self) -> None:
        """It is not for the service to say how long a task hangs."""
        self.stub.retry_after = '3600'
        self.stub.fail(503, 'volume/volumes')
        begin = time.monotonic()
        self.look()
        self.assertLess(time.monotonic() - begin, 5)

    def test_hangs(self) -> None:
        self.stub.fail('hang', 'volume/', times=9)
        for work in (self.create, self.look):
            begin = time.monotonic()
            self.assertRaises(exception.CloudUnavailable, work, self.impatient)
            self.assertLess(time.monotonic() - begin, 2.5)

    def test_outage(self) -> None:
        """Nothing was sent while nobody listened, so it may be now."""
        timer = self.stub.away(0.3)
        self.create()
        timer.join()
        self.assertEqual(1, len(self.stub.snapshots.all))

    def test_outage_that_is_too_long(self) -> None:
        self.options = {'outage': 0}
        api = self.worker()._clients.service()
        self.stub.stop()
        self.assertRaises(exception.CloudUnavailable, self.create, api)

    def test_users_do_not_wait(self) -> None:
        self.stub.stop()
        begin = time.monotonic()
        self.assertRaises(
            exception.CloudUnavailable, self.create, self.impatient
        )
        self.assertRaises(
            exception.CloudUnavailable,
            self.driver.servers,
            self.context,
        )
        self.assertLess(time.monotonic() - begin, 2)

    def test_users_do_not_wait_for_the_first_answer(self) -> None:
        """Nor while it is found out what the services can."""
        driver = self.worker()
        self.stub.stop()
        begin = time.monotonic()
        self.assertRaises(
            exception.CloudUnavailable, driver.servers, self.context
        )
        self.assertLess(time.monotonic() - begin, 1)
        self.stub.start()
        self.assertEqual([], list(driver.servers(self.context)))


class TokenTest(fakes.OpenStackTestCase):
    def test_ends_once(self) -> None:
        """A new one is fetched, whatever the request."""
        made = self.make_server('plain')
        self.driver.check()
        for token in self.stub.keystone.tokens.values():
            token.revoked = True
        self.freeze(made)
        self.assertEqual(1, len(self.stub.snapshots.all))

    def test_of_the_service_ends_beside_a_users(self) -> None:
        """The user's cannot be fetched anew, but the service's can."""
        self.driver.check()
        for token in self.stub.keystone.tokens.values():
            token.expired = True
        users = self.stub.keystone.issue(fakes.PROJECT)
        self.stub.keystone.tokens[users].expired = True
        spec = base.VolumeSpec('n', model.GIB, '/dev/vda', True, {})
        _entry, volume = self.driver.create_volume(
            self.task(users), spec, self.ledger
        )
        made = self.stub.cinder.volumes[volume.id]
        self.assertEqual('a-user', made.user_id)

    def test_of_a_user_is_good_for_its_project_only(self) -> None:
        users = self.stub.keystone.issue(fakes.PROJECT)
        api = self.driver._clients.tenant(self.task(users))
        assert api is not None
        other = self.make_volume(project_id=fakes.OTHER_PROJECT)
        self.assertRaises(
            cinder_exceptions.NotFound, api.cinder.volumes.get, other.id
        )
        mine = self.make_volume()
        self.assertEqual(mine.id, api.cinder.volumes.get(mine.id).id)

    def test_service_token_goes_with_every_request(self) -> None:
        made = self.make_server('plain')
        self.freeze(made)
        for request in self.stub.asked('^(POST|PUT|DELETE) (compute|volume)'):
            self.assertIn('X-Service-Token', request.headers)

    def test_short_lived_ones_are_used_again(self) -> None:
        self.stub.keystone.lifetime = 60
        driver = self.worker()
        driver.check()
        before = len(self.stub.asked('^POST identity'))
        for _time in range(3):
            driver.check()
        self.assertEqual(before, len(self.stub.asked('^POST identity')))

    def test_keystone_fails(self) -> None:
        for kind in (500, 503, 'cut', 'garbage'):
            with self.subTest(kind=kind):
                driver = self.worker()
                self.stub.fail(kind, 'identity', times=9)
                self.assertRaises(exception.CloudError, driver.check)
                self.stub.faults.clear()
                driver.check()

    def test_keystone_fails_for_a_project(self) -> None:
        """That is not to be taken for a project that is closed to csbs."""
        made = self.make_server('luks')
        self.driver.check()
        self.stub.fail(503, 'POST identity', times=9)
        error = self.assertRaises(exception.CloudError, self.freeze, made)
        self.assertNotIsInstance(error, exception.CloudRefused)

    def test_credentials_of_one_project(self) -> None:
        """With them nothing is made in another one, but for its users."""
        self.options = {
            'auth_type': 'v3applicationcredential',
            'application_credential_id': 'x',
            'application_credential_secret': keystone.PASSWORD,
            'project_name': '',
            'project_domain_id': '',
        }
        self.driver = self.ledger.cloud = self.worker()
        self.driver.check()
        spec = base.VolumeSpec('n', model.GIB, '/dev/vda', True, {})
        self.assertRaises(
            exception.CloudRefused,
            self.driver.create_volume,
            self.task(),
            spec,
            self.ledger,
        )
        self.assertEqual({}, self.stub.cinder.volumes)
        users = self.stub.keystone.issue(fakes.PROJECT)
        self.driver.create_volume(self.task(users), spec, self.ledger)
        (made,) = self.stub.cinder.volumes.values()
        self.assertEqual(fakes.PROJECT, made.project_id)

    def test_wrong_password(self) -> None:
        self.options = {'username': 'csbs'}
        self.useFixture(
            fixtures.MonkeyPatch(f'{keystone.__name__}.PASSWORD', 'other')
        )
        self.assertRaises(exception.CloudError, self.driver.check)


class VersionTest(fakes.OpenStackTestCase):
    def test_too_old(self) -> None:
        for service, newest in (
            (self.stub.nova, '2.88'),
            (self.stub.cinder, '3.65'),
        ):
            kept, service.newest = service.newest, newest
            error = self.assertRaises(
                exception.CloudError, self.worker().check
            )
            self.assertIn('too old', str(error))
            self.assertIn(newest, str(error))
            service.newest = kept

    def test_as_old_as_can_be(self) -> None:
        self.stub.nova.newest, self.stub.cinder.newest = '2.89', '3.66'
        driver = self.worker()
        made = self.make_server('plain')
        driver.server(self.task(), made.id)
        request = self.stub.asked('GET compute/servers/.*')[-1]
        self.assertEqual((2, 89), request.version)

    def test_newest_that_is_known(self) -> None:
        self.stub.nova.newest, self.stub.cinder.newest = '2.999', '3.999'
        made = self.make_server('plain')
        self.freeze(made)
        for request in self.stub.asked('compute/servers|volume/snapshots'):
            self.assertIn(request.version, ((2, 90), (3, 70)))

    def test_not_in_the_catalogue(self) -> None:
        self.options = {'region_name': 'elsewhere'}
        error = self.assertRaises(exception.CloudError, self.worker().check)
        self.assertIn('not found', str(error))

    def test_configuration(self) -> None:
        for options, words in (
            ({'auth_type': ''}, 'no credentials'),
            ({'auth_type': 'telepathy'}, 'not right'),
        ):
            self.options = options
            error = self.assertRaises(exception.CloudError, self.worker)
            self.assertIn(words, str(error))


class LogTest(fakes.OpenStackTestCase):
    def test_no_secrets(self) -> None:
        """Not even for an operator who wants to know everything."""
        kept = logging.getLogger().level
        logging.getLogger().setLevel(logging.DEBUG)
        self.addCleanup(logging.getLogger().setLevel, kept)
        log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        for line in csbs_conf.load(default_config_files=[]).default_log_levels:
            name, _mark, level = line.partition('=')
            logging.getLogger(name).setLevel(level)
        made = self.make_server('able', 'able')
        users = self.stub.keystone.issue(fakes.PROJECT)
        self.freeze(made, self.task(users))
        facts: dict[str, Any] = {'flavor': {'original_name': 'small'}}
        volume = self.driver.create_volume(
            self.task(users),
            base.VolumeSpec('n', model.GIB, '/dev/vda', True, {}),
            self.ledger,
        )[1]
        spec = base.ServerSpec('n', facts, {'admin_pass': 'dragon'})
        self.stub.fail('cut', 'os-interface', times=9)
        self.driver.create_server(
            self.task(users), spec, [volume], self.ledger
        )
        self.assertEqual(
            'dragon',
            self.stub.asked('POST compute/servers$')[0].body['server'][
                'adminPass'
            ],
        )
        self.assertIn('os-interface', log.output)
        for secret in (
            'dragon',
            keystone.PASSWORD,
            *self.stub.keystone.tokens,
        ):
            self.assertNotIn(secret, log.output)
