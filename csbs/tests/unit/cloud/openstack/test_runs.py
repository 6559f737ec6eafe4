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


"""Tests of tasks to which something happens, here and there.

``csbs.tests.functional.test_accidents`` has everything at every step.
"""

from csbs.tests.unit.cloud.openstack import runs


class BackupTest(runs.Backup):
    step = 11

    def test_answer_is_lost(self) -> None:
        self.faults('lost')


class GroupBackupTest(runs.GroupBackup):
    step = 11

    def test_worker_dies(self) -> None:
        self.deaths(self.give_up)

    def test_comes_true_when_nobody_minds_it(self) -> None:
        self.faults('late')


class UserBackupTest(runs.UserBackup):
    step = 11

    def test_nobody_is_there_for_a_moment(self) -> None:
        self.faults(503)


class RestoreTest(runs.Restore):
    step = 5

    def test_worker_dies(self) -> None:
        self.deaths(self.give_up)

    def test_worker_dies_and_another_goes_on(self) -> None:
        self.deaths(self.go_on)


class NewServerTest(runs.NewServer):
    step = 11

    def test_comes_true_in_a_moment(self) -> None:
        self.faults('late', seconds=0.03)
