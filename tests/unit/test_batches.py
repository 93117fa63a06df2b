"""The traps of remembered encodings, which would credit samples to wrong tags."""

from dataclasses import replace

import numpy as np
import pytest

from penstock.codec import avro_write as write
from penstock.codec.batches import BatchDecoder, Parsed
from penstock.codec.sensor_event import decode, encode
from penstock.codec.wire import frame
from schemas import Kind, SensorEvent, schema_text

SCHEMAS = {1: schema_text("SensorEvent")}


def event(
    asset: str = "a", tags: tuple[str, ...] = ("t",), values: int = 1, session: str = "s"
) -> SensorEvent:
    return SensorEvent(
        asset=asset,
        source="plc",
        session=session,
        sequence=0,
        start=1_000,
        ingest=2_000,
        tags=tags,
        counts=np.full(len(tags), values),
        offsets=np.array([5.0]),
        server_offsets=np.array([]),
        values=np.arange(float(values * len(tags))),
        texts=(),
        kinds=np.array([], np.int32),
        quality=np.array([], np.int32),
    )


def parse(decoder: BatchDecoder, bodies: list[bytes], first: int = 0) -> Parsed:
    offsets = range(first, first + len(bodies))
    return decoder.parse(offsets, [frame(1, body) for body in bodies], SCHEMAS)


def series_of(decoder: BatchDecoder, bodies: list[bytes]) -> list[tuple[str, str, str]]:
    parsed = parse(decoder, bodies)
    assert not parsed.failures
    batch = decoder.batch(parsed.events)
    return [batch.series_names[i] for i in batch.series]


def test_tag_sets_that_begin_alike_are_told_apart() -> None:
    common = tuple(f"a_long_tag_name_that_fills_the_prefix_{i}" for i in range(5))
    decoder = BatchDecoder()
    for _ in range(2):
        for last in ("x", "y", "xx", "z"):
            tags = (*common, last)
            found = series_of(decoder, [encode(event(tags=tags))])
            assert [tag for _, _, tag in found] == list(tags)


def test_a_cached_set_does_not_hit_the_first_block_of_two() -> None:
    decoder = BatchDecoder()
    assert series_of(decoder, [encode(event())]) == [("a", "plc", "t")]
    body = encode(event(tags=("t", "u")))
    whole = write.strings(("t", "u"))
    assert body.count(whole) == 1
    split = write.strings(("t",))[:-1] + write.strings(("u",))
    found = series_of(decoder, [body.replace(whole, split)])
    assert found == [("a", "plc", "t"), ("a", "plc", "u")]


def test_counts_that_change_move_no_sample_to_another_tag() -> None:
    decoder = BatchDecoder()
    for counts in ([1, 2], [2, 1], [3, 0], [0, 3]):
        body = encode(replace(event(tags=("t", "u"), values=0), counts=np.array(counts),
                              values=np.zeros(3)))  # fmt: skip
        tags = [tag for _, _, tag in series_of(decoder, [body])]
        assert tags == ["t"] * counts[0] + ["u"] * counts[1]


def test_where_asset_source_and_session_meet_matters() -> None:
    decoder = BatchDecoder()
    found = series_of(decoder, [encode(event("ab")), encode(event("a")), encode(event("ab"))])
    assert [asset for asset, _, _ in found] == ["ab", "a", "ab"]


def test_a_new_session_is_the_same_stream() -> None:
    decoder = BatchDecoder()
    bodies = [encode(event(session=str(i))) for i in range(5)]
    assert len(set(series_of(decoder, bodies))) == 1
    assert len(decoder.streams) == 1


def test_one_bad_record_spoils_no_other() -> None:
    good = encode(event(values=3))
    broken = encode(replace(event(values=3), offsets=np.array([0.5])))
    decoder = BatchDecoder()
    parsed = parse(decoder, [good, b"\xff", good, broken, good], 10)
    assert parsed.events.offset.tolist() == [10, 12, 14]
    assert [failure.index for failure in parsed.failures] == [1, 3]
    assert str(parsed.failures[1].error).startswith("offset 13: offsets are not whole")
    assert len(decoder.batch(parsed.events)) == 9


def test_dropping_a_record_leaves_the_others_their_samples() -> None:
    decoder = BatchDecoder()
    bodies = [encode(event(asset, values=2)) for asset in "abc"]
    parsed = parse(decoder, bodies)
    batch = decoder.batch(parsed.events.take(np.array([0, 2])))
    assert [batch.streams[i][0] for i in batch.stream] == ["a", "c"]
    assert batch.record.tolist() == [0, 0, 1, 1]
    assert batch.offset.tolist() == [0, 2]
    assert batch.time.tolist() == [1005] * 4


def test_an_event_decoded_elsewhere_gets_the_same_integers() -> None:
    decoder = BatchDecoder()
    body = encode(event(tags=("t", "u")))
    fast = parse(decoder, [body], 4).events
    slow = decoder.events([decode(body)], [0], [4])
    for name in ("offset", "stream", "session", "series"):
        assert getattr(slow, name).tolist() == getattr(fast, name).tolist()


def test_a_message_of_very_many_tags_is_read() -> None:
    decoder = BatchDecoder()
    tags = tuple(f"t{i}" for i in range(5_000))
    for _ in range(2):
        found = series_of(decoder, [encode(event()), encode(event(tags=tags)), encode(event())])
        assert [tag for _, _, tag in found] == ["t", *tags, "t"]


def with_texts() -> SensorEvent:
    """Three samples of a text tag and three numbers."""
    kinds = np.array([Kind.TEXT, Kind.NUMBER], np.int32)
    values = np.array([0.0, 1.0, 0.0, 5.0, 6.0, 7.0])
    texts = ("order-1", "order-2")
    return replace(event(tags=("t", "u"), values=3), kinds=kinds, values=values, texts=texts)


def test_messages_with_texts_are_read_with_those_that_have_none() -> None:
    decoder = BatchDecoder()
    events = parse(decoder, [encode(event()), encode(with_texts()), encode(event("b"))]).events
    assert events.texts == ((), ("order-1", "order-2"), ())
    batch = decoder.batch(parse(decoder, [encode(with_texts())] * 2).events)
    is_text = batch.kind == Kind.TEXT
    assert [batch.texts[int(i)] for i in batch.value[is_text]] == [
        "order-1",
        "order-2",
        "order-1",
    ] * 2


def test_a_text_that_points_nowhere_spoils_no_other_message() -> None:
    broken = replace(with_texts(), texts=("order-1",))
    parsed = parse(BatchDecoder(), [encode(with_texts()), encode(broken), encode(with_texts())])
    assert parsed.events.index.tolist() == [0, 2]
    assert parsed.events.texts == (("order-1", "order-2"),) * 2
    assert str(parsed.failures[0].error).endswith("points to none of the texts")


@pytest.mark.parametrize("one", [event(values=3), with_texts()])
def test_lengths_that_lie_reach_into_no_other_message(one: SensorEvent) -> None:
    whole = encode(one)
    decoder = BatchDecoder()
    for at in range(len(whole)):
        for byte in (0x00, 0x02, 0x7E, 0xFE, 0xFF):
            lying = whole[:at] + bytes([byte]) + whole[at + 1 :]
            parsed = parse(decoder, [whole, lying, whole])
            places = parsed.events.index.tolist()
            assert [i for i in places if i != 1] == [0, 2]
            sizes = parsed.events.size.tolist()
            mine = [n for i, n in zip(places, sizes, strict=True) if i != 1]
            assert mine == [len(one.values)] * 2
