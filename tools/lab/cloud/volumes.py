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

"""Volume types, group types, and how much of them a project may have."""

from typing import Any

from api import Cloud

TYPES: dict[str, dict[str, str]] = {
    'ceph': {'volume_backend_name': 'ceph'},
    'ceph-multi': {
        'volume_backend_name': 'ceph',
        'multiattach': '<is> True',
    },
    'ceph-cg': {'volume_backend_name': 'cephcg'},
    'ceph-luks': {'volume_backend_name': 'ceph'},
    'loop': {'volume_backend_name': 'loop'},
}
ENCRYPTION = {
    'provider': 'luks',
    'cipher': 'aes-xts-plain64',
    'key_size': 256,
    'control_location': 'front-end',
}
GROUP_TYPES: dict[str, dict[str, str]] = {
    'consistent': {'consistent_group_snapshot_enabled': '<is> True'},
    'generic': {},
}
ROOMY = {
    'volumes': 1000,
    'snapshots': 2000,
    'gigabytes': 20000,
    'groups': 500,
}


def make() -> None:
    """Make the types, and set quotas."""
    cloud = Cloud('admin', 'admin')
    _make_types(cloud)
    _make_group_types(cloud)
    for tenant in ('demo', 'demo2'):
        _set_quota(cloud, tenant, ROOMY)
    # csbs' temporary volumes and snapshots belong to the project service.
    service = Cloud('csbs', 'service')
    quota = cloud('volumev3', 'GET', f'/os-quota-sets/{service.project_id}')
    _set_quota(
        cloud,
        'service',
        {key: -1 for key in quota['quota_set'] if key != 'id'},
    )


def _make_types(cloud: Cloud) -> None:
    found = cloud('volumev3', 'GET', '/types')['volume_types']
    there = {kind['name'] for kind in found}
    for name, specs in TYPES.items():
        if name in there:
            continue
        body: dict[str, Any] = {
            'volume_type': {'name': name, 'extra_specs': specs}
        }
        made = cloud('volumev3', 'POST', '/types', body)['volume_type']
        if name == 'ceph-luks':
            cloud(
                'volumev3',
                'POST',
                f'/types/{made["id"]}/encryption',
                {'encryption': ENCRYPTION},
            )


def _make_group_types(cloud: Cloud) -> None:
    found = cloud('volumev3', 'GET', '/group_types')['group_types']
    there = {kind['name'] for kind in found}
    for name, specs in GROUP_TYPES.items():
        if name in there:
            continue
        body = {'group_type': {'name': name, 'is_public': True}}
        made = cloud('volumev3', 'POST', '/group_types', body)['group_type']
        if specs:
            cloud(
                'volumev3',
                'POST',
                f'/group_types/{made["id"]}/group_specs',
                {'group_specs': specs},
            )


def _set_quota(cloud: Cloud, project: str, quota: dict[str, int]) -> None:
    found = cloud('identity', 'GET', f'/projects?name={project}')
    project_id = found['projects'][0]['id']
    cloud(
        'volumev3',
        'PUT',
        f'/os-quota-sets/{project_id}',
        {'quota_set': quota},
    )
