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

"""The guest's disk as an image for everybody."""

import hashlib
import pathlib

from api import Cloud
from api import Refused

NAME = 'lab-tiny'
FIELDS = {
    'disk_format': 'raw',
    'container_format': 'bare',
    'visibility': 'public',
    'min_disk': 1,
    'hw_disk_bus': 'virtio',
    'hw_vif_model': 'virtio',
    'hw_video_model': 'none',
    'os_type': 'linux',
}


def make(path: pathlib.Path) -> None:
    """Upload a disk, in place of one with other contents."""
    cloud = Cloud('admin', 'admin')
    content = path.read_bytes()
    checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()
    found = cloud('image', 'GET', f'/v2/images?name={NAME}')['images']
    for image in found:
        if image['status'] == 'active' and image['checksum'] == checksum:
            return
    for image in found:
        _retire(cloud, image['id'])
    made = cloud('image', 'POST', '/v2/images', {'name': NAME, **FIELDS})
    cloud(
        'image',
        'PUT',
        f'/v2/images/{made["id"]}/file',
        data=content,
        headers={'Content-Type': 'application/octet-stream'},
    )


def _retire(cloud: Cloud, image_id: str) -> None:
    """Delete an image; hide it when disks were cloned from it."""
    try:
        cloud('image', 'DELETE', f'/v2/images/{image_id}')
    except Refused:
        changes = [
            {'op': 'replace', 'path': '/name', 'value': f'{NAME}-old'},
            {'op': 'replace', 'path': '/os_hidden', 'value': True},
        ]
        kind = 'application/openstack-images-v2.1-json-patch'
        cloud(
            'image',
            'PATCH',
            f'/v2/images/{image_id}',
            changes,
            headers={'Content-Type': kind},
        )
