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
from typing import Any

from csbs.api.handlers import common
from csbs.domain import model
from csbs.tests import base

START = datetime.datetime(2026, 11, 23, 10, tzinfo=datetime.UTC)
NOW = START + datetime.timedelta(seconds=10)
RUNNING = model.TaskStatus.RUNNING


def task(status: model.TaskStatus, **changes: Any) -> model.Task:
    fields: dict[str, Any] = {
        'id': 't',
        'project_id': 'p',
        'kind': model.TaskKind.BACKUP,
        'status': status,
        'backup_id': None,
        'server_id': None,
        'vault_id': None,
        'params': {},
        'result': {},
        'step': '',
        'bytes_done': 0,
        'bytes_total': 0,
        'attempts': 1,
        'cancel_requested': False,
        'owner': None,
        'fault': None,
        'request_id': None,
        'user_id': None,
        'created_at': START,
        'started_at': START,
        'finished_at': None,
        'heartbeat_at': None,
    }
    return model.Task(**{**fields, **changes})


class ProgressTest(base.TestCase):
    def test_progress(self) -> None:
        for done, total, wanted in (
            (0, 0, 0),
            (0, 1000, 0),
            (555, 1000, 55),
            (1000, 1000, 99),
            (1200, 1000, 99),
        ):
            self.assertEqual(
                wanted,
                common.progress(
                    task(RUNNING, bytes_done=done, bytes_total=total)
                ),
            )

    def test_succeeded(self) -> None:
        done = task(model.TaskStatus.SUCCEEDED, bytes_total=10)
        self.assertEqual(100, common.progress(done))

    def test_rate(self) -> None:
        running = task(RUNNING, bytes_done=1000, bytes_total=1301)
        self.assertEqual(100, common.rate(running, NOW))
        self.assertEqual(4, common.eta_seconds(running, NOW))

    def test_no_rate(self) -> None:
        for one in (
            task(model.TaskStatus.QUEUED, started_at=None, bytes_total=9),
            task(model.TaskStatus.FAILED, bytes_done=5, bytes_total=9),
        ):
            self.assertIsNone(common.rate(one, NOW))
            self.assertIsNone(common.eta_seconds(one, NOW))

    def test_nothing_done_yet(self) -> None:
        running = task(RUNNING, bytes_total=9)
        self.assertEqual(0, common.rate(running, NOW))
        self.assertIsNone(common.eta_seconds(running, NOW))

    def test_clock_behind(self) -> None:
        running = task(RUNNING, bytes_done=5, bytes_total=9)
        self.assertIsNone(common.rate(running, START))


class RenderTest(base.TestCase):
    def test_time(self) -> None:
        east = datetime.timezone(datetime.timedelta(hours=8))
        time = datetime.datetime(2026, 11, 23, 18, 0, 0, 999, tzinfo=east)
        self.assertEqual('2026-11-23T10:00:00Z', common.time(time))
        self.assertIsNone(common.time_or_none(None))

    def test_gib_rounds_up(self) -> None:
        self.assertEqual(
            [0, 1, 1, 2],
            [common.gib(n) for n in (0, 1, 1 << 30, (1 << 30) + 1)],
        )

    def test_fault(self) -> None:
        self.assertIsNone(common.fault(None))
        self.assertEqual(
            {'code': 'c', 'message': 'm'},
            common.fault(model.Fault(code='c', message='m')),
        )
