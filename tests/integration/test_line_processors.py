"""From assets to lines on a real Kafka: two processors as processes, one killed, fed nonsense."""

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.audit import audit
from penstock.codec.sensor_event import encode
from penstock.kafka import topics
from penstock.local.stack import LocalStack
from penstock.processor import chosen
from penstock.settings.plant import RegistrySettings
from penstock.state.overview import overview
from schemas import SensorEvent

sys.path.insert(0, str(Path(__file__).parent))
from processor_rig import ProcessorRig

START = 1_760_000_000_000_000
SECOND = 1_000_000
WINDOWS = 30
"""Of 10 s, with 7 and 3 pieces in each."""
OTHERS = ("alerts", "anomaly-scores", "window-statistics")
"""Processors that this plant would have, too."""
INTS, NONE = np.empty(0, np.int32), np.empty(0)
ASSETS = ("acme/bremen/line1/press", "acme/bremen/line1/packer")


class Line(ProcessorRig):
    """A line of two machines, fed by hand; its processors are real processes."""

    def feed(self, windows: range) -> None:
        """Readings of both counters at the seconds 2 and 8 of each window."""
        for number in windows:
            for asset, step in zip(ASSETS, (7, 3), strict=True):
                start = START + number * 10 * SECOND
                values = np.array([number * step + 1.0, (number + 1) * step])
                event = SensorEvent(
                    asset, "plc", "s", number, start, start + 9 * SECOND, ("made",), np.array([2]),
                    np.array([2.0, 8.0]) * SECOND, NONE, values, (), INTS, INTS,
                )  # fmt: skip
                name = topics.SENSORS.name
                self.send(name, asset, self.framed(name, encode(event)))
        self.producer.flush()

    def partial(self, asset: str, **changes: Any) -> bytes:
        """A partial of nobody."""
        datum = {
            "line": "acme/bremen/line1", "asset": asset, "source": "plc", "window_start": START,
            "window_size": 10 * SECOND, "watermark": START, "final": True, "good": math.nan,
            "scrap": math.nan, "total": math.nan, "covered": 0,
            "version": {"epoch": 1, "offsets": [1], "emission": 1}, **changes,
        }  # fmt: skip
        return self.record(topics.PARTIALS.name, datum)

    def results(self) -> dict[int, dict[str, Any]]:
        """The result of the greatest version of each window."""
        return self.latest(topics.LINES, lambda one: one["window_start"], "version")


@pytest.fixture
def line(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Line]:
    rows = [f"{asset.removeprefix('acme/bremen/')},made,1/40001,uint32,good" for asset in ASSETS]
    (tmp_path / "tags.csv").write_text("\n".join(["asset,tag,address,type,role", *rows]) + "\n")
    settings = {
        "environment": unique,
        "site": {"path": "acme/bremen"},
        "assets": {asset.removeprefix("acme/bremen/"): {} for asset in ASSETS},
        "lines": {"line1": {"output": "packer"}},
        "sources": {"plc": {"type": "modbus", "host": "127.0.0.1", "tags": "tags.csv"}},
        "windows": {
            "out_of_order": "0 s", "hold": "1 h", "sizes": {"10 s": {"reopen_for": "1 h"}}
        },
        "processors": {name: {"enabled": False} for name in OTHERS},
    }  # fmt: skip
    reads = {topics.SENSORS.name: "SensorEvent", topics.PARTIALS.name: "LinePartial"}
    line = Line(tmp_path, settings, own_stack, registry, reads)
    yield line
    line.stop()


def test_lines_are_counted_once_through_a_kill_and_nonsense(line: Line) -> None:
    for processor in ("line-partials", "line-statistics"):
        line.start(processor)
    line.feed(range(10))
    line.until(lambda: len(line.results()) >= 5)
    line.processes[1].kill()
    line.send(topics.PARTIALS.name, "acme/bremen/line1", b"nonsense")
    line.send(topics.PARTIALS.name, "acme/bremen/line1", None)
    line.send(topics.PARTIALS.name, "acme/bremen/line1", line.partial(ASSETS[0], covered=-1))
    line.send(topics.PARTIALS.name, "acme/bremen/line1", line.partial("acme/bremen/line1/gone"))
    line.feed(range(10, WINDOWS))
    line.start("line-statistics")
    line.until(lambda: len(line.results()) >= WINDOWS - 1)
    line.stop()
    found = line.results()
    pieces = [found[START + k * 10 * SECOND]["good"] for k in range(WINDOWS - 1)]
    assert pieces == [2.0] + [3.0] * (WINDOWS - 2)
    assert {one["members_present"] for one in found.values()} == {2}

    dead = [dict(m.headers() or ()) for m in line.read(f"{topics.PARTIALS.name}.dlq")]
    assert {one["__connect.errors.stage"] for one in dead} == {b"VALUE_CONVERTER"}
    assert len({one["__connect.errors.offset"] for one in dead}) == 3
    assert {one["__connect.errors.connector.name"] for one in dead} == {b"line-statistics"}
    (late,) = line.read(f"{topics.PARTIALS.name}.late")
    assert late.value() == line.partial("acme/bremen/line1/gone")
    assert dict(late.headers() or ())["penstock.late.reason"] == b"no member of the line"

    books = {one.name: overview(line.plant, one).partitions for one in chosen(line.plant)}
    assert set(books) == {"line-partials", "line-statistics"}
    assert sum(one.records["dead"] for one in books["line-statistics"]) == 3
    assert sum(one.samples["in"] for one in books["line-partials"]) == 4 * WINDOWS
    assert audit(line.plant).differences == []
