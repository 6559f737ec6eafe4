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


import types
from typing import Any
import urllib.parse

from csbs import conf as csbs_conf
from csbs import context as csbs_context
from csbs import exception
from csbs.api import listing
from csbs.api import rbac
from csbs.api import request
from csbs.api import versions
from csbs.tests import base


def one(number: int, group: str | None = None) -> dict[str, Any]:
    return {'id': f'id-{number}', 'size': number, 'group': group}


class ListingTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.conf = csbs_conf.new()
        self.conf([], project='csbs', default_config_files=[])
        self.conf.set_override('max_limit', 10, 'api')
        self.enforcer = rbac.make_enforcer(self.conf)

    def req(self, roles: Any = ('reader',), **query: Any) -> request.Request:
        return request.Request(
            rt=types.SimpleNamespace(conf=self.conf),  # type: ignore[arg-type]
            enforcer=self.enforcer,
            context=csbs_context.RequestContext(
                project_id='p1', roles=list(roles), overwrite=False
            ),
            version=versions.negotiate({}),
            args={},
            query=query,
            body={},
            url='http://here/v1/things',
            root_url='http://here/',
        )

    def of(self, **query: Any) -> listing.Listing:
        return listing.of(self.req(**query), 'csbs:vaults:list_all_projects')

    def test_plain(self) -> None:
        wanted = self.of()
        self.assertEqual('p1', wanted.project_id)
        self.assertEqual({}, wanted.filters)
        self.assertEqual(10, wanted.limit)
        self.assertEqual(11, wanted.page.limit)
        self.assertEqual((('created_at', True),), wanted.page.sort)

    def test_asked_for(self) -> None:
        wanted = self.of(
            limit=3,
            marker='m',
            sort='size_bytes:desc,name',
            status='error',
            created_since='2026-11-23T10:00:00+01:00',
        )
        self.assertEqual(3, wanted.limit)
        self.assertEqual('m', wanted.page.marker)
        self.assertEqual((('size', True), ('name', False)), wanted.page.sort)
        self.assertEqual('error', wanted.filters['status'])
        self.assertEqual(
            '2026-11-23T09:00:00+00:00',
            wanted.filters['created_since'].isoformat(),
        )

    def test_limit_is_lowered(self) -> None:
        self.assertEqual(10, self.of(limit=99999).limit)

    def test_other_projects(self) -> None:
        for query in ({'all_projects': True}, {'project_id': 'p2'}):
            self.assertRaises(exception.Forbidden, self.of, **query)
        self.assertEqual('p1', self.of(project_id='p1').project_id)
        admin = {'roles': ['admin']}
        self.assertIsNone(self.of(all_projects=True, **admin).project_id)
        self.assertEqual('p2', self.of(project_id='p2', **admin).project_id)

    def test_lists_of_all_projects_go_by_index(self) -> None:
        admin = {'roles': ['admin'], 'all_projects': True}
        for query in (
            {'status': 'error', 'vault_id': 'v', 'sort': 'created_at:asc'},
            {'id': 'x', 'created_since': '2026-11-23T10:00:00Z'},
        ):
            self.assertIsNone(self.of(**query, **admin).project_id)
        for query in (
            {'name': 'x'},
            {'sort': 'name'},
            {'sort': 'created_at,name'},
        ):
            error = self.assertRaises(
                exception.Invalid, self.of, **query, **admin
            )
            self.assertIn(next(iter(query)), str(error))
            self.of(**query, **admin, project_id='p2')

    def test_next_link(self) -> None:
        req = self.req(limit=2, sort='size:desc', on=True)
        found = [one(3), one(2), one(1)]
        body = listing.answer(req, 'things', found, 2, dict)
        self.assertEqual([one(3), one(2)], body['things'])
        (link,) = body['things_links']
        self.assertEqual('next', link['rel'])
        url, _, query = link['href'].partition('?')
        self.assertEqual('http://here/v1/things', url)
        self.assertEqual(
            {
                'limit': '2',
                'sort': 'size:desc',
                'on': 'true',
                'marker': 'id-2',
            },
            dict(urllib.parse.parse_qsl(query)),
        )

    def test_last_page_has_no_link(self) -> None:
        body = listing.answer(self.req(), 'things', [one(1)], 1, dict)
        self.assertEqual({'things': [one(1)]}, body)

    def in_memory(self, **query: Any) -> list[int]:
        things = [one(2, 'b'), one(4), one(1, 'a'), one(3, 'b')]
        body = listing.answer_in_memory(
            self.req(**query), 'things', things, (('size', False),)
        )
        return [thing['size'] for thing in body['things']]

    def test_in_memory(self) -> None:
        self.assertEqual([1, 2, 3, 4], self.in_memory())
        self.assertEqual([4, 3], self.in_memory(sort='size:desc', limit=2))
        self.assertEqual([4, 1, 2, 3], self.in_memory(sort='group,size'))
        self.assertEqual(
            [3, 2, 1, 4], self.in_memory(sort='group:desc,size:desc')
        )
        self.assertEqual([2, 3], self.in_memory(group='b'))
        self.assertEqual([3], self.in_memory(group='b', marker='id-2'))
        self.assertRaises(exception.Invalid, self.in_memory, marker='x')
