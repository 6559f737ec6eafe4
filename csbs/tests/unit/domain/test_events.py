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

"""What others are told, and what never."""

import dataclasses
import datetime
import json
from typing import Any

from csbs.domain import events
from csbs.domain import model
from csbs.domain import policy
from csbs.domain import recurrence
from csbs.domain import retention
from csbs.tests import base
from csbs.tests.unit.db import suite

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


def tell(
    before: events.Noun | None, after: events.Noun | None
) -> events.Event | None:
    return events.event(
        'event-1',
        before,
        after,
        occurred_at=NOW,
        user_id='ann',
        request_id='req-2',
    )


class EventsTest(base.TestCase):
    def data(
        self, before: events.Noun | None, after: events.Noun | None
    ) -> dict[str, Any]:
        event = tell(before, after)
        assert event is not None
        self.assertEqual(event.payload, json.loads(json.dumps(event.payload)))
        data: dict[str, Any] = event.payload['data']
        return data

    def test_every_field_is_sent_or_withheld(self) -> None:
        for noun, kind in events.KINDS.items():
            fields = {field.name for field in dataclasses.fields(noun)}
            self.assertEqual(fields, kind.sent | kind.withheld, noun)
            self.assertEqual(frozenset(), kind.sent & kind.withheld, noun)
            self.assertLessEqual(kind.quiet, kind.sent, noun)

    def test_types(self) -> None:
        vault = suite.make_vault()
        larger = dataclasses.replace(vault, capacity_gb=200)
        for before, after, verb in (
            (None, vault, 'created'),
            (vault, larger, 'changed'),
            (vault, None, 'deleted'),
        ):
            event = tell(before, after)
            assert event is not None
            self.assertEqual(f'csbs.vault.{verb}', event.type)
            data = event.payload['data']
            self.assertEqual('project', data['project_id'])
            self.assertEqual(before is None, data['before'] is None)
            self.assertEqual(after is None, data['after'] is None)
        self.assertIsNone(tell(None, None))
        self.assertIsNone(tell(vault, vault))

    def test_what_is_quiet(self) -> None:
        vault = suite.make_vault()
        self.assertIsNone(
            tell(vault, dataclasses.replace(vault, updated_at=NOW))
        )

    def test_states_as_json(self) -> None:
        backup = dataclasses.replace(
            suite.make_backup('vault'), fault=model.Fault('csbs.x', 'Broken.')
        )
        after = self.data(None, backup)['after']
        self.assertEqual('creating', after['status'])
        self.assertEqual(backup.size, after['size_bytes'])
        self.assertEqual(
            {'code': 'csbs.x', 'message': 'Broken.'}, after['fault']
        )
        (item,) = after['items']
        self.assertEqual('volume', item['volume_id'])
        self.assertRegex(after['created_at'], r'T\d\d:\d\d:\d\d\.\d{6}Z$')

    def test_policy_as_json(self) -> None:
        made = policy.Policy(
            id='p',
            project_id='project',
            name='nightly',
            enabled=True,
            vault_id=None,
            schedule=recurrence.Schedule(('02:00',), every_days=1),
            retention=retention.Retention(retention.RetentionKind.COUNT, 7),
            created_at=NOW,
            updated_at=None,
            next_run_at=NOW,
            prune_at=NOW,
            server_ids=('s1', 's2'),
        )
        after = self.data(None, made)['after']
        self.assertEqual({'kind': 'count', 'value': 7}, after['retention'])
        self.assertEqual(['02:00'], after['schedule']['times'])
        self.assertEqual(['s1', 's2'], after['server_ids'])

    def test_tasks_know_who_asked(self) -> None:
        data = self.data(None, suite.make_task())
        self.assertEqual(
            ('user', 'req-1'), (data['user_id'], data['request_id'])
        )
        data = self.data(None, suite.make_vault())
        self.assertEqual(
            ('ann', 'req-2'), (data['user_id'], data['request_id'])
        )
