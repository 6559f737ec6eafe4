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

"""Empties projects: what tests left behind, csbs' own leftovers with it.

The project ``service`` is emptied too: nothing but csbs keeps anything there.
Networks, keys, users and the image that the lab itself made stay.
"""

import time
from typing import Any
from urllib import parse

from api import Cloud

SECONDS = 180


def run() -> None:
    """Empty all projects that tests use.

    :raises TimeoutError: when something does not go
    """
    admin = Cloud('admin', 'admin')
    projects = [
        Cloud('demo', 'demo'),
        Cloud('demo2', 'demo2'),
        Cloud('csbs', 'service'),
    ]
    for project in projects:
        _delete_servers(project, admin)
        _delete_ports(project)
    for project in projects:
        _release_volumes(project, admin)
    deadline = time.monotonic() + SECONDS
    while left := [what for project in projects for what in _pass(project)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f'these do not go: {" ".join(left)}')
        time.sleep(1)
    for project in projects:
        _delete_containers(project)
        _delete_secrets(project)
    print('the projects demo, demo2 and service are empty')


def _delete_servers(project: Cloud, admin: Cloud) -> None:
    servers = project('compute', 'GET', '/servers')['servers']
    for server in servers:
        path = f'/servers/{server["id"]}'
        # What a test locked or broke could not be deleted otherwise.
        admin.ask('compute', 'POST', f'{path}/action', {'unlock': None})
        project.ask('compute', 'DELETE', path)
    for server in servers:
        project.wait('compute', f'/servers/{server["id"]}', 'gone')


def _delete_ports(project: Cloud) -> None:
    query = f'/v2.0/ports?project_id={project.project_id}'
    for port in project('network', 'GET', query)['ports']:
        if not port['device_owner']:
            project.ask('network', 'DELETE', f'/v2.0/ports/{port["id"]}')


def _release_volumes(project: Cloud, admin: Cloud) -> None:
    """Take all attachments and odd states away: no server is left."""
    query = f'?all_tenants=1&project_id={project.project_id}'
    found = admin('volumev3', 'GET', f'/attachments{query}')['attachments']
    for attachment in found:
        admin.ask('volumev3', 'DELETE', f'/attachments/{attachment["id"]}')
    for volume in project('volumev3', 'GET', '/volumes/detail')['volumes']:
        if volume['status'] in ('available', 'error', 'deleting'):
            continue
        state = {'status': 'available', 'attach_status': 'detached'}
        admin.ask(
            'volumev3',
            'POST',
            f'/volumes/{volume["id"]}/action',
            {'os-reset_status': state},
        )
    for kind, action in (
        ('snapshots', 'os-reset_status'),
        ('groups', 'reset_status'),
        ('group_snapshots', 'reset_status'),
    ):
        for found in project('volumev3', 'GET', f'/{kind}/detail')[kind]:
            if found['status'] not in ('available', 'error', 'deleting'):
                admin.ask(
                    'volumev3',
                    'POST',
                    f'/{kind}/{found["id"]}/action',
                    {action: {'status': 'error'}},
                )


def _pass(project: Cloud) -> list[str]:
    """Ask for all to be deleted, and return what is left.

    What depends on something else is refused, and goes in a later pass.
    """
    left = []
    for kind in ('group_snapshots', 'snapshots', 'volumes', 'groups'):
        for found in project('volumev3', 'GET', f'/{kind}')[kind]:
            path = f'/{kind}/{found["id"]}'
            left.append(path)
            if kind == 'groups':
                body = {'delete': {'delete-volumes': False}}
                project.ask('volumev3', 'POST', f'{path}/action', body)
            elif kind == 'volumes' and not _in_group(project, path):
                project.ask('volumev3', 'DELETE', path)
            elif kind != 'volumes':
                project.ask('volumev3', 'DELETE', path)
    for image in _images(project):
        left.append(f'/v2/images/{image["id"]}')
        project.ask('image', 'DELETE', left[-1])
    return left


def _in_group(project: Cloud, path: str) -> bool:
    """Take a volume out of its group; return whether it is in one."""
    code, answer = project.ask('volumev3', 'GET', path)
    group = answer['volume'].get('group_id') if code == 200 else None
    if group:
        body = {'group': {'remove_volumes': answer['volume']['id']}}
        project.ask('volumev3', 'PUT', f'/groups/{group}', body)
    return bool(group)


def _images(project: Cloud) -> list[Any]:
    query = f'/v2/images?owner={project.project_id}'
    return list(project('image', 'GET', query)['images'])


def _delete_containers(project: Cloud) -> None:
    for container in _listing(project, ''):
        path = f'/{parse.quote(container["name"])}'
        while objects := _listing(project, path):
            for entry in objects:
                name = parse.quote(entry['name'])
                project.ask('object-store', 'DELETE', f'{path}/{name}')
        project('object-store', 'DELETE', path)


def _listing(project: Cloud, path: str) -> list[Any]:
    code, answer = project.ask('object-store', 'GET', f'{path}?format=json')
    return answer if code == 200 else []


def _delete_secrets(project: Cloud) -> None:
    path = '/v1/secrets?limit=1000'
    for secret in project('key-manager', 'GET', path)['secrets']:
        reference = secret['secret_ref'].rsplit('/', 1)[-1]
        project.ask('key-manager', 'DELETE', f'/v1/secrets/{reference}')
