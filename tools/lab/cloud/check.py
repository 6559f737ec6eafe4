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

"""A short test that the lab works: a server, snapshots, and all deleted."""

import contextlib
import time
from typing import Any

from api import Cloud

GIB = 1


def run() -> None:
    """Boot a server with two disks, take snapshots, delete everything.

    :raises Refused: when a service does not do its part
    :raises TimeoutError: when it does not do it in time
    """
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f'{time.monotonic() - begin:6.1f} s  {text}', flush=True)

    cloud = Cloud('demo', 'demo')
    with contextlib.ExitStack() as undo:
        disk = _disk(cloud)
        undo.callback(_delete, cloud, 'volumev3', f'/volumes/{disk}')
        say('a volume is made')
        cloud.wait('volumev3', f'/volumes/{disk}', 'available')
        server = _server(cloud, disk)
        path = f'/servers/{server}'
        undo.callback(_delete, cloud, 'compute', path)
        cloud.wait('compute', path, 'active')
        say('a server is active')
        _wait_for_boot(cloud, server)
        say('its guest has booted with two disks')
        attached = cloud('compute', 'GET', f'{path}/os-volume_attachments')
        for entry in attached['volumeAttachments']:
            _snapshot(cloud, entry['volumeId'])
        say('snapshots were made while it ran, and deleted')
    say('the server and its volumes are deleted: the lab works')


def _delete(cloud: Cloud, service: str, path: str) -> None:
    cloud(service, 'DELETE', path)
    cloud.wait(service, path, 'gone')


def _disk(cloud: Cloud) -> str:
    body = {'name': 'lab-check', 'size': GIB, 'volume_type': 'ceph'}
    made = cloud('volumev3', 'POST', '/volumes', {'volume': body})['volume']
    return str(made['id'])


def _server(cloud: Cloud, disk: str) -> str:
    images = cloud('image', 'GET', '/v2/images?name=lab-tiny')['images']
    flavors = cloud('compute', 'GET', '/flavors')['flavors']
    networks = cloud('network', 'GET', '/v2.0/networks?name=demo-net-a')
    root = {
        'boot_index': 0,
        'source_type': 'image',
        'uuid': images[0]['id'],
        'destination_type': 'volume',
        'volume_size': GIB,
        'volume_type': 'ceph',
        'delete_on_termination': True,
    }
    data = {
        'boot_index': -1,
        'source_type': 'volume',
        'uuid': disk,
        'destination_type': 'volume',
    }
    body: dict[str, Any] = {
        'name': 'lab-check',
        'flavorRef': next(
            flavor['id'] for flavor in flavors if flavor['name'] == 'lab.tiny'
        ),
        'networks': [{'uuid': networks['networks'][0]['id']}],
        'block_device_mapping_v2': [root, data],
    }
    made = cloud('compute', 'POST', '/servers', {'server': body})
    return str(made['server']['id'])


def _wait_for_boot(cloud: Cloud, server: str) -> None:
    deadline = time.monotonic() + 120
    text = ''
    while 'LAB-BOOT-OK' not in text:
        if time.monotonic() > deadline:
            raise TimeoutError(f'the guest did not boot: {text[-1000:]}')
        time.sleep(0.5)
        # There is no console yet when the server has just become active.
        code, answer = cloud.ask(
            'compute',
            'POST',
            f'/servers/{server}/action',
            {'os-getConsoleOutput': {}},
        )
        if code == 200:
            text = answer['output']


def _snapshot(cloud: Cloud, volume: str) -> None:
    body = {'snapshot': {'volume_id': volume, 'name': 'lab-check'}}
    made = cloud('volumev3', 'POST', '/snapshots', body)['snapshot']
    path = f'/snapshots/{made["id"]}'
    cloud.wait('volumev3', path, 'available')
    _delete(cloud, 'volumev3', path)
