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


"""Tests of volumes and servers that are made from a backup."""

import base64
from collections.abc import Mapping
from typing import Any

from csbs import exception
from csbs.cloud import base
from csbs.domain import model
from csbs.tests.unit.cloud.openstack import fakes
from csbs.tests.unit.cloud.openstack.stub import nova


class MakingTestCase(fakes.OpenStackTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.token = self.stub.keystone.issue(fakes.PROJECT)

    def volume(
        self, facts: Mapping[str, Any] | None = None, **more: Any
    ) -> tuple[model.Resource, model.Volume]:
        spec = base.VolumeSpec(
            **{
                'name': 'new-root',
                'size': model.GIB,
                'device': '/dev/vda',
                'bootable': True,
                'facts': facts or {},
                **more,
            }
        )
        return self.driver.create_volume(
            self.task(self.token), spec, self.ledger
        )

    def server(
        self,
        facts: Mapping[str, Any] | None = None,
        choices: Mapping[str, Any] | None = None,
        volumes: tuple[model.Volume, ...] | None = None,
    ) -> tuple[model.Resource, nova.Server]:
        spec = base.ServerSpec(
            'new',
            {'flavor': {'original_name': 'small'}, **(facts or {})},
            choices or {},
        )
        entry, made = self.driver.create_server(
            self.task(self.token),
            spec,
            volumes or (self.volume()[1],),
            self.ledger,
        )
        return entry, self.stub.nova.servers[made.id]

    def wanted(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return what Nova was asked for."""
        _entry, made = self.server(*args, **kwargs)
        found: dict[str, Any] = made.more['wanted']
        return found


class VolumeTest(MakingTestCase):
    def test_as_it_was(self) -> None:
        entry, volume = self.volume(
            {
                'type': 'able',
                'availability_zone': 'nova',
                'description': 'mine',
                'metadata': {'a': 'b'},
                'image_metadata': {'os_type': 'linux'},
            }
        )
        made = self.stub.cinder.volumes[volume.id]
        self.assertEqual(entry.data['mark'], made.name)
        self.assertEqual(fakes.PROJECT, made.project_id)
        self.assertEqual('a-user', made.user_id)
        self.assertEqual('able', made.type.name)
        self.assertEqual('mine', made.description)
        self.assertEqual({'a': 'b'}, made.metadata)
        self.assertEqual({'os_type': 'linux'}, made.image_metadata)
        self.assertTrue(made.bootable)
        with self.driver.open_new_volume(volume, self.ledger) as writer:
            self.assertTrue(writer.blank)
            self.assertEqual(model.GIB, writer.size)
            writer.write(0, memoryview(b'new'))
        self.driver.hand_over([entry])
        self.assertEqual('new-root', made.name)

    def test_size_is_rounded_up(self) -> None:
        _entry, volume = self.volume(size=model.GIB + 1)
        self.assertEqual(2 * model.GIB, volume.size)

    def test_zones(self) -> None:
        self.stub.cinder.zones = {'nova', 'az2'}
        for chosen, old, wanted in (
            ('az2', 'nova', 'az2'),
            (None, 'az2', 'az2'),
            ('of Nova only', 'az2', 'az2'),
            (None, 'gone', 'nova'),
        ):
            with self.subTest(chosen=chosen, old=old):
                _entry, volume = self.volume(
                    {'availability_zone': old}, availability_zone=chosen
                )
                self.assertEqual(
                    wanted, self.stub.cinder.volumes[volume.id].zone
                )

    def test_refused(self) -> None:
        for limit, facts in ((0, {}), (None, {'type': 'gone'})):
            self.stub.cinder.quotas = {}
            if limit is not None:
                self.stub.cinder.quotas[fakes.PROJECT, 'volumes'] = limit
            with self.subTest(facts=facts):
                self.assertRaises(exception.CloudError, self.volume, facts)
                self.assertEqual([], self.ledger.entries)

    def test_cinder_fails(self) -> None:
        self.stub.breaks['volume'] = 1
        self.assertRaises(exception.CloudError, self.volume)
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_no_way_into_the_project(self) -> None:
        self.token = ''
        self.stub.keystone.roles.pop(fakes.PROJECT)
        self.assertRaises(exception.CloudRefused, self.volume)
        self.assertEqual([], self.ledger.entries)

    def test_encrypted(self) -> None:
        """It has the key of the one that was backed up, so it is its clone."""
        source = self.make_volume('secret', 'luks')
        facts = {
            'type': 'luks',
            'encrypted': True,
            'encryption_key_id': source.key_id,
        }
        entry, volume = self.volume(facts, source_id=source.id)
        made = self.stub.cinder.volumes[volume.id]
        self.assertEqual(source.key_id, made.key_id)
        with self.driver.open_new_volume(volume, self.ledger) as writer:
            self.assertFalse(writer.blank)
        self.ledger.discard(entry)
        self.assertNotIn(volume.id, self.stub.cinder.volumes)

    def test_encrypted_and_smaller_than_its_source_is_now(self) -> None:
        source = self.make_volume('secret', 'luks', size=2)
        _entry, volume = self.volume(
            {'encrypted': True, 'encryption_key_id': source.key_id},
            source_id=source.id,
        )
        self.assertEqual(2 * model.GIB, volume.size)

    def test_key_gone(self) -> None:
        source = self.make_volume('secret', 'luks')
        facts = {'encrypted': True, 'encryption_key_id': source.key_id}
        source.key_id = 'another'
        self.assertRaises(
            exception.VolumeKeyGone, self.volume, facts, source_id=source.id
        )
        del self.stub.cinder.volumes[source.id]
        self.assertRaises(
            exception.VolumeKeyGone, self.volume, facts, source_id=source.id
        )


class ServerTest(MakingTestCase):
    def test_as_it_was(self) -> None:
        data = base64.b64encode(b'#!/bin/sh').decode()
        entry, made = self.server(
            {
                'tags': ['blue'],
                'metadata': {'role': 'front'},
                'key_name': 'key',
                'user_data': data,
                'config_drive': True,
                'description': 'of the shop',
                'availability_zone': 'az2',
                'networks': [
                    {'network_id': 'net-1', 'tag': 'inside'},
                    {'network_id': 'net-2'},
                ],
                'security_groups': [{'id': 'group-2', 'name': 'web'}],
            }
        )
        self.assertEqual(fakes.PROJECT, made.project_id)
        wanted = made.more['wanted']
        self.assertEqual('f1', wanted['flavorRef'])
        self.assertEqual({'role': 'front'}, wanted['metadata'])
        self.assertEqual('key', wanted['key_name'])
        self.assertEqual(data, wanted['user_data'])
        self.assertEqual('of the shop', wanted['description'])
        self.assertEqual('az2', wanted['availability_zone'])
        self.assertEqual(
            [{'uuid': 'net-1', 'tag': 'inside'}, {'uuid': 'net-2'}],
            wanted['networks'],
        )
        self.assertEqual([{'name': 'group-2'}], wanted['security_groups'])
        self.assertTrue(wanted['config_drive'])
        self.assertIn(entry.data['mark'], made.tags)
        self.driver.hand_over([entry])
        self.assertEqual(['blue'], made.tags)

    def test_choices(self) -> None:
        wanted = self.wanted(
            {'availability_zone': 'az2', 'networks': [], 'key_name': 'key'},
            {
                'flavor_id': 'f2',
                'networks': ['net-2'],
                'security_groups': ['group-1'],
                'availability_zone': 'nova',
                'admin_pass': 'open sesame',
            },
        )
        self.assertEqual('f2', wanted['flavorRef'])
        self.assertEqual([{'uuid': 'net-2'}], wanted['networks'])
        self.assertEqual([{'name': 'group-1'}], wanted['security_groups'])
        self.assertEqual('nova', wanted['availability_zone'])
        self.assertEqual('open sesame', wanted['adminPass'])
        self.assertEqual('key', wanted['key_name'])

    def test_networks(self) -> None:
        groups = {'security_groups': [{'id': 'group-1', 'name': 'default'}]}
        for facts, choices, wanted in (
            ({}, {}, 'auto'),
            ({'networks': []}, {}, 'none'),
            (
                {'networks': [{'network_id': 'net-1'}]},
                {'networks': 'none'},
                'none',
            ),
            ({}, {'networks': 'auto'}, 'auto'),
            ({}, {'networks': []}, 'none'),
        ):
            with self.subTest(facts=facts, choices=choices):
                found = self.wanted({**groups, **facts}, choices)
                self.assertEqual(wanted, found['networks'])
                self.assertEqual(
                    wanted == 'none', 'security_groups' not in found
                )

    def test_what_is_gone(self) -> None:
        wanted = self.wanted({'key_name': 'lost', 'availability_zone': 'gone'})
        self.assertNotIn('key_name', wanted)
        self.assertNotIn('availability_zone', wanted)
        error = self.assertRaises(
            exception.CloudRefused,
            self.server,
            {'flavor': {'original_name': 'huge'}},
        )
        self.assertIn('choose another', str(error))
        self.assertRaises(
            exception.CloudRefused,
            self.server,
            {'networks': [{'network_id': 'gone'}]},
        )

    def test_garbage_for_user_data(self) -> None:
        self.assertNotIn('user_data', self.wanted({'user_data': 'x'}))

    def test_disks(self) -> None:
        root = self.volume({'delete_on_termination': True})[1]
        first, second = (
            self.volume(facts, bootable=False, device=device)[1]
            for device, facts in (
                ('/dev/vdb', {'tag': 'log'}),
                ('/dev/vdc', {}),
            )
        )
        wanted = self.wanted(volumes=(second, first, root))
        disks = wanted['block_device_mapping_v2']
        self.assertEqual(
            [root.id, first.id, second.id], [it['uuid'] for it in disks]
        )
        self.assertEqual([0, -1, -1], [it['boot_index'] for it in disks])
        self.assertEqual(
            [True, False, False], [it['delete_on_termination'] for it in disks]
        )
        self.assertEqual('log', disks[1]['tag'])

    def test_left_off(self) -> None:
        _entry, made = self.server(choices={'power_on': False})
        self.stub.pass_time()
        self.assertEqual('SHUTOFF', made.status)

    def test_as_many_tags_as_there_may_be(self) -> None:
        tags = [f't{number}' for number in range(50)]
        entry, made = self.server({'tags': tags})
        self.assertIn(entry.data['mark'], made.tags)
        self.driver.hand_over([entry])
        self.assertEqual(tags, made.tags)

    def test_nova_fails(self) -> None:
        self.stub.breaks['server'] = 1
        error = self.assertRaises(exception.CloudError, self.server)
        self.assertIn('No valid host', str(error))
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.nova.servers)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_volume_deleted_meanwhile(self) -> None:
        _entry, volume = self.volume()
        self.stub.delays['server'] = 0.05
        del self.stub.cinder.volumes[volume.id]
        self.assertRaises(exception.CloudError, self.server, volumes=(volume,))

    def test_deleted_servers_that_are_kept(self) -> None:
        """Nova keeps them with their volumes, unless it is told not to."""
        self.stub.nova.reclaims = True
        self.server()
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.nova.servers)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_discarded_with_all_it_has(self) -> None:
        self.stub.delays = {'delete server': 0.05, 'delete': 0.05}
        self.server(volumes=(self.volume({'delete_on_termination': True})[1],))
        self.server()
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.nova.servers)
        self.assertEqual({}, self.stub.cinder.volumes)

    def test_locked_by_its_owner_meanwhile(self) -> None:
        _entry, made = self.server()
        made.locked_by = 'owner'
        self.empty(self.ledger, self.driver)
        self.assertEqual({}, self.stub.nova.servers)
