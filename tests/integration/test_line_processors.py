"""From assets to lines on a real Kafka: two processors as processes, one killed, fed nonsense."""

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from penstock import components
from penstock.audit import audit
from penstock.codec.records import decode_record, encode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, producer_options
from penstock.kafka.registry import Registry
from penstock.local.stack import LocalStack
from penstock.processor import chosen
from penstock.settings.loader import load_plant
from penstock.settings.plant import Plant, RegistrySettings
from penstock.state.overview import overview
from schemas import SensorEvent, schema_text

pytestmark = pytest.mark.xdist_group("own-broker")

DEADLINE = 60.0
START = 1_760_000_000_000_000
SECOND = 1_000_000
WINDOWS = 30
"""Of 10 s, with 7 and 3 pieces in each."""
INTS, NONE = np.empty(0, np.int32), np.empty(0)
PROCESSORS = ("line-partials", "line-statistics")
ASSETS = ("acme/bremen/line1/press", "acme/bremen/line1/packer")


class Line:
    """A line of two machines, fed by hand; its processors are real processes."""

    def __init__(self, plant: Plant, config: Path) -> None:
        self.plant, self.config = plant, config
        self.processes: list[subprocess.Popen[bytes]] = []
        self.producer = Producer(producer_options(plant.kafka, linger_ms=5))
        partials = topics.PARTIALS.name
        names = [topics.dead_letters(partials), topics.late(partials, "LinePartial")]
        ensure_topics(plant.kafka, [*topics.TOPICS, *names])
        with closing(Registry(plant.registry)) as registry:
            self.events = registry.register(topics.SENSORS.name, "SensorEvent")
            self.partials = registry.register(partials, "LinePartial")

    def start(self, processor: str) -> subprocess.Popen[bytes]:
        folder = self.config.parent
        command = [
            sys.executable, "-m", "penstock", "work", "processor", processor,
            "--config", str(self.config), "--run-dir", str(folder / "run"),
        ]  # fmt: skip
        with (folder / f"{len(self.processes)}-{processor}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(30)

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
                self.send(topics.SENSORS.name, asset, frame(self.events, encode(event)))
        self.producer.flush()

    def send(self, topic: str, key: str, value: bytes | None) -> None:
        self.producer.produce(topic, key=key.encode(), value=value)

    def partial(self, asset: str, **changes: Any) -> bytes:
        """A partial of nobody."""
        datum = {
            "line": "acme/bremen/line1", "asset": asset, "source": "plc", "window_start": START,
            "window_size": 10 * SECOND, "watermark": START, "final": True, "good": math.nan,
            "scrap": math.nan, "total": math.nan, "covered": 0,
            "version": {"epoch": 1, "offsets": [1], "emission": 1}, **changes,
        }  # fmt: skip
        return frame(self.partials, encode_record("LinePartial", datum))

    def results(self) -> dict[int, dict[str, Any]]:
        """The result of the greatest version of each window."""
        found: dict[int, dict[str, Any]] = {}
        for message in self.read(topics.LINES.name):
            _, body = unframe(message.value())
            one = decode_record(body, schema_text("LineStatistics"), "LineStatistics")
            known = found.setdefault(one["window_start"], one)
            if tuple(known["version"].values()) < tuple(one["version"].values()):
                found[one["window_start"]] = one
        return found

    def read(self, topic: str) -> Iterator[Message]:
        kafka = self.plant.kafka
        with closing(Consumer(options(kafka, group_id="test", enable_auto_commit=False))) as reader:
            parts = [TopicPartition(topic, number, 0) for number in range(kafka.partitions)]
            ends = [reader.get_watermark_offsets(part)[1] for part in parts]
            reader.assign(parts)
            for message in reader.consume(sum(ends), 5.0) if sum(ends) else ():
                assert message.error() is None
                yield message

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, f"{self.results()}\n{self.logs()}"
            time.sleep(0.2)

    def logs(self) -> str:
        files = sorted(self.config.parent.glob("*.log"))
        return "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in files)


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
        "processors": {
            name: {"enabled": name in PROCESSORS} for name in components.names("processors")
        },
        "kafka": {"bootstrap": own_stack.kafka_settings().bootstrap, "partitions": 3},
        "registry": {"url": registry.url},
    }  # fmt: skip
    config = tmp_path / "plant.yaml"
    config.write_text(json.dumps(settings))
    line = Line(load_plant(config), config)
    yield line
    line.stop()


def test_lines_are_counted_once_through_a_kill_and_nonsense(line: Line) -> None:
    for processor in PROCESSORS:
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
    assert set(books) == set(PROCESSORS)
    assert sum(one.records["dead"] for one in books["line-statistics"]) == 3
    assert sum(one.samples["in"] for one in books["line-partials"]) == 4 * WINDOWS
    assert audit(line.plant).differences == []
