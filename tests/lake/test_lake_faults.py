"""The lake under kills, zombies, crowds of writers and full disks: each sample stays there once."""

import itertools
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from lake_worker import Arguments, new_sink, record

from penstock.errors import FencedError, LakeError
from penstock.kafka.topics import FEATURES, SENSORS
from penstock.lake import check, compact, open_lake, query, upkeep, vacuum

SEED = 20261123
SECONDS = 30.0
"""A process may take as long."""
KILLS = 4
PARTITIONS = [0, 1, 2, 3]


def start(arguments: Arguments, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(arguments.command(), stdout=file, stderr=file)


def finish(process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.wait(SECONDS) == 0, log.read_text()[-2000:]


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def on_disk(lake: Path) -> set[str]:
    """Data files, committed or not."""
    table = lake / "samples"
    return {str(file.relative_to(table)) for file in table.glob("site=*/*/*.parquet")}


def orphans(lake: Path) -> set[str]:
    """Files that were written and not committed."""
    actions = pa.table(DeltaTable(lake / "samples").get_add_actions(flatten=True))
    return on_disk(lake) - {unquote(path) for path in actions["path"].to_pylist()}


def assert_each_once(lake: Path, arguments: Arguments) -> None:
    """All samples of all partitions, each exactly once, with its own time and offset."""
    found = query(
        open_lake(str(lake)),
        "select kafka_partition, count(*), count(distinct value), min(value), max(value),"
        f" count(*) filter (kafka_offset <> value::bigint // {arguments.samples})"
        " from samples group by 1 order by 1",
    )[1]
    wanted = arguments.records * arguments.samples
    assert found == [(p, wanted, wanted, 0, wanted - 1, 0) for p in arguments.partitions]
    assert check(str(lake)).lost == []


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    lake, log = tmp_path / "lake", tmp_path / "log"
    arguments = Arguments(str(lake), PARTITIONS, records=60, batch=2)
    for _ in range(KILLS):
        process = start(arguments, log)
        before = len(on_disk(lake))
        wait_for_file(lake, before, process)
        time.sleep(chance.uniform(0, 0.3))
        kill(process)
    finish(start(arguments, log), log)
    assert_each_once(lake, arguments)


def test_killed_between_file_and_commit_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    """Each kill comes as soon as a new data file is there; some come before its commit."""
    lake, log = tmp_path / "lake", tmp_path / "log"
    arguments = Arguments(str(lake), PARTITIONS, records=200, batch=10)
    between = 0
    for _ in range(KILLS):
        process = start(arguments, log)
        before = len(on_disk(lake))
        wait_for_file(lake, before, process)
        kill(process)
        between += bool(orphans(lake)) if (lake / "samples" / "_delta_log").exists() else 0
    assert between, "no kill hit the moment that this test is about"
    finish(start(arguments, log), log)
    assert_each_once(lake, arguments)
    compact(str(lake))
    assert_each_once(lake, arguments)


def wait_for_file(lake: Path, before: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while len(on_disk(lake)) <= before and process.poll() is None:
        assert time.monotonic() < deadline


def test_several_processes_append_while_others_compact_and_vacuum(tmp_path: Path) -> None:
    """No commit is lost, as in delta-io/delta-rs#3736, and no row doubled."""
    lake = tmp_path / "lake"
    arguments = Arguments(str(lake), PARTITIONS, records=30, batch=2)
    shares = [replace(arguments, partitions=[partition]) for partition in PARTITIONS]
    logs = [tmp_path / f"log{partition}" for partition in PARTITIONS]
    processes = [start(share, log) for share, log in zip(shares, logs, strict=True)]
    compactions, refusals = 0, 0
    while any(process.poll() is None for process in processes):
        try:
            compactions += sum(done.rewritten > 0 for done in compact(str(lake)))
            vacuum(str(lake))
        except LakeError as error:
            refusals += "no lake here yet" not in str(error)
    for process, log in zip(processes, logs, strict=True):
        finish(process, log)
    assert_each_once(lake, arguments)
    assert compactions, f"none got through, {refusals} were refused"


def test_of_two_owners_of_a_partition_one_gets_through(tmp_path: Path) -> None:
    """Both are started at once on a lake that is not there yet, again and again until they meet."""
    log = tmp_path / "log"
    overtaken, deadline = False, time.monotonic() + SECONDS
    for number in itertools.count():
        lake = tmp_path / f"lake{number}"
        arguments = Arguments(str(lake), PARTITIONS[:2], records=60, batch=1)
        while any(codes := run_two(arguments, log)):
            overtaken = True
            assert time.monotonic() < deadline, codes
        assert_each_once(lake, arguments)
        if overtaken:
            break
        assert time.monotonic() < deadline, "one had always ended before the other began"
    assert "FencedError" in log.read_text()


def run_two(arguments: Arguments, log: Path) -> list[int]:
    """The exit codes of two owners of the same partitions."""
    processes = [start(arguments, log) for _ in range(2)]
    return [process.wait(SECONDS) for process in processes]


def test_a_zombie_that_looked_before_it_was_overtaken_is_refused(tmp_path: Path) -> None:
    """The table itself refuses: the successor commits between the zombie's look and its commit."""
    zombie, successor = new_sink(tmp_path), new_sink(tmp_path)
    for one in (zombie, successor):
        one.open(SENSORS.name, 0)
        one.write([record(0, 0)])
    table = zombie._tables[SENSORS.name]
    commit = table._commit

    def overtaken(*arguments: object) -> None:
        successor.flush()
        commit(*arguments)  # type: ignore[arg-type]  # what it was called with

    table._commit = overtaken  # type: ignore[method-assign]  # between look and commit
    with pytest.raises(LakeError, match="Concurrent transaction failed"):
        zombie.flush()
    table._commit = commit  # type: ignore[method-assign]  # as before
    successor.write([record(0, 1)])
    successor.flush()
    zombie.write([record(0, 1), record(0, 2)])
    with pytest.raises(FencedError, match="another process has written"):
        zombie.flush()
    assert_each_once(tmp_path, Arguments(str(tmp_path), [0], records=2))


def test_offsets_of_one_table_are_told_once_another_table_can_be_written_again(
    tmp_path: Path,
) -> None:
    sink = new_sink(tmp_path)
    sink.open(SENSORS.name, 0)
    sink.write([record(0, 0)])
    sink.skip(FEATURES.name, 0, 4)
    (tmp_path / "windows").write_text("in the way")
    with pytest.raises(LakeError, match="windows"):
        sink.flush()
    assert new_sink(tmp_path).open(SENSORS.name, 0) == 1, "samples are in the lake"
    (tmp_path / "windows").unlink()
    assert sink.flush() == {(SENSORS.name, 0): 1, (FEATURES.name, 0): 5}
    assert sink.flush() == {}
    assert_each_once(tmp_path, Arguments(str(tmp_path), [0], records=1))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if shutil.which("mount") is None or _fails(mount):
        pytest.skip("a small file system cannot be mounted here: it takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _fails(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_on_a_full_disk_a_sink_waits_and_goes_on_by_itself(small_disk: Path) -> None:
    """With every size of room left, from none up, so that each step of a commit hits the end."""
    lake = small_disk / "lake"
    sink = new_sink(lake)
    sink.open(SENSORS.name, 0)
    sink.write([record(0, 0, samples=500)])
    assert sink.flush() == {(SENSORS.name, 0): 1}
    offset = 1
    refused = 0
    for room in range(0, 64 * 1024, 4 * 1024):
        fill(small_disk, room)
        sink.write([record(0, offset, samples=500)])
        offset += 1
        for _ in range(2):
            try:
                done = sink.flush()
            except LakeError as error:
                assert error.transient
                refused += 1
            else:
                assert done in ({(SENSORS.name, 0): offset}, {})
        assert new_sink(lake).open(SENSORS.name, 0) in range(1, offset + 1)
        assert check(str(lake)).lost == []
        (small_disk / "filling").unlink()
    assert refused > 5
    sink.write([record(0, offset, samples=500)])
    assert sink.flush() == {(SENSORS.name, 0): offset + 1}
    assert_each_once(lake, Arguments(str(lake), [0], records=offset + 1, samples=500))


def test_a_vacuum_makes_room_on_a_full_disk(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LEAST_KEEP", timedelta(0))
    lake = small_disk / "lake"
    sink = new_sink(lake)
    sink.open(SENSORS.name, 0)
    for offset in range(6):
        sink.write([record(0, offset, samples=500)])
        sink.flush()
        if offset == 3:
            compact(str(lake))
    fill(small_disk, 0)
    with pytest.raises(LakeError) as refused:
        compact(str(lake))
    assert refused.value.remedy
    assert "make room first" in refused.value.remedy
    assert len(orphans(lake)) >= 4
    vacuum(str(lake), keep=timedelta(0))
    assert orphans(lake) == set()
    assert check(str(lake)).lost == []
    sink.write([record(0, 6, samples=500)])
    assert sink.flush() == {(SENSORS.name, 0): 7}
    assert_each_once(lake, Arguments(str(lake), [0], records=7, samples=500))


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes."""
    with (disk / "filling").open("wb", buffering=0) as file:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        file.write(bytes(max(0, free - room)))
