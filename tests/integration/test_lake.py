"""The lake holds each sample once, whatever happens between its commits."""

import json
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from penstock.errors import DecodeError, FencedError, LakeError, TopicError
from penstock.kafka.topics import SENSORS
from penstock.lake import open_lake, query
from penstock.settings.plant import Plant, Site, Windows, WindowSize
from penstock.sink import SinkRecord
from penstock.units import parse_duration
from schemas import Kind, SensorEvent
from sinks.parquet import ParquetSettings, ParquetSink

START = 1_700_000_000_000_000


def plant() -> Plant:
    size = WindowSize(reopen_for=parse_duration("1 min"))
    return Plant(site=Site(path="acme/bremen"), windows=Windows(sizes={"5 s": size}))


def sink(folder: Path) -> ParquetSink:
    return ParquetSink(
        "lake", ParquetSettings(type="parquet", path=str(folder), roll="0 s"), plant()
    )


def event(sequence: int, start: int = START) -> SensorEvent:
    """Two numbers of one tag, one text, one bad sample."""
    return SensorEvent(
        asset="acme/bremen/stamping/line1/press07", source="plc", session="s", sequence=sequence,
        start=start, ingest=start + 5, tags=("temperature", "order"),
        counts=np.array([3, 1]), offsets=np.array([0.0, 1.0, 2.0, 3.0]) + sequence * 10,
        server_offsets=np.array([1.0, np.nan, 3.0, 4.0]),
        values=np.array([20.5, np.nan, 21.5, 0.0]),
        texts=("order-1",), kinds=np.array([Kind.NUMBER, Kind.TEXT], np.int32),
        quality=np.array([0, -2147483648, 0, 0], np.int32),
    )  # fmt: skip


def record(offset: int, partition: int = 0, start: int = START) -> SinkRecord:
    return SinkRecord(SENSORS.name, partition, offset, 0, None, event(offset, start))


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    return query(open_lake(str(folder)), sql)[1]


def test_a_sample_is_a_row_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.open(SENSORS.name, 0)
    lake.write([record(0)])
    assert lake.flush() == {(SENSORS.name, 0): 1}
    times = f"epoch_us(time) - {START}, epoch_us(server_time) - {START}"
    sql = f"select tag, {times}, value, text, quality, site, date::varchar, kafka_offset "
    sql += "from samples order by tag desc, time"
    site, date = "acme/bremen", "2023-11-14"
    assert rows(tmp_path, sql) == [
        ("temperature", 0, 1, 20.5, None, 0, site, date, 0),
        ("temperature", 1, None, None, None, -2147483648, site, date, 0),
        ("temperature", 2, 3, 21.5, None, 0, site, date, 0),
        ("order", 3, 4, None, "order-1", 0, site, date, 0),
    ]


def test_a_restart_goes_on_where_the_table_says(tmp_path: Path) -> None:
    first = sink(tmp_path)
    assert first.open(SENSORS.name, 0) is None
    first.write([record(0), record(1)])
    first.flush()
    first.write([record(2)])  # not committed when it dies
    second = sink(tmp_path)
    assert second.open(SENSORS.name, 0) == 2
    assert second.open(SENSORS.name, 1) is None
    second.write([record(2)])
    second.flush()
    assert rows(tmp_path, "select count(*), count(distinct time) from samples") == [(12, 12)]


def test_rows_of_a_topic_that_was_created_anew_are_not_added_to_those_of_the_former(
    tmp_path: Path,
) -> None:
    older = sink(tmp_path)  # keeps no id
    older.open(SENSORS.name, 0)
    older.write([record(0)])
    older.flush()
    first, second = ({SENSORS.name: one} for one in ("7XdJ1W1wR2aPbnJCcYlS5A", "other"))
    for offset in (1, 2):
        lake = sink(tmp_path)
        lake.topic_ids = first
        assert lake.open(SENSORS.name, 0) == offset
        lake.write([record(offset)])
        lake.flush()
    lake.topic_ids = second
    assert lake.open(SENSORS.name, 1) is None
    with pytest.raises(TopicError, match="deleted and created again since it was read to 3"):
        lake.open(SENSORS.name, 0)
    DeltaTable(tmp_path / "samples").create_checkpoint()
    with pytest.raises(TopicError, match=r"ot\.sensors\.v1/0"):
        lake.open(SENSORS.name, 0)


def test_all_partitions_go_out_in_one_commit(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.write([record(0, partition) for partition in range(3)])
    lake.flush()
    assert DeltaTable(tmp_path / "samples").version() == 1, "made, then written once"
    assert [lake.open(SENSORS.name, partition) for partition in range(3)] == [1, 1, 1]


def test_a_partition_given_up_takes_its_unwritten_rows_along(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.write([record(0, 0), record(0, 1)])
    lake.close(SENSORS.name, 1)
    assert lake.flush() == {(SENSORS.name, 0): 1}


def test_a_record_beyond_all_calendars_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.write([record(0)])
    wrong = SinkRecord(SENSORS.name, 0, 1, 0, None, {"not": "an event"})
    with pytest.raises(DecodeError, match=r"ot\.sensors\.v1/0@1"):
        lake.write([wrong])
    assert lake.flush() == {(SENSORS.name, 0): 1}


@pytest.mark.parametrize("year", [1970, 2106])
def test_clocks_of_1970_and_2106_are_rows_of_their_own_date(tmp_path: Path, year: int) -> None:
    lake = sink(tmp_path)
    start = int(np.datetime64(f"{year}-01-02", "us").astype(np.int64))
    lake.write([record(0, start=start)])
    lake.flush()
    assert rows(tmp_path, "select distinct date::varchar from samples") == [(f"{year}-01-02",)]


def test_a_full_disk_keeps_the_rows_until_there_is_room(tmp_path: Path) -> None:
    blocked = tmp_path / "samples"
    blocked.write_text("a file where the table should be")
    lake = sink(tmp_path)
    lake.write([record(0)])
    with pytest.raises(LakeError, match="cannot be written now"):
        lake.flush()
    blocked.unlink()
    assert lake.flush() == {(SENSORS.name, 0): 1}


def test_a_lake_that_cannot_be_opened_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way")
    with pytest.raises(LakeError, match="the table cannot be read now") as refused:
        sink(tmp_path / "lake").open(SENSORS.name, 0)
    assert refused.value.transient


def test_a_process_that_was_overtaken_writes_nothing(tmp_path: Path) -> None:
    frozen, successor = sink(tmp_path), sink(tmp_path)
    for one in (frozen, successor):
        one.open(SENSORS.name, 0)
        one.write([record(0), record(1)])
    successor.flush()
    assert frozen.flush() == {(SENSORS.name, 0): 2}, "these very records are there"
    successor.write([record(2)])
    successor.flush()
    frozen.write([record(2), record(3)])
    with pytest.raises(FencedError, match="another process has written"):
        frozen.flush()
    assert rows(tmp_path, "select count(*), count(distinct time) from samples") == [(12, 12)]


def test_a_table_that_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.open(SENSORS.name, 0)
    lake.write([record(0)])
    lake.flush()
    (tmp_path / "samples").rename(tmp_path / "elsewhere")
    lake.write([record(1)])
    with pytest.raises(LakeError, match="the table is gone"):
        lake.flush()
    (tmp_path / "elsewhere").rename(tmp_path / "samples")
    assert lake.flush() == {(SENSORS.name, 0): 2}
    assert rows(tmp_path, "select count(*) from samples") == [(8,)]


@pytest.mark.parametrize("micros", [1 << 62, -(1 << 62)])
def test_a_garbled_clock_leaves_the_lake_readable(tmp_path: Path, micros: int) -> None:
    lake = sink(tmp_path)
    lake.write([record(0), record(1, start=micros)])
    lake.flush()
    end = "9999-12-31" if micros > 0 else "0001-01-01"
    found = rows(tmp_path, "select date::varchar, count(*) from samples group by all order by 1")
    assert sorted(found) == sorted([("2023-11-14", 4), (end, 4)])


def test_files_are_compressed_partitioned_and_carry_statistics(tmp_path: Path) -> None:
    lake = sink(tmp_path)
    lake.write([record(0)])
    lake.flush()
    (file,) = tmp_path.glob("samples/site=*/date=2023-11-14/*.parquet")
    assert "zstd" in file.name
    log = next((tmp_path / "samples" / "_delta_log").glob("*.json")).read_text().splitlines()
    added = next(action["add"] for action in map(json.loads, log) if "add" in action)
    assert json.loads(added["stats"])["minValues"]["tag"] == "order"


def test_no_lake_and_a_wrong_query_are_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no lake here yet"):
        open_lake(str(tmp_path))
    lake = sink(tmp_path)
    lake.write([record(0)])
    lake.flush()
    with pytest.raises(LakeError, match="sampels"):
        query(open_lake(str(tmp_path)), "select * from sampels")
