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

import dataclasses
import datetime
from typing import Any

import hypothesis
from hypothesis import strategies as st

from csbs.domain import model
from csbs.domain import retention
from csbs.tests import base

_NOW = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
_KIND = retention.RetentionKind


def _backup(number: int, days: float, **fields: Any) -> retention.Made:
    values: dict[str, Any] = {
        'id': f'backup-{number:03}',
        'server_id': 'server',
        'status': model.BackupStatus.AVAILABLE,
        'created_at': _NOW - datetime.timedelta(days=days),
    }
    return retention.Made(**{**values, **fields})


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
    ),
    max_size=40,
).map(
    lambda rows: [
        _backup(number, row[0], server_id=row[1], status=row[2])
        for number, row in enumerate(rows)
    ]
)


class RetentionTest(base.TestCase):
    def _gone(
        self,
        rule: retention.Retention,
        *backups: retention.Made,
        failing: tuple[str, ...] = (),
    ) -> dict[str, retention.Reason]:
        return {
            one.backup.id: one.reason
            for one in retention.expired(rule, backups, _NOW, failing)
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

    def test_the_newest_good_one_stays_while_later_runs_fail(self) -> None:
        rule = retention.Retention(_KIND.DAYS, 7)
        failed = _backup(9, 1, status=model.BackupStatus.ERROR)
        gone = self._gone(rule, _backup(1, 20), _backup(2, 15), failed)
        self.assertEqual({'backup-001': retention.Reason.TOO_OLD}, gone)
        # What other servers do does not matter.
        other = dataclasses.replace(failed, server_id='other')
        self.assertEqual(
            {'backup-001', 'backup-002'},
            set(self._gone(rule, _backup(1, 20), _backup(2, 15), other)),
        )
        # Nor what failed before the newest good one.
        earlier = _backup(9, 16, status=model.BackupStatus.ERROR)
        self.assertEqual(
            {'backup-001', 'backup-002'},
            set(self._gone(rule, _backup(1, 20), _backup(2, 15), earlier)),
        )

    def test_it_stays_when_the_failed_ones_are_gone_too(self) -> None:
        # Ten failed backups are kept of a policy, which may have more
        # servers than that.
        gone = self._gone(
            retention.Retention(_KIND.DAYS, 7),
            _backup(1, 20),
            _backup(2, 15),
            failing=('server',),
        )
        self.assertEqual({'backup-001': retention.Reason.TOO_OLD}, gone)

    def test_what_was_to_go_before_is_tried_again(self) -> None:
        gone = self._gone(
            retention.Retention(_KIND.FOREVER),
            _backup(1, 1, status=model.BackupStatus.ERROR_DELETING),
            _backup(2, 1, status=model.BackupStatus.DELETING),
        )
        self.assertEqual({'backup-001': retention.Reason.HALF_DELETED}, gone)

    def test_refuses_senseless_rules(self) -> None:
        for kind, value in (
            (_KIND.DAYS, None),
            (_KIND.DAYS, 0),
            (_KIND.COUNT, 100000),
            (_KIND.FOREVER, 3),
        ):
            self.assertRaises(ValueError, retention.Retention, kind, value)

    @hypothesis.given(
        _RETENTIONS, _BACKUPS, st.sets(st.sampled_from(['a', 'b']))
    )
    @hypothesis.settings(deadline=None, max_examples=100)
    def test_laws(
        self,
        rule: retention.Retention,
        backups: list[retention.Made],
        failing: set[str],
    ) -> None:
        status = model.BackupStatus
        gone = retention.expired(rule, backups, _NOW, failing)
        ids = {one.backup.id for one in gone}
        self.assertEqual(len(gone), len(ids))
        for one in gone:
            self.assertIn(
                one.backup.status,
                (status.AVAILABLE, status.ERROR, status.ERROR_DELETING),
            )
        left = [one for one in backups if one.id not in ids]
        # Judged again, nothing more goes: cleaning twice is harmless.
        self.assertEqual([], retention.expired(rule, left, _NOW, failing))
        self.assertLessEqual(
            sum(one.status == status.ERROR for one in left),
            retention.MAX_FAILED,
        )
        # What failed never makes more of the rest go.
        sound = [one for one in backups if one.status != status.ERROR]
        self.assertLessEqual(
            ids & {one.id for one in sound},
            {one.backup.id for one in retention.expired(rule, sound, _NOW)},
        )
        for server in failing:
            good = {
                one.id
                for one in backups
                if (one.server_id, one.status) == (server, status.AVAILABLE)
            }
            self.assertTrue(not good or good - ids)
