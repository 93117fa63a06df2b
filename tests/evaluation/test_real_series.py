"""Real series, shown by real Modbus and OPC UA servers: the lake holds what the files hold.

The files are no part of the project; PENSTOCK_EVALUATION_DATA names their folder. The longest one
goes over Modbus, one request a row, only in part, unless PENSTOCK_EVALUATION_ALL=1.
"""

import asyncio
import json
import math
import os
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from carrying import Processes, Site, write_site
from players import PLAYERS, Player
from series import Series, read_series, sorted_bits

from penstock.clock import now
from penstock.demo.check_windows import check_windows
from penstock.settings.loader import load_plant
from penstock.settings.plant import KafkaSettings, RegistrySettings

pytestmark = pytest.mark.timeout(600)

PUMP = "skab/valve1/0.csv"
"""Eight sensors of a pump, about each second."""
MACHINE = "nab/realKnownCause/machine_temperature_system_failure.csv"
"""One temperature each 5 minutes for 79 days; once the clock is set back by 55 minutes."""
LATENCY = "nab/realKnownCause/ec2_request_latency_system_failure.csv"
"""One value each 5 minutes; twelve different ones in a row bear the same time."""
SOURCES = {
    "pump-modbus": (PUMP, "modbus"),
    "machine-opcua": (MACHINE, "opcua"),
    "pump-opcua": (PUMP, "opcua"),
    "machine-modbus": (MACHINE, "modbus"),
    "latency-opcua": (LATENCY, "opcua"),
    "latency-modbus": (LATENCY, "modbus"),
}
PART = {} if os.environ.get("PENSTOCK_EVALUATION_ALL") == "1" else {"machine-modbus": 11_000}
"""Rows shown of what is not shown whole; enough to reach the clock's jump back."""
MINUTE, HOUR = 60_000_000, 3_600_000_000
SIZES = (5 * MINUTE, HOUR)
WINDOWS = {
    "hold": "10 min",
    "sizes": {"5 min": {"reopen_for": "2 h"}, "1 h": {"reopen_for": "1 d"}},
}
OUT_OF_ORDER = 1_000_000
"""Microseconds; the configuration's default."""
ALWAYS = (-(2**53), 2**53)
CARRY_SECONDS = 240


@dataclass(frozen=True)
class Carried:
    """What was shown, and where it went."""

    series: dict[str, Series]
    site: Site
    samples: pa.Table
    windows: pa.Table
    began: int
    ended: int


@pytest.fixture(scope="module")
def carried(
    evaluation_data: Path,
    kafka: KafkaSettings,
    registry: RegistrySettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Carried:
    """All series, each from a server of its own, through one pipeline into one lake."""
    folder = tmp_path_factory.mktemp("evaluation")
    series = {
        name: read_series(evaluation_data / file, PART.get(name))
        for name, (file, _) in SOURCES.items()
    }
    players = {
        name: PLAYERS[protocol](series[name], folder / f"{name}-server")
        for name, (_, protocol) in SOURCES.items()
    }
    site = Site(folder, f"evaluation/{folder.name}-{os.getpid()}-{now():x}")
    began = now()
    asyncio.run(carry(site, players, kafka, registry))
    return Carried(series, site, site.table("samples"), site.table("windows"), began, now())


async def carry(
    site: Site, players: dict[str, Player], kafka: KafkaSettings, registry: RegistrySettings
) -> None:
    for player in players.values():
        player.folder.mkdir()
        await player.start()
    write_site(site, players, WINDOWS, kafka, registry)
    processes = Processes(site, list(players))
    try:
        with processes.running():
            await asyncio.gather(*(play(processes, *item) for item in players.items()))
            await processes.stop("connector")
            await processes.until(lambda: complete(site, players), "all in the lake", 120)
            await processes.stop("processor")
            await processes.stop("sink")
    finally:
        for player in players.values():
            await player.stop()


async def play(processes: Processes, name: str, player: Player) -> None:
    """Show a series to its end; tell how long it took, from the start of the processes."""
    began = time.monotonic()
    wanted = player.series.samples
    try:
        async with asyncio.timeout(CARRY_SECONDS):
            await player.play(lambda: processes.acknowledged(name))
    except TimeoutError:
        done = await processes.acknowledged(name)
        pytest.fail(f"{name}: Kafka has {done} of {wanted} samples after {CARRY_SECONDS} s")
    seconds = time.monotonic() - began
    print(f"{name}: {len(player.series)} rows, {wanted} samples in Kafka after {seconds:.1f} s")


def complete(site: Site, players: dict[str, Player]) -> bool:
    """Whether all samples, and the last window to close of each series, are in the lake."""
    if site.table("samples").num_rows < sum(p.series.samples for p in players.values()):
        return False
    windows = site.table("windows")
    if not windows.num_rows:
        return False
    there = set(zip(*(windows[n].to_pylist() for n in ("source", "window_seconds", "window_start")),
                    strict=True))  # fmt: skip
    return all(
        (name, size / 1e6, last) in there
        for name, player in players.items()
        for size in SIZES
        if (last := max(closed(player.series, size), default=None)) is not None
    )


def closed(series: Series, size: int) -> dict[int, list[int]]:
    """The windows that close before the series ends: start, and the rows in it."""
    found = defaultdict(list)
    for row, at in enumerate(series.times.tolist()):
        found[at // size * size].append(row)
    watermark = int(series.times.max()) - OUT_OF_ORDER
    return {start: rows for start, rows in found.items() if start + size <= watermark}


def of(table: pa.Table, source: str, tag: str) -> pa.Table:
    return table.filter((pc.field("source") == source) & (pc.field("tag") == tag))


@pytest.mark.parametrize("name", SOURCES)
def test_the_lake_holds_each_row_of_the_file_once_to_the_last_bit(
    carried: Carried, name: str
) -> None:
    series = carried.series[name]
    mine = carried.samples.filter(pc.field("source") == name)
    assert mine.num_rows == series.samples
    for number, tag in enumerate(series.tags):
        rows = of(mine, name, tag)
        assert set(rows["asset"].to_pylist()) == {carried.site.asset(name)}
        expected = sorted_bits(series.times, series.values[:, number])
        found = sorted_bits(rows["time"].to_numpy(), rows["value"].to_numpy())
        assert np.array_equal(found, expected), tag


def test_no_other_rows_are_in_the_lake(carried: Carried) -> None:
    rows = carried.samples
    assert rows.num_rows == sum(series.samples for series in carried.series.values())
    assert pc.unique(rows["quality"]).to_pylist() == [0]
    assert rows["text"].null_count == rows.num_rows
    assert carried.began < pc.min(rows["ingest_time"]).as_py()
    assert pc.max(rows["ingest_time"]).as_py() < carried.ended
    days = rows["time"].cast(pa.timestamp("us")).cast(pa.date32())
    assert days == rows["date"].cast(pa.date32())


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("size", SIZES, ids=["5 min", "1 h"])
def test_counts_and_means_of_the_windows_are_those_of_the_file(
    carried: Carried, name: str, size: int
) -> None:
    series = carried.series[name]
    for number, tag in enumerate(series.tags):
        rows = of(carried.windows, name, tag)
        latest = {
            row["window_start"]: row
            for row in sorted(rows.to_pylist(), key=lambda row: row["revision"])
            if row["window_seconds"] == size / 1e6 and row["count"]
        }
        expected = closed(series, size)
        assert latest.keys() == expected.keys()
        for start, members in expected.items():
            values = series.values[members, number].tolist()
            found = latest[start]
            assert found["count"] == len(values)
            assert math.isclose(found["mean"], math.fsum(values) / len(values), rel_tol=1e-12)
            assert (found["minimum"], found["maximum"]) == (min(values), max(values))


def test_all_figures_of_all_windows_equal_the_oracle(carried: Carried) -> None:
    settings = load_plant(carried.site.config).windows
    found = check_windows(carried.samples, carried.windows, settings, ALWAYS)
    assert (found.wrong, found.examples) == (0, [])
    with_samples = [
        len(closed(series, size)) * len(series.tags)
        for series in carried.series.values()
        for size in SIZES
    ]
    assert found.windows >= sum(with_samples)


@pytest.mark.parametrize("name", ["machine-opcua", "machine-modbus"])
def test_an_hour_that_the_clock_repeats_holds_both_passes(carried: Carried, name: str) -> None:
    times = carried.series[name].times
    (back,) = np.flatnonzero(np.diff(times) < 0)
    again = int(times[back + 1])
    rows = carried.windows.filter(
        (pc.field("source") == name) & (pc.field("window_start") == again)
    )
    hour = [row for row in rows.to_pylist() if row["window_seconds"] == HOUR / 1e6]
    assert max(hour, key=lambda row: row["revision"])["count"] == 24


@pytest.mark.parametrize("name", ["latency-opcua", "latency-modbus"])
def test_samples_of_one_time_are_all_there(carried: Carried, name: str) -> None:
    times, counts = np.unique(carried.series[name].times, return_counts=True)
    repeated = int(times[counts.argmax()])
    rows = carried.samples.filter((pc.field("source") == name) & (pc.field("time") == repeated))
    assert rows.num_rows == counts.max() == 12
    assert len(set(rows["value"].to_pylist())) == 12


def test_the_lake_answers_a_query(carried: Carried) -> None:
    sql = (
        "select source, tag, count(*) as rows, avg(value) as mean from samples "
        f"where site = '{carried.site.path}' group by all"
    )
    command = [sys.executable, "-m", "penstock", "lake", "query", sql]
    command += ["--lake", str(carried.site.lake), "--json"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found = {
        (row["source"], row["tag"]): row for row in map(json.loads, answer.stdout.splitlines())
    }
    for name, series in carried.series.items():
        for number, tag in enumerate(series.tags):
            row = found.pop((name, tag))
            assert row["rows"] == len(series)
            assert math.isclose(row["mean"], series.values[:, number].mean(), rel_tol=1e-9)
    assert not found
