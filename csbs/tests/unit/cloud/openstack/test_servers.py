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


"""Tests of what is told of servers."""

import base64

from csbs import exception
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import keystone


class FactsTest(fakes.OpenStackTestCase):
    def test_server_with_all_there_is(self) -> None:
        data = base64.b64encode(b'#!/bin/sh').decode()
        made = self.make_server(
            name='web',
            tags=['blue'],
            metadata={'role': 'front'},
            key_name='key',
            user_data=data,
            config_drive='True',
            description='of the shop',
            networks=['net-1', 'net-2'],
            groups=['group-2', 'group-1'],
        )
        found = self.get(made)
        self.assertEqual(made.id, found.id)
        self.assertEqual(model.ServerStatus.ACTIVE, found.status)
        self.assertEqual(
            ['/dev/vda', '/dev/vdb'], [it.device for it in found.volumes]
        )
        self.assertEqual([True, False], [it.bootable for it in found.volumes])
        self.assertEqual([model.GIB] * 2, [it.size for it in found.volumes])
        self.assertIsNone(found.unprotectable)
        facts = found.facts
        self.assertEqual('small', facts['flavor']['original_name'])
        self.assertEqual(['blue'], facts['tags'])
        self.assertEqual({'role': 'front'}, facts['metadata'])
        self.assertEqual('key', facts['key_name'])
        self.assertEqual(data, facts['user_data'])
        self.assertEqual('of the shop', facts['description'])
        self.assertTrue(facts['config_drive'])
        self.assertEqual(
            ['net-1', 'net-2'], [it['network_id'] for it in facts['networks']]
        )
        self.assertEqual(
            ['default', 'web'], [it['name'] for it in facts['security_groups']]
        )
        self.assertNotIn('unknown', facts)

    def test_anything_may_be_missing(self) -> None:
        """What a cloud hides, or a cell that is down does not know."""
        made = self.make_server()
        everything = self.get(made)
        request = self.stub.asked('GET compute/servers/')[0]
        names = self.stub.nova.describe(request, made).keys() - {
            'id',
            'status',
            'tenant_id',
        }
        for name in sorted(names):
            with self.subTest(name):
                self.stub.nova.hidden = {name}
                found = self.get(made)
                self.assertEqual(
                    {it.id for it in everything.volumes},
                    {it.id for it in found.volumes},
                )
                listed = self.driver.servers(self.context)
                self.assertEqual([made.id], [it.id for it in listed])
        self.stub.nova.hidden = names
        self.assertEqual(made.id, self.get(made).name)
        self.assertEqual(
            'it has no volumes',
            self.driver.servers(self.context)[0].unprotectable,
        )

    def test_answers_that_do_not_come(self) -> None:
        made = self.make_server()
        for where, name in (
            ('os-interface', 'networks'),
            ('os-security-groups', 'security_groups'),
        ):
            for kind in (403, 404, 500, 'garbage', 'cut'):
                with self.subTest(where=where, kind=kind):
                    self.stub.fail(kind, where, times=3)
                    facts = self.get(made).facts
                    self.stub.faults.clear()
                    self.assertNotIn(name, facts)
                    self.assertEqual([name], list(facts['unknown']))

    def test_volume_facts(self) -> None:
        volume = self.make_volume('root', 'luks', bootable=True)
        volume.metadata = {'a': 'b'}
        volume.image_metadata = {'os_type': 'linux'}
        volume.description = 'mine'
        shared = self.make_volume('shared', 'shared')
        made = self.stub.nova.make_server(fakes.PROJECT, volume)
        self.stub.nova.attach(made, shared.id, goes_with_it=True, tag='t')
        first, second = self.get(made).volumes
        self.assertEqual(
            {
                'type': 'luks',
                'availability_zone': 'nova',
                'description': 'mine',
                'metadata': {'a': 'b'},
                'image_metadata': {'os_type': 'linux'},
                'encrypted': True,
                'encryption_key_id': volume.key_id,
                'bootable': True,
                'delete_on_termination': False,
            },
            first.facts,
        )
        self.assertTrue(second.multiattach)
        self.assertTrue(second.facts['delete_on_termination'])
        self.assertEqual('t', second.facts['tag'])

    def test_unprotectable(self) -> None:
        image = self.make_server(image={'id': 'i'})
        self.assertIn('image', str(self.get(image).unprotectable))
        bare = self.stub.nova.make_server(fakes.PROJECT)
        self.assertEqual('it has no volumes', self.get(bare).unprotectable)
        made = self.make_server()
        gone = made.disks[1].volume_id
        del self.stub.cinder.volumes[gone]
        found = self.get(made)
        self.assertIn(gone, str(found.unprotectable))
        self.assertEqual('missing', found.volumes[1].status)

    def test_states(self) -> None:
        made = self.make_server()
        for status, task, wanted in (
            ('ACTIVE', None, model.ServerStatus.ACTIVE),
            ('SHUTOFF', None, model.ServerStatus.SHUTOFF),
            ('ACTIVE', 'pausing', model.ServerStatus.OTHER),
            ('SHUTOFF', 'powering-on', model.ServerStatus.OTHER),
            ('PAUSED', None, model.ServerStatus.OTHER),
            ('SHELVED_OFFLOADED', None, model.ServerStatus.OTHER),
            ('VERIFY_RESIZE', None, model.ServerStatus.OTHER),
        ):
            with self.subTest(status=status, task=task):
                made.status, made.task_state = status, task
                self.assertEqual(wanted, self.get(made).status)
        self.assertEqual('VERIFY_RESIZE', self.get(made).raw_status)

    def test_server_that_goes_between_two_questions(self) -> None:
        made = self.make_server()
        self.stub.fail(404, 'os-volume_attachments')
        self.assertRaises(exception.CloudError, self.get, made)
        self.stub.nova.remove(made)
        self.assertRaises(exception.ServerNotFound, self.get, made)


class ListTest(fakes.OpenStackTestCase):
    def test_own_project_only(self) -> None:
        mine = self.make_server(name='b')
        other = self.make_server(name='a', project_id=fakes.OTHER_PROJECT)
        found = self.driver.servers(self.context)
        self.assertEqual([mine.id], [it.id for it in found])
        self.assertEqual(2, len(found[0].volumes))
        self.assertRaises(
            exception.ServerNotFound,
            self.driver.server,
            self.context,
            other.id,
        )
        everyone = self.user(project_id=None)
        everyone.is_admin = True
        self.assertEqual(
            [other.id, mine.id],
            [it.id for it in self.driver.servers(everyone)],
        )
        self.assertEqual(
            other.id, self.driver.server(self.task(), other.id).id
        )

    def test_no_project_sees_nothing(self) -> None:
        """A user whose token is for no project is nobody's owner."""
        made = self.make_server()
        nobody = self.user(project_id=None)
        self.assertEqual([], list(self.driver.servers(nobody)))
        self.assertRaises(
            exception.ServerNotFound, self.driver.server, nobody, made.id
        )

    def test_pages(self) -> None:
        self.stub.page = 2
        made = {self.make_server(name=f's{it}').id for it in range(5)}
        found = self.driver.servers(self.context)
        self.assertEqual(made, {it.id for it in found})
        self.assertEqual([2] * 5, [len(it.volumes) for it in found])
        self.assertFalse(any(it.unprotectable for it in found))

    def test_strange_names(self) -> None:
        for name in ('', 'a\nb', 'Ω ≠ ∞', 'csbs: being restored'):
            self.make_server(name=name)
        found = self.driver.servers(self.context)
        self.assertEqual(4, len(found))
        # Without a name it is called by its id.
        self.assertTrue(all(it.name for it in found))

    def test_service_sees_what_admins_see(self) -> None:
        self.driver.check()
        self.stub.keystone.roles[keystone.SERVICE_PROJECT] = frozenset(
            {'service'}
        )
        self.assertRaises(exception.CloudError, self.worker().check)
