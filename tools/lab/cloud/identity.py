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

"""Users, projects, roles, and the catalogue."""

from api import Cloud
from api import PASSWORD

ROLES = ('admin', 'member', 'reader', 'service', 'creator')
PROJECTS = ('admin', 'service', 'demo', 'demo2')
TENANTS = ('demo', 'demo2')
SERVICE_USERS = (
    'nova',
    'cinder',
    'glance',
    'placement',
    'neutron',
    'swift',
    'barbican',
    'backup',
    'csbs',
)
CATALOGUE = (
    ('compute', 'nova', 'http://127.0.0.1:8774/v2.1'),
    ('placement', 'placement', 'http://127.0.0.1:8778'),
    ('volumev3', 'cinderv3', 'http://127.0.0.1:8776/v3/%(project_id)s'),
    ('block-storage', 'cinder', 'http://127.0.0.1:8776/v3/%(project_id)s'),
    ('image', 'glance', 'http://127.0.0.1:9292'),
    ('network', 'neutron', 'http://127.0.0.1:9696'),
    (
        'object-store',
        'swift',
        'http://127.0.0.1:8080/v1/AUTH_%(project_id)s',
    ),
    ('key-manager', 'barbican', 'http://127.0.0.1:9311'),
    ('server-backup', 'csbs', 'http://127.0.0.1:8799'),
)


def make() -> None:
    """Make all of them."""
    cloud = Cloud('admin', 'admin')
    roles = {name: _named(cloud, 'roles', name) for name in ROLES}
    projects = {
        name: _named(cloud, 'projects', name, domain_id='default')
        for name in PROJECTS
    }
    users = {
        name: _named(
            cloud, 'users', name, domain_id='default', password=PASSWORD
        )
        for name in (*TENANTS, *SERVICE_USERS)
    }

    def grant(user: str, project: str, role: str) -> None:
        cloud(
            'identity',
            'PUT',
            f'/projects/{projects[project]}/users/{users[user]}'
            f'/roles/{roles[role]}',
        )

    for user in SERVICE_USERS:
        grant(user, 'service', 'admin')
        grant(user, 'service', 'service')
    # Only creators may store secrets in Barbican.
    grant('csbs', 'service', 'creator')
    for user in TENANTS:
        grant(user, user, 'member')
        grant(user, user, 'creator')
    # What Cinder and Barbican keep within a project, csbs does there.
    for role in ('member', 'creator'):
        cloud(
            'identity',
            'PUT',
            f'/OS-INHERIT/domains/default/users/{users["csbs"]}'
            f'/roles/{roles[role]}/inherited_to_projects',
        )
    _make_catalogue(cloud)


def _named(cloud: Cloud, kind: str, name: str, **fields: str) -> str:
    for found in cloud('identity', 'GET', f'/{kind}?name={name}')[kind]:
        return str(found['id'])
    body = {kind[:-1]: {'name': name, **fields}}
    made = cloud('identity', 'POST', f'/{kind}', body)
    return str(made[kind[:-1]]['id'])


def _make_catalogue(cloud: Cloud) -> None:
    services = {
        service['type']: service['id']
        for service in cloud('identity', 'GET', '/services')['services']
    }
    there = {
        (endpoint['service_id'], endpoint['interface'])
        for endpoint in cloud('identity', 'GET', '/endpoints')['endpoints']
    }
    for kind, name, url in CATALOGUE:
        if kind not in services:
            body = {'service': {'type': kind, 'name': name}}
            made = cloud('identity', 'POST', '/services', body)
            services[kind] = made['service']['id']
        for interface in ('public', 'internal', 'admin'):
            if (services[kind], interface) not in there:
                endpoint = {
                    'service_id': services[kind],
                    'interface': interface,
                    'region_id': 'RegionOne',
                    'url': url,
                }
                cloud('identity', 'POST', '/endpoints', {'endpoint': endpoint})
