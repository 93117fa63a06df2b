"""After a reset to a time, windows that it cut stay as they were told before."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.errors import StateError
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.state.checkpoint import InputState, Source
from penstock.state.control import Control
from penstock.units import parse_duration
from schemas import ProductionPartial, SensorEvent, WindowStatistics, schema_text
from streams.host.cut import NOTHING_CUT, Cut
from streams.host.duplicates import Duplicates
from streams.host.inputs import inputs_of
from streams.host.levels import Levels, load_levels
from streams.host.outputs import Outgoing
from streams.host.partition import Partition
from streams.window_statistics import WindowStatisticsProcessor

SECOND = 1_000_000
TOPIC = "ot.sensors.v1"
PLANT = Plant(
    site=Site(path="acme/bremen"),
    windows=Windows(
        out_of_order=parse_duration("1 s"),
        hold=parse_duration("20 s"),
        clock_ahead=parse_duration("5 s"),
        sizes={parse_duration("10 s"): WindowSize(reopen_for=parse_duration("0 s"))},
    ),
)
PROCESSOR = WindowStatisticsProcessor(PLANT)
SAMPLES = [(second, float(second % 7)) for second in range(0, 200, 3)]
"""Second and value; one record each, appended at once."""


class Record(NamedTuple):
    offset: int
    value: bytes | None
    key: bytes | None = b"press"
    headers: tuple[tuple[str, bytes], ...] = ()


class Kept:
    """Keeps results instead of messages of them."""

    processor = PROCESSOR

    def __init__(self) -> None:
        self.results: dict[int, Any] = {}

    def result(self, result: Any, _version: Any) -> Outgoing:
        self.results[result.record.window_start // SECOND] = result.record
        return Outgoing("", None, None)


class Silent:
    def batch(self, batch: Any) -> None: ...

    def dead(self, offset: int, error: Exception) -> None: ...


def windows(first: int, cut: Cut) -> dict[int, Any]:
    """What is told, by second of the start, by who reads from a record on."""
    seen, kept = Duplicates(), Kept()
    states = {TOPIC: InputState("id", first, first)}
    partition = Partition(
        0, inputs_of(PROCESSOR, [Source(TOPIC, "id", 0)], states, seen, epoch=1),
        PROCESSOR.operator(), kept, Silent(),  # type: ignore[arg-type]
        environment="test", epoch=1, seen=seen, cut=cut,
    )  # fmt: skip
    ints, none = np.empty(0, np.int32), np.empty(0)
    records = []
    for offset, (second, value) in enumerate(SAMPLES):
        event = SensorEvent(
            "press", "plc", "s", offset, second * SECOND, second * SECOND, ("t",), np.array([1]),
            np.zeros(1), none, np.array([value]), (), ints, ints,
        )  # fmt: skip
        records.append(Record(offset, frame(1, encode(event))))
    partition.process(TOPIC, records, {1: schema_text("SensorEvent")})
    return kept.results


def columns(record: Any) -> Any:
    return record.counts.tolist(), record.figures.tolist()


@pytest.mark.parametrize("since", [100, 101, 105, 109])
def test_windows_from_the_time_on_are_whole_and_cut_ones_are_not_told(since: int) -> None:
    whole = windows(0, NOTHING_CUT)
    begun = since - PROCESSOR.lead // SECOND
    first = next(offset for offset, (second, _) in enumerate(SAMPLES) if second >= begun)
    ended = 150
    again = windows(first, Cut(since * SECOND, ended * SECOND))
    told = [start for start in whole if start >= since or start + 10 > ended]
    assert sorted(again) == told
    assert [columns(again[start]) for start in told] == [columns(whole[start]) for start in told]


def test_what_nobody_told_before_is_told_as_far_as_it_is_known() -> None:
    cut = Cut.of(Control(since=900_000, told={3: 1_000_000}), 3, {})
    pane = ProductionPartial("line", "asset", 800_000, 200_000, 0, False)
    assert cut.through(pane)
    assert not cut.through(ProductionPartial("line", "asset", 800_000, 200_001, 0, False))
    assert not cut.through(ProductionPartial("line", "asset", 900_000, 1, 0, False))
    assert not cut.through("no window")
    named = SimpleNamespace(window_start=800_000, window_size=200_000)
    assert not cut.through(named), "who tells of a window says so by its type"
    assert not NOTHING_CUT.through(pane)
    assert not Cut.of(Control(since=900_000, told={3: 1_000_000}), 4, {}).through(pane)


def test_of_a_source_that_was_behind_the_others_what_it_had_not_told_is_told() -> None:
    levels = {("press", "fast"): 1500, ("press", "slow"): 890, ("other", "slow"): 9000}
    cut = Cut.of(Control(since=1450, told={0: 1500}), 0, levels)

    def window(source: str, start: int) -> WindowStatistics:
        return WindowStatistics(
            "press", source, start, 10, 0, 0, ("t",), np.zeros((3, 1), np.int64), np.zeros((8, 1))
        )

    assert cut.through(window("slow", 880))
    assert not cut.through(window("slow", 890))
    assert cut.through(window("fast", 1440))
    assert not cut.through(window("new", 100)), "nobody has told of a source that was not there"


def test_of_a_line_and_of_an_asset_its_furthest_stream_counts() -> None:
    cut = Cut.of(Control(since=900), 0, {("line/a", "plc"): 300, ("line", "line/b"): 500})
    for unit, told in (("line", 500), ("line/a", 300), ("line/b", 500)):
        before = ProductionPartial("", unit, told - 10, 10, 0, False)
        after = ProductionPartial("", unit, told, 10, 0, False)
        assert (cut.through(before), cut.through(after)) == (True, False)


def test_levels_are_stored_by_rows_of_many_and_only_where_they_changed() -> None:
    watermarks = {(f"asset{n}", "plc"): n for n in range(600)}
    levels = Levels({})
    stored = levels.changes(watermarks)
    assert sorted(stored) == ["0", "1", "2"]
    assert load_levels(stored) == watermarks
    again = Levels(stored)
    assert again.changes(watermarks) == {}
    changed = again.changes({("asset300", "plc"): 7, ("new", "plc"): 8})
    assert sorted(changed) == ["1", "2"]
    watermarks |= {("asset300", "plc"): 7, ("new", "plc"): 8}
    assert load_levels(stored | changed) == watermarks
    with pytest.raises(StateError, match="cannot be read"):
        load_levels({"0": b"{"})
