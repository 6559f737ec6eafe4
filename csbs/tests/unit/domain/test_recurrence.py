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

"""The calendar: which moment a schedule runs next."""

import datetime
import zoneinfo

import hypothesis
from hypothesis import strategies as st

from csbs.domain import recurrence
from csbs.tests import base

_UTC = datetime.UTC

_SCHEDULES = st.builds(
    lambda times, zone, days: recurrence.Schedule(
        times=tuple(f'{time:%H:%M}' for time in times), timezone=zone, **days
    ),
    times=st.lists(st.times(), min_size=1, max_size=4),
    zone=st.sampled_from(
        ['UTC', 'Europe/Berlin', 'Asia/Shanghai', 'Australia/Lord_Howe']
    ),
    days=st.one_of(
        st.builds(lambda n: {'every_days': n}, st.integers(1, 30)),
        st.builds(
            lambda days: {'weekdays': tuple(days)},
            st.sets(st.sampled_from(recurrence.WEEKDAYS), min_size=1),
        ),
    ),
)
_MOMENTS = st.datetimes(
    min_value=datetime.datetime(2000, 1, 1),
    max_value=datetime.datetime(2040, 1, 1),
    timezones=st.just(_UTC),
)


def _utc(*fields: int) -> datetime.datetime:
    return datetime.datetime(*fields, tzinfo=_UTC)


class ScheduleTest(base.TestCase):
    def test_every_days_starts_again_on_the_first(self) -> None:
        schedule = recurrence.Schedule(times=('02:00',), every_days=3)
        # As in the guide: made on the 2nd, it first runs on the 4th.
        run = schedule.next_after(_utc(2026, 2, 2, 12))
        self.assertEqual(_utc(2026, 2, 4, 2), run)
        self.assertEqual(
            _utc(2026, 3, 1, 2), schedule.next_after(_utc(2026, 2, 28, 2))
        )

    def test_weekdays(self) -> None:
        schedule = recurrence.Schedule(
            times=('23:30', '01:15'), weekdays=('mon', 'fri')
        )
        run = schedule.next_after(_utc(2026, 11, 24))
        self.assertEqual(_utc(2026, 11, 27, 1, 15), run)
        run = schedule.next_after(run)
        self.assertEqual(_utc(2026, 11, 27, 23, 30), run)
        run = schedule.next_after(run)
        self.assertEqual(_utc(2026, 11, 30, 1, 15), run)

    def test_wall_clock_of_the_time_zone(self) -> None:
        schedule = recurrence.Schedule(
            times=('02:00',), timezone='Asia/Shanghai', weekdays=('tue',)
        )
        self.assertEqual(
            _utc(2026, 11, 23, 18), schedule.next_after(_utc(2026, 11, 23))
        )

    def test_time_that_does_not_exist_runs_at_the_jump(self) -> None:
        schedule = recurrence.Schedule(
            times=('02:30',), timezone='Europe/Berlin', every_days=1
        )
        run = schedule.next_after(_utc(2026, 3, 28, 12))
        self.assertEqual(_utc(2026, 3, 29, 1), run)
        self.assertEqual(_utc(2026, 3, 30, 0, 30), schedule.next_after(run))

    def test_time_that_exists_twice_runs_once(self) -> None:
        schedule = recurrence.Schedule(
            times=('02:30',), timezone='Europe/Berlin', every_days=1
        )
        run = schedule.next_after(_utc(2026, 10, 24, 12))
        self.assertEqual(_utc(2026, 10, 25, 0, 30), run)
        self.assertEqual(_utc(2026, 10, 26, 1, 30), schedule.next_after(run))

    def test_day_that_does_not_exist(self) -> None:
        # Samoa went over the date line and had no 30 December 2011.
        schedule = recurrence.Schedule(
            times=('12:00',), timezone='Pacific/Apia', weekdays=('fri',)
        )
        run = schedule.next_after(_utc(2011, 12, 29))
        self.assertEqual(_utc(2011, 12, 30, 10), run)

    def test_says_which_field_is_wrong(self) -> None:
        good = {'times': ('02:00',), 'every_days': 1}
        for field, wrong in (
            ('times', {'times': ()}),
            ('times', {'times': ('24:00',)}),
            ('times', {'times': ('2:00',)}),
            ('timezone', {'timezone': 'Mars/Olympus'}),
            ('timezone', {'timezone': '../etc/passwd'}),
            ('weekdays', {'every_days': None, 'weekdays': ('monday',)}),
            ('weekdays', {'weekdays': ('mon',)}),
            ('weekdays', {'every_days': None}),
            ('every_days', {'every_days': 0}),
            ('every_days', {'every_days': 31}),
        ):
            error = self.assertRaises(
                ValueError, recurrence.Schedule, **{**good, **wrong}
            )
            self.assertIn(field, str(error), wrong)

    def test_a_time_for_every_minute(self) -> None:
        schedule = recurrence.Schedule(
            times=tuple(
                f'{hour:02}:{minute:02}'
                for hour in reversed(range(24))
                for minute in range(60)
            ),
            timezone='Europe/Berlin',
            every_days=1,
        )
        for moment, expected in (
            (_utc(2026, 3, 29, 0, 58, 30), _utc(2026, 3, 29, 0, 59)),
            # The clock jumps; nothing is left out, nothing comes twice.
            (_utc(2026, 3, 29, 0, 59), _utc(2026, 3, 29, 1)),
            (_utc(2026, 3, 29, 1), _utc(2026, 3, 29, 1, 1)),
            # It goes back: the second time of the hour is not run.
            (_utc(2026, 10, 25, 0, 59), _utc(2026, 10, 25, 2)),
        ):
            self.assertEqual(expected, schedule.next_after(moment))

    @hypothesis.given(_SCHEDULES, _MOMENTS)
    @hypothesis.settings(deadline=None, max_examples=80)
    def test_next_is_later_and_nothing_lies_between(
        self, schedule: recurrence.Schedule, moment: datetime.datetime
    ) -> None:
        run = schedule.next_after(moment)
        self.assertGreater(run, moment)
        middle = moment + (run - moment) / 2
        self.assertEqual(run, schedule.next_after(middle))

    @hypothesis.given(_SCHEDULES, _MOMENTS)
    @hypothesis.settings(deadline=None, max_examples=80)
    def test_it_is_the_first_of_all(
        self, schedule: recurrence.Schedule, moment: datetime.datetime
    ) -> None:
        zone = zoneinfo.ZoneInfo(schedule.timezone)
        first = moment.astimezone(zone).date() - datetime.timedelta(days=2)
        days = [first + datetime.timedelta(days=n) for n in range(40)]
        runs = [
            recurrence.wall_time(day, time, zone)
            for day in days
            if schedule.runs_on(day)
            for time in schedule.times
        ]
        self.assertEqual(
            min(run for run in runs if run > moment),
            schedule.next_after(moment),
        )

    @hypothesis.given(_SCHEDULES, _MOMENTS)
    @hypothesis.settings(deadline=None, max_examples=80)
    def test_every_time_runs_once_a_day(
        self, schedule: recurrence.Schedule, moment: datetime.datetime
    ) -> None:
        zone = zoneinfo.ZoneInfo(schedule.timezone)
        first = run = schedule.next_after(moment)
        walls = []
        while run - first < datetime.timedelta(days=8):
            wall = run.astimezone(zone)
            self.assertTrue(schedule.runs_on(wall.date()))
            walls.append(wall.replace(tzinfo=None))
            run = schedule.next_after(run)
        self.assertEqual(len(set(walls)), len(walls))
