"""The sink to copy keeps its offsets with its lines."""

import json
from pathlib import Path

import pytest

from penstock.errors import TopicError
from penstock.kafka.topics import FEATURES
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.sink import SinkRecord
from penstock.units import parse_duration
from sinks.example import ExampleSettings, ExampleSink


def sink(folder: Path) -> ExampleSink:
    size = WindowSize(reopen_for=parse_duration("1 min"))
    plant = Plant(site=Site(path="acme/bremen"), windows=Windows(sizes={"5 s": size}))
    return ExampleSink("file", ExampleSettings(type="example", folder=folder), plant)


def record(offset: int) -> SinkRecord:
    return SinkRecord(FEATURES.name, 0, offset, 0, "press07", {"asset": "press07"})


def test_a_line_cut_off_by_a_crash_is_written_again(tmp_path: Path) -> None:
    first = sink(tmp_path)
    assert first.open(FEATURES.name, 0) is None
    first.write([record(0), record(1)])
    assert first.flush() == {(FEATURES.name, 0): 2}
    file = tmp_path / "ot.features.v1-0.jsonl"
    file.write_bytes(file.read_bytes()[:-5])
    second = sink(tmp_path)
    assert second.open(FEATURES.name, 0) == 1
    second.write([record(1)])
    second.flush()
    assert [json.loads(line)["offset"] for line in file.read_text().splitlines()] == [0, 1]


def test_lines_of_a_topic_that_was_created_anew_are_not_added_to_those_of_the_former(
    tmp_path: Path,
) -> None:
    lines = sink(tmp_path)
    lines.topic_ids = {FEATURES.name: "first"}
    lines.write([record(0)])
    lines.flush()
    assert lines.open(FEATURES.name, 0) == 1
    lines.topic_ids = {FEATURES.name: "second"}
    with pytest.raises(TopicError, match="deleted and created again since it was read to 1"):
        lines.open(FEATURES.name, 0)


def test_what_was_not_flushed_is_forgotten_with_its_partition(tmp_path: Path) -> None:
    lines = sink(tmp_path)
    lines.write([record(0)])
    lines.close(FEATURES.name, 0)
    assert lines.flush() == {}
