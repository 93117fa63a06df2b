"""From the messages of one partition to the columns that operators take.

Messages of this release's schema are read all at once, field by field. Whatever is unusual or wrong
(another schema, arrays in several blocks, broken bytes) is read by itself
by `penstock.codec.sensor_event`, which also says what is wrong with it. Both give the same columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.codec.checks import find_faults
from penstock.codec.events import Events, columns_of
from penstock.codec.fields import read_fields
from penstock.codec.generic import is_current
from penstock.codec.joined import Cursor, Joined
from penstock.codec.names import Header, KnownNames, TagSet
from penstock.codec.sensor_event import NAME, decode, read_any
from penstock.codec.wire import MAGIC, PREFIX_BYTES, unframe
from penstock.errors import DecodeError, PenstockError, UnknownSchemaError
from penstock.operator import Names, SampleBatch
from schemas import SensorEvent

Schemas = Mapping[int, str | UnknownSchemaError]
"""The writer's schema of each id in the messages, or that there is none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that cannot be read."""

    index: int
    """Its place among the messages given to `parse`."""
    error: PenstockError


@dataclass(frozen=True, slots=True)
class Parsed:
    """What became of messages: every one is in `events` or in `failures`, both in order."""

    events: Events
    failures: list[Failure]


class BatchDecoder:
    """Decodes the messages of one partition; owns the integers of its names."""

    def __init__(self) -> None:
        self._known = KnownNames()

    @property
    def streams(self) -> Names:
        """Ids of (asset, source)."""
        return self._known.streams

    @property
    def series(self) -> Names:
        """Ids of (asset, source, tag)."""
        return self._known.series

    def parse(
        self, offsets: Sequence[int], messages: Sequence[bytes | None], schemas: Schemas
    ) -> Parsed:
        """Read framed messages at these offsets; one that cannot be read spoils no other."""
        self._known.begin()
        offset = np.array(offsets, np.int64)
        events, fine = self._at_once([message or b"" for message in messages], offset, schemas)
        if fine.all():
            return Parsed(events, [])
        rest = np.flatnonzero(~fine).tolist()
        others, failures = self._one_by_one(rest, offsets, messages, schemas)
        events = events.take(np.flatnonzero(fine)).then(others)
        return Parsed(events.take(np.argsort(events.index)), failures)

    def batch(self, events: Events) -> SampleBatch:
        """The events' samples as operators take them."""
        return events.batch(self.streams, self.series)

    def _at_once(
        self, messages: Sequence[bytes], offset: NDArray[np.int64], schemas: Schemas
    ) -> tuple[Events, NDArray[np.bool_]]:
        """The events, and which of them are to be believed."""
        joined = Joined(messages)
        cursor = Cursor(joined, joined.first + PREFIX_BYTES)
        cursor.fine &= _framed(joined, schemas)
        headers = self._known.headers(joined, cursor)
        sequence, start, ingest = (cursor.longs() for _ in range(3))
        cursor.fine &= sequence >= 0
        sets = self._known.tag_sets(joined, cursor, headers)
        tags = np.array([len(one.series) for one in sets], np.int64)
        columns = read_fields(joined, cursor, tags, start)
        names = self._names(headers, sets)
        if not cursor.fine.all():
            names["series"] = names["series"][np.repeat(cursor.fine, tags)]
        columns |= {"index": np.arange(len(messages)), "offset": offset}
        return Events(**columns, **names, sequence=sequence, ingest=ingest), cursor.fine

    def _names(self, headers: Sequence[Header], sets: Sequence[TagSet]) -> dict[str, Any]:
        series = [one.series for one in sets]
        return {
            "stream": np.array([header.stream for header in headers], np.int32),
            "session": np.array([header.number for header in headers], np.int32),
            "sessions": self._known.sessions,
            "series": np.concatenate(series) if series else np.zeros(0, np.int32),
        }

    def _one_by_one(
        self,
        which: Sequence[int],
        offsets: Sequence[int],
        messages: Sequence[bytes | None],
        schemas: Schemas,
    ) -> tuple[Events, list[Failure]]:
        read: dict[int, SensorEvent] = {}
        failed: dict[int, PenstockError] = {}
        for i in which:
            try:
                read[i] = read_any(*_unframed(messages[i], schemas))
            except (DecodeError, UnknownSchemaError) as error:
                failed[i] = error
        places = list(read)
        for at, fault in find_faults(list(read.values())).items():
            failed[places[at]] = DecodeError(fault)
            del read[places[at]]
        failures = [Failure(i, failed[i]) for i in sorted(failed)]
        for failure in failures:
            failure.error.where = failure.error.where or f"offset {offsets[failure.index]}"
        return self.events(list(read.values()), list(read), [offsets[i] for i in read]), failures

    def events(
        self, events: Sequence[SensorEvent], index: Sequence[int], offsets: Sequence[int]
    ) -> Events:
        """Events that were decoded and checked elsewhere, as columns."""
        named = [self._known.names(e.asset, e.source, e.session, e.tags) for e in events]
        names = self._names([header for header, _ in named], [tags for _, tags in named])
        columns = columns_of(events)
        columns |= {"index": np.array(index, np.int64), "offset": np.array(offsets, np.int64)}
        return Events(**columns, **names)


def decode_message(message: bytes | None, schemas: Schemas) -> SensorEvent:
    """The event of one framed message.

    Raises:
        DecodeError: It is broken, or makes no sense.
        UnknownSchemaError: The registry does not know its schema.
    """
    return decode(*_unframed(message, schemas))


def _unframed(message: bytes | None, schemas: Schemas) -> tuple[bytes, str]:
    """The body and the schema that it was written with."""
    schema_id, body = unframe(message)
    schema = schemas[schema_id]
    if isinstance(schema, UnknownSchemaError):
        raise schema.with_traceback(None)  # of which it else gets another piece each time
    return body, schema


def _framed(joined: Joined, schemas: Schemas) -> NDArray[np.bool_]:
    """Which messages are of this release's schema."""
    current = [
        number
        for number, schema in schemas.items()
        if isinstance(schema, str) and is_current(schema, NAME)
    ]
    fine = joined.end - joined.first >= PREFIX_BYTES
    fine &= joined.bytes[joined.first] == MAGIC
    numbers = joined.big_endian(joined.first + 1)
    ours = np.zeros(len(fine), np.bool_)
    for number in current:
        ours |= numbers == number
    return fine & ours
