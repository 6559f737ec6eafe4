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

"""Who may do what: every route, with every role, and from outside.

The routes come from the application itself. One that is added has to be
given the least role that may use it here, and is then tried with all roles
and with a stranger: somebody who may do everything in another project, and
who must not be able to tell what is there from what is not.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
import re
from typing import Any
import uuid

from csbs.api import rbac
from csbs.api import routes
from csbs.api import validation
from csbs.db import tasks as db_tasks
from csbs.tests.functional import stack

Key = tuple[str, str]

#: each has the roles before it too, as Keystone implies them
ORDER = ('nobody', 'reader', 'member', 'manager', 'admin')
#: the least role that may use a route
LEAST: Mapping[Key, str] = {
    ('GET', '/v1/vaults'): 'reader',
    ('POST', '/v1/vaults'): 'member',
    ('GET', '/v1/vaults/{vault_id}'): 'reader',
    ('PATCH', '/v1/vaults/{vault_id}'): 'member',
    ('DELETE', '/v1/vaults/{vault_id}'): 'manager',
    ('POST', '/v1/vaults/{vault_id}/extend'): 'member',
    ('POST', '/v1/vaults/{vault_id}/renew'): 'member',
    ('POST', '/v1/vaults/{vault_id}/verify'): 'member',
    ('PUT', '/v1/vaults/{vault_id}/policies/{policy_id}'): 'member',
    ('DELETE', '/v1/vaults/{vault_id}/policies/{policy_id}'): 'member',
    ('GET', '/v1/backups'): 'reader',
    ('POST', '/v1/backups'): 'member',
    ('GET', '/v1/backups/{backup_id}'): 'reader',
    ('PATCH', '/v1/backups/{backup_id}'): 'member',
    ('DELETE', '/v1/backups/{backup_id}'): 'member',
    ('POST', '/v1/backups/{backup_id}/restore'): 'member',
    ('POST', '/v1/backups/{backup_id}/servers'): 'member',
    ('POST', '/v1/backups/{backup_id}/verify'): 'member',
    ('GET', '/v1/policies'): 'reader',
    ('POST', '/v1/policies'): 'member',
    ('GET', '/v1/policies/{policy_id}'): 'reader',
    ('PATCH', '/v1/policies/{policy_id}'): 'member',
    ('DELETE', '/v1/policies/{policy_id}'): 'member',
    ('POST', '/v1/policies/{policy_id}/run'): 'member',
    ('PUT', '/v1/policies/{policy_id}/servers/{server_id}'): 'member',
    ('DELETE', '/v1/policies/{policy_id}/servers/{server_id}'): 'member',
    ('GET', '/v1/tasks'): 'reader',
    ('GET', '/v1/tasks/{task_id}'): 'reader',
    ('POST', '/v1/tasks/{task_id}/cancel'): 'member',
    ('GET', '/v1/servers'): 'reader',
    ('GET', '/v1/servers/{server_id}'): 'reader',
    ('GET', '/v1/quotas'): 'reader',
    ('GET', '/v1/quotas/all'): 'admin',
    ('GET', '/v1/quotas/{project_id}'): 'reader',
    ('PUT', '/v1/quotas/{project_id}'): 'admin',
    ('DELETE', '/v1/quotas/{project_id}'): 'admin',
    ('GET', '/v1/statistics'): 'reader',
    ('GET', '/v1/services'): 'admin',
}
#: other services of the cloud may look at everything, and change nothing
SERVICE = {key for key in LEAST if key[0] == 'GET'}
_SCHEDULE = {'times': ['02:00'], 'every_days': 1}
#: what a request that changes or makes something holds
BODIES: Mapping[Key, dict[str, Any]] = {
    ('POST', '/v1/vaults'): {
        'vault': {
            'capacity_gb': 100,
            'policy_ids': ['{policy_id}'],
            'backup': {'server_id': '{server_id}'},
        }
    },
    ('PATCH', '/v1/vaults/{vault_id}'): {'vault': {'name': 'new'}},
    ('POST', '/v1/vaults/{vault_id}/extend'): {'capacity_gb': 1000},
    ('POST', '/v1/vaults/{vault_id}/renew'): {'months': 1},
    ('POST', '/v1/backups'): {
        'backup': {'server_id': '{server_id}', 'vault_id': '{vault_id}'}
    },
    ('PATCH', '/v1/backups/{backup_id}'): {'backup': {'name': 'new'}},
    ('POST', '/v1/backups/{backup_id}/restore'): {'restore': {}},
    ('POST', '/v1/backups/{backup_id}/verify'): {'verify': {}},
    ('POST', '/v1/vaults/{vault_id}/verify'): {'verify': {}},
    ('POST', '/v1/backups/{backup_id}/servers'): {'server': {'name': 'new'}},
    ('POST', '/v1/policies'): {
        'policy': {
            'schedule': _SCHEDULE,
            'vault_id': '{vault_id}',
            'server_ids': ['{server_id}'],
        }
    },
    ('PATCH', '/v1/policies/{policy_id}'): {'policy': {'name': 'new'}},
    ('POST', '/v1/policies/{policy_id}/run'): {},
    ('POST', '/v1/tasks/{task_id}/cancel'): {},
    ('PUT', '/v1/quotas/{project_id}'): {'quota': {'vaults': -1}},
}
#: what makes one of them beside nothing
ALONE: Mapping[str, tuple[Key, dict[str, Any]]] = {
    'vault_id': (
        ('POST', '/v1/vaults'),
        {'vault': {'capacity_gb': 100}},
    ),
    'policy_id': (
        ('POST', '/v1/policies'),
        {'policy': {'schedule': _SCHEDULE}},
    ),
}
#: ids in bodies that are the cloud's to judge, not those of resources here
CLOUD_IDS = {'flavor_id'}
#: freeing what is not bound is fine, whatever it is
FREEING = {('DELETE', '/v1/policies/{policy_id}/servers/{server_id}')}

_NOUN = re.compile(r'\{(\w+)\}')


@dataclasses.dataclass
class Estate:
    """One of everything in a project.

    :ivar ids: by the name that a path calls it
    """

    project: str
    ids: dict[str, str]


def roles(role: str) -> str:
    """Return the header of somebody with a role."""
    if role == 'service':
        return role
    return ','.join(ORDER[1 : ORDER.index(role) + 1])


class RbacTest(stack.StackTestCase):
    def setUp(self) -> None:
        super().setUp()
        # Nobody works: what a request leaves stays as it is.
        self.make_stack(start=False, quota__vaults=-1, quota__policies=-1)
        self.tea, self.coffee = self.settle('tea'), self.settle('coffee')

    def ask(
        self,
        key: Key,
        project: str,
        role: str,
        ids: Mapping[str, str],
        query: str = '',
        body: Mapping[str, Any] | None = None,
    ) -> tuple[int, Any]:
        """Send a route's request; return the status and the body."""
        method, path = key
        body = BODIES.get(key) if body is None else body
        text = json.dumps(body)
        for name, value in ids.items():
            path = path.replace(f'{{{name}}}', value)
            text = text.replace(f'{{{name}}}', value)
        answer = self.stack.http.open(
            path + query,
            method=method,
            json=json.loads(text),
            headers={'X-Project-Id': project, 'X-Roles': roles(role)},
        )
        return answer.status_code, answer.json

    def settle(self, project: str) -> Estate:
        """Put one of everything into a project."""
        folder = self.stack.servers / project
        folder.mkdir(parents=True)
        (folder / 'vda.raw').write_bytes(bytes(65536))
        server_id = str(uuid.uuid4())
        (folder / 'server.json').write_text(
            json.dumps({'id': server_id, 'project_id': project})
        )
        estate = Estate(
            project, {'server_id': server_id, 'project_id': project}
        )
        self.add(estate, 'vault_id')
        key = ('POST', '/v1/backups')
        backup = self.make(estate, key, BODIES[key])
        estate.ids['backup_id'] = backup['id']
        estate.ids['task_id'] = backup['task_id']
        self.add(estate, 'policy_id')
        self.put(estate, '/v1/policies/{policy_id}/servers/{server_id}')
        self.put(estate, '/v1/vaults/{vault_id}/policies/{policy_id}')
        return estate

    def make(
        self, estate: Estate, key: Key, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        status, answer = self.ask(
            key, estate.project, 'member', estate.ids, body=body
        )
        self.assertIn(status, (201, 202), answer)
        (made,) = answer.values()
        return made

    def put(self, estate: Estate, path: str) -> None:
        status, body = self.ask(
            ('PUT', path), estate.project, 'member', estate.ids
        )
        self.assertEqual(200, status, body)

    def add(self, estate: Estate, *names: str) -> None:
        """Let a project have a new vault, or a new policy."""
        for name in names:
            estate.ids[name] = self.make(estate, *ALONE[name])['id']

    def test_every_route_has_an_expectation(self) -> None:
        guarded = {
            (route.method, route.path): route
            for route in routes.ROUTES
            if route.rule is not None
        }
        self.assertEqual(set(LEAST), set(guarded))
        with_body = {
            key
            for key, route in guarded.items()
            if validation.schemas_of(route.handler).body is not None
        }
        self.assertEqual(set(BODIES), with_body)
        documented = {
            (rule.name, operation['method'], operation['path'])
            for rule in rbac.list_rules()
            for operation in getattr(rule, 'operations', ())
        }
        for (method, path), route in guarded.items():
            self.assertIn((route.rule, method, path), documented)

    def test_roles(self) -> None:
        for key, least in LEAST.items():
            for role in (*ORDER, 'service'):
                # What a request before this one may have deleted.
                self.add(self.tea, 'vault_id', 'policy_id')
                status, body = self.ask(key, 'tea', role, self.tea.ids)
                allowed = (
                    key in SERVICE
                    if role == 'service'
                    else ORDER.index(role) >= ORDER.index(least)
                )
                what = f'{key} by {role}: {status} {body}'
                if not allowed:
                    self.assertEqual(403, status, what)
                    (error,) = body['errors']
                    self.assertEqual('csbs.request.forbidden', error['code'])
                elif role == 'service' and 'server_id' in key[1]:
                    # It is in no project that has servers.
                    self.assertIn(status, (200, 404), what)
                else:
                    self.assertIn(status, (200, 201, 202, 409), what)

    def test_a_stranger_is_told_nothing(self) -> None:
        for key, least in LEAST.items():
            if least == 'admin':
                continue
            for name in self.references(key):
                self.assert_no_hint(key, name)

    def references(self, key: Key) -> Iterator[str]:
        """Return the names by which a request refers to a resource."""
        yield from _NOUN.findall(key[1])
        (route,) = (
            one for one in routes.ROUTES if (one.method, one.path) == key
        )
        schema = validation.schemas_of(route.handler).body
        yield from {
            name.removesuffix('s')
            for name in _property_names(schema)
            if name.endswith(('_id', '_ids')) and name not in CLOUD_IDS
        }

    def assert_no_hint(self, key: Key, name: str) -> None:
        """Ask for tea's things out of coffee, and for what never was."""
        if key in BODIES and name not in _NOUN.findall(key[1]):
            self.assertIn(f'{{{name}}}', json.dumps(BODIES[key]), key)
        self.assertIn(name, self.tea.ids, f'{key} refers to something new')
        answers = []
        for foreign in (self.tea.ids[name], str(uuid.uuid4())):
            ids = {**self.coffee.ids, name: foreign}
            status, body = self.ask(key, 'coffee', 'manager', ids)
            answers.append((status, _without_ids(body)))
        there, never = answers
        self.assertEqual(never, there, f'{key} with a foreign {name}')
        if not (key in FREEING and name == 'server_id'):
            self.assertEqual(404, there[0], f'{key}, {name}: {there}')

    def test_lists_show_a_stranger_nothing(self) -> None:
        for key in LEAST:
            if key[0] != 'GET' or _NOUN.search(key[1]):
                continue
            for role in ('reader', 'manager'):
                _, body = self.ask(key, 'coffee', role, {})
                for value in self.tea.ids.values():
                    self.assertNotIn(value, json.dumps(body), key)
            if LEAST[key] != 'admin' and self.filters(key):
                self.assert_filters_give_no_hint(key)

    def filters(self, key: Key) -> set[str]:
        """Return the names by which a query refers to a resource."""
        (route,) = (
            one for one in routes.ROUTES if (one.method, one.path) == key
        )
        schema = validation.schemas_of(route.handler).query or {}
        return {
            name
            for name in schema.get('properties', ())
            if name.endswith('_id') or name in ('id', 'marker')
        }

    def assert_filters_give_no_hint(self, key: Key) -> None:
        noun = f'{key[1].rpartition("/")[2].rstrip("s")}_id'.replace(
            'policie_', 'policy_'
        )
        # Statistics have neither ids nor a list.
        own = self.tea.ids.get(noun)
        values = {
            **self.tea.ids,
            **({'id': own, 'marker': own} if own else {}),
            'project_id': 'tea',
            'parent_id': self.tea.ids['backup_id'],
        }
        asked = self.filters(key)
        self.assertLessEqual(asked, set(values))
        for name in asked:
            there, never = (
                self.ask(key, 'coffee', 'manager', {}, f'?{name}={value}')
                for value in (values[name], str(uuid.uuid4()))
            )
            self.assertEqual(
                (never[0], _without_ids(never[1])),
                (there[0], _without_ids(there[1])),
                f'{key} by {name}',
            )
            self.assertNotIn('tea', json.dumps(there[1]))

    def test_who_may_look_at_every_project(self) -> None:
        for noun in ('vault', 'backup', 'policy', 'task'):
            many = 'policies' if noun == 'policy' else f'{noun}s'
            path, ids = f'/v1/{many}', self.tea.ids
            one = ('GET', f'{path}/{{{noun}_id}}')
            for role in ('admin', 'service'):
                status, body = self.ask(one, 'coffee', role, ids)
                self.assertEqual(200, status, body)
                _, body = self.ask(
                    ('GET', path), 'coffee', role, {}, '?all_projects=true'
                )
                owners = {found['project_id'] for found in body[many]}
                self.assertEqual({'tea', 'coffee'}, owners)
            status, _ = self.ask(one, 'coffee', 'manager', ids)
            self.assertEqual(404, status)

    def test_administrators_change_their_own_project_only(self) -> None:
        for key in LEAST:
            # How much a project may have is not for itself to say.
            nouns = set(_NOUN.findall(key[1])) - {'project_id'}
            if key[0] != 'GET' and nouns:
                ids = {**self.coffee.ids, **self.tea.ids}
                status, body = self.ask(key, 'coffee', 'admin', ids)
                self.assertEqual(404, status, f'{key}: {body}')

    def test_a_stranger_leaves_no_trace(self) -> None:
        before = [
            self.ask(('GET', path), 'tea', 'reader', {})
            for path in ('/v1/vaults', '/v1/backups', '/v1/policies')
        ]
        self.test_a_stranger_is_told_nothing()
        after = [
            self.ask(('GET', path), 'tea', 'reader', {})
            for path in ('/v1/vaults', '/v1/backups', '/v1/policies')
        ]
        self.assertEqual(before, after)
        task = db_tasks.get(self.stack.rt.db, self.tea.ids['task_id'])
        self.assertFalse(task.cancel_requested)


def _property_names(schema: Any) -> set[str]:
    """Return the names of all properties in a schema, however deep."""
    if isinstance(schema, list):
        return set().union(*map(_property_names, schema))
    if not isinstance(schema, dict):
        return set()
    names = set(schema.get('properties', ()))
    return names.union(*map(_property_names, schema.values()))


def _without_ids(body: Any) -> str:
    """Return a body as text that does not tell which id was asked for."""
    text = re.sub(r'"request_id": "[^"]*"', '', json.dumps(body))
    return re.sub(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'ID', text)
