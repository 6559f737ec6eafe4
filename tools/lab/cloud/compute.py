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

"""Flavors, networks, keys, and how many servers a project may have."""

from api import Cloud

FLAVORS = (('lab.tiny', 128, 0), ('lab.disk', 128, 1), ('lab.small', 256, 0))
USERS = ('admin', 'demo', 'demo2')
ROOMY = {'instances': 100, 'cores': 200, 'ram': 200000}


def make() -> None:
    """Make all of them."""
    cloud = Cloud('admin', 'admin')
    there = {
        flavor['name']
        for flavor in cloud('compute', 'GET', '/flavors')['flavors']
    }
    for name, ram, disk in FLAVORS:
        if name not in there:
            flavor = {'name': name, 'ram': ram, 'vcpus': 1, 'disk': disk}
            cloud('compute', 'POST', '/flavors', {'flavor': flavor})
    for user in USERS:
        tenant = Cloud(user, user)
        _make_networks(tenant, user)
        _make_security_group(tenant, user)
        _make_key(tenant, user)
        _set_quota(cloud, tenant, ROOMY)
    _set_quota(cloud, Cloud('csbs', 'service'), dict.fromkeys(ROOMY, -1))


def _make_networks(cloud: Cloud, user: str) -> None:
    found = cloud('network', 'GET', '/v2.0/networks')['networks']
    there = {network['name'] for network in found}
    for number, letter in enumerate('ab'):
        name = f'{user}-net-{letter}'
        if name in there:
            continue
        body = {'network': {'name': name}}
        network = cloud('network', 'POST', '/v2.0/networks', body)['network']
        subnet = {
            'network_id': network['id'],
            'name': f'{name}-v4',
            'ip_version': 4,
            'cidr': f'10.{40 + number}.0.0/24',
            'enable_dhcp': False,
        }
        cloud('network', 'POST', '/v2.0/subnets', {'subnet': subnet})


def _make_security_group(cloud: Cloud, user: str) -> None:
    found = cloud('network', 'GET', '/v2.0/security-groups')
    name = f'{user}-ssh'
    if name in {group['name'] for group in found['security_groups']}:
        return
    made = cloud(
        'network',
        'POST',
        '/v2.0/security-groups',
        {'security_group': {'name': name}},
    )['security_group']
    rule = {
        'security_group_id': made['id'],
        'direction': 'ingress',
        'ethertype': 'IPv4',
        'protocol': 'tcp',
        'port_range_min': 22,
        'port_range_max': 22,
    }
    cloud(
        'network',
        'POST',
        '/v2.0/security-group-rules',
        {'security_group_rule': rule},
    )


def _make_key(cloud: Cloud, user: str) -> None:
    found = cloud('compute', 'GET', '/os-keypairs')['keypairs']
    name = f'{user}-key'
    if name not in {entry['keypair']['name'] for entry in found}:
        cloud('compute', 'POST', '/os-keypairs', {'keypair': {'name': name}})


def _set_quota(admin: Cloud, project: Cloud, quota: dict[str, int]) -> None:
    admin(
        'compute',
        'PUT',
        f'/os-quota-sets/{project.project_id}',
        {'quota_set': quota},
    )
