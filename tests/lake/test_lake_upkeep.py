"""Compaction, vacuum and check change no row, and get in nobody's way."""

import errno
import json
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from lake_worker import new_sink, record
from typer.testing import CliRunner

from penstock.cli import app
from penstock.cli.lake import DEFAULT_LAKE
from penstock.errors import ConfigurationError, LakeError, QueryError
from penstock.kafka.topics import SENSORS
from penstock.lake import check, compact, open_lake, query, upkeep, vacuum
from penstock.lake.positions import Positions
from sinks import lake_table
from sinks.lake_rows import SAMPLES

RECORDS = 12
EVERYTHING = "select count(*), count(distinct (asset, value)), sum(value) from samples"


def fill(folder: Path, *, first: int = 0, last: int = RECORDS, partition: int = 0) -> None:
    """One commit per record."""
    sink = new_sink(folder)
    sink.open(SENSORS.name, partition)
    for offset in range(first, last):
        sink.write([record(partition, offset)])
        sink.flush()


def everything(folder: Path) -> tuple[object, ...]:
    return query(open_lake(str(folder)), EVERYTHING)[1][0]


def parquet_files(folder: Path) -> set[Path]:
    return set((folder / "samples").rglob("*.parquet")) - set(
        (folder / "samples" / "_delta_log").iterdir()
    )


def age(path: Path, days: float) -> None:
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))


def run(*arguments: str) -> tuple[int, list[dict[str, object]]]:
    result = CliRunner().invoke(app, ["lake", *arguments, "--json"])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_compaction_makes_one_file_of_each_day_and_changes_no_row(tmp_path: Path) -> None:
    fill(tmp_path)
    before = everything(tmp_path)
    code, done = run("compact", "--lake", str(tmp_path))
    assert (code, done) == (
        0, [{"table": "samples", "files_before": RECORDS, "files_after": 2, "rewritten": RECORDS}]
    )  # fmt: skip
    assert everything(tmp_path) == before == (240, 240, sum(range(240)))
    assert compact(str(tmp_path))[0].rewritten == 0, "there is nothing left to do"


def test_compacted_files_keep_order_compression_and_statistics(tmp_path: Path) -> None:
    fill(tmp_path)
    compact(str(tmp_path))
    table = DeltaTable(tmp_path / "samples")
    for added in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        file = pq.ParquetFile(tmp_path / "samples" / added["path"].replace("%25", "%"))
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
        rolls = [key for key, _ in groupby(file.read()["kafka_offset"].to_pylist())]
        assert rolls == sorted(set(rolls), reverse=True), "rows of a commit stay together"
        assert (added["min.kafka_offset"], added["max.kafka_offset"]) in [(0, 10), (1, 11)]


def test_a_compaction_makes_files_no_larger_than_told(tmp_path: Path) -> None:
    fill(tmp_path)
    size = max(file.stat().st_size for file in parquet_files(tmp_path))
    (done,) = compact(str(tmp_path), target_size=2 * size)
    assert 2 < done.files_after < RECORDS


def test_offsets_outlive_compaction_checkpoint_vacuum_and_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LEAST_KEEP", timedelta(0))
    fill(tmp_path, partition=1, last=3)
    folder = tmp_path / "samples"
    DeltaTable(folder).alter.set_table_properties(
        {
            "delta.logRetentionDuration": "interval 0 seconds",
            "delta.setTransactionRetentionDuration": "interval 0 seconds",
        }
    )
    fill(tmp_path)
    compact(str(tmp_path))
    vacuum(str(tmp_path), keep=timedelta(0))
    DeltaTable(folder).create_checkpoint()
    for log in (folder / "_delta_log").iterdir():
        age(log, 60)
    DeltaTable(folder).cleanup_metadata()
    assert not (folder / "_delta_log" / f"{0:020}.json").exists()
    sink = new_sink(tmp_path)
    assert [sink.open(SENSORS.name, partition) for partition in (0, 1, 2)] == [RECORDS, 3, None]
    sink.write([record(0, RECORDS)])
    sink.flush()
    assert everything(tmp_path)[0] == (RECORDS + 1 + 3) * 20


def test_a_reader_that_opened_before_compaction_and_vacuum_reads_on(tmp_path: Path) -> None:
    fill(tmp_path)
    reader = open_lake(str(tmp_path))
    compact(str(tmp_path))
    assert not vacuum(str(tmp_path))[0].files
    assert query(reader, EVERYTHING)[1][0] == everything(tmp_path)


def test_a_reader_of_files_that_are_gone_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LEAST_KEEP", timedelta(0))
    fill(tmp_path)
    reader = open_lake(str(tmp_path))
    compact(str(tmp_path))
    assert len(vacuum(str(tmp_path), keep=timedelta(0))[0].files) == RECORDS
    assert everything(tmp_path)[0] == 240
    with pytest.raises(LakeError, match="penstock lake check"):
        query(reader, EVERYTHING)


def test_vacuum_takes_what_broken_commits_left_once_it_is_old(tmp_path: Path) -> None:
    fill(tmp_path, last=2)
    before = everything(tmp_path)
    day = next(iter(parquet_files(tmp_path))).parent
    old, young, unfinished = day / "old.parquet", day / "young.parquet", day / "part.parquet#1"
    for file in (old, young, unfinished):
        file.write_bytes(b"half a file")
    for file in (old, unfinished):
        age(file, days=8)
    wanted = {str(file.relative_to(tmp_path / "samples")) for file in (old, unfinished)}
    code, found = run("vacuum", "--lake", str(tmp_path), "--dry-run")
    assert (code, {row["file"] for row in found}) == (0, wanted)
    assert old.exists()
    assert unfinished.exists()
    assert {row["file"] for row in run("vacuum", "--lake", str(tmp_path))[1]} == wanted
    assert [file.exists() for file in (old, young, unfinished)] == [False, True, False]
    assert everything(tmp_path) == before


@pytest.mark.parametrize("keep", ["10 min", "a week"])
def test_a_vacuum_that_would_get_in_writers_way_is_refused(tmp_path: Path, keep: str) -> None:
    fill(tmp_path, last=1)
    result = CliRunner().invoke(app, ["lake", "vacuum", "--lake", str(tmp_path), "--keep", keep])
    assert isinstance(result.exception, ConfigurationError)
    assert result.exception.where == "--keep"


def test_check_names_missing_and_broken_files_and_the_offsets_in_them(tmp_path: Path) -> None:
    fill(tmp_path, last=4)
    assert run("check", "--lake", str(tmp_path)) == (0, [])
    by_offset = {
        pq.read_table(file)["kafka_offset"][0].as_py(): file for file in parquet_files(tmp_path)
    }
    by_offset[1].unlink()
    with by_offset[2].open("r+b") as file:
        file.truncate(100)
    content = by_offset[3].read_bytes()
    by_offset[3].write_bytes(content[:-8] + bytes(8))
    code, lost = run("check", "--lake", str(tmp_path))
    assert code == LakeError.exit_code
    found = {row["offsets"][0]: row for row in lost}  # type: ignore[index]
    assert sorted(found) == [1, 2, 3]
    assert found[1] == {
        "table": "samples",
        "path": str(by_offset[1].relative_to(tmp_path / "samples")),
        "reason": "missing",
        "rows": 20,
        "partitions": [0, 0],
        "offsets": [1, 1],
    }
    assert str(found[2]["reason"]).startswith("100 bytes instead of")
    assert str(found[3]["reason"]).startswith("unreadable")
    assert {lost.path for lost in check(str(tmp_path)).lost} == {
        row["path"] for row in found.values()
    }


@pytest.mark.parametrize("place", ["lake", DEFAULT_LAKE])
def test_check_wants_all_tables_of_a_configured_lake_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / place, last=1)
    Path("plant.yaml").write_text(
        "version: 1\nsite: {path: acme/bremen}\nwindows: {sizes: {10 s: {reopen_for: 1 h}}}\n"
        f"sinks: {{lake: {{type: parquet, path: {place}}}}}\n"
    )
    code, lost = run("check")
    assert (code, {row["table"] for row in lost}) == (3, {"windows", "kpis", "alerts"})
    assert run("check", "--lake", place) == (0, [])


def test_the_files_of_a_damaged_table_are_read_as_the_docs_say(tmp_path: Path) -> None:
    fill(tmp_path, last=2)
    DeltaTable(tmp_path / "samples").create_checkpoint()
    text = Path("docs/how-to/read-the-lake.md").read_text()
    found = re.search(r"`(select \* from read_parquet\('lake-samples-damaged/.*?'\))`", text)
    assert found is not None
    sql = found[1].replace("lake-samples-damaged", str(tmp_path / "samples"))
    rows = duckdb.sql(sql)
    assert {"value", "site", "date"} <= set(rows.columns) and len(rows) == 40


def test_a_sink_that_cannot_read_its_table_says_that_it_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(lake_table.DeltaTable, "is_deltatable", away)
    positions = Positions("plant", "lake", SENSORS.name)
    table = lake_table.SourcedTable(str(tmp_path), {}, SAMPLES, positions)
    with pytest.raises(LakeError, match=r"Input/output error .*the sink tries again by itself"):
        table.position(0)


def test_check_reads_files_and_finds_what_their_footers_do_not_tell(tmp_path: Path) -> None:
    fill(tmp_path, last=3)
    result = CliRunner().invoke(app, ["lake", "check", "--lake", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "nothing is missing or broken: 3 files\n")
    (broken, *_) = sorted(parquet_files(tmp_path))
    content = broken.read_bytes()
    broken.write_bytes(content[:40] + bytes(400) + content[440:])
    assert run("check", "--lake", str(tmp_path), "--quick") == (0, [])
    code, (lost,) = run("check", "--lake", str(tmp_path))
    assert (code, lost["path"]) == (3, str(broken.relative_to(tmp_path / "samples")))
    assert str(lost["reason"]).startswith("unreadable")


@pytest.mark.parametrize(
    ("version", "content", "reason", "opens"),
    [
        (0, None, "missing", False),
        (2, None, "missing", False),
        (2, "{garbage", "line 1 is no JSON", False),
        (2, "", "empty", True),
    ],
)
def test_a_damaged_entry_of_the_log_is_named_in_words_with_what_to_do(
    tmp_path: Path, version: int, content: str | None, reason: str, opens: bool
) -> None:
    fill(tmp_path, last=4)
    path = f"_delta_log/{version:020}.json"
    entry = tmp_path / "samples" / path
    if content is None:
        entry.unlink()
    else:
        entry.write_text(content)
    code, found = run("check", "--lake", str(tmp_path))
    assert (code, [(one["path"], one["reason"]) for one in found]) == (3, [(path, reason)])
    if not opens:
        with pytest.raises(LakeError) as caught:
            open_lake(str(tmp_path))
        assert caught.value.message == f"the table's log is damaged: {path} ({reason})"
        assert "A damaged table" in str(caught.value.remedy)


def test_entries_before_a_checkpoint_may_be_gone(tmp_path: Path) -> None:
    fill(tmp_path, last=4)
    DeltaTable(tmp_path / "samples").create_checkpoint()
    (tmp_path / "samples" / "_delta_log" / f"{2:020}.json").unlink()
    assert run("check", "--lake", str(tmp_path)) == (0, [])


def test_the_lake_of_the_folders_plant_is_taken_and_its_tables_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "rows", last=1)
    (tmp_path / "plant.yaml").write_text(
        "site: {path: acme/bremen}\nwindows:\n  sizes: {10 s: {reopen_for: 15 min}}\n"
        "sinks:\n  lake: {type: parquet, path: rows}\n"
    )
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["lake", "query", "select count(*) as n from samples"])
    assert (result.exit_code, "1 row" in result.stdout) == (0, True), result.output
    assert result.stderr == f"the lake is {tmp_path / 'rows'}, of plant.yaml\n"
    code, found = run("check")
    assert (code, {one["table"] for one in found}) == (3, {"windows", "kpis", "alerts"})


def test_a_query_that_stops_early_ends_well(tmp_path: Path) -> None:
    """Arrow reads on in its threads while the process ends; this aborted it, or kept it forever."""
    sink = new_sink(tmp_path)
    for offset in range(8):
        sink.write([record(0, offset, samples=20_000)])
        sink.flush()
    script = "import sys; from penstock.lake import open_lake, query;"
    script += "query(open_lake(sys.argv[1]), 'select value from samples limit 1')"
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            check=False,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("sql", ["", " ; ", "-- nothing", "selec 1", "select x from samples"])
def test_a_wrong_query_is_no_fault_of_the_lake(sql: str, tmp_path: Path) -> None:
    fill(tmp_path, last=1)
    with pytest.raises(QueryError) as caught:
        query(open_lake(str(tmp_path)), sql)
    assert caught.value.exit_code == ConfigurationError.exit_code
    assert not caught.value.transient
    assert "check" not in str(caught.value.remedy)


def test_what_json_lacks_is_printed_all_the_same(tmp_path: Path) -> None:
    fill(tmp_path, last=1)
    sql = "select 'nan'::double as a, 'inf'::double as b, '\\xff'::blob as c, null as d"
    code, rows = run("query", sql, "--lake", str(tmp_path))
    assert (code, rows) == (0, [{"a": None, "b": None, "c": "ff", "d": None}])


def test_a_table_for_a_file_is_not_cut(tmp_path: Path) -> None:
    fill(tmp_path, last=1)
    long = "x" * 300
    result = CliRunner().invoke(app, ["lake", "query", f"select '{long}'", "--lake", str(tmp_path)])
    assert long in result.stdout
    assert result.stdout.endswith("1 row\n")
