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

"""Which backups of a policy go."""

import datetime
from typing import Any

import hypothesis
from hypothesis import strategies as st

from csbs.domain import model
from csbs.domain import retention
from csbs.tests import base

_NOW = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
_KIND = retention.RetentionKind


def _backup(number: int, days: float, **fields: Any) -> model.Backup:
    values: dict[str, Any] = {
        'id': f'backup-{number:03}',
        'project_id': 'project',
        'vault_id': 'vault',
        'server_id': 'server',
        'server_name': 'web',
        'name': 'autobk_0001',
        'description': '',
        'status': model.BackupStatus.AVAILABLE,
        'kind': model.BackupKind.INCREMENTAL,
        'trigger': model.Trigger.SCHEDULED,
        'consistency': model.Consistency.CRASH_CONSISTENT,
        'policy_id': 'policy',
        'parent_id': None,
        'server_facts': {},
        'size': model.GIB,
        'changed_bytes': 0,
        'transferred_bytes': 0,
        'stored_bytes': 0,
        'fault': None,
        'task_id': None,
        'created_at': _NOW - datetime.timedelta(days=days),
        'updated_at': None,
        'snapshot_at': None,
    }
    return model.Backup(**{**values, **fields})


_RETENTIONS = st.one_of(
    st.builds(
        retention.Retention,
        st.sampled_from([_KIND.DAYS, _KIND.COUNT]),
        st.integers(1, 40),
    ),
    st.just(retention.Retention(_KIND.FOREVER)),
)
_BACKUPS = st.lists(
    st.tuples(
        st.integers(0, 80),
        st.sampled_from(['a', 'b']),
        st.sampled_from(model.BackupStatus),
        st.sampled_from(model.Trigger),
    ),
    max_size=40,
).map(
    lambda rows: [
        _backup(
            number, row[0], server_id=row[1], status=row[2], trigger=row[3]
        )
        for number, row in enumerate(rows)
    ]
)


class RetentionTest(base.TestCase):
    def _gone(
        self, rule: retention.Retention, *backups: model.Backup
    ) -> dict[str, retention.Reason]:
        return {
            one.backup.id: one.reason
            for one in retention.expired(rule, backups, _NOW)
        }

    def test_count_is_of_each_server_and_the_oldest_go(self) -> None:
        gone = self._gone(
            retention.Retention(_KIND.COUNT, 2),
            _backup(1, 3),
            _backup(2, 2),
            _backup(3, 1),
            _backup(4, 9, server_id='other'),
        )
        self.assertEqual({'backup-001': retention.Reason.TOO_MANY}, gone)

    def test_all_that_are_too_old_go(self) -> None:
        gone = self._gone(
            retention.Retention(_KIND.DAYS, 30), _backup(1, 31), _backup(2, 30)
        )
        self.assertEqual({'backup-001': retention.Reason.TOO_OLD}, gone)

    def test_failed_ones_go_by_number_and_by_age(self) -> None:
        failed = model.BackupStatus.ERROR
        gone = self._gone(
            retention.Retention(_KIND.FOREVER),
            *(_backup(day, day, status=failed) for day in range(11)),
        )
        self.assertEqual(
            {'backup-010': retention.Reason.FAILED_TOO_MANY}, gone
        )
        gone = self._gone(
            retention.Retention(_KIND.FOREVER), _backup(1, 31, status=failed)
        )
        self.assertEqual({'backup-001': retention.Reason.FAILED_TOO_OLD}, gone)

    def test_failed_ones_never_push_out_an_available_one(self) -> None:
        gone = self._gone(
            retention.Retention(_KIND.COUNT, 1),
            _backup(0, 5),
            *(
                _backup(n, n / 10, status=model.BackupStatus.ERROR)
                for n in range(1, 5)
            ),
        )
        self.assertEqual({}, gone)

    def test_refuses_senseless_rules(self) -> None:
        for kind, value in (
            (_KIND.DAYS, None),
            (_KIND.DAYS, 0),
            (_KIND.COUNT, 100000),
            (_KIND.FOREVER, 3),
        ):
            self.assertRaises(ValueError, retention.Retention, kind, value)

    @hypothesis.given(_RETENTIONS, _BACKUPS)
    @hypothesis.settings(deadline=None, max_examples=100)
    def test_laws(
        self, rule: retention.Retention, backups: list[model.Backup]
    ) -> None:
        gone = retention.expired(rule, backups, _NOW)
        ids = {one.backup.id for one in gone}
        self.assertEqual(len(gone), len(ids))
        for one in gone:
            self.assertEqual(model.Trigger.SCHEDULED, one.backup.trigger)
            self.assertIn(
                one.backup.status,
                (model.BackupStatus.AVAILABLE, model.BackupStatus.ERROR),
            )
        left = [one for one in backups if one.id not in ids]
        # Judged again, nothing more goes: cleaning twice is harmless.
        self.assertEqual([], retention.expired(rule, left, _NOW))
        # What failed has no say in what goes of the rest.
        sound = [
            one for one in backups if one.status != model.BackupStatus.ERROR
        ]
        self.assertEqual(
            {one.backup.id for one in retention.expired(rule, sound, _NOW)},
            ids & {one.id for one in sound},
        )
