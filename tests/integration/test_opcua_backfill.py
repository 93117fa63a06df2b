"""An OPC UA server goes away and comes back; windows have what its history has, each sample once.

Server, connector, Kafka, registry and the processor are real; the oracle reads the sensor topic.
"""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import ua
from confluent_kafka import Message

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from opcua_server import NAMESPACE, Certificates, Historian, OpcuaServer, tag
from processor_rig import ProcessorRig

from connectors.opcua import history
from penstock.clock import now
from penstock.codec.events import columns_of
from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.connector import Connector
from penstock.health import Status
from penstock.kafka import topics
from penstock.kafka.client import place
from penstock.kafka.producers import EventProducer
from penstock.local.ports import free_port
from penstock.local.stack import LocalStack
from penstock.runtime.backoff import Backoff
from penstock.runtime.connectors import ConnectorRunner
from penstock.runtime.publisher import Publisher
from penstock.settings.plant import RegistrySettings
from penstock.testing.oracle import Sample, Statistics, window_statistics
from schemas import schema_text

SECOND = 1_000_000
SIZE, REOPEN_FOR, HOLD = 5 * SECOND, 20 * SECOND, 60 * SECOND
LOST, BACK, END = 60, 120, 140
"""Seconds from the begin: the last sample before the loss, the first after it, the last."""
SENSORS, SCHEMA = topics.SENSORS.name, schema_text("SensorEvent")


class Line(ProcessorRig):
    """A connector and the window statistics, on one Kafka."""

    @contextlib.asynccontextmanager
    async def running(self, connector: Connector, status: Status) -> AsyncIterator[None]:
        producer = EventProducer(self.plant.kafka, connector.name)
        schema_id = self._ids[SENSORS]
        publisher = Publisher(connector.name, "session-1", schema_id, producer, now)
        backoff = Backoff(first=0.05, most=0.2)
        stopping = asyncio.Event()
        runner = ConnectorRunner(connector, publisher, status, backoff)
        running = asyncio.create_task(runner.run(stopping))
        try:
            yield
        finally:
            stopping.set()
            await running
            producer.close()

    async def wait(self, done: Callable[[], bool]) -> None:
        """Poll in a thread, for server and connector are on our loop."""
        await asyncio.to_thread(self.until, done)

    def samples(self, topic: str = SENSORS) -> list[list[Sample]]:
        """Of each record of a topic, in order; they are of one asset, so of one partition."""
        return [_samples(one) for one in sorted(self.read(topic), key=place)]

    def windows(self) -> dict[int, dict[str, Statistics]]:
        found = self.latest(topics.FEATURES, lambda one: one["window_start"], "version")
        return {
            one["window_start"]: {
                name: Statistics(*(one[column][k] for column in Statistics.__slots__))
                for k, name in enumerate(one["tags"])
            }
            for one in found.values()
        }


def _samples(message: Message) -> list[Sample]:
    value = message.value()
    assert value is not None
    event = decode(unframe(value)[1], SCHEMA)
    columns = columns_of([event])
    names = [name for name, n in zip(event.tags, event.counts, strict=True) for _ in range(n)]
    rows = zip(names, columns["time"], columns["value"], columns["good"], strict=True)
    return [(name, int(at), float(value), bool(good)) for name, at, value, good in rows]


@pytest.fixture
def line(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Line]:
    row = f"stamping/line1/press07,count,nsu={NAMESPACE};s=count"
    (tmp_path / "tags.csv").write_text(f"asset,tag,address\n{row}\n")
    source = {
        "type": "opcua", "url": "opc.tcp://127.0.0.1:4840", "tags": "tags.csv",
        "security": {"policy": "None", "mode": "None"},
    }  # fmt: skip
    settings: dict[str, object] = {
        "environment": unique,
        "site": {"path": "acme/bremen"},
        "assets": {"stamping/line1/press07": {}},
        "sources": {"press": source},
        "windows": {"out_of_order": "1 s", "hold": "1 min",
                    "sizes": {"5 s": {"reopen_for": "20 s"}}},
    }  # fmt: skip
    line = Line(tmp_path, settings, own_stack, registry, {SENSORS: "SensorEvent"})
    yield line
    line.stop()


def judged(records: list[list[Sample]]) -> tuple[list[Sample], list[Sample], list[Sample]]:
    """On time, late and too late, as docs/reference/window-statistics.md has it."""
    on_time, late, too_late = [], [], []
    newest = -(10**18)
    for record in records:
        watermark = newest - SECOND
        for sample in record:
            end = sample[1] // SIZE * SIZE + SIZE
            if sample[1] > watermark:
                on_time.append(sample)
                newest = max(newest, sample[1])
            else:
                (late if end + REOPEN_FOR > watermark else too_late).append(sample)
    return on_time, late, too_late


async def agree(line: Line, on_time: list[Sample], late: list[Sample], watermark: int) -> None:
    """Wait for all windows that the watermark has passed; each figure is the oracle's."""
    wanted = {
        start: tags
        for start, tags in window_statistics(on_time, SIZE, HOLD, late).items()
        if start + SIZE <= watermark
    }
    found: dict[int, dict[str, Statistics]] = {}

    def published() -> bool:
        found.update(line.windows())
        return found.keys() >= wanted.keys()

    await line.wait(published)
    for start, tags in found.items():
        for name, one in tags.items():
            for column in Statistics.__slots__:
                expected = pytest.approx(getattr(wanted[start][name], column), nan_ok=True)
                assert getattr(one, column) == expected, (start, name, column)


async def test_what_happened_while_a_server_was_away_is_in_the_windows_once(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PAGE", 8)
    monkeypatch.setattr(history, "PAUSE_SECONDS", 0.1)  # history comes in several records
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=END)

    def at(second: float) -> datetime:
        return begin + timedelta(seconds=second)

    def arrived(second: int) -> Callable[[], bool]:
        wanted = round(at(second).timestamp() * 1e6)
        return lambda: wanted in {one[1] for record in line.samples() for one in record}

    historian = Historian()
    server = OpcuaServer(free_port(), Certificates(tmp_path))
    await server.start({"count": ua.Variant(0, ua.VariantType.Int64)}, historian=historian)
    made = Counter()

    async def write(number: int, second: int) -> None:
        await server.write("count", number, source=at(second))
        made[number, round(at(second).timestamp() * 1e6)] += 1

    await write(0, 0)
    line.start("window-statistics")
    status = Status()
    try:
        subscription = {"publish": "50 ms", "sampling": "50 ms", "queue": 100}
        connector = server.connector([tag("count")], subscription=subscription)
        async with line.running(connector, status):
            await line.wait(arrived(0))
            for second in range(1, LOST + 1):
                await write(second, second)
            await line.wait(arrived(LOST))

            await server.kill()
            await line.wait(lambda: status.report().get("connected") is False)
            for half in range(2 * LOST + 1, 2 * BACK):
                value = ua.DataValue(half, SourceTimestamp=at(half / 2))
                await historian.save_node_value(server.nodes["count"].nodeid, value)
                made[half, round(at(half / 2).timestamp() * 1e6)] += 1
            back = ua.DataValue(BACK, SourceTimestamp=at(BACK))
            made[BACK, round(at(BACK).timestamp() * 1e6)] += 1
            await server.start({"count": back}, historian=historian)
            await line.wait(lambda: sum(map(len, line.samples())) >= made.total() + 1)

            for second in range(BACK + 1, END + 1):
                await write(second, second)
            await line.wait(arrived(END))
    finally:
        await server.kill()

    records = line.samples()
    good = Counter((one[2], one[1]) for record in records for one in record if one[3])
    assert good == made
    on_time, late, too_late = judged(records)
    assert late and too_late
    assert len([one for one in on_time if not one[3]]) == 1  # the loss was flagged once
    await agree(line, on_time, late, round(at(END).timestamp() * 1e6) - SECOND)
    refused = [one for record in line.samples(topics.late(SENSORS).name) for one in record]
    assert sorted(refused) == sorted(too_late)
