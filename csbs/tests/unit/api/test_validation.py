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


import datetime

from testtools import matchers

from csbs import exception
from csbs.api import validation
from csbs.api.schemas import types
from csbs.tests import base

UTC = datetime.UTC
THING = types.wrapped(
    'thing',
    types.record(
        {
            'name': types.NAME,
            'size': {'type': 'integer', 'minimum': 1, 'maximum': 9},
            'when': types.TIME,
            'id': types.UUID,
            'kind': types.enum(['a', 'b']),
            'tags': {
                'type': 'array',
                'items': types.STRING,
                'minItems': 1,
                'maxItems': 2,
                'uniqueItems': True,
            },
            'on': types.BOOLEAN,
            'note': types.nullable(types.STRING),
            'share': types.nullable({'type': 'integer', 'maximum': 9}),
        },
        ['name'],
        minProperties=1,
    ),
)
QUERY = types.listing(
    {'on': types.BOOLEAN, 'name': types.STRING},
    ['name', 'size'],
    projects=True,
    times=True,
)


class CheckTest(base.TestCase):
    def refused(self, **fields: object) -> str:
        thing = {'name': 'x', **fields}
        return self.refused_body({'thing': thing})

    def refused_body(self, body: object) -> str:
        error = self.assertRaises(
            exception.Invalid, validation.check, THING, body
        )
        self.assertEqual('csbs.request.invalid', error.code)
        return str(error)

    def test_good(self) -> None:
        thing = {
            'name': '云主机-1_b',
            'size': 9,
            'when': '2026-11-23T10:00:00+08:00',
            'id': '0F1E2D3C-0000-4000-8000-000000000000',
            'kind': 'b',
            'tags': ['x', 'y'],
            'on': False,
            'note': None,
        }
        self.assertIsNone(validation.check(THING, {'thing': thing}))

    def test_missing_and_unknown(self) -> None:
        self.assertEqual('thing: is missing.', self.refused_body({}))
        self.assertEqual(
            'thing.name: is missing.',
            self.refused_body({'thing': {'on': True}}),
        )
        self.assertEqual(
            'thing.colour: is not known here. thing.shape: is not known here.',
            self.refused(shape=1, colour=2),
        )

    def test_types(self) -> None:
        self.assertEqual('body: must be an object.', self.refused_body([]))
        self.assertEqual(
            'thing.size: must be a whole number.', self.refused(size='5')
        )
        self.assertEqual(
            'thing.size: must be a whole number.', self.refused(size=True)
        )
        self.assertEqual(
            'thing.note: must be a string or null.', self.refused(note=1)
        )

    def test_limits(self) -> None:
        self.assertEqual(
            'thing.size: must be at least 1.', self.refused(size=0)
        )
        self.assertEqual(
            'thing.size: must be at most 9.', self.refused(size=10)
        )
        self.assertEqual(
            'thing.share: must be at most 9.', self.refused(share=10)
        )
        self.assertEqual(
            'thing.kind: must be one of a, b.', self.refused(kind='c')
        )
        self.assertEqual(
            'thing.tags: must have at least 1 entries.',
            self.refused(tags=[]),
        )
        self.assertEqual(
            'thing.tags: must not hold the same entry twice.',
            self.refused(tags=['x', 'x']),
        )
        self.assertEqual(
            'thing.tags.1: must be a string.', self.refused(tags=['x', 1])
        )

    def test_names(self) -> None:
        for good in ('a', '备份', 'x' * 255, '𠀀-_9'):
            validation.check(THING, {'thing': {'name': good}})
        for bad in ('a b', 'a\n', 'a.b', 'é', '', 'x' * 256, '、'):
            self.assertIn('thing.name: ', self.refused(name=bad))
        self.assertEqual(
            'thing.name: may hold only letters, digits, Chinese characters, '
            '"_" and "-".',
            self.refused(name='a b'),
        )

    def test_formats(self) -> None:
        for bad in (
            '2026-11-23',
            '2026-11-23T10:00:00',
            'yesterday',
            '2026-W47-1T10:00:00Z',
            '0001-01-01T00:00:00+10:00',
        ):
            self.assertEqual(
                'thing.when: must be a time with its offset from UTC, '
                'like 2026-11-23T10:00:00Z.',
                self.refused(when=bad),
            )
        for bad in ('x', '0f1e2d3c000040008000000000000000', '{}'):
            self.assertEqual('thing.id: must be a UUID.', self.refused(id=bad))

    def test_several_reasons_at_once(self) -> None:
        self.assertEqual(
            'thing.kind: must be one of a, b. thing.size: must be at least 1.',
            self.refused(size=0, kind='c'),
        )

    def test_response(self) -> None:
        validation.check_response(THING, {'thing': {'name': 'x'}})
        self.assertRaises(
            validation.InvalidResponse,
            validation.check_response,
            THING,
            {'thing': {'name': 'x', 'more': 1}},
        )


class QueryTest(base.TestCase):
    def check(self, *pairs: tuple[str, str]) -> dict[str, object]:
        return validation.check_query(QUERY, pairs)

    def test_converted(self) -> None:
        self.assertEqual(
            {'limit': 5, 'on': True, 'all_projects': False, 'name': '7'},
            self.check(
                ('limit', '5'),
                ('on', 'True'),
                ('all_projects', '0'),
                ('name', '7'),
            ),
        )

    def test_refused(self) -> None:
        for name, text in (
            ('limit', '0'),
            ('limit', '-1'),
            ('limit', '1_0'),
            ('limit', ' 5'),
            ('limit', '٣'),
            ('limit', ''),
            ('on', 'yes'),
            ('sort', 'colour'),
            ('sort', 'name:up'),
            ('sort', 'name,'),
            ('sort', 'name\n'),
            ('created_since', '2026'),
            ('name', 'a\0b'),
            ('nonsense', '1'),
        ):
            error = self.assertRaises(
                exception.Invalid, self.check, (name, text)
            )
            self.assertThat(
                str(error),
                matchers.StartsWith(f'{name}: '),
            )

    def test_given_twice(self) -> None:
        self.assertRaises(
            exception.Invalid, self.check, ('limit', '1'), ('limit', '2')
        )

    def test_sort(self) -> None:
        self.check(('sort', 'name:desc,size,name:asc'))


class StorableTest(base.TestCase):
    def test_storable(self) -> None:
        self.assertTrue(validation.storable({'a': ['云', 1, None, '𠀀']}))
        self.assertFalse(validation.storable({'a': ['\0']}))
        self.assertFalse(validation.storable({'\ud800': 1}))


class TimeTest(base.TestCase):
    def test_to_utc(self) -> None:
        self.assertEqual(
            datetime.datetime(2026, 11, 23, 2, tzinfo=UTC),
            validation.parse_time('2026-11-23T10:00:00+08:00'),
        )
