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

"""Tests of ``openstack csbs task ...``."""

from csbs.tests.unit.cli import base
from csbs.tests.unit.sdk import loopback


class TestTask(base.CliTestCase):
    def test_list(self) -> None:
        backup = self.service.add_backup('b1')
        task = self.service.add_task('backup', backup_id=backup['id'])
        self.service.add_task('restore', backup_id=backup['id'])

        self.assertEqual(
            [
                {
                    'ID': task['id'],
                    'Kind': 'backup',
                    'Status': 'queued',
                    'Progress': 0,
                    'Rate': None,
                    'Time Left': None,
                    'Created At': loopback.NOW,
                }
            ],
            self.run_json(
                'csbs', 'task', 'list', '--kind', 'backup', '--backup', 'b1'
            ),
        )

    def test_list_table_is_for_people(self) -> None:
        self.service.add_task(
            'backup', rate=57.0 * (1 << 20), eta_seconds=494.2, progress=45
        )

        result = self.openstack('csbs', 'task', 'list')

        self.assertIn('| 45%      | 57.0 MB/s | 8 min 14 s |', result.out)

    def test_list_follows_pages(self) -> None:
        for _ in range(5):
            self.service.add_task('collect')

        rows = self.run_json('csbs', 'task', 'list', '--limit', '3')

        self.assertEqual(
            list(self.service.tables['tasks'])[:3],
            [row['ID'] for row in rows],
        )
        self.assertEqual([{'limit': '3'}], self.queries('/v1/tasks'))

    def test_show(self) -> None:
        self.service.halted = True
        task = self.service.add_task('backup', result={'a': 1})

        self.assertEqual(
            task, self.run_json('csbs', 'task', 'show', task['id'])
        )

    def test_show_unknown(self) -> None:
        result = self.openstack('csbs', 'task', 'show', 'x')

        self.assertEqual(
            (1, 'There is no task x. (csbs.task.not_found)\n'),
            (result.code, result.err),
        )

    def test_cancel(self) -> None:
        running = self.service.add_task('backup')
        done = self.service.add_task('backup', status='succeeded')

        result = self.openstack(
            'csbs', 'task', 'cancel', running['id'], done['id']
        )

        self.assertEqual('cancelled', running['status'])
        self.assertEqual((1, ''), (result.code, result.out))
        self.assertEqual(
            f"Failed to cancel task '{done['id']}': Task {done['id']} is "
            f'succeeded and can no longer be cancelled. '
            f'(csbs.task.not_cancellable)\n'
            f'1 of 2 tasks failed to cancel.\n',
            result.err,
        )

    def test_watch(self) -> None:
        task = self.service.add_task('collect')

        shown = self.run_json('csbs', 'task', 'watch', task['id'])

        self.assertEqual('succeeded', shown['status'])

    def test_watch_of_a_cancelled_task(self) -> None:
        task = self.service.add_task('collect', status='cancelled')

        result = self.openstack('csbs', 'task', 'watch', task['id'])

        self.assertEqual((1, ''), (result.code, result.out))
        self.assertIn(f'Task {task["id"]} ended as cancelled.', result.err)
