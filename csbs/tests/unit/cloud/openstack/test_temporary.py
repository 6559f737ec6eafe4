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


"""Tests of what is temporary: whose it is, and that it goes."""

import datetime
import time
from typing import Any
import uuid

from csbs import exception
from csbs.cloud.openstack import temporary
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import keystone

_Kind = model.ResourceKind


class MarkTest(fakes.OpenStackTestCase):
    def test_mark(self) -> None:
        mark = temporary.mark(self.ledger)
        self.assertNotEqual(mark, temporary.mark(self.ledger))
        self.assertEqual(self.ledger.task_id, temporary.task_of(mark))
        for text in (
            '',
            'csbs-',
            mark[:-1],
            f'{mark}0',
            f' {mark}',
            mark.replace('csbs', 'CSBS'),
            f'csbs-{uuid.uuid4()}-{"g" * 12}',
        ):
            self.assertIsNone(temporary.task_of(text), text)


class LeftoversTest(fakes.OpenStackTestCase):
    def names(self) -> list[str]:
        return [it.data['mark'] for it in self.driver.leftovers()]

    def make(self, project_id: str, name: str) -> None:
        volume = self.make_volume(name, project_id=project_id)
        token = self.stub.keystone.issue(project_id, ['member'])
        context = self.user(project_id, auth_token=token)
        api = self.driver._clients.tenant(context)
        assert api is not None
        api.cinder.volume_snapshots.create(volume.id, name=name)

    def test_of_the_service(self) -> None:
        mark = temporary.mark(self.ledger)
        volume = self.make_volume(mark, project_id=keystone.SERVICE_PROJECT)
        (found,) = self.driver.leftovers()
        self.assertEqual(_Kind.VOLUME, found.kind)
        self.assertEqual(self.ledger.task_id, found.task_id)
        self.assertEqual({'mark': mark, 'volume_id': volume.id}, found.data)
        self.driver.discard(self.task(), found)
        self.driver.discard(self.task(), found)
        self.assertEqual([], self.names())

    def test_of_users_that_look_like_ours(self) -> None:
        """Names can be given by anybody, and dashboards copy them."""
        mark = temporary.mark(self.ledger)
        for project in (fakes.PROJECT, fakes.OTHER_PROJECT):
            self.make(project, mark)
            volumes = [
                it
                for it in self.stub.cinder.volumes.values()
                if it.project_id == project
            ]
            self.stub.nova.make_server(
                project, *volumes, tags=['csbs-in-making', mark], name=mark
            )
        # Even an administrator's.
        self.make_volume(mark, project_id='admins', user_id='admin')
        self.assertEqual([], self.names())

    def test_of_other_things_of_the_service(self) -> None:
        for name in ('csbs-cache', 'image', None, f'csbs-{uuid.uuid4()}'):
            self.make_volume(name or '', project_id=keystone.SERVICE_PROJECT)
        self.assertEqual([], self.names())

    def test_many(self) -> None:
        self.stub.page = 2
        for _number in range(5):
            self.make_volume(
                temporary.mark(self.ledger),
                project_id=keystone.SERVICE_PROJECT,
            )
        self.assertEqual(5, len(self.names()))


class FindTest(fakes.OpenStackTestCase):
    """Entries whose id is not known, since an answer was lost."""

    def entry(
        self, kind: model.ResourceKind, age: float = 0, **data: Any
    ) -> model.Resource:
        now = datetime.datetime.now(datetime.UTC)
        return model.Resource(
            id=str(uuid.uuid4()),
            task_id=self.ledger.task_id,
            kind=kind,
            data=data,
            created_at=now - datetime.timedelta(seconds=age),
        )

    def test_copies_of_a_name(self) -> None:
        """Whoever copies a mark does it later than csbs has used it."""
        mark = temporary.mark(self.ledger)
        ours, copy = self.make_volume(mark), self.make_volume(mark)
        self.driver.discard(self.task(), self.entry(_Kind.VOLUME, mark=mark))
        self.assertEqual({copy.id}, self.stub.cinder.volumes.keys())
        servers = [
            self.stub.nova.make_server(fakes.PROJECT, tags=[mark])
            for _number in range(2)
        ]
        self.driver.discard(self.task(), self.entry(_Kind.SERVER, mark=mark))
        self.assertEqual({servers[1].id}, self.stub.nova.servers.keys())
        self.assertIsNotNone(ours)

    def test_volume_made_from_a_snapshot_of_the_same_name(self) -> None:
        """As dashboards propose it."""
        made = self.make_server('able', 'able')
        self.freeze(made)
        snapshot = next(iter(self.stub.snapshots.all.values()))
        copy = self.make_volume(str(snapshot.name))
        self.empty(self.ledger, self.driver)
        self.assertEqual([], list(self.driver.leftovers()))
        self.assertIn(copy.id, self.stub.cinder.volumes)

    def test_nothing_there_yet(self) -> None:
        """It may still come; only after a while that is out of question."""
        for kind, data in (
            (_Kind.VOLUME, {}),
            (_Kind.SNAPSHOT, {}),
            (_Kind.GROUP, {}),
            (_Kind.GROUP_SNAPSHOT, {}),
            (_Kind.SERVER, {}),
            (_Kind.ATTACHMENT, {'volume_id': str(uuid.uuid4())}),
            (_Kind.PAUSE, {'server_id': self.make_server().id}),
        ):
            with self.subTest(kind):
                data = {'mark': temporary.mark(self.ledger), **data}
                for age in (0, 40):
                    self.assertRaises(
                        exception.CloudUnsettled,
                        self.driver.discard,
                        self.task(),
                        self.entry(kind, age, **data),
                    )
                self.driver.discard(self.task(), self.entry(kind, 61, **data))

    def test_everything_twice(self) -> None:
        """What is known by its id may be gone already."""
        gone = str(uuid.uuid4())
        for kind, data in (
            (_Kind.VOLUME, {'volume_id': gone}),
            (_Kind.SNAPSHOT, {'snapshot_id': gone}),
            (_Kind.GROUP, {'group_id': gone, 'volume_ids': [gone]}),
            (_Kind.GROUP_SNAPSHOT, {'group_snapshot_id': gone}),
            (_Kind.SERVER, {'server_id': gone}),
            (
                _Kind.ATTACHMENT,
                {'attachment_id': gone, 'volume_id': gone, 'server_id': gone},
            ),
            (_Kind.PAUSE, {'server_id': gone}),
            (
                _Kind.HOLD,
                {
                    'server_id': gone,
                    'holder': 'x',
                    'ran': True,
                    'locked': False,
                },
            ),
        ):
            with self.subTest(kind):
                data = {'mark': temporary.mark(self.ledger), **data}
                self.driver.discard(self.task(), self.entry(kind, **data))


class RemoveTest(fakes.OpenStackTestCase):
    options = {'volume_timeout': 1, 'settle': 0.3}

    def test_snapshot_with_a_clone(self) -> None:
        """Cinder says yes and does nothing while the clone is there."""
        made = self.make_server('plain')
        found = self.freeze(made)
        snapshot = next(iter(self.stub.snapshots.all.values()))
        clone = self.make_volume('clone', snapshot_id=snapshot.id)
        entry = self.ledger.entries[0]
        error = self.assertRaises(
            exception.CloudError, self.ledger.discard, entry
        )
        self.assertIn('too long', str(error))
        del self.stub.cinder.volumes[clone.id]
        self.ledger.discard(entry)
        self.assertEqual({}, self.stub.snapshots.all)
        self.assertIsNotNone(found)

    def test_deletion_that_fails(self) -> None:
        """Cinder does not try again by itself."""
        self.freeze(self.make_server('plain'))
        self.stub.breaks['delete'] = 2
        self.ledger.discard(self.ledger.entries[0])
        self.assertEqual({}, self.stub.snapshots.all)

    def test_deletion_that_keeps_failing(self) -> None:
        self.freeze(self.make_server('plain'))
        self.stub.breaks['delete'] = 1000
        self.assertRaises(
            exception.CloudError, self.ledger.discard, self.ledger.entries[0]
        )

    def test_deletion_that_nobody_works_on(self) -> None:
        """The message bus has lost it; Cinder says "deleting" for ever."""
        mark = temporary.mark(self.ledger)
        self.make_volume(mark)
        self.freeze(self.make_server('plain'))
        for entry in (
            self.ledger.plan(_Kind.VOLUME, mark=mark),
            self.ledger.entries[0],
        ):
            self.stub.breaks['lost delete'] = 1
            begin = time.monotonic()
            self.ledger.discard(entry)
            self.assertGreaterEqual(time.monotonic() - begin, 0.3)
        self.assertNotIn(
            mark, [it.name for it in self.stub.cinder.volumes.values()]
        )
        self.assertEqual({}, self.stub.snapshots.all)

    def test_making_that_nobody_works_on(self) -> None:
        mark = temporary.mark(self.ledger)
        volume = self.make_volume(mark)
        volume.status = 'creating'
        volume.created_at = '2999-01-01T00:00:00.000000'
        entry = self.ledger.plan(_Kind.VOLUME, mark=mark)
        # It may be made yet, and then it would be there for ever.
        self.assertRaises(exception.CloudRefused, self.ledger.discard, entry)
        volume.created_at = '2026-01-01T00:00:00.000000'
        self.ledger.discard(entry)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_volume_that_is_busy_for_a_moment(self) -> None:
        mark = temporary.mark(self.ledger)
        volume = self.make_volume(mark)
        server = self.stub.nova.make_server(fakes.PROJECT, volume)
        self.stub.delays['delete server'] = 0.3
        token = self.stub.keystone.issue(fakes.PROJECT)
        owner = self.driver._clients.tenant(self.task(token))
        assert owner is not None
        owner.nova.servers.delete(server.id)
        entry = self.ledger.plan(_Kind.VOLUME, mark=mark)
        self.ledger.discard(entry)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_encrypted_volume(self) -> None:
        """Only its own project can delete its key with it."""
        mark = temporary.mark(self.ledger)
        self.make_volume(mark, 'luks')
        entry = self.ledger.plan(_Kind.VOLUME, mark=mark)
        roles = self.stub.keystone.roles.pop(fakes.PROJECT)
        error = self.assertRaises(
            exception.CloudRefused, self.ledger.discard, entry
        )
        self.assertIn('may not act', str(error))
        self.stub.keystone.roles[fakes.PROJECT] = roles
        self.ledger.discard(entry)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_failure_to_clean_up_does_not_spoil_what_was_done(self) -> None:
        made = self.make_server('plain')
        (snapshot,) = self.freeze(made).snapshots.values()
        self.stub.fail(503, 'DELETE volume/attachments', times=3)
        self.assertEqual(b'disk-0', self.read(snapshot))
        self.assertEqual(
            ['snapshot', 'volume', 'attachment'], self.ledger.kinds()
        )
        self.empty(self.ledger, self.driver)

    def test_failure_to_clean_up_does_not_hide_what_failed(self) -> None:
        made = self.make_server('plain')
        (snapshot,) = self.freeze(made).snapshots.values()
        self.stub.fail(400, 'POST volume/attachments')
        self.stub.fail(503, 'DELETE volume/volumes', times=3)
        error = self.assertRaises(
            exception.VolumeUnreadable, self.read, snapshot
        )
        self.assertIn('to be attached', str(error))
