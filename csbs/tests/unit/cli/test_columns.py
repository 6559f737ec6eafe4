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

"""Tests of how values look."""

from csbs.cli import columns
from csbs.tests import base


class TestFormats(base.TestCase):
    def test_bytes(self) -> None:
        for value, text in (
            (0, '0 bytes'),
            (1023, '1023 bytes'),
            (1024, '1.0 KB'),
            (1536, '1.5 KB'),
            (1024**2 - 1, '1.0 MB'),
            (100 * 1024**3, '100.0 GB'),
            (5 * 1024**4, '5.0 TB'),
            (2 * 1024**6, '2048.0 PB'),
        ):
            self.assertEqual(text, columns.format_bytes(value))

    def test_duration(self) -> None:
        for value, text in (
            (-3, '0 s'),
            (0.4, '0 s'),
            (59.6, '1 min 0 s'),
            (494, '8 min 14 s'),
            (3600, '1 h 0 min'),
            (90061, '1 d 1 h'),
        ):
            self.assertEqual(text, columns.format_duration(value))

    def test_time_is_shown_in_utc(self) -> None:
        column = columns.TimeColumn('2026-11-23T10:00:00+08:00')

        self.assertEqual('2026-11-23 02:00:00 UTC', column.human_readable())
        self.assertEqual(
            '2026-11-23T10:00:00+08:00', column.machine_readable()
        )

    def test_schedules_and_retention_in_words(self) -> None:
        schedule = {'times': ['02:00', '14:30'], 'timezone': 'UTC'}
        for days, text in (
            ({'every_days': 1}, 'every day at 02:00, 14:30 UTC'),
            ({'every_days': 3}, 'every 3 days at 02:00, 14:30 UTC'),
            (
                {'weekdays': ['mon', 'thu']},
                'on mon, thu at 02:00, 14:30 UTC',
            ),
        ):
            column = columns.ScheduleColumn(schedule | days)
            self.assertEqual(text, column.human_readable())
        for kind, value, text in (
            ('days', 1, '1 day'),
            ('days', 30, '30 days'),
            ('count', 7, 'the last 7 of each server'),
            ('forever', None, 'for ever'),
        ):
            column = columns.RetentionColumn({'kind': kind, 'value': value})
            self.assertEqual(text, column.human_readable())

    def test_a_limit_of_minus_one_is_none(self) -> None:
        self.assertEqual('unlimited', columns.LimitColumn(-1).human_readable())
        self.assertEqual(-1, columns.LimitColumn(-1).machine_readable())
        self.assertEqual('10', columns.LimitColumn(10).human_readable())

    def test_several_times_are_a_line_each(self) -> None:
        column = columns.TimesColumn(
            ['2026-11-23T10:00:00Z', '2026-11-24T10:00:00Z']
        )
        self.assertEqual(
            '2026-11-23 10:00:00 UTC\n2026-11-24 10:00:00 UTC',
            column.human_readable(),
        )

    def test_a_strange_time_is_shown_as_it_is(self) -> None:
        self.assertEqual('soon', columns.TimeColumn('soon').human_readable())

    def test_nothing_is_nothing(self) -> None:
        for column in (
            columns.DurationColumn,
            columns.FaultColumn,
            columns.GigabytesColumn,
            columns.MappingColumn,
            columns.MonthsColumn,
            columns.PercentColumn,
            columns.RateColumn,
            columns.ServerColumn,
            columns.SizeColumn,
            columns.TextColumn,
            columns.TimeColumn,
            columns.VolumesColumn,
        ):
            self.assertEqual('', column(None).human_readable())
            self.assertIsNone(column(None).machine_readable())

    def test_mapping(self) -> None:
        column = columns.MappingColumn({'server_id': 'x', 'count': 3})

        self.assertEqual('server_id: x\ncount: 3', column.human_readable())

    def test_server_shows_plain_facts_only(self) -> None:
        column = columns.ServerColumn({'name': 'web', 'networks': [1, 2]})

        self.assertEqual('name: web', column.human_readable())
