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

"""The table of moves."""

import itertools

from hypothesis import given
from hypothesis import strategies

from csbs.domain import states
from csbs.domain.model import BackupStatus
from csbs.tests import base


class StatesTest(base.TestCase):
    def test_every_status_can_be_left(self) -> None:
        for status in BackupStatus:
            left = [
                other
                for other in BackupStatus
                if status in states.backup_sources(other)
            ]
            self.assertNotEqual([], left, status)

    def test_every_passing_status_ends_stable(self) -> None:
        reachable: dict[BackupStatus, set[BackupStatus]] = {
            status: {
                other
                for other in BackupStatus
                if status in states.backup_sources(other)
            }
            for status in BackupStatus
        }
        for status in set(BackupStatus) - states.STABLE:
            self.assertTrue(reachable[status] & states.STABLE, status)

    @given(strategies.sampled_from(BackupStatus))
    def test_users_delete_only_what_is_stable(
        self, status: BackupStatus
    ) -> None:
        sources = states.backup_sources(BackupStatus.DELETING)
        self.assertEqual(status in states.DELETABLE, status in sources)

    def test_the_groups_do_not_overlap(self) -> None:
        for one, other in itertools.combinations(
            (
                states.IN_MAKING,
                states.COMPLETE,
                frozenset({BackupStatus.ERROR, BackupStatus.DELETING}),
            ),
            2,
        ):
            self.assertEqual(frozenset(), one & other)
