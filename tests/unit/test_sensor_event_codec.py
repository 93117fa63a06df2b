"""Each way in which an event can make no sense, by both readers; and other schemas than ours."""

import io
import json
from dataclasses import replace
from typing import Any

import fastavro
import numpy as np
import pytest

from penstock.codec import avro_write as write
from penstock.codec.generic import is_current
from penstock.codec.sensor_event import decode, decode_generic, encode
from penstock.errors import DecodeError
from schemas import Kind, SensorEvent, schema, schema_text

WRITER = schema_text("SensorEvent")
EVENT = SensorEvent(
    asset="acme/bremen/stamping/line1/press07",
    source="press_plc",
    session="s1",
    sequence=3,
    start=1_700_000_000_000_000,
    ingest=1_700_000_000_200_000,
    tags=("order", "speed"),
    counts=np.array([1, 2]),
    offsets=np.array([0.0, 0.0, 100_000.0]),
    server_offsets=np.array([]),
    values=np.array([0.0, 1.5, np.nan]),
    texts=("PO-1",),
    kinds=np.array([Kind.TEXT, Kind.NUMBER], np.int32),
    quality=np.array([0, 0, -(2**31)], np.int32),
)


def changed(**columns: Any) -> bytes:
    return encode(replace(EVENT, **columns))


THREE = {"tags": ("order", "speed", "state"), "kinds": np.array([], np.int32)}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (changed(sequence=-1), "sequence is -1; it counts from 0"),
        (changed(start=2**62 + 1), "start or ingest is no time"),
        (changed(ingest=-(2**62) - 1), "start or ingest is no time"),
        (changed(tags=("speed", "speed")), "tag 'speed' comes twice"),
        (changed(tags=("speed",)), "2 counts for 1 tags"),
        (changed(kinds=np.array([1])), "1 kinds for 2 tags"),
        (changed(kinds=np.array([1, 3])), "a kind is none of 0, 1, 2"),
        (changed(kinds=np.array([1, -1])), "a kind is none of 0, 1, 2"),
        (changed(kinds=np.array([1, 2**32])), "an int has more than 32 bits"),
        (changed(counts=np.array([2, 2])), "counts add up to 4, but there are 3 values"),
        (changed(counts=np.array([1, 1])), "counts add up to 2, but there are 3 values"),
        (changed(counts=np.array([4, -1])), "a count is negative or beyond the 3 values"),
        (changed(counts=np.array([2**62, -(2**62) + 3])), "a count is negative or beyond"),
        (changed(**THREE, counts=np.array([2, 2, -1])), "a count is negative or beyond"),
        # adds up to 3 in 64 bits
        (changed(**THREE, counts=np.array([2**63 - 1, 2**63 - 1, 5])), "a count is negative or"),
        (changed(offsets=np.array([])), "0 offsets for 3 values"),
        (changed(offsets=np.array([0.0, 1.0])), "2 offsets for 3 values"),
        (changed(offsets=np.array([0.5])), "offsets are not whole microseconds"),
        (changed(offsets=np.array([np.nan])), "offsets are not whole microseconds"),
        (changed(offsets=np.array([-np.inf])), "offsets are not whole microseconds"),
        (changed(offsets=np.array([2.0**53])), "offsets are not whole microseconds"),
        (changed(server_offsets=np.array([0.0, 1.0])), "2 server_offsets for 3 values"),
        (changed(server_offsets=np.array([0.5])), "server_offsets are not whole microseconds"),
        (changed(quality=np.array([0, 0])), "2 quality for 3 values"),
        (changed(quality=np.array([2**31])), "an int has more than 32 bits"),
        (changed(quality=np.array([0] * 40 + [2**31])), "an int has more than 32 bits"),
        (changed(texts=()), "a value of a text tag points to none of the texts"),
        (changed(values=np.array([1.0, 0, 0])), "a value of a text tag points to none"),
        (changed(values=np.array([-1.0, 0, 0])), "a value of a text tag points to none"),
        (changed(values=np.array([0.5, 0, 0])), "a value of a text tag points to none"),
        (changed(values=np.array([np.nan, 0, 0])), "a value of a text tag points to none"),
        (changed(kinds=np.array([1, 2])), "a value of a boolean tag is neither 0 nor 1"),
        (encode(EVENT) + b"\0", "1 bytes follow the"),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_by_both_readers(body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(body)
    with pytest.raises(DecodeError, match=reason):
        decode_generic(body, WRITER)


HEAD = write.string("a") + write.string("s") + write.string("x") + write.long(0) * 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body ends in the middle of a field"),
        (b"\x03", "a string has a negative length"),
        (b"\x08abc", "the body ends in the middle of a field"),
        (b"\x02\xff" + HEAD, "a string is not UTF-8"),
        (b"\xff" * 10 + b"\x01", "an integer is longer than 64 bits"),
        (b"\xfe" + b"\xff" * 8 + b"\x02", "an integer is longer than 64 bits"),
        (HEAD + write.long(2**62), "the body ends in the middle of a field"),
        (HEAD + b"\0\0" + write.long(2**61), "the body ends in the middle of a field"),
        (HEAD + b"\0" + write.long(40) + b"\x80" * 399 + b"\0", "the body ends in the middle"),
        (HEAD + b"\0" + write.long(40) + b"\xff" * 410, "longer than 64 bits"),
        (HEAD + b"\0" + write.long(33) + (b"\xff" * 9 + b"\x02") * 33, "longer than 64 bits"),
        (HEAD + b"\0" + write.long(33) + (b"\x80" * 10 + b"\0") * 33, "longer than 64 bits"),
        (HEAD + b"\0" + write.long(-1) + b"\x02", "fastavro cannot read this as SensorEvent"),
    ],
)
def test_bytes_that_are_no_avro_are_refused(body: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(body)


def test_an_event_without_samples_is_an_event() -> None:
    nothing = np.array([])
    event = decode(
        changed(
            tags=(), counts=nothing, offsets=nothing, values=nothing, kinds=nothing, quality=nothing
        )
    )
    assert event.tags == () and len(event.values) == 0


def test_double_columns_are_views_of_the_body() -> None:
    body = encode(EVENT)
    event = decode(body)
    assert not event.values.flags.owndata
    assert not event.values.flags.writeable


def test_doc_and_aliases_alone_do_not_make_another_schema() -> None:
    theirs = json.loads(WRITER)
    theirs["doc"] = "other words"
    theirs["aliases"] = ["Reading"]
    theirs["fields"][0].pop("doc")
    assert is_current(json.dumps(theirs, indent=1), "SensorEvent")


def with_unit(unit: str | None) -> dict[str, Any]:
    theirs = schema("SensorEvent")
    for field in theirs["fields"]:
        if field["name"] in {"start", "ingest"}:
            field["type"] = {"type": "long", "logicalType": unit} if unit else "long"
    return theirs


@pytest.mark.parametrize(
    ("unit", "factor"), [("timestamp-millis", 1000), ("timestamp-micros", 1), (None, 1)]
)
def test_times_in_milliseconds_become_microseconds(unit: str | None, factor: int) -> None:
    theirs = json.dumps(with_unit(unit))
    assert is_current(theirs, "SensorEvent") == (unit == "timestamp-micros")
    event = decode(changed(start=1_700_000_000_123, ingest=1_700_000_000_456), theirs)
    assert event.start == 1_700_000_000_123 * factor
    assert event.ingest == 1_700_000_000_456 * factor


def test_times_in_an_unknown_unit_are_refused() -> None:
    theirs = json.dumps(with_unit("local-timestamp-nanos"))
    with pytest.raises(DecodeError, match="'start' is written as 'local-timestamp-nanos'"):
        decode(encode(EVENT), theirs)


def test_a_newer_schema_is_resolved_to_ours() -> None:
    theirs = schema("SensorEvent")
    theirs["fields"].reverse()
    theirs["fields"].insert(2, {"name": "site", "type": ["null", "string"], "default": None})
    stream = io.BytesIO()
    datum = {name: getattr(EVENT, name) for name in SensorEvent.__slots__} | {"site": "bremen"}
    fastavro.schemaless_writer(stream, fastavro.parse_schema(theirs), datum)
    event = decode(stream.getvalue(), json.dumps(theirs))
    assert event.tags == EVENT.tags
    np.testing.assert_array_equal(event.values, EVENT.values)
    np.testing.assert_array_equal(event.quality, EVENT.quality)


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ('{"type":"rec', "the writer's schema is not JSON"),
        ('"string"', "fastavro cannot read this"),
        ('{"type":"record","name":"Other","fields":[]}', "fastavro cannot read this"),
        ('{"type":"nonsense"}', "fastavro cannot read this"),
    ],
)
def test_schemas_that_do_not_resolve_are_refused(theirs: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(encode(EVENT), theirs)
