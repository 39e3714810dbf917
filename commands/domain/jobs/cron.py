"""Cron lines: five fields that say in which minutes something happens, in a time zone.

A field is `*`, or numbers, ranges and steps separated by commas: `0,30`, `9-17`, `*/15`,
`MON-FRI`. The fields are minute, hour, day of the month, month, and day of the week (0 and 7
are Sunday). If both days are restricted, either is enough, as in every cron.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DAYS = "SUN MON TUE WED THU FRI SAT".split()
# A line such as `0 0 29 2 *` can wait for eight years; any that names a day comes before this.
_MOST_DAYS = 366 * 9


@dataclass(frozen=True, slots=True)
class Cron:
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # Whether a day of the month, or a day of the week, is asked for.
    by_day: bool
    by_weekday: bool

    def next_after(self, now_ms: int, zone: tzinfo) -> int | None:
        """The first such minute after a moment, in epoch milliseconds; None if there is none.

        A time that the clocks skip is left out, and one that they repeat counts once.
        """
        try:
            local = datetime.fromtimestamp(now_ms // 1000, zone)
            for number in range(_MOST_DAYS):
                day = local.date() + timedelta(days=number)
                if self._is_on(day):
                    found = self._first_on(day, zone, now_ms)
                    if found is not None:
                        return found
        except (OverflowError, OSError, ValueError):
            # The clock is set to a time that calendars do not have.
            return None
        return None

    def _is_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.by_day and self.by_weekday:
            return in_month or in_week
        return in_month and in_week

    def _first_on(self, day: date, zone: tzinfo, now_ms: int) -> int | None:
        for hour in self.hours:
            for minute in self.minutes:
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                moment = local.astimezone(UTC)
                exists = moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                at = int(moment.timestamp()) * 1000
                if exists and at > now_ms:
                    return at
        return None


def parse_cron(line: str) -> Cron:
    """Parse a cron line; ValueError, with the reason, if it is not one."""
    fields = line.split()
    if len(fields) != 5:
        raise ValueError("it must have five fields: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    weekdays = {number % 7 for number in _numbers(weekday, "weekday", 0, 7, _DAYS, 0)}
    return Cron(
        tuple(sorted(_numbers(minute, "minute", 0, 59))),
        tuple(sorted(_numbers(hour, "hour", 0, 23))),
        frozenset(_numbers(day, "day", 1, 31)),
        frozenset(_numbers(month, "month", 1, 12, _MONTHS, 1)),
        frozenset(weekdays),
        not day.startswith("*"),
        not weekday.startswith("*"),
    )


def _numbers(
    text: str, what: str, low: int, high: int, names: list[str] | None = None, first: int = 0
) -> set[int]:
    numbers: set[int] = set()

    def number(word: str) -> int:
        if names is not None and word.upper() in names:
            return names.index(word.upper()) + first
        if not (word.isascii() and word.isdigit() and len(word) < 4 and low <= int(word) <= high):
            raise ValueError(f"the {what} must be from {low} to {high}, not '{word}'")
        return int(word)

    for part in text.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isascii() and step.isdigit() and len(step) < 4 and int(step)):
            raise ValueError(f"the step of the {what} must be a number, not '{step}'")
        start, dash, end = span.partition("-")
        if span == "*":
            begin, last = low, high
        elif dash:
            begin, last = number(start), number(end)
        else:
            begin = number(start)
            last = high if slash else begin
        if begin > last:
            raise ValueError(f"the {what} has a range that ends before it begins: '{span}'")
        numbers.update(range(begin, last + 1, int(step) if slash else 1))
    return numbers


def find_zone(name: str) -> tzinfo:
    """The time zone with this name; ValueError if the system has none."""
    if name == "UTC":
        # It needs no table of zones, which small systems do not have.
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        # Names are also tried as files: what is none may fail in several ways.
        raise ValueError(f"there is no time zone '{name}'") from None
