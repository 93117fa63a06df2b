"""Reads holidays from an iCalendar file (RFC 5545): the days on which nothing is planned.

Each event makes the days that it touches free: all-day events by their dates, others by their local
dates. Repeated events (`RRULE`) are followed up to the year 2100, less the dates in `EXDATE`.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from dateutil.rrule import rrulestr
from icalendar import Calendar as ICalendar

from penstock.errors import ConfigurationError

_TIME_OF_UNTIL: Final = re.compile(r"(UNTIL=\d{8})T\d{6}Z?", re.IGNORECASE)
_LAST: Final = datetime(2100, 1, 1)  # noqa: DTZ001 - dates of a calendar have no zone


def read_holidays(path: Path, shown: Path | None = None) -> frozenset[date]:
    """The free days; errors name the file as `shown`, else as `path`.

    Raises:
        ConfigurationError: The file cannot be read or is no iCalendar file.
    """
    where = str(shown or path)
    try:
        calendar = ICalendar.from_ical(path.read_bytes())
        events = list(calendar.walk("VEVENT"))
        days = frozenset(day for event in events for day in _days(event))
    except OSError as error:
        msg = f"the holidays cannot be read: {error.strerror}"
        raise ConfigurationError(msg, where=where, remedy="correct 'holidays'") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        msg = f"is no iCalendar file: {error}"
        remedy = "export the calendar as .ics (iCalendar, RFC 5545)"
        raise ConfigurationError(msg, where=where, remedy=remedy) from error
    if not days:
        remedy = "add events, or remove 'holidays'"
        msg = "holds no event"
        raise ConfigurationError(msg, where=where, remedy=remedy)
    return days


def _days(event: Any) -> Iterator[date]:
    start = event["DTSTART"].dt
    first, length = _date(start), _length(event, start)
    without = {_date(one.dt) for listed in _listed(event.get("EXDATE")) for one in listed.dts}
    begins: list[date] = [first]
    if (rule := event.get("RRULE")) is not None:
        origin = datetime.combine(first, time())
        repeated = rrulestr(_local(rule.to_ical().decode()), dtstart=origin)
        begins = [one.date() for one in repeated.between(origin, _LAST, inc=True)]
    for begin in begins:
        if begin not in without:
            yield from (begin + timedelta(days=n) for n in range(length))


def _local(rule: str) -> str:
    """A rule whose UNTIL is a plain date, as its events' dates are."""
    return _TIME_OF_UNTIL.sub(r"\1", rule)


def _length(event: Any, start: Any) -> int:
    """How many days an event touches."""
    if "DTEND" in event:
        end = event["DTEND"].dt
        last = _date(end) if _midnight(end) else _date(end) + timedelta(days=1)
        return max(1, (last - _date(start)).days)
    if "DURATION" in event:
        length: timedelta = event["DURATION"].dt
        return max(1, -(-length // timedelta(days=1)))
    return 1


def _midnight(moment: Any) -> bool:
    return not isinstance(moment, datetime) or moment.time() == time()


def _date(moment: Any) -> date:
    found: date = moment.date() if isinstance(moment, datetime) else moment
    return found


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
