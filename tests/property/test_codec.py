"""SensorEvent's codec against fastavro, against broken bytes, and in batches."""

import io
from collections.abc import Iterable
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from penstock.codec import avro_read, avro_write
from penstock.codec import names as names_of
from penstock.codec.batches import BatchDecoder, decode_message
from penstock.codec.checks import find_faults
from penstock.codec.events import Events
from penstock.codec.sensor_event import decode, decode_generic, encode
from penstock.codec.wire import frame
from penstock.errors import DecodeError
from penstock.quality import is_good
from schemas import Kind, SensorEvent, schema, schema_text

FIELDS = tuple(SensorEvent.__slots__)
WRITER = schema_text("SensorEvent")
PARSED = fastavro.parse_schema(schema("SensorEvent"))
OTHER_WRITER = WRITER.replace(
    '"fields":[', '"fields":[{"name":"site","type":"string","default":""},', 1
)
"""A schema that resolves to ours, but is laid out in another way."""

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["t", "t1", "t10", "t1" * 40, "ä" * 40]
)
# few and alike, so that caches are hit and their near misses, too
stream_names = st.sampled_from(["", "a", "ab", "abc" * 30])
tag_names = st.sampled_from(["t", "tt", "t1", "t10", "\x02t", "x" * 70])
offsets = st.integers(-(2**53) + 1, 2**53 - 1).map(float)
times = st.integers(0, 250_000_000_000_000_000)
qualities = st.integers(-(2**31), 2**31 - 1) | st.just(0)


def column(draw: Any, values: Any, size: int, least: int = 0) -> list[Any]:
    lengths = {n for n in (0, 1, size) if n >= min(least, size)}
    length = draw(st.sampled_from(sorted(lengths)))
    return draw(st.lists(values, min_size=length, max_size=length))


@st.composite
def events(draw: Any, name: Any = names, tag: Any = names) -> SensorEvent:
    tags = draw(st.lists(tag, unique=True, max_size=4))
    counts = [draw(st.integers(0, 3) | st.sampled_from([1, 64, 90])) for _ in tags]
    texts = draw(st.lists(names, min_size=1, max_size=3)) if draw(st.booleans()) else []
    choice = [kind for kind in Kind if texts or kind != Kind.TEXT]
    kinds = [draw(st.sampled_from(choice)) for _ in tags] if draw(st.booleans()) else []
    values: list[float] = []
    for index, count in enumerate(counts):
        value = {
            Kind.NUMBER: st.floats(),
            Kind.TEXT: st.integers(0, len(texts) - 1).map(float),
            Kind.BOOLEAN: st.sampled_from([0.0, 1.0, np.nan]),
        }[kinds[index] if kinds else Kind.NUMBER]
        # what repeats is drawn once, to keep examples small
        some = draw(st.lists(value, min_size=min(count, 3), max_size=min(count, 3)))
        values += (some * count)[:count]
    size = len(values)
    few = st.lists(qualities, min_size=1, max_size=3)
    quality = draw(st.sampled_from([0, 1, size]))
    return SensorEvent(
        asset=draw(name),
        source=draw(name),
        session=draw(name),
        sequence=draw(st.integers(0, 2**63 - 1)),
        start=draw(times),
        ingest=draw(times),
        tags=tuple(tags),
        counts=np.array(counts, np.int64),
        offsets=np.array(column(draw, offsets, size, 1), np.float64),
        server_offsets=np.array(column(draw, offsets | st.just(np.nan), size), np.float64),
        values=np.array(values, np.float64),
        texts=tuple(texts),
        kinds=np.array(kinds, np.int32),
        quality=np.array((draw(few) * max(quality, 1))[:quality], np.int32),
    )


def assert_same(one: SensorEvent, other: SensorEvent) -> None:
    for field in FIELDS:
        mine, yours = getattr(one, field), getattr(other, field)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == yours.dtype, field
            np.testing.assert_array_equal(mine, yours, field)
        else:
            assert mine == yours, field


def datum_of(event: SensorEvent) -> dict[str, Any]:
    datum = {field: getattr(event, field) for field in FIELDS}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in datum.items()}


def in_blocks(items: list[bytes], sized: bool) -> bytes:
    """Avro's other way to write an array: in blocks of two, with their size or without."""
    out = b""
    for at in range(0, len(items), 2):
        block = items[at : at + 2]
        data = b"".join(block)
        if sized:
            out += avro_write.long(-len(block)) + avro_write.long(len(data))
        else:
            out += avro_write.long(len(block))
        out += data
    return out + b"\0"


def encode_in_blocks(event: SensorEvent, sized: bool) -> bytes:
    out = b"".join(map(avro_write.string, (event.asset, event.source, event.session)))
    out += b"".join(map(avro_write.long, (event.sequence, event.start, event.ingest)))
    doubles = [
        [np.float64(v).tobytes() for v in column]
        for column in (event.offsets, event.server_offsets, event.values)
    ]
    tags, texts = ([avro_write.string(s) for s in texts] for texts in (event.tags, event.texts))
    counts, kinds, quality = (
        [avro_write.long(v) for v in column.tolist()]
        for column in (event.counts, event.kinds, event.quality)
    )
    columns = [tags, counts, *doubles, texts, kinds, quality]
    return out + b"".join(in_blocks(items, sized) for items in columns)


@given(events())
def test_fast_path_equals_fastavro(event: SensorEvent) -> None:
    body = encode(event)
    assert_same(decode(body), event)
    assert_same(decode_generic(body, WRITER), event)


@given(events())
def test_fastavro_writes_the_same_bytes_and_reads_the_same_datum(event: SensorEvent) -> None:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, PARSED, datum_of(event))
    assert stream.getvalue() == encode(event)
    datum = fastavro.schemaless_reader(io.BytesIO(encode(event)), PARSED, None)
    assert isinstance(datum, dict)
    assert list(datum["tags"]) == list(event.tags)
    np.testing.assert_array_equal(datum["values"], event.values)


@given(events(), st.booleans())
def test_several_blocks_mean_the_same(event: SensorEvent, sized: bool) -> None:
    assert_same(decode(encode_in_blocks(event, sized)), event)


def outcome(body: bytes, writer: str | None = None) -> SensorEvent | str:
    """The event, or why it was refused; any other exception fails the test."""
    try:
        event = decode(body) if writer is None else decode_generic(body, writer)
    except DecodeError as error:
        return error.message
    assert not find_faults([event])
    return event


def assert_same_outcome(body: bytes) -> None:
    fast, generic = outcome(body), outcome(body, WRITER)
    if isinstance(fast, SensorEvent):
        assert isinstance(generic, SensorEvent)
        assert_same(fast, generic)
    elif isinstance(generic, SensorEvent):  # fastavro drops the bits beyond the 64th
        assert fast == "an integer is longer than 64 bits"


@settings(max_examples=25)
@given(events())
def test_no_truncated_body_is_taken_for_an_event(event: SensorEvent) -> None:
    body = encode(event)
    for size in range(len(body)):
        assert isinstance(outcome(body[:size]), str)
    assert isinstance(outcome(body + b"\0"), str)


@settings(max_examples=15)
@given(events(), st.booleans())
def test_flipped_bits_give_an_event_or_a_decode_error(event: SensorEvent, blocks: bool) -> None:
    body = encode_in_blocks(event, False) if blocks else encode(event)
    for bit in range(0, len(body) * 8, 1 + len(body) // 60):
        broken = bytearray(body)
        broken[bit // 8] ^= 1 << bit % 8
        assert_same_outcome(bytes(broken))


@given(st.binary(max_size=200))
def test_noise_gives_an_event_or_a_decode_error(noise: bytes) -> None:
    assert_same_outcome(noise)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-64, 63), max_size=80))
def test_integer_arrays_of_every_length(numbers: list[int]) -> None:
    written = avro_write.ints(np.array(numbers, np.int64))
    one_by_one = in_blocks([], False) if not numbers else b""
    if numbers:
        one_by_one = avro_write.long(len(numbers))
        one_by_one += b"".join(map(avro_write.long, numbers)) + b"\0"
    assert written == one_by_one
    values, end = avro_read.read_ints(written, 0)
    assert values.tolist() == numbers
    assert end == len(written)


def expected_samples(several: Iterable[SensorEvent]) -> list[tuple[Any, ...]]:
    """What a batch must hold, sample by sample, the slow way."""
    samples: list[tuple[Any, ...]] = []
    for record, event in enumerate(several):
        at = 0
        for index, tag in enumerate(event.tags):
            kind = int(event.kinds[index]) if len(event.kinds) else 0
            for _ in range(event.counts[index]):
                offset = event.offsets[at if len(event.offsets) > 1 else 0]
                quality = int(event.quality[at % len(event.quality)]) if len(event.quality) else 0
                value = float(event.values[at])
                samples.append(
                    (
                        record,
                        (event.asset, event.source, tag),
                        event.start + int(offset),
                        event.texts[int(value)] if kind == Kind.TEXT else repr(value),
                        is_good(quality) and bool(np.isfinite(value)),
                        kind,
                    )
                )
                at += 1
    return samples


def assert_batch_holds(
    decoder: BatchDecoder, found: Events, expected: dict[int, SensorEvent]
) -> None:
    """The batch of these events is what they were, by offset, when decoded one by one."""
    batch = decoder.batch(found)
    kinds = batch.kind.tolist() or [0] * len(batch)
    values = [
        batch.texts[int(value)] if kind == Kind.TEXT else repr(value)
        for value, kind in zip(batch.value.tolist(), kinds, strict=True)
    ]
    series = [batch.series_names[i] for i in batch.series]
    columns = (batch.record, series, batch.time, values, batch.good, kinds)
    samples = zip(*(getattr(c, "tolist", lambda c=c: c)() for c in columns), strict=True)
    several = list(expected.values())
    assert list(samples) == expected_samples(several)
    assert [batch.streams[i] for i in batch.stream] == [(e.asset, e.source) for e in several]
    assert batch.offset.tolist() == list(expected)
    assert batch.ingest.tolist() == [event.ingest for event in several]
    sessions = [found.sessions[i] for i in found.session.tolist()]
    assert sessions == [(event.source, event.session, event.asset) for event in several]
    assert found.sequence.tolist() == [event.sequence for event in several]
    for name, wanted in DTYPES.items():
        assert getattr(batch, name).dtype == wanted, name


DTYPES = {
    "stream": np.int32, "ingest": np.int64, "offset": np.int64, "record": np.int32,
    "series": np.int32, "time": np.int64, "value": np.float64, "good": np.bool_, "kind": np.int8,
}  # fmt: skip


def other_body(event: SensorEvent) -> bytes:
    return avro_write.string("bremen") + encode(event)


@st.composite
def records(draw: Any) -> tuple[bytes, str | None]:
    """A body and its writer's schema: mostly good, in every way that Avro has, some broken."""
    event = draw(events(stream_names, tag_names))
    way = draw(st.sampled_from(["fast"] * 5 + ["blocks", "other", "named", "cut", "flip"]))
    body = encode(event)
    if way == "blocks":
        return encode_in_blocks(event, True), None
    if way == "other":
        return other_body(event), OTHER_WRITER
    if way == "named":
        return body, WRITER.replace("asset's samples", "samples")
    if way == "cut":
        return body[: draw(st.integers(0, len(body) - 1))], None
    if way == "flip":
        bit = draw(st.integers(0, len(body) * 8 - 1))
        return bytes(b ^ (1 << bit % 8) * (i == bit // 8) for i, b in enumerate(body)), None
    return body, None


@settings(max_examples=120)
@given(st.lists(st.lists(records(), max_size=6), min_size=1, max_size=3), st.data())
@example([[]], None)
def test_a_batch_equals_its_events_decoded_one_by_one(
    fetches: list[list[tuple[bytes, str | None]]], data: Any
) -> None:
    decoder = BatchDecoder()  # one for all fetches: its caches are warm in the later ones
    for fetch in fetches:
        numbers = {writer: i for i, writer in enumerate({writer for _, writer in fetch})}
        schemas = {i: writer or WRITER for writer, i in numbers.items()}
        messages = [frame(numbers[writer], body) for body, writer in fetch]
        parsed = decoder.parse([7 * i for i in range(len(fetch))], messages, schemas)
        failed = {failure.index: failure.error for failure in parsed.failures}
        assert list(failed) == sorted(failed)
        expected = {}
        for index, (body, writer) in enumerate(fetch):
            try:
                event = expected[7 * index] = decode(body, writer)
            except DecodeError as error:
                assert failed.pop(index).message == error.message
            else:
                assert_same(decode_message(messages[index], schemas), event)
        assert not failed
        assert [7 * i for i in parsed.events.index.tolist()] == list(expected)
        assert_batch_holds(decoder, parsed.events, expected)
        kept = [i for i in range(len(expected)) if data and data.draw(st.booleans())]
        some = parsed.events.take(np.array(kept, np.int64))
        chosen = {offset: expected[offset] for offset in some.offset.tolist()}
        assert_batch_holds(decoder, some, chosen)
        again = decoder.events(list(expected.values()), range(len(expected)), list(expected))
        assert_batch_holds(decoder, again, expected)
        assert again.series.tolist() == parsed.events.series.tolist()


@settings(max_examples=30)
@given(st.lists(events(stream_names, tag_names), min_size=1, max_size=4), st.data())
def test_flipped_bits_in_a_batch_spoil_one_event_at_most(
    several: list[SensorEvent], data: Any
) -> None:
    bodies = [encode(event) for event in several]
    broken = data.draw(st.integers(0, len(bodies) - 1))
    whole = bodies[broken]
    for bit in range(0, len(whole) * 8, 1 + len(whole) // 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        bodies[broken] = bytes(flipped)
        messages = [frame(1, body) for body in bodies]
        decoder = BatchDecoder()
        parsed = decoder.parse(range(len(bodies)), messages, {1: WRITER})
        expected = dict(enumerate(several))
        wanted = outcome(bodies[broken])
        if isinstance(wanted, SensorEvent):
            expected[broken] = wanted
        else:
            del expected[broken]
            assert [failure.error.message for failure in parsed.failures] == [wanted]
        assert_batch_holds(decoder, parsed.events, expected)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events(stream_names, tag_names), max_size=12))
def test_full_caches_still_name_every_sample_right(
    monkeypatch: pytest.MonkeyPatch, several: list[SensorEvent]
) -> None:
    monkeypatch.setattr(names_of, "_MOST_BYTES", 20)
    decoder = BatchDecoder()
    for first in range(0, len(several), 3):
        some = several[first : first + 3]
        messages = [frame(1, encode(event)) for event in some]
        parsed = decoder.parse(range(len(some)), messages, {1: WRITER})
        assert not parsed.failures
        assert_batch_holds(decoder, parsed.events, dict(enumerate(some)))
