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

"""How values look: plain for people, exact for programs.

Owns the formatting of sizes, times and faults. A table shows the human form;
``-f json``, ``-f value`` and their kind get the value as the API gave it.
"""

from collections.abc import Iterable
import datetime
from typing import Any

from cliff import columns

_UNITS = ('bytes', 'KB', 'MB', 'GB', 'TB', 'PB')


def format_bytes(value: float) -> str:
    """Return a size for people, in units of 1024 as Cinder counts.

    :param value: bytes
    """
    size = float(value)
    for unit in _UNITS:
        # 1023.95 would be shown as 1024.0 of the smaller unit
        if size < 1023.95 or unit == _UNITS[-1]:
            break
        size /= 1024
    if unit == 'bytes':
        return f'{size:.0f} bytes'
    return f'{size:.1f} {unit}'


def format_duration(seconds: float) -> str:
    """Return a time span for people, in its two largest units.

    :param seconds: its length
    """
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (('d', 86400), ('h', 3600), ('min', 60), ('s', 1)):
        count, left = divmod(left, length)
        if count or parts or unit == 's':
            parts.append(f'{count} {unit}')
    return ' '.join(parts[:2])


class SizeColumn(columns.FormattableColumn[Any]):
    """A size in bytes."""

    def human_readable(self) -> str:
        return '' if self._value is None else format_bytes(self._value)


class GigabytesColumn(columns.FormattableColumn[Any]):
    """A size in GB (2**30 bytes)."""

    def human_readable(self) -> str:
        return '' if self._value is None else f'{self._value} GB'


class RateColumn(columns.FormattableColumn[Any]):
    """Bytes a second."""

    def human_readable(self) -> str:
        return '' if self._value is None else f'{format_bytes(self._value)}/s'


class DurationColumn(columns.FormattableColumn[Any]):
    """A time span in seconds."""

    def human_readable(self) -> str:
        return '' if self._value is None else format_duration(self._value)


class PercentColumn(columns.FormattableColumn[Any]):
    """A share of a hundred."""

    def human_readable(self) -> str:
        return '' if self._value is None else f'{self._value}%'


class MonthsColumn(columns.FormattableColumn[Any]):
    """A number of months."""

    def human_readable(self) -> str:
        if self._value is None:
            return ''
        return '1 month' if self._value == 1 else f'{self._value} months'


class TimeColumn(columns.FormattableColumn[Any]):
    """An instant, RFC 3339 in UTC as the API gives it."""

    def human_readable(self) -> str:
        if not self._value:
            return ''
        try:
            instant = datetime.datetime.fromisoformat(self._value)
        except ValueError:
            return str(self._value)
        if instant.tzinfo is not None:
            instant = instant.astimezone(datetime.UTC)
        return f'{instant:%Y-%m-%d %H:%M:%S} UTC'


class TextColumn(columns.FormattableColumn[Any]):
    """A text that may be missing: nothing in a table, null in JSON."""

    def human_readable(self) -> str:
        return '' if self._value is None else str(self._value)


class FaultColumn(columns.FormattableColumn[Any]):
    """Why something failed: a sentence and its code."""

    def human_readable(self) -> str:
        if not self._value:
            return ''
        return f'{self._value.get("message")} ({self._value.get("code")})'


class MappingColumn(columns.FormattableColumn[Any]):
    """A mapping, a line for each key."""

    def human_readable(self) -> str:
        return '\n'.join(
            f'{key}: {value}' for key, value in (self._value or {}).items()
        )


class ListColumn(columns.FormattableColumn[Any]):
    """Several words: separated by commas in a table."""

    def human_readable(self) -> str:
        return ', '.join(str(one) for one in self._value or ())


class TimesColumn(columns.FormattableColumn[Any]):
    """Several instants, a line for each."""

    def human_readable(self) -> str:
        instants = [TimeColumn(one) for one in self._value or ()]
        return '\n'.join(one.human_readable() for one in instants)


class PauseColumn(columns.FormattableColumn[Any]):
    """A short time span in seconds."""

    def human_readable(self) -> str:
        return '' if self._value is None else f'{self._value:.2f} s'


class DaysColumn(columns.FormattableColumn[Any]):
    """A number of days."""

    def human_readable(self) -> str:
        return '' if self._value is None else days(self._value)


class ScheduleColumn(columns.FormattableColumn[Any]):
    """When a policy runs, in words."""

    def human_readable(self) -> str:
        schedule = self._value or {}
        if schedule.get('every_days'):
            count = schedule['every_days']
            when = 'every day' if count == 1 else f'every {count} days'
        else:
            when = f'on {", ".join(schedule.get("weekdays") or ())}'
        times = ', '.join(schedule.get('times') or ())
        return f'{when} at {times} {schedule.get("timezone")}'


class RetentionColumn(columns.FormattableColumn[Any]):
    """How long a policy keeps its backups, in words."""

    def human_readable(self) -> str:
        retention = self._value or {}
        value = retention.get('value')
        match retention.get('kind'):
            case 'days':
                return days(value or 0)
            case 'count':
                return f'the last {value} of each server'
        return 'for ever'


class LimitColumn(columns.FormattableColumn[Any]):
    """A limit, of which -1 is none."""

    def human_readable(self) -> str:
        return 'unlimited' if self._value == -1 else str(self._value)


def days(count: int) -> str:
    """Return a number of days for people."""
    return '1 day' if count == 1 else f'{count} days'


def _volume_line(volume: dict[str, Any]) -> str:
    words = [
        str(volume.get('device') or ''),
        str(volume.get('volume_name') or volume.get('name') or ''),
        f'{volume.get("size_gb")} GB',
    ]
    if volume.get('bootable'):
        words.append('bootable')
    return ', '.join(word for word in words if word)


class VolumesColumn(columns.FormattableColumn[Any]):
    """The volumes of a server or the items of a backup, a line for each."""

    def human_readable(self) -> str:
        volumes: Iterable[dict[str, Any]] = self._value or ()
        return '\n'.join(_volume_line(volume) for volume in volumes)


class ServerColumn(columns.FormattableColumn[Any]):
    """The stored description of a server: its plain facts in a table."""

    def human_readable(self) -> str:
        return '\n'.join(
            f'{key}: {value}'
            for key, value in (self._value or {}).items()
            if isinstance(value, (str, int, float))
        )
