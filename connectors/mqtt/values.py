"""From a JSON payload's values, times and qualities to ours. Pure."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.mqtt.settings import TimeUnit
from penstock.quality import (
    BAD,
    BAD_NO_DATA,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    GOOD,
    UNCERTAIN,
    signed,
)
from penstock.settings.tags import Tag

TYPES: Final = ("number", "bool", "string")
Value = float | bool | str

_EXACT: Final = 1 << 53
"""Integers beyond it may not be exact as a float."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_BOOLS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_PER_UNIT: Final = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
_LAST: Final = 253_402_300_800_000_000
"""Microseconds; the year 10000."""
_FIRST_STATUS: Final = 0x40000000
"""The least OPC UA status code that is not good."""
_DA_UNCERTAIN: Final = range(64, 128)


def to_value(raw: Any, tag: Tag) -> tuple[Value, int]:
    """A JSON value, scaled, and the quality that it deserves.

    A number or a boolean that is written as a text is taken where the tag's type says so.

    >>> to_value(20.5, Tag(asset="a", tag="t", address="x", scale=2)), to_value("12", Tag(
    ...     asset="a", tag="t", address="x", type="number"))
    ((41.0, 0), (12.0, 0))
    """
    if isinstance(raw, str):
        raw = _from_text(raw, tag.type)
        if isinstance(raw, str):
            return raw, GOOD
    if isinstance(raw, bool):
        wanted = tag.type in (None, "bool")
        return (raw, GOOD) if wanted else (math.nan, BAD_TYPE_MISMATCH)
    if isinstance(raw, float | int):
        return _number(raw, tag)
    return math.nan, BAD_NO_DATA if raw is None else BAD_TYPE_MISMATCH


def _from_text(text: str, type_: str | None) -> Any:
    """A text as its tag's type wants it; something that is no JSON value where it cannot be so."""
    if type_ == "bool":
        return _BOOLS.get(text.strip().lower(), ())
    if type_ == "number":
        try:
            return float(text)
        except ValueError:
            return ()
    return text


def _number(raw: float, tag: Tag) -> tuple[Value, int]:
    if tag.type == "bool" and raw in (0, 1):
        return raw == 1, GOOD
    if tag.type in ("bool", "string"):
        return math.nan, BAD_TYPE_MISMATCH
    quality = GOOD
    if isinstance(raw, int) and not -_EXACT <= raw <= _EXACT:
        quality = UNCERTAIN
    try:
        value = float(raw) * tag.scale + tag.offset
    except OverflowError:
        return math.nan, BAD_OUT_OF_RANGE
    return value, quality if math.isfinite(value) else BAD_OUT_OF_RANGE


def to_time(raw: Any, unit: TimeUnit) -> int | None:
    """Microseconds since 1970-01-01 UTC; None where it is no time. ISO without a zone is UTC.

    >>> to_time(1.5, "s"), to_time("1970-01-01T01:00:01+01:00", "iso"), to_time("noon", "iso")
    (1500000, 1000000, None)
    """
    if unit == "iso":
        if not isinstance(raw, str):
            return None
        try:
            time = datetime.fromisoformat(raw)
        except ValueError:
            return None
        return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND
    if isinstance(raw, str):
        try:
            raw = float(raw) if "." in raw else int(raw)
        except ValueError:
            return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    factor, divisor = _PER_UNIT[unit]
    micros = raw * factor // divisor if isinstance(raw, int) else round(raw * factor / divisor)
    return micros if 0 <= micros < _LAST else None


def to_quality(raw: Any, good: Iterable[bool | int | str]) -> int:
    """A device's word on its value as a status code.

    What `good` lists is good; an OPC UA status code stays; `uncertain`, or 64 to 127 as in OPC DA,
    is uncertain; all else is bad.

    >>> to_quality(192, (192,)), to_quality("GOOD", ("good",)), hex(to_quality(64, (192,)))
    (0, 0, '0x40000000')
    """
    text = raw.strip().lower() if isinstance(raw, str) else None
    for one in good:
        if isinstance(one, str) if text is not None else type(one) is type(raw):
            if text == one.lower() if isinstance(one, str) else raw == one:
                return GOOD
    if isinstance(raw, int) and not isinstance(raw, bool):
        if _FIRST_STATUS <= raw < 1 << 32:
            return signed(raw)
        if raw in _DA_UNCERTAIN:
            return UNCERTAIN
    return UNCERTAIN if text == "uncertain" else BAD
