"""From an OPC UA server's notifications to samples."""

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from asyncua import ua

from penstock.clock import Clock
from penstock.connector import Sample
from penstock.quality import BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, UNCERTAIN, is_good, signed
from penstock.settings.tags import Tag

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME: Final = datetime(1601, 1, 1, tzinfo=UTC)
"""What a time of 0 stands for in OPC UA: none was given."""
_MICROSECOND: Final = timedelta(microseconds=1)
_OVERFLOW: Final = 0x480
"""InfoType DataValue with the overflow bit (OPC 10000-4, 7.39.1)."""
_EXACT: Final = 1 << 53
"""Integers beyond it may not be exact as a float."""

Value = float | bool | str


class Notifications:
    """Turns notifications into samples; remembers each item's last, to know what is sent again.

    A client handle is the index of a tag. After a new subscription a server sends every item's
    current value: where it is the one last seen, with the same source time, it is no new sample but
    says that the value has held all the time. Its source time is then moved to now, on the source's
    clock, so that it ends the gap and stands in the lake beside the first, not twice.

    Args:
        tags: The source's tags.
        clock: Gives the time where neither source nor server do.
    """

    def __init__(self, tags: Sequence[Tag], clock: Clock) -> None:
        self._tags = tags
        self._clock = clock
        self._last: list[tuple[Sample, int] | None] = [None] * len(tags)
        self._resent = bytearray(len(tags))
        self._newest: tuple[int, int] | None = None
        """The source's clock and ours at the last notification."""
        self._waiting: dict[int, int] = {}
        self.lost: list[tuple[int, int, int]] = []
        """Of each gap since it was last looked at: handle, source times before and after it."""
        self.overflows = 0
        """Notifications with the overflow bit, since they were last counted."""

    def subscribed_anew(self) -> None:
        """From now on each item's first notification may be one that was already seen."""
        self._resent = bytearray(b"\x01") * len(self._tags)

    def refused(self, codes: Mapping[int, int]) -> list[Sample]:
        """Samples of tags whose nodes the server does not give us, by handle and status code.

        They are stamped by the source's clock, that they overtake no good ones. Until that is known
        they wait for the first notification; where nothing is granted, our clock must do.
        """
        self._waiting |= codes
        return self._refusals() if self._newest or len(codes) == len(self._tags) else []

    def _refusals(self) -> list[Sample]:
        now = self._clock()
        time = now if self._newest is None else self._newest[0] + now - self._newest[1]
        found = [
            Sample(self._tags[handle].asset, self._tags[handle].tag, math.nan, time, None,
                   signed(status))
            for handle, status in self._waiting.items()
        ]  # fmt: skip
        self._waiting.clear()
        return found

    def samples(self, items: Iterable[ua.MonitoredItemNotification]) -> list[Sample]:
        """The samples of one data-change notification, in its order."""
        now = self._clock()
        found = []
        for item in items:
            handle: int = item.ClientHandle
            if handle >= len(self._tags):
                continue
            sample = self._sample(self._tags[handle], item.Value, now)
            if self._resent[handle]:
                self._resent[handle] = 0
                last = self._last[handle]
                if last is not None and _same(sample, last[0]):
                    found.append(sample._replace(source_time=sample.source_time + now - last[1]))
                    continue
                if last is not None and sample.source_time > last[0].source_time:
                    self.lost.append((handle, last[0].source_time, sample.source_time))
            self._last[handle] = sample, now
            found.append(sample)
        if found:
            self._newest = max(sample.source_time for sample in found), now
        return found + self._refusals() if self._waiting and found else found

    def history(self, handle: int, values: Iterable[ua.DataValue]) -> list[Sample]:
        """Samples of values that the server kept; they are older than the last one."""
        return [self._sample(self._tags[handle], value, self._clock()) for value in values]

    def _sample(self, tag: Tag, data: ua.DataValue, now: int) -> Sample:
        status: int = data.StatusCode.value if data.StatusCode is not None else 0
        if status & _OVERFLOW == _OVERFLOW:
            self.overflows += 1
        server = microseconds(data.ServerTimestamp)
        source = microseconds(data.SourceTimestamp)
        if source is None:
            source = now if server is None else server
        value, quality = to_value(data.Value, signed(status), tag)
        return Sample(tag.asset, tag.tag, value, source, server, quality)


def _same(one: Sample, other: Sample) -> bool:
    return (
        one.source_time == other.source_time
        and one.quality == other.quality
        and (one.value == other.value or (one.value != one.value and other.value != other.value))
    )


def microseconds(time: datetime | None) -> int | None:
    """A server's time in microseconds since 1970-01-01 UTC; None where it gives none.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    if time is None or time == _NO_TIME:
        return None
    return (time - _EPOCH) // _MICROSECOND


def to_value(variant: ua.Variant | None, quality: int, tag: Tag) -> tuple[Value, int]:
    """A variant's value, scaled, and the quality that it deserves.

    What the server says is bad stays so with its own code. What has no single value, or not the
    declared type, is NaN with `BadTypeMismatch`; what is not finite is `BadOutOfRange`; an integer
    too great to be exact is uncertain.

    >>> to_value(ua.Variant(21, ua.VariantType.Int16), 0, Tag(asset="a", tag="t", address="i=1"))
    (21.0, 0)
    """
    raw = None if variant is None or variant.is_array else variant.Value
    if isinstance(raw, bool):
        value: Value = raw
    elif isinstance(raw, float | int):
        if not -_EXACT <= raw <= _EXACT and isinstance(raw, int):
            quality = quality | UNCERTAIN if is_good(quality) else quality
        value = float(raw) * tag.scale + tag.offset
        if not math.isfinite(value):
            return value, BAD_OUT_OF_RANGE if is_good(quality) else quality
    else:
        text = _text(raw)
        if isinstance(text, float):
            return text, quality
        if text is None:
            return math.nan, BAD_TYPE_MISMATCH if is_good(quality) else quality
        value = text
    if tag.type is not None and isinstance(value, str) != tag.declares_text:
        return math.nan, BAD_TYPE_MISMATCH if is_good(quality) else quality
    return value, quality


def _text(raw: object) -> str | float | None:
    """What is no plain number: text as text, a time as microseconds since 1970, else None."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, ua.LocalizedText):
        return raw.Text
    if isinstance(raw, ua.QualifiedName):
        return raw.Name
    if isinstance(raw, datetime):
        time = microseconds(raw)
        return None if time is None else float(time)
    return str(raw) if isinstance(raw, uuid.UUID) else None
