import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.codec.build import build_events
from penstock.codec.checks import find_faults
from penstock.codec.sensor_event import decode, encode
from penstock.connector import Sample
from penstock.quality import (
    BAD,
    BAD_DATA_ENCODING_INVALID,
    BAD_NO_COMMUNICATION,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    GOOD,
    is_good,
    unsigned,
)
from schemas import Kind, SensorEvent

NOW = 1_700_000_000_000_000


def build(*samples: Sample, sequences: dict[str, int] | None = None) -> list[SensorEvent]:
    return build_events(
        samples,
        source="plc",
        session="s",
        sequences={} if sequences is None else sequences,
        ingest=NOW + 9,
    )


def one(*samples: Sample) -> SensorEvent:
    (event,) = build(*samples)
    assert not find_faults([event])
    return event


def of(tag: str, value: Any, time: int = 0, **more: Any) -> Sample:
    return Sample("a", tag, value, NOW + time, **more)


def read(event: SensorEvent) -> list[tuple[str, Any, int]]:
    """(tag, value, quality) of each sample."""
    tags = np.repeat(np.arange(len(event.tags)), event.counts)
    kinds = event.kinds if len(event.kinds) else np.zeros(len(event.tags))
    quality = np.broadcast_to(event.quality if len(event.quality) else 0, len(tags))
    return [
        (event.tags[t], event.texts[int(v)] if kinds[t] == Kind.TEXT else v, int(q))
        for t, v, q in zip(tags, event.values.tolist(), quality, strict=True)
    ]


def test_one_event_per_asset_with_tags_in_order_and_sequences_going_on() -> None:
    sequences = {"b": 7}
    samples = [
        Sample("b", "y", 1.0, NOW),
        Sample("a", "z", 2.0, NOW),
        Sample("b", "x", 3.0, NOW + 5),
        Sample("b", "y", 4.0, NOW + 2),
    ]
    b, a = build(*samples, sequences=sequences)
    assert (a.asset, a.sequence, b.asset, b.sequence) == ("a", 0, "b", 7)
    assert sequences == {"a": 1, "b": 8}
    assert (b.source, b.session, b.ingest, b.start) == ("plc", "s", NOW + 9, NOW)
    assert b.tags == ("x", "y")
    assert b.counts.tolist() == [1, 2]
    assert b.values.tolist() == [3.0, 1.0, 4.0]
    assert b.offsets.tolist() == [5.0, 0.0, 2.0]


def test_nothing_gives_nothing() -> None:
    assert build() == []


def test_what_is_common_or_absent_takes_no_room() -> None:
    event = one(of("t", 1.0), of("t", 2.0), of("u", 3.0))
    assert event.offsets.tolist() == [0.0]
    assert len(event.server_offsets) == len(event.quality) == len(event.kinds) == 0
    assert event.texts == ()
    event = one(*(of("t", 1.0, i, server_time=NOW + 3, quality=BAD) for i in range(3)))
    assert event.offsets.tolist() == [0.0, 1.0, 2.0]
    assert event.server_offsets.tolist() == [3.0]
    assert event.quality.tolist() == [BAD]


def test_a_server_time_that_is_missing_is_nan() -> None:
    event = one(of("t", 1.0, server_time=NOW - 4), of("t", 1.0))
    np.testing.assert_array_equal(event.server_offsets, [-4.0, np.nan])


def test_texts_and_booleans_keep_their_kind() -> None:
    event = one(of("b", True), of("b", np.bool_(False)), of("n", 5), of("s", "run"), of("s", "run"))
    assert event.kinds.tolist() == [Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT]
    assert event.texts == ("run",)
    assert [value for _, value, _ in read(event)] == [1.0, 0.0, 5.0, "run", "run"]


def test_a_text_that_could_not_be_read_keeps_its_bad_quality() -> None:
    event = one(of("s", math.nan, quality=BAD_NO_COMMUNICATION), of("s", "ä"))
    assert read(event) == [("s", "", BAD_NO_COMMUNICATION), ("s", "ä", GOOD)]


def test_nan_of_good_quality_is_no_text() -> None:
    assert read(one(of("s", "x"), of("s", math.nan)))[1] == ("s", "", BAD_TYPE_MISMATCH)


def test_a_boolean_that_could_not_be_read_is_nan() -> None:
    event = one(of("b", math.nan, quality=BAD), of("b", True), of("b", "yes"))
    assert event.kinds.tolist() == [Kind.BOOLEAN]
    assert [quality for _, _, quality in read(event)] == [BAD, GOOD, BAD_TYPE_MISMATCH]
    np.testing.assert_array_equal(event.values, [np.nan, 1.0, np.nan])


@pytest.mark.parametrize(
    ("value", "expected", "flag"),
    [
        ("7", math.nan, BAD_TYPE_MISMATCH),
        (b"7", math.nan, BAD_TYPE_MISMATCH),
        (None, math.nan, BAD_TYPE_MISMATCH),
        ([1], math.nan, BAD_TYPE_MISMATCH),
        (1j, math.nan, BAD_TYPE_MISMATCH),
        (10**400, math.nan, BAD_OUT_OF_RANGE),
        (True, 1.0, GOOD),
        (math.inf, math.inf, GOOD),
        (math.nan, math.nan, GOOD),
        (np.float32(0.5), 0.5, GOOD),
        (np.int64(4), 4.0, GOOD),
        (Decimal("0.25"), 0.25, GOOD),
        (2**53 + 1, 2.0**53, GOOD),
    ],
)
def test_odd_values_of_a_number_are_flagged(value: Any, expected: float, flag: int) -> None:
    event = one(of("n", value), of("n", 1.5))
    assert len(event.kinds) == 0
    np.testing.assert_array_equal(event.values, [expected, 1.5])
    assert read(event)[0][2] == flag
    assert read(event)[1][2] == GOOD


def test_half_a_surrogate_pair_is_replaced_and_flagged() -> None:
    event = one(of("s", "x\ud800"))
    assert read(decode(encode(event))) == [("s", "x?", BAD_DATA_ENCODING_INVALID)]


def test_a_status_code_that_came_unsigned_keeps_its_bits() -> None:
    event = one(of("t", 1.0, quality=0x80310000))
    assert unsigned(int(event.quality[0])) == 0x80310000


def test_clocks_centuries_apart_make_two_events() -> None:
    events = build(
        Sample("a", "t", 1.0, -11_644_473_600_000_000),  # 1601, where OPC UA begins
        Sample("a", "t", 2.0, NOW),
        Sample("a", "t", 3.0, 2**70, server_time=NOW),
    )
    assert [event.sequence for event in events] == [0, 1, 2]
    assert not find_faults(events)
    assert [event.start for event in events[:2]] == [-11_644_473_600_000_000, NOW]
    assert [event.values.tolist() for event in events] == [[1.0], [2.0], [3.0]]


ODD = st.floats() | st.booleans() | st.text() | st.integers() | st.none() | st.binary(max_size=3)
SAMPLES = st.builds(
    Sample,
    asset=st.sampled_from("ab"),
    tag=st.sampled_from("tuv"),
    value=ODD,
    source_time=st.integers(-(2**55), 2**55) | st.integers(NOW, NOW + 9),
    server_time=st.none() | st.integers(),
    quality=st.sampled_from([GOOD, BAD, 0x40900000, 0x80310000]),
)


@given(st.lists(SAMPLES, max_size=12))
def test_every_sample_is_in_an_event_whatever_it_is(samples: list[Sample]) -> None:
    events = build(*samples)
    assert not find_faults(events)
    assert sum(len(event.values) for event in events) == len(samples)
    found = []
    for event in map(decode, map(encode, events)):
        offsets = np.broadcast_to(event.offsets, len(event.values))
        for (tag, value, quality), offset in zip(read(event), offsets, strict=True):
            found.append((event.asset, tag, event.start + int(offset)))
            if isinstance(value, str) or not math.isnan(value):
                continue
            assert not is_good(quality) or any(
                s.tag == tag and isinstance(s.value, float) and math.isnan(s.value) for s in samples
            )
    assert sorted(found) == sorted((s.asset, s.tag, s.source_time) for s in samples)


def test_a_text_that_fits_no_message_is_cut_and_flagged() -> None:
    ((_, text, quality),) = read(one(of("barcode", "ä" * 5_000_000)))
    assert (text, quality) == ("ä" * 2_000, BAD_OUT_OF_RANGE)
