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

"""When a policy runs: from a schedule to the next moment.

Owns the calendar's rules; does no I/O and never asks for the present. Times
of day are those on a wall clock in the schedule's time zone, whose rules are
those of the IANA time zone database (``zoneinfo``).
"""

import bisect
import dataclasses
import datetime
import functools
import re
import zoneinfo

#: the days of the week as users write them, Monday first
WEEKDAYS = ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')

MAX_EVERY_DAYS = 30

_TIME = re.compile(r'(?:[01][0-9]|2[0-3]):[0-5][0-9]')
_DAY = datetime.timedelta(days=1)
#: the rarest schedule runs weekly; a zone may leave a whole day out
_HORIZON_DAYS = 40


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Times of day, and the days they hold for.

    :ivar times: ``HH:MM``, at least one
    :ivar timezone: a name from the IANA time zone database
    :ivar weekdays: names from :data:`WEEKDAYS`; empty with ``every_days``
    :ivar every_days: days between two runs, counted from the first of each
        month: 3 means the 1st, 4th, 7th ... of every month
    :raises ValueError: with a sentence saying which field is wrong
    """

    times: tuple[str, ...]
    timezone: str = 'UTC'
    weekdays: tuple[str, ...] = ()
    every_days: int | None = None

    def __post_init__(self) -> None:
        if not self.times:
            raise ValueError('times: give at least one time of day.')
        for time in self.times:
            if not _TIME.fullmatch(time):
                raise ValueError(f'times: {time} is not a time like 02:00.')
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f'timezone: there is no time zone {self.timezone}.'
            ) from None
        if bool(self.weekdays) == (self.every_days is not None):
            raise ValueError('weekdays: give either these or every_days.')
        for day in self.weekdays:
            if day not in WEEKDAYS:
                raise ValueError(f'weekdays: {day} is not a day like mon.')
        if (
            self.every_days is not None
            and not 1 <= self.every_days <= MAX_EVERY_DAYS
        ):
            raise ValueError(
                f'every_days: {self.every_days} is not between 1 and '
                f'{MAX_EVERY_DAYS}.'
            )

    def runs_on(self, day: datetime.date) -> bool:
        """Tell whether the schedule holds for a day of its time zone."""
        if self.every_days is not None:
            return (day.day - 1) % self.every_days == 0
        return WEEKDAYS[day.weekday()] in self.weekdays

    def next_after(self, moment: datetime.datetime) -> datetime.datetime:
        """Return the first run later than a moment.

        A time that the clock jumps over in spring runs at the moment of the
        jump; one that it shows twice in autumn runs the first time only.

        :param moment: aware
        :returns: aware, in UTC
        """
        zone = zoneinfo.ZoneInfo(self.timezone)
        times = sorted(self.times)
        # A day earlier: what the clock jumped over belongs to its own day.
        day = moment.astimezone(zone).date() - _DAY
        for _ in range(_HORIZON_DAYS):
            if self.runs_on(day):
                # There may be one for every minute, and a day's times come
                # in the order of its clock, whatever that does.
                place = bisect.bisect_right(
                    times,
                    moment,
                    key=functools.partial(_run_at, day, zone),
                )
                if place < len(times):
                    return wall_time(day, times[place], zone)
            day += _DAY
        raise AssertionError(f'no run of {self} after {moment}')


def _run_at(
    day: datetime.date, zone: zoneinfo.ZoneInfo, time: str
) -> datetime.datetime:
    return wall_time(day, time, zone)


def wall_time(
    day: datetime.date, time: str, zone: zoneinfo.ZoneInfo
) -> datetime.datetime:
    """Return the moment at which a clock first shows a time of a day.

    :param time: ``HH:MM``
    :returns: aware, in UTC; the moment of the jump when no clock shows it
    """
    wall = datetime.datetime.combine(
        day, datetime.time.fromisoformat(time), zone
    )
    moment = wall.astimezone(datetime.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall.replace(
        tzinfo=None
    ):
        return moment
    # PEP 495: in a gap, fold 0 reckons with the offset before the jump and
    # fold 1 with the one after it, so the jump lies between the two.
    low = wall.replace(fold=1).astimezone(datetime.UTC)
    high = moment
    before = low.astimezone(zone).utcoffset()
    while high - low > datetime.timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
