"""A connector's samples get to Kafka once and in order, whatever happens to the link or to Kafka.

The connector is a list of batches; broker and registry are real, and are killed for real.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import REGISTRY

from penstock.clock import now
from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.connector import Connector, Sample
from penstock.errors import DeviceError
from penstock.health import Status
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, place
from penstock.kafka.log_bounds import log_bounds
from penstock.kafka.producers import EventProducer
from penstock.kafka.registry import Registry
from penstock.kafka.topics import SENSORS
from penstock.local.stack import LocalStack
from penstock.quality import BAD_NO_COMMUNICATION, GOOD, UNCERTAIN_LAST_USABLE_VALUE
from penstock.runtime import connectors
from penstock.runtime.backoff import Backoff
from penstock.runtime.connectors import ConnectorRunner
from penstock.runtime.publisher import FLUSH_SAMPLES, MOST_UNACKNOWLEDGED, Publisher
from penstock.settings.plant import KafkaSettings, RegistrySettings
from penstock.testing.connectors import ListConnector
from schemas import SensorEvent, schema_text

DEADLINE = 30.0
STILL = 50
"""Looks in a row, half a second in all, that see no change."""
START = 1_760_000_000_000_000
PARTITIONS = 4


@dataclass(frozen=True)
class Read:
    """A message of the sensor topic."""

    partition: int
    key: str
    event: SensorEvent


@dataclass
class Rig:
    """Runs connectors against a broker and reads back what one source published."""

    kafka: KafkaSettings
    schema_id: int
    source: str
    status: Status = field(default_factory=Status)
    left: int = 0

    def __post_init__(self) -> None:
        ensure_topics(self.kafka, [SENSORS])
        self._consumer = Consumer(options(self.kafka, group_id=self.source))
        parts = [TopicPartition(SENSORS.name, n) for n in range(self.kafka.partitions)]
        for part in parts:
            part.offset = log_bounds(self._consumer, (part.topic, part.partition), DEADLINE)[1]
        self._consumer.assign(parts)
        self.read: list[Read] = []

    @contextlib.asynccontextmanager
    async def running(self, connector: Connector) -> AsyncIterator[Publisher]:
        """A connector at work; at the end it is told to stop, and drained."""
        producer = EventProducer(self.kafka, self.source)
        publisher = Publisher(self.source, "session-1", self.schema_id, producer, now)
        backoff = Backoff(first=0.05, most=0.2)
        stopping = asyncio.Event()
        runner = ConnectorRunner(connector, publisher, self.status, backoff)
        running = asyncio.create_task(runner.run(stopping))
        try:
            yield publisher
        finally:
            stopping.set()
            await running
            producer.close()

    def events(self, enough: Callable[[list[Read]], bool]) -> list[Read]:
        """What the source published, once it is enough."""
        deadline = time.monotonic() + DEADLINE
        while not enough(self.read):
            assert time.monotonic() < deadline, f"{len(self.read)} events: {self.read[-3:]}"
            for message in self._consumer.consume(1000, 0.1):
                assert message.error() is None
                key = message.key()
                assert key is not None
                event = decode(unframe(message.value())[1], schema_text("SensorEvent"))
                if event.source == self.source:
                    self.read.append(Read(place(message)[1], key.decode(), event))
        return self.read

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def schema_id(registry: RegistrySettings) -> int:
    asked = Registry(registry)
    try:
        return asked.register(SENSORS.name, "SensorEvent")
    finally:
        asked.close()


@pytest.fixture
def rig(kafka: KafkaSettings, schema_id: int, unique: str) -> Iterator[Rig]:
    rig = Rig(kafka, schema_id, unique)
    yield rig
    rig.close()


@pytest.fixture
def own_rig(own_stack: LocalStack, schema_id: int, unique: str) -> Iterator[Rig]:
    settings = own_stack.kafka_settings().model_copy(update={"partitions": PARTITIONS})
    rig = Rig(settings, schema_id, unique)
    yield rig
    rig.close()


async def until(condition: Callable[[], bool], what: str = "") -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


def sample(asset: str, value: float, time: int = START) -> Sample:
    return Sample(asset, "power", value, time)


def values(events: Sequence[Read]) -> list[float]:
    return [value for read in events for value in read.event.values.tolist()]


def murmur2(data: bytes) -> int:
    """As Java's clients compute it (org.apache.kafka.common.utils.Utils), unsigned."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def test_the_reference_hash_is_javas() -> None:
    known = {"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536}
    for text, hashed in known.items():
        assert murmur2(text.encode()) == hashed & 0xFFFFFFFF


async def test_samples_arrive_in_order_where_java_would_put_them(rig: Rig) -> None:
    assets = [f"acme/bremen/stamping/line1/press{n:02}" for n in range(10)]
    batches = [
        [sample(asset, n * 3 + i, START + n * 3 + i) for asset in assets for i in range(3)]
        for n in range(60)
    ]
    connector = ListConnector(batches)
    async with rig.running(connector):
        await until(lambda: len(connector.acknowledged) == len(batches))
        assert rig.status.ready
    events = rig.events(lambda read: len(values(read)) == 1800)
    for asset in assets:
        own = [read for read in events if read.event.asset == asset]
        assert values(own) == list(range(180))
        assert [read.event.sequence for read in own] == list(range(len(own)))
        assert {read.key for read in own} == {asset}
        partition = (murmur2(asset.encode()) & 0x7FFFFFFF) % rig.kafka.partitions
        assert {read.partition for read in own} == {partition}
        times = [read.event.start + offset for read in own for offset in read.event.offsets]
        assert len(times) <= 180
    assert {read.event.session for read in events} == {"session-1"}
    assert not rig.status.ready


async def test_many_samples_at_once_become_events_of_a_bounded_size(rig: Rig) -> None:
    connector = ListConnector([[sample("press", n) for n in range(2 * FLUSH_SAMPLES + 500)]])
    async with rig.running(connector):
        await until(lambda: connector.acknowledged == [0])
    events = rig.events(lambda read: len(read) == 3)
    assert [len(read.event.values) for read in events] == [FLUSH_SAMPLES, FLUSH_SAMPLES, 500]
    assert values(events) == list(range(2 * FLUSH_SAMPLES + 500))


async def test_a_single_sample_does_not_wait_for_others(rig: Rig) -> None:
    connector = ListConnector()
    async with rig.running(connector):
        for n in range(3):
            connector.give([sample("press", n)])
            await until(lambda n=n: len(connector.acknowledged) == n + 1)  # type: ignore[misc]
    assert [len(read.event.values) for read in rig.events(lambda read: len(read) == 3)] == [1] * 3


async def test_a_lost_link_is_flagged_and_tried_again_for_ever(rig: Rig) -> None:
    gone, refused = DeviceError("unplugged", where="plc:502"), DeviceError("refused")
    connector = ListConnector(
        [[sample("press", 1.5)], gone, [sample("press", 2.5, now())], ValueError("a bug"), []],
        refusals=[refused, refused],
    )
    async with rig.running(connector):
        await until(lambda: connector.starts == 5, "two refusals, and a start after each loss")
        await until(lambda: rig.status.ready)
        assert connector.stops == 4, "whatever was started or refused is let go of"
        assert rig.status.report()["last_error"] == "ValueError: a bug"
    events = rig.events(lambda read: len(values(read)) == 4)
    samples = [
        (v, q) for read in events for v, q in zip(values([read]), quality(read), strict=True)
    ]
    cut_off = BAD_NO_COMMUNICATION
    assert samples == [(1.5, GOOD), (1.5, cut_off), (2.5, GOOD), (2.5, cut_off)]
    start = [read.event.start for read in events]
    assert start == sorted(start), "a flag lies behind the sample that it repeats"


def quality(read: Read) -> list[int]:
    column = read.event.quality.tolist() or [GOOD]
    count = len(read.event.values)
    return column * count if len(column) == 1 else column


async def test_a_stale_tag_is_flagged_while_others_flow(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors, "TICK_SECONDS", 0.05)
    connector = ListConnector(
        [[sample("press", 1), sample("pump", 2)]], name=rig.source, stale_after="500 ms"
    )
    gauge = ("penstock_connector_stale_tags", {"source": rig.source})
    async with rig.running(connector):
        while not REGISTRY.get_sample_value(*gauge):
            connector.give([sample("pump", 3)])
            await asyncio.sleep(0.02)
        connector.give([sample("press", 4)])
        await until(lambda: REGISTRY.get_sample_value(*gauge) == 0)
    events = rig.events(lambda read: 4 in values(read))
    press = [read for read in events if read.event.asset == "press"]
    found = [(v, q) for r in press for v, q in zip(values([r]), quality(r), strict=True)]
    assert found == [(1, GOOD), (1, UNCERTAIN_LAST_USABLE_VALUE), (4, GOOD)]
    pump = [read for read in events if read.event.asset == "pump"]
    assert all(q == GOOD for read in pump for q in quality(read))


async def test_a_stop_drains_what_was_read(rig: Rig) -> None:
    connector = ListConnector([[sample("press", n)] for n in range(700)])
    async with rig.running(connector):
        await until(lambda: connector.read_samples == 700)
    assert len(connector.acknowledged) == 700, "none waits for its 50 ms"
    assert values(rig.events(lambda read: len(values(read)) >= 700)) == list(range(700))


async def test_a_connector_that_hangs_and_raises_at_its_stop_stops(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors, "STOP_SECONDS", 0.2)

    class Stuck(ListConnector):
        async def stop(self) -> None:
            await super().stop()
            if self.stops == 1:
                raise OSError("no")
            await asyncio.sleep(3600)

    connector = Stuck([[sample("press", 1)], DeviceError("unplugged")])
    async with rig.running(connector):
        await until(lambda: connector.starts == 2 and rig.status.ready)
    assert connector.stops == 2
    assert values(rig.events(lambda read: len(values(read)) == 2)) == [1, 1]


async def standstill(connector: ListConnector) -> tuple[int, int]:
    """Samples read and batches acknowledged, once neither changes for half a second."""
    seen: list[tuple[int, int]] = []

    def still() -> bool:
        seen.append((connector.read_samples, len(connector.acknowledged)))
        return len(seen) > STILL and len(set(seen[-STILL:])) == 1

    await until(still)
    return seen[-1]


async def test_a_broker_that_stands_still_and_one_that_is_killed(
    own_rig: Rig, own_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load: reading stands still at the bound, and all that was read arrives once."""
    monkeypatch.setattr(connectors, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(connectors, "UNDELIVERED_SECONDS", 0.2)
    size = 500
    numbers = itertools.count()

    def batch() -> list[Sample]:
        first = next(numbers) * size
        return [sample(f"press{i % 7}", first + i) for i in range(size)]

    connector = ListConnector(batch() for _ in itertools.count())
    async with own_rig.running(connector):
        for stop, go_on in (
            (lambda: freeze(own_stack), lambda: thaw(own_stack)),
            (lambda: own_stack.kill("kafka"), lambda: own_stack.start("kafka")),
        ):
            before = len(connector.acknowledged)
            await until(lambda before=before: len(connector.acknowledged) > before)  # type: ignore[misc]
            await asyncio.to_thread(stop)
            await until(lambda: waiting(connector, size) >= MOST_UNACKNOWLEDGED)
            read, acknowledged = await standstill(connector)
            assert 0 <= read - acknowledged * size - MOST_UNACKNOWLEDGED <= size
            assert not own_rig.status.ready, "nobody gets what it reads"
            await asyncio.to_thread(go_on)
            await until(lambda a=acknowledged: len(connector.acknowledged) > a + 10)  # type: ignore[misc]
            await until(lambda: own_rig.status.ready)
    total = connector.read_samples
    assert sorted(connector.acknowledged) == list(range(total // size)), "drained"
    found = own_rig.events(lambda read: len(values(read)) >= total)
    assert sorted(values(found)) == list(range(total))
    for asset in {read.event.asset for read in found}:
        own = [read for read in found if read.event.asset == asset]
        assert [read.event.sequence for read in own] == list(range(len(own)))
        assert values(own) == sorted(values(own))


def waiting(connector: ListConnector, size: int) -> int:
    return connector.read_samples - len(connector.acknowledged) * size


def freeze(stack: LocalStack) -> None:
    process = stack.running("kafka")
    assert process is not None
    process.suspend()


def thaw(stack: LocalStack) -> None:
    process = stack.running("kafka")
    assert process is not None
    process.resume()
