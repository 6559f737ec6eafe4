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


"""Tests of tasks to which everything happens, at each of their steps.

The tasks are those of the driver for OpenStack on a cloud of the tests' own.
"""

from csbs.tests.unit.cloud.openstack import runs


class BackupTest(runs.Accidents, runs.Backup):
    """A backup with a pause."""


class GroupBackupTest(runs.Accidents, runs.GroupBackup):
    """A backup of volumes that are frozen together."""


class UserBackupTest(runs.Accidents, runs.UserBackup):
    """A backup with the user's own rights."""


class RestoreTest(runs.Accidents, runs.Restore):
    """A restore in place."""

    def test_worker_dies_and_another_goes_on(self) -> None:
        self.deaths(self.go_on)


class NewServerTest(runs.Accidents, runs.NewServer):
    """A new server."""
