"""The processor writes its results' bytes itself: they are what fastavro writes."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.codec.records import decode_record, encode_record
from penstock.operator import Result
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.units import parse_duration
from schemas import Version, WindowStatistics, schema_text
from streams.window_statistics import WindowStatisticsProcessor

SIZES = {parse_duration("1 min"): WindowSize(reopen_for=parse_duration("1 min"))}
WINDOWS = Windows(out_of_order=parse_duration("1 s"), sizes=SIZES)
PROCESSOR = WindowStatisticsProcessor(Plant(site=Site(path="acme/bremen"), windows=WINDOWS))
NAME = "WindowStatistics"
longs = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 70)
ints = st.integers(0, 2**31 - 1) | st.integers(0, 70)


@st.composite
def results(draw: Any) -> WindowStatistics:
    tags = draw(st.lists(st.text(max_size=5), max_size=40))

    def table(rows: tuple[str, ...], values: Any, dtype: Any) -> Any:
        size = len(rows) * len(tags)
        drawn = draw(st.lists(values, min_size=size, max_size=size))
        return np.array(drawn, dtype).reshape(len(rows), len(tags))

    return WindowStatistics(
        asset=draw(st.text(max_size=5)),
        source=draw(st.text(max_size=5)),
        window_start=draw(longs),
        window_size=draw(longs),
        watermark=draw(longs),
        revision=draw(ints),
        tags=tuple(tags),
        counts=table(WindowStatistics.COUNTS, longs, np.int64),
        figures=table(WindowStatistics.FIGURES, st.floats(), np.float64),
    )


@settings(max_examples=40)
@given(results(), st.lists(longs, max_size=3), longs, ints)
def test_bytes_are_those_of_fastavro(
    found: WindowStatistics, offsets: list[int], epoch: int, emission: int
) -> None:
    version, result = Version(epoch, tuple(offsets), emission), Result(found.asset, found)
    body = PROCESSOR.encode(result, version)
    datum = PROCESSOR.to_avro(result, version)
    assert body == encode_record(NAME, datum)
    assert decode_record(body, schema_text(NAME), NAME)["tags"] == list(found.tags)
