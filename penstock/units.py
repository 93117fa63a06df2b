"""Durations as people write them, with a unit: `500 ms`, `15 min`, `7 d`."""

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MICROSECONDS: Final = {unit: round(seconds * 1e6) for unit, seconds in _SECONDS.items()}
_PATTERN: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)\s*$")


def parse_duration(text: object) -> timedelta:
    """Read a duration with its unit.

    >>> parse_duration("500 ms")
    datetime.timedelta(microseconds=500000)

    Raises:
        ValueError: There is no unit, an unknown one, or no number.
    """
    if isinstance(text, timedelta):
        return text
    match = _PATTERN.match(str(text))
    if not match:
        if isinstance(text, str) and _PATTERN.match(text.replace(",", ".", 1)):
            msg = f"{text!r} is no duration: the decimal sign is a point"
            raise ValueError(msg)
        msg = f"{text!r} is no duration: write number and unit (us ms s min h d), as in '500 ms'"
        raise ValueError(msg)
    number, unit = match.groups()
    try:
        return timedelta(microseconds=round(float(number) * _MICROSECONDS[unit]))
    except OverflowError:
        msg = f"{text!r} is too long a duration"
        raise ValueError(msg) from None


def format_duration(duration: timedelta) -> str:
    """The shortest way to write a duration that `parse_duration` reads back.

    >>> format_duration(timedelta(minutes=15))
    '15 min'
    """
    micros = microseconds(duration)
    for unit in ("d", "h", "min", "s", "ms"):
        if micros and micros % _MICROSECONDS[unit] == 0:
            return f"{micros // _MICROSECONDS[unit]} {unit}"
    return f"{micros} us"


def microseconds(duration: timedelta) -> int:
    """A duration in whole microseconds, the unit of time inside Penstock.

    >>> microseconds(timedelta(seconds=1))
    1000000
    """
    return duration // timedelta(microseconds=1)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": _PATTERN.pattern, "examples": ["500 ms", "15 min"]}
    ),
]
"""A `timedelta` in a settings model, written with its unit."""


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        msg = f"{format_duration(duration)!r} is no time at all: write a duration above zero"
        raise ValueError(msg)
    return duration


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
"""A `Duration` above zero."""
