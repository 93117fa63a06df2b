"""When it is planned to produce: shifts, planned stops and production days, in absolute time.

A shift is given in the site's local time, so on the nights when clocks are changed it is an hour
shorter or longer. It belongs to the **production day** that it began in, whose date is the local
date on which that day began. `days` and holidays speak of production days.

A time of day that the spring change leaves out is taken as an hour later; one that the autumn
change gives twice is taken as the first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from penstock.settings.plant import Plant
from penstock.settings.production import Calendar
from penstock.units import microseconds

PLANNED: Final = "planned"
PLANNED_STOP: Final = "planned_stop"
NOT_SCHEDULED: Final = "not_scheduled"
PLANNINGS: Final = (PLANNED, PLANNED_STOP, NOT_SCHEDULED)
"""What may be planned for a time; planned operation time is the first two."""
_DAY_US: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = date(1900, 1, 1)
_LAST: Final = date(2300, 1, 1)
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Span = tuple[int, int]
"""From the first to before the second, microseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift on one day.

    Args:
        name: As the calendar names it.
        day: Date of the production day.
        start: Microseconds since 1970-01-01 UTC.
        end: As `start`; the shift ends before.
        stops: Planned stops within it, ascending.
    """

    name: str
    day: date
    start: int
    end: int
    stops: tuple[Span, ...]


@dataclass(frozen=True)
class ShiftCalendar:
    """Shifts of one calendar at one site.

    Args:
        calendar: As configured.
        timezone: IANA name.
        day_starts: When the production day begins, `HH:MM`.
    """

    calendar: Calendar
    timezone: str = "UTC"
    day_starts: str = "00:00"
    _days: dict[date, tuple[Shift, ...]] = field(default_factory=dict, repr=False, compare=False)

    def shifts(self, begin: int, end: int) -> list[Shift]:
        """The shifts that hold any time from `begin` until before `end`, in order.

        Before 1900 and after 2300 there are none.
        """
        first, last = _day_of(begin, -2), _day_of(end, 1)
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [
            one
            for day in days
            for one in self._shifts_of(day)
            if one.start < end and one.end > begin
        ]

    def planning(self, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
        """(begin, end, one of `PLANNINGS`) of the pieces of a span, in order, without gaps."""
        at = begin
        for shift in self.shifts(begin, end):
            for start, stop, what in _parts(shift):
                start, stop = max(start, at), min(stop, end)  # noqa: PLW2901 - cut to the span
                if start < stop:
                    if at < start:
                        yield at, start, NOT_SCHEDULED
                    yield start, stop, what
                    at = stop
        if at < end:
            yield at, end, NOT_SCHEDULED

    @property
    def text(self) -> str:
        """All of it in one line."""
        free = sorted(day.isoformat() for day in self.calendar.free_days)
        return f"{self.calendar.model_dump_json()} {self.timezone} {self.day_starts} {free}"

    def _shifts_of(self, day: date) -> tuple[Shift, ...]:
        """The shifts of a production day, in order."""
        known = self._days.get(day)
        if known is None:
            works = _WEEKDAYS[day.weekday()] in self.calendar.days
            planned = works and day not in self.calendar.free_days and _FIRST <= day < _LAST
            found = [self._shift(name, day) for name in self.calendar.shifts] if planned else []
            known = self._days[day] = tuple(sorted(found, key=lambda shift: shift.start))
        return known

    def _shift(self, name: str, day: date) -> Shift:
        begin, _, end = self.calendar.shifts[name].partition("-")
        local = day if begin >= self.day_starts else day + timedelta(days=1)
        start = self._absolute(local, begin)
        stop = self._absolute(local if end > begin else local + timedelta(days=1), end)
        stops = []
        for one in self.calendar.planned_stops:
            if one.shift == name:
                at = self._absolute(local if one.at >= begin else local + timedelta(days=1), one.at)
                stops.append((max(at, start), min(at + microseconds(one.duration), stop)))
        inside = tuple(sorted(span for span in stops if span[0] < span[1]))
        return Shift(name, day, start, stop, inside)

    def _absolute(self, day: date, text: str) -> int:
        local = datetime.combine(day, time.fromisoformat(text), ZoneInfo(self.timezone))
        return microseconds(local.astimezone(UTC) - _EPOCH)


def calendars_of(plant: Plant) -> dict[str, ShiftCalendar]:
    """The plant's calendars, by name."""
    site = plant.site
    return {
        name: ShiftCalendar(calendar, site.timezone, site.day_starts)
        for name, calendar in plant.calendars.items()
    }


def _parts(shift: Shift) -> Iterator[tuple[int, int, str]]:
    at = shift.start
    for begin, end in shift.stops:
        if begin > at:
            yield at, begin, PLANNED
        yield max(begin, at), end, PLANNED_STOP
        at = max(at, end)
    yield at, shift.end, PLANNED


def _day_of(time: int, more: int) -> date:
    """The UTC date of a time, and some days more, within what a calendar knows."""
    least, most = ((day - _EPOCH.date()).days for day in (_FIRST, _LAST))
    return _EPOCH.date() + timedelta(days=min(max(time // _DAY_US + more, least), most))
