"""From Sparkplug metrics to values, times and qualities. Pure."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from penstock.quality import (
    BAD,
    BAD_NO_DATA,
    BAD_NOT_SUPPORTED,
    BAD_OUT_OF_RANGE,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_LAST_USABLE_VALUE,
    is_good,
)
from penstock.settings.tags import Tag
from penstock.sparkplug import DataType, Metric

Value = float | bool | str

_EXACT: Final = 1 << 53
"""Integers beyond it may not be exact as a float."""
_SIGNED: Final[Mapping[int, int]] = MappingProxyType(
    {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
)
"""Bits of the datatypes in two's complement."""
_QUALITIES: Final[Mapping[int, int]] = MappingProxyType(
    {0: BAD, 192: GOOD, 500: UNCERTAIN_LAST_USABLE_VALUE}
)
"""Of the property `Quality` (payloads_b_quality_codes)."""
_SINGLE: Final = (bool, str, int, float, type(None))
_LAST_MS: Final = 253_402_300_800_000
"""Milliseconds; the year 10000."""


def supported(datatype: int) -> bool:
    """Whether a datatype has a single value that a sample can hold.

    >>> supported(DataType.DOUBLE), supported(DataType.DATASET)
    (True, False)
    """
    return DataType.INT8 <= datatype <= DataType.UUID


def to_value(metric: Metric, datatype: int, tag: Tag) -> tuple[Value, int]:
    """A metric's value, scaled, and its quality.

    >>> tag = Tag(asset="a", tag="t", address="Edge1/Packer01/Weight")
    >>> to_value(Metric(int_value=0xFFFFFFFF), DataType.INT32, tag)
    (-1.0, 0)
    """
    field = metric.WhichOneof("value")
    raw = getattr(metric, field) if field and not metric.is_null else None
    if not supported(datatype) or not isinstance(raw, _SINGLE):
        return math.nan, BAD_NOT_SUPPORTED
    if raw is None:
        return math.nan, BAD_NO_DATA
    quality = _quality(metric)
    if isinstance(raw, bool | str):
        return raw, quality
    if datatype == DataType.BOOLEAN:
        return bool(raw), quality
    number = _number(raw, datatype)
    if isinstance(number, int) and abs(number) > _EXACT and is_good(quality):
        quality = UNCERTAIN
    value = number * tag.scale + tag.offset
    if not math.isfinite(value) and is_good(quality):
        quality = BAD_OUT_OF_RANGE
    return value, quality


def _number(raw: float, datatype: int) -> float:
    bits = _SIGNED.get(datatype)
    if bits and isinstance(raw, int):
        raw &= (1 << bits) - 1  # an Int8 may come in 8 bits or in 32
        return raw - (1 << bits) if raw >> (bits - 1) else raw
    return raw * 1_000 if datatype == DataType.DATETIME else raw  # microseconds, as all our times


def _quality(metric: Metric) -> int:
    """Of the property `Quality`: good where it is absent, bad where it is none that there is."""
    if not metric.HasField("properties"):
        return GOOD
    for key, found in zip(metric.properties.keys, metric.properties.values, strict=False):
        if key == "Quality":
            return _QUALITIES.get(found.int_value or found.long_value, BAD)
    return GOOD


def to_time(metric: Metric, published: int, received: int) -> tuple[int, bool]:
    """When a value was so, and whether that is sure.

    Args:
        metric: Its time stamp counts.
        published: Time stamp of the payload, which counts where the metric has none; ms.
        received: When it came in, which counts where neither makes sense; microseconds.
    """
    for milliseconds in (metric.timestamp, published):
        if milliseconds:
            if milliseconds < _LAST_MS:
                return milliseconds * 1_000, True
            break
    return received, False
