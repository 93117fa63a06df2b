"""From the records of one partition to the columns that operators take, in two steps.

`BatchDecoder.parse` reads and checks records; those that cannot be read come back as failures, and
the others as `ParsedEvent`s, of which the caller may drop some (duplicates). `BatchDecoder.batch`
joins the rest into one `SampleBatch`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penstock.codec.avro_read import (
    SeveralBlocksError,
    constant,
    cut_off,
    read_long,
    read_string,
    read_strings,
    read_varint,
)
from penstock.codec.checks import check_tags, find_faults
from penstock.codec.generic import is_current
from penstock.codec.sensor_event import NAME, read_columns, read_event_generic
from penstock.errors import DecodeError
from penstock.operator import Names, SampleBatch
from penstock.quality import GOOD, good_mask
from schemas import Kind, SensorEvent, schema_text

_MOST_HEADERS: Final = 16_384
"""Encodings of (asset, source, session) remembered; a session ends when its connector restarts."""
_MOST_TAG_SETS: Final = 8
"""Encodings of `tags` remembered of each header; with a deadband they vary from event to event."""
_ALL_GOOD: Final = constant([GOOD], np.int32)
_NO_OFFSET: Final = constant([0.0], np.float64)


class RawRecord(NamedTuple):
    """A record as Kafka gives it, less its framing."""

    offset: int
    body: bytes
    writer_schema: str | None = None
    """The schema that it was written with; None for this release's."""


class ParsedEvent(NamedTuple):
    """An event that follows its schema and makes sense, with its names as integers."""

    offset: int
    """Kafka offset of its record."""
    stream: int
    """Id of its (asset, source)."""
    series: NDArray[np.int32]
    """(K) ids of its (asset, source, tag)s."""
    event: SensorEvent


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that cannot be read."""

    index: int
    """Its place among the records given to `parse`."""
    error: DecodeError


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of records: every one is in `events` or in `failures`, both in order."""

    events: list[ParsedEvent]
    failures: list[Failure]


class _TagSet(NamedTuple):
    encoding: bytes
    """Of the whole array, with its terminator: nothing shorter tells two sets apart."""
    tags: tuple[str, ...]
    series: NDArray[np.int32]


class _Header(NamedTuple):
    asset: str
    source: str
    session: str
    stream: int
    tag_sets: list[_TagSet]


class BatchDecoder:
    """Decodes the records of one partition; owns the integers of its names."""

    def __init__(self) -> None:
        self.streams = Names()
        self.series = Names()
        self._headers: dict[bytes, _Header] = {}

    def parse(self, records: Sequence[RawRecord]) -> Parsed:
        """Read records; one that cannot be read spoils no other."""
        events, indices, failures = [], [], []
        for index, record in enumerate(records):
            try:
                events.append(self._parse(record))
            except DecodeError as error:
                error.where = f"offset {record.offset}"
                failures.append(Failure(index, error))
            else:
                indices.append(index)
        faults = find_faults([event.event for event in events])
        if faults:
            for i, fault in faults.items():
                where = f"offset {events[i].offset}"
                failures.append(Failure(indices[i], DecodeError(fault, where=where)))
            failures.sort(key=lambda failure: failure.index)
            events = [event for i, event in enumerate(events) if i not in faults]
        return Parsed(events, failures)

    def identify(self, offset: int, event: SensorEvent) -> ParsedEvent:
        """Give the names of an event that was decoded and checked elsewhere their integers."""
        stream = self.streams.id((event.asset, event.source))
        return ParsedEvent(
            offset, stream, self._series(event.asset, event.source, event.tags), event
        )

    def batch(self, parsed: Sequence[ParsedEvent]) -> SampleBatch:
        """Join events into columns, in their order."""
        events = [item.event for item in parsed]
        sizes = np.array([len(event.values) for event in events], np.int64)
        counts = _join([event.counts for event in events], np.int64)
        starts = np.array([event.start for event in events], np.int64)
        offsets = [event.offsets if len(event.offsets) else _NO_OFFSET for event in events]
        time = _spread(offsets, sizes, np.float64).astype(np.int64) + np.repeat(starts, sizes)
        value = _join([event.values for event in events], np.float64)
        kind = _kinds(events, counts)
        return SampleBatch(
            stream=np.array([item.stream for item in parsed], np.int32),
            ingest=np.array([event.ingest for event in events], np.int64),
            offset=np.array([item.offset for item in parsed], np.int64),
            record=np.repeat(np.arange(len(events), dtype=np.int32), sizes),
            series=np.repeat(_join([item.series for item in parsed], np.int32), counts),
            time=time,
            value=value,
            good=_good(events, sizes, value),
            kind=kind,
            texts=_join_texts(events, sizes, kind, value),
            streams=self.streams,
            series_names=self.series,
        )

    def _parse(self, record: RawRecord) -> ParsedEvent:
        offset, body, writer_schema = record
        if writer_schema is None or is_current(writer_schema, NAME):
            try:
                return self._read(offset, body)
            except IndexError as error:
                raise cut_off() from error
            except SeveralBlocksError:
                writer_schema = schema_text(NAME)
        return self.identify(offset, read_event_generic(body, writer_schema))

    def _read(self, offset: int, body: bytes) -> ParsedEvent:
        """`penstock.codec.sensor_event.read_event`, with known names by their bytes."""
        end = 0
        for _ in range(3):
            size, end = read_varint(body, end)
            end += size >> 1
        header = self._headers.get(body[:end])
        if header is None:
            header = self._new_header(body)
        sequence, position = read_long(body, end)
        start, position = read_long(body, position)
        ingest, position = read_long(body, position)
        for known in header.tag_sets:
            if body.startswith(known.encoding, position):
                tag_set = known
                break
        else:
            tag_set = self._new_tag_set(header, body, position)
        columns = read_columns(body, position + len(tag_set.encoding))
        asset, source, session, stream, _ = header
        event = SensorEvent(asset, source, session, sequence, start, ingest, tag_set.tags, *columns)
        return ParsedEvent(offset, stream, tag_set.series, event)

    def _new_header(self, body: bytes) -> _Header:
        asset, end = read_string(body, 0)
        source, end = read_string(body, end)
        session, end = read_string(body, end)
        if len(self._headers) >= _MOST_HEADERS:
            self._headers.clear()
        header = _Header(asset, source, session, self.streams.id((asset, source)), [])
        self._headers[body[:end]] = header
        return header

    def _new_tag_set(self, header: _Header, body: bytes, position: int) -> _TagSet:
        tags, end = read_strings(body, position)
        check_tags(tags)
        series = self._series(header.asset, header.source, tags)
        tag_set = _TagSet(body[position:end], tags, series)
        header.tag_sets.insert(0, tag_set)
        del header.tag_sets[_MOST_TAG_SETS:]
        return tag_set

    def _series(self, asset: str, source: str, tags: Sequence[str]) -> NDArray[np.int32]:
        return np.array([self.series.id((asset, source, tag)) for tag in tags], np.int32)


def _join(columns: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(columns) if columns else np.empty(0, dtype)


def _spread(columns: Sequence[NDArray[Any]], sizes: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
    """Join columns whose length is their event's size, or 1 for a value that stands for all."""
    joined = _join(columns, dtype)
    lengths = np.array([len(column) for column in columns], np.int64)
    short = lengths != sizes
    if not short.any():
        return joined
    repeats = np.ones(len(joined), np.int64)
    repeats[(np.cumsum(lengths) - lengths)[short]] = sizes[short]
    return np.repeat(joined, repeats)


def _good(
    events: Sequence[SensorEvent], sizes: NDArray[np.int64], value: NDArray[np.float64]
) -> NDArray[np.bool_]:
    good = np.isfinite(value)
    if any(len(event.quality) for event in events):
        columns = [event.quality if len(event.quality) else _ALL_GOOD for event in events]
        good &= good_mask(_spread(columns, sizes, np.int32))
    return good


def _kinds(events: Sequence[SensorEvent], counts: NDArray[np.int64]) -> NDArray[np.int8]:
    if not any(len(event.kinds) for event in events):
        return np.empty(0, np.int8)
    kinds = [
        event.kinds if len(event.kinds) else np.zeros(len(event.counts), np.int32)
        for event in events
    ]
    return np.repeat(np.concatenate(kinds).astype(np.int8), counts)


def _join_texts(
    events: Sequence[SensorEvent],
    sizes: NDArray[np.int64],
    kind: NDArray[np.int8],
    value: NDArray[np.float64],
) -> tuple[str, ...]:
    """Join the events' texts, and make the values of text samples point into them."""
    if len(kind):
        lengths = np.array([len(event.texts) for event in events], np.int64)
        first = np.repeat(np.cumsum(lengths) - lengths, sizes)
        is_text = kind == Kind.TEXT
        value[is_text] += first[is_text]
    return tuple(text for event in events for text in event.texts)
