"""SensorEvent to and from its Avro body.

The body is plain Avro; with this release's own schema it is read without copying: `offsets`,
`server_offsets` and `values` are views of it. Whatever Avro allows and that cannot be read so
(other schemas, arrays in several blocks) goes through fastavro, with the same checks and result.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np

from penstock.codec import avro_write as write
from penstock.codec.avro_read import (
    NO_DOUBLES,
    NO_INTS,
    NO_LONGS,
    SeveralBlocksError,
    cut_off,
    read_doubles,
    read_ints,
    read_long,
    read_string,
    read_strings,
    to_int32,
)
from penstock.codec.checks import check_tags, find_faults
from penstock.codec.generic import is_current, read_generic
from penstock.errors import DecodeError
from schemas import SensorEvent, schema_text

NAME: Final = "SensorEvent"


def encode(event: SensorEvent) -> bytes:
    """The Avro body of an event, each array as one block."""
    return b"".join(
        (
            _header(event.asset, event.source, event.session),
            write.long(event.sequence),
            write.long(event.start),
            write.long(event.ingest),
            _tags(event.tags),
            write.ints(event.counts),
            write.doubles(event.offsets),
            write.doubles(event.server_offsets),
            write.doubles(event.values),
            write.strings(event.texts),
            write.ints(event.kinds),
            write.ints(event.quality),
        )
    )


@lru_cache(maxsize=4096)
def _header(asset: str, source: str, session: str) -> bytes:
    return write.string(asset) + write.string(source) + write.string(session)


@lru_cache(maxsize=4096)
def _tags(tags: tuple[str, ...]) -> bytes:
    return write.strings(tags)


def decode(body: bytes, writer_schema: str | None = None) -> SensorEvent:
    """The event of an Avro body.

    Args:
        body: Avro, without framing.
        writer_schema: The schema that it was written with; None for this release's.

    Raises:
        DecodeError: The body does not follow the schema, or follows it and makes no sense.
    """
    return _checked(read_any(body, writer_schema))


def read_any(body: bytes, writer_schema: str | None = None) -> SensorEvent:
    """`decode` without the checks of the event's meaning.

    Raises:
        DecodeError: The body does not follow the schema.
    """
    if writer_schema is not None and not is_current(writer_schema, NAME):
        return read_event_generic(body, writer_schema)
    try:
        return read_event(body)
    except SeveralBlocksError:
        return read_event_generic(body, schema_text(NAME))


def decode_generic(body: bytes, writer_schema: str) -> SensorEvent:
    """`decode` by fastavro, for every schema that resolves to ours.

    Raises:
        DecodeError: As `decode`; or the schema does not resolve to ours.
    """
    return _checked(read_event_generic(body, writer_schema))


def read_event(body: bytes) -> SensorEvent:
    """Read a body of this release's schema, without the checks of its meaning.

    Raises:
        DecodeError: The body does not follow the schema.
        SeveralBlocksError: Only `read_event_generic` can read it.
    """
    try:
        asset, position = read_string(body, 0)
        source, position = read_string(body, position)
        session, position = read_string(body, position)
        sequence, position = read_long(body, position)
        start, position = read_long(body, position)
        ingest, position = read_long(body, position)
        tags, position = read_strings(body, position)
        columns = read_columns(body, position)
    except IndexError as error:
        raise cut_off() from error
    check_tags(tags)
    return SensorEvent(asset, source, session, sequence, start, ingest, tags, *columns)


def read_columns(body: bytes, position: int) -> tuple[Any, ...]:
    """Everything of an event after `tags`, in the schema's order.

    Raises:
        DecodeError: The body does not follow the schema.
        IndexError: The body ends too soon.
        SeveralBlocksError: Only `read_event_generic` can read it.
    """
    counts, position = read_ints(body, position)
    offsets, position = read_doubles(body, position)
    server_offsets, position = read_doubles(body, position)
    values, position = read_doubles(body, position)
    texts, position = read_strings(body, position)
    kinds, position = read_ints(body, position)
    quality, position = read_ints(body, position)
    if position != len(body):
        msg = f"{len(body) - position} bytes follow the event"
        raise DecodeError(msg)
    return counts, offsets, server_offsets, values, texts, to_int32(kinds), to_int32(quality)


def read_event_generic(body: bytes, writer_schema: str) -> SensorEvent:
    """Read a body of any schema that resolves to ours, without the checks of its meaning.

    Raises:
        DecodeError: The body does not follow its schema, or that does not resolve to ours.
    """
    datum = read_generic(body, writer_schema, NAME)
    check_tags(datum["tags"])
    for name in ("offsets", "server_offsets", "values"):
        datum[name] = np.array(datum[name], np.float64) if datum[name] else NO_DOUBLES
    for name in ("counts", "kinds", "quality"):
        datum[name] = np.array(datum[name], np.int64) if datum[name] else NO_LONGS
    for name in ("kinds", "quality"):
        datum[name] = to_int32(datum[name]) if len(datum[name]) else NO_INTS
    datum["tags"], datum["texts"] = tuple(datum["tags"]), tuple(datum["texts"])
    return SensorEvent(**datum)


def _checked(event: SensorEvent) -> SensorEvent:
    faults = find_faults([event])
    if faults:
        raise DecodeError(faults[0])
    return event
