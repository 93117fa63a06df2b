"""Anomaly scores on a real Kafka: one process, killed and restored, and a person's release."""

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.codec.build import build_events
from penstock.codec.sensor_event import encode
from penstock.connector import Sample
from penstock.kafka import topics
from penstock.local.stack import LocalStack
from penstock.settings.plant import RegistrySettings
from penstock.testing.batches import Batches, Record
from streams.anomaly_scores import AnomalyScoresProcessor

sys.path.insert(0, str(Path(__file__).parent))
from processor_rig import ProcessorRig

SECOND = 1_000_000
ASSETS = ("acme/bremen/line1/press", "acme/bremen/line1/packer")
TAGS = ("current", "pressure", "temperature")
KILLED, FAULT, END = 120, 180, 220
"""Seconds from the begin; the warm-up takes 60."""
STEP = 5
Row = tuple[str, int]


class Machines(ProcessorRig):
    """Two machines, whose signals are sent by hand; the first one's pressure drops in the end."""

    def begin(self) -> None:
        self.start_time = (time.time_ns() // 1_000_000_000 - END - 10) * SECOND
        self.noise = np.random.default_rng(7).normal(size=(len(ASSETS), END + 60, len(TAGS)))
        self.sequences: dict[str, int] = {}
        self.fed: list[Record] = []

    def feed(self, seconds: range, start: int | None = None) -> None:
        """A record of each machine per `STEP` seconds, of a sample of each tag per second."""
        start = self.start_time if start is None else start
        for first in range(seconds.start, seconds.stop, STEP):
            for place, asset in enumerate(ASSETS):
                rows = [
                    (tag, start + k * SECOND, self.value(place, k, number))
                    for k in range(first, first + STEP)
                    for number, tag in enumerate(TAGS)
                ]
                self.fed.append(Record(asset, "plc", rows))
                (event,) = build_events(
                    [Sample(asset, tag, value, at) for tag, at, value in rows],
                    source="plc", session="s", sequences=self.sequences, ingest=rows[-1][1],
                )  # fmt: skip
                name = topics.SENSORS.name
                self.send(name, asset, self.framed(name, encode(event)))
        self.producer.flush()

    def value(self, place: int, k: int, number: int) -> float:
        common = self.noise[place, k, 0]  # the signals of a machine go together
        fault = -25.0 if place == 0 and FAULT <= k < END and number == 1 else 0.0
        return float(50 + 5 * number + common + 0.3 * self.noise[place, k, number] + fault)

    def scores(self) -> dict[Row, dict[str, Any]]:
        return self.latest(topics.ANOMALIES, lambda one: (one["asset"], one["time"]), "version")

    def oracle(self) -> dict[Row, Any]:
        """What one operator says that sees all of it at once, and is never restored."""
        output = AnomalyScoresProcessor(self.plant).operator().update(Batches().of(*self.fed))
        return {(one.record.asset, one.record.time): one.record for one in output.results}


@pytest.fixture
def machines(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Machines]:
    rows = [
        f"{asset.removeprefix('acme/bremen/')},{tag},1/4{place}0{n}1,float32"
        for place, asset in enumerate(ASSETS)
        for n, tag in enumerate(TAGS)
    ]
    (tmp_path / "tags.csv").write_text("\n".join(["asset,tag,address,type", *rows]) + "\n")
    settings = {
        "environment": unique,
        "site": {"path": "acme/bremen"},
        "assets": {asset.removeprefix("acme/bremen/"): {} for asset in ASSETS},
        "sources": {"plc": {"type": "modbus", "host": "127.0.0.1", "tags": "tags.csv"}},
        "windows": {"out_of_order": "0 s", "sizes": {"10 s": {"reopen_for": "1 h"}}},
        "processors": {"anomaly-scores": {"grid": "1 s", "monitor": {"warm_up": 60}}},
    }
    machines = Machines(
        tmp_path, settings, own_stack, registry, {topics.SENSORS.name: "SensorEvent"}
    )
    machines.begin()
    yield machines
    machines.stop()


def test_scores_go_on_through_a_kill_as_if_nothing_had_been(machines: Machines) -> None:
    worker = machines.start("anomaly-scores")
    machines.feed(range(KILLED))
    machines.until(lambda: len(machines.scores()) >= 2 * (KILLED - STEP))
    worker.kill()
    machines.feed(range(KILLED, END))
    machines.start("anomaly-scores")
    wanted = machines.oracle()
    assert len(wanted) >= 2 * (END - STEP)
    machines.until(lambda: machines.scores().keys() >= wanted.keys())
    found = machines.scores()
    assert found.keys() == wanted.keys()
    for row, one in wanted.items():
        got = found[row]
        for name in ("state", "learning", "alarm", "alarm_since"):
            assert got[name] == getattr(one, name), (row, name)
        for name in ("score", "p_value"):
            both = got[name], getattr(one, name)
            assert all(map(math.isnan, both)) or math.isclose(*both, rel_tol=1e-9), (row, name)
    alarms = {asset for (asset, _), one in found.items() if one["alarm"]}
    assert alarms == {ASSETS[0]}
    since = {one["alarm_since"] for one in found.values() if one["alarm"]}
    assert min(since) >= machines.start_time + FAULT * SECOND

    command = [sys.executable, "-m", "penstock", "anomalies", "release", "line1/press"]
    command += ["--by", "Ann Lee", "--config", str(machines.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    later = (time.time_ns() // 1_000_000_000 + 2) * SECOND
    machines.feed(range(20), later)
    newest = later + 15 * SECOND
    machines.until(lambda: all((asset, newest) in machines.scores() for asset in ASSETS))
    states = [machines.scores()[asset, newest]["state"] for asset in ASSETS]
    assert states[0] == "warming_up" and states[1] != "warming_up"
