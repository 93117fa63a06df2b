"""Sinks on a real Kafka: killed, poisoned, cut off; every record is carried out once.

One broker and the contract's topics are shared by these tests, so they run one after another, and
each begins with empty topics.
"""

import itertools
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.errors import LakeError, PenstockError, RegistryUnavailableError, TopicError
from penstock.health import Status
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, place, producer_options
from penstock.kafka.log_bounds import log_bounds
from penstock.kafka.registry import Registry
from penstock.kafka.topics import ALERTS, FEATURES, KPIS, PERFORMANCE, SENSORS, dead_letters
from penstock.lake import open_lake, query
from penstock.local.stack import LocalStack
from penstock.runtime.sinks import SinkRunner
from penstock.settings.plant import (
    KafkaSettings,
    Plant,
    RegistrySettings,
    Site,
    Windows,
    WindowSize,
)
from penstock.sink import Sink, SinkRecord
from penstock.units import parse_duration
from schemas import SensorEvent, schema_text
from sinks.parquet import ParquetSettings, ParquetSink

PARTITIONS = 4
DEADLINE = 60.0
START = 1_760_000_000_000_000
SECOND = 1_000_000
CONSUMED = [topic.name for topic in (SENSORS, FEATURES, KPIS, ALERTS)]
USED = (SENSORS, FEATURES, KPIS, ALERTS, PERFORMANCE, *map(dead_letters, CONSUMED))
NONE = np.empty(0)
INTS = np.empty(0, np.int32)


ERRORS: list[BaseException] = []
"""What ended the sink that runs now."""


def until(condition: Callable[[], bool], what: str = "") -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if ERRORS:
            raise ERRORS[0]
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def event(asset: str, sequence: int, values: Sequence[float]) -> SensorEvent:
    return SensorEvent(
        asset, "plc", "s1", sequence, START + sequence, START, ("power",), np.array([len(values)]),
        np.arange(len(values), dtype=float), NONE, np.array(values, float), (), INTS, INTS,
    )  # fmt: skip


@dataclass
class Running:
    """A sink runner in a thread."""

    status: Status
    logs: list[Any]
    error: list[BaseException] = field(default_factory=list)


class Rig:
    """Feeds the sensor topic with uniquely numbered values and runs sinks on it."""

    def __init__(
        self, kafka: KafkaSettings, registry: RegistrySettings, name: str, folder: Path
    ) -> None:
        self.folder, self.lake = folder, folder / "lake"
        self.plant = Plant(
            environment=name,
            site=Site(path="acme/bremen"),
            windows=Windows(sizes={"5 s": WindowSize(reopen_for=parse_duration("1 min"))}),
            kafka=kafka,
            registry=registry,
        )
        self.registry = Registry(registry)
        self.schema_id = self.registry.register(SENSORS.name, "SensorEvent")
        self.producer = Producer(producer_options(kafka, linger_ms=5))
        self.numbers = itertools.count()
        self.fed = 0

    def feed(self, events: int, samples: int = 5) -> None:
        for n in range(events):
            values = [float(next(self.numbers)) for _ in range(samples)]
            self.send(event(f"acme/bremen/hall/line1/a{n % 9}", n, values))
            self.fed += samples
        self.producer.flush()

    def send(self, one: SensorEvent, schema_id: int | None = None) -> None:
        self.raw(one.asset, frame(schema_id or self.schema_id, encode(one)))

    def raw(self, key: str, value: bytes | None, partition: int = -1) -> None:
        headers = [("origin", b"test")]
        self.producer.produce(
            SENSORS.name, key=key.encode(), value=value, headers=headers, partition=partition
        )

    def sink(self) -> ParquetSink:
        settings = ParquetSettings(type="parquet", path=str(self.lake), roll="100 ms")
        return ParquetSink("lake", settings, self.plant)

    def rows(self) -> tuple[Any, ...]:
        """Rows and distinct values among them."""
        sql = "select count(*), count(distinct value) from samples"
        try:
            return query(open_lake(str(self.lake)), sql)[1][0]
        except LakeError:
            return (0, 0)

    def all_once(self) -> bool:
        return self.rows() == (self.fed, self.fed)

    @contextmanager
    def running(self, sink: Sink, registry: Registry | None = None) -> Iterator[Running]:
        stop = threading.Event()
        with capture_logs() as logs:
            running = Running(Status(), logs)

            def work() -> None:
                try:
                    runner = SinkRunner(sink, self.plant, registry or self.registry, running.status)
                    runner.run(stop.is_set)
                except BaseException as error:
                    ERRORS.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            try:
                yield running
            finally:
                stop.set()
                thread.join(DEADLINE)
                assert not thread.is_alive()
                running.error, ERRORS[:] = ERRORS[:], []

    def read(self, topic: str, enough: Callable[[list[Message]], bool]) -> list[Message]:
        consumer = Consumer(options(self.plant.kafka, group_id=f"{self.plant.environment}-test"))
        parts = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        for part in parts:
            part.offset = log_bounds(consumer, (topic, part.partition), 30)[0]
        consumer.assign(parts)
        found: list[Message] = []
        deadline = time.monotonic() + DEADLINE
        while not enough(found):
            assert time.monotonic() < deadline, f"{len(found)} messages in {topic}"
            for message in consumer.consume(500, 0.1):
                assert message.error() is None
                found.append(message)
        consumer.close()
        return found

    def expire(self, keep: int = 0) -> None:
        """Delete what is in the sensor topic, but for the newest of each partition."""
        empty(self.plant.kafka, [SENSORS.name], keep)

    def end(self, key: str) -> int:
        """The end of the sensor topic's partition that a key's records are in."""
        (last,) = self.read(SENSORS.name, lambda all_: any(m.key() == key.encode() for m in all_))[
            -1:
        ]
        consumer = Consumer(options(self.plant.kafka, group_id="ends"))
        _, high = log_bounds(consumer, place(last)[:2], 30)
        consumer.close()
        return high

    def close(self) -> None:
        self.registry.close()


def empty(kafka: KafkaSettings, names: Sequence[str], keep: int = 0) -> None:
    admin, consumer = AdminClient(options(kafka)), Consumer(options(kafka, group_id="ends"))
    parts = [TopicPartition(name, n) for name in names for n in range(PARTITIONS)]
    for part in parts:
        low, high = log_bounds(consumer, (part.topic, part.partition), 30)
        part.offset = max(low, high - keep)
    for deleted in admin.delete_records(parts).values():
        deleted.result()
    consumer.close()


@pytest.fixture
def own_kafka(own_stack: LocalStack) -> KafkaSettings:
    settings = own_stack.kafka_settings().model_copy(update={"partitions": PARTITIONS})
    ensure_topics(settings, USED)
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            empty(settings, [topic.name for topic in USED])
        except Exception:  # created just now, and no leader yet
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return settings


@pytest.fixture
def rig(
    own_kafka: KafkaSettings, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Rig]:
    rig = Rig(own_kafka, registry, unique, tmp_path)
    yield rig
    rig.close()


def configuration(rig: Rig) -> Path:
    """The plant with its lake as a file, for processes."""
    path = rig.folder / "plant.yaml"
    plant = {
        "version": 1,
        "environment": rig.plant.environment,
        "site": {"path": "acme/bremen"},
        "windows": {"sizes": {"5 s": {"reopen_for": "1 min"}}},
        "sinks": {"lake": {"type": "parquet", "path": str(rig.lake), "roll": "20 ms"}},
        "kafka": {
            "bootstrap": rig.plant.kafka.bootstrap,
            "partitions": PARTITIONS,
            "options": {"group.instance.id": "0"},  # a restart need not wait for its predecessor
        },
        "registry": {"url": rig.plant.registry.url},
    }
    path.write_text(json.dumps(plant))
    return path


def test_kills_between_commits_lose_no_row_and_double_none(rig: Rig) -> None:
    chance = random.Random(4)
    command = [sys.executable, "-m", "penstock", "work", "sink", "lake"]
    command += ["--config", str(configuration(rig)), "--run-dir", str(rig.folder / "run")]
    with (rig.folder / "sink.log").open("wb") as log:
        for kill in range(3):
            rig.feed(400)
            before = rig.rows()[0]
            with subprocess.Popen(command, stdout=log, stderr=log) as process:
                try:
                    until(lambda before=before: rig.rows()[0] > before)  # type: ignore[misc]
                    for _ in range(chance.randrange(5, 20)):
                        rig.feed(10)  # not a wait: where in its work it is hit
                    if kill == 2:
                        until(rig.all_once, f"{rig.rows()} of {rig.fed}")
                finally:
                    process.kill()
    assert rig.all_once()


def test_poison_goes_to_the_dead_letters_and_everything_else_through(rig: Rig) -> None:
    body = encode(event("acme/bremen/hall/line1/a1", 0, [1.0, 2.0]))
    other = rig.registry.register(topics.CATALOG.name, "TagDescriptor")
    poison: dict[str, bytes | None] = {
        "magic": b"\x01\x00\x00\x00\x01" + body,
        "id": frame(99_999_999, body),
        "truncated": frame(rig.schema_id, body[:-7]),
        "trailing": frame(rig.schema_id, body + b"x"),
        "type": frame(other, body),
        "short": b"\x00",
        "nothing": None,
    }
    for n, (key, value) in enumerate(poison.items()):
        rig.feed(10)
        rig.raw(key, value, partition=n % PARTITIONS)
    rig.feed(10)
    with rig.running(rig.sink()):
        until(rig.all_once, f"{rig.rows()}")
        found = rig.read(dead_letters(SENSORS.name).name, lambda all_: len(all_) >= len(poison))
    assert {(m.key() or b"").decode(): m.value() for m in found} == poison
    for message in found:
        headers = {name: value for name, value in message.headers() or ()}
        assert headers["origin"] == b"test", "what it came with is kept"
        prefix = "__connect.errors."
        known = {name[len(prefix) :]: v.decode() for name, v in headers.items() if prefix in name}
        assert set(known) == {
            "topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name",
            "exception.class.name", "exception.message", "exception.stacktrace",
        }  # fmt: skip
        assert (known["topic"], known["stage"]) == (SENSORS.name, "VALUE_CONVERTER")
        assert known["connector.name"] == "lake"
        assert known["exception.class.name"].startswith("penstock.errors.")
        assert known["exception.message"]


def test_a_lake_that_cannot_be_written_is_waited_for(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()) as running:
        until(rig.all_once)
        until(lambda: running.status.ready)
        rig.lake.rename(rig.folder / "aside")
        rig.lake.write_text("a full disk")
        rig.feed(50)
        until(lambda: not running.status.ready)
        assert "samples" in running.status.report()["last_error"]
        rig.feed(200)
        rig.lake.unlink()
        (rig.folder / "aside").rename(rig.lake)
        until(rig.all_once, f"{rig.rows()}")
        until(lambda: running.status.ready)
    assert running.error == []


def test_partitions_that_change_hands_while_a_sink_waits_are_not_left_paused(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()) as running:
        until(rig.all_once)
        until(lambda: running.status.ready)
        rig.lake.rename(rig.folder / "aside")
        rig.lake.write_text("a full disk")
        rig.feed(50)
        until(lambda: not running.status.ready)
        group = f"{rig.plant.environment}-lake"
        with closing(Consumer(options(rig.plant.kafka, group_id=group))) as other:
            other.subscribe([SENSORS.name])
            until(lambda: other.poll(0.05) is None and bool(other.assignment()))
        rig.lake.unlink()
        (rig.folder / "aside").rename(rig.lake)
        rig.feed(200)
        until(rig.all_once, f"{rig.rows()}")
    assert running.error == []


def test_a_broker_that_dies_is_waited_for(rig: Rig, own_stack: LocalStack) -> None:
    rig.feed(50)
    with rig.running(rig.sink()) as running:
        until(rig.all_once)
        own_stack.kill("kafka")
        until(lambda: any(line["event"] == "kafka" for line in running.logs))
        own_stack.start("kafka")
        rig.feed(50)
        until(rig.all_once, f"{rig.rows()} of {rig.fed}: {running.logs[-5:]}")
    assert running.error == []


class Away(Registry):
    """A registry that can be away for schemas that it was not asked for before."""

    away = False

    def schema(self, schema_id: int) -> str:
        if self.away and schema_id not in self._schemas:
            msg = "gone"
            raise RegistryUnavailableError(msg)
        return super().schema(schema_id)


def test_only_partitions_that_need_an_unknown_schema_wait_for_the_registry(rig: Rig) -> None:
    schema = json.loads(schema_text("SensorEvent"))
    schema["fields"].append({"name": "note", "type": "string", "default": ""})
    newer = register(rig.plant.registry, f"{rig.plant.environment}-value", json.dumps(schema))
    registry = Away(rig.plant.registry)
    rig.feed(20)
    with rig.running(rig.sink(), registry) as running:
        until(rig.all_once)
        registry.away = True
        body = encode(event("acme/bremen/hall/line1/new", 0, [-1.0])) + b"\x00"
        rig.raw("new", frame(newer, body), partition=0)
        rig.producer.flush()
        until(lambda: "gone" in str(running.status.report().get("last_error")))
        waiting = frame(rig.schema_id, encode(event("acme/bremen/hall/line1/a0", 9, [-2.0])))
        flowing = frame(rig.schema_id, encode(event("acme/bremen/hall/line1/a1", 9, [-3.0])))
        rig.raw("waits behind it", waiting, partition=0)
        rig.raw("flows beside it", flowing, partition=1)
        rig.producer.flush()
        rig.fed += 1
        until(rig.all_once, f"{rig.rows()} of {rig.fed}")
        registry.away = False
        rig.fed += 2
        until(rig.all_once, f"{rig.rows()} of {rig.fed}")
    assert running.error == []
    registry.close()


def register(settings: RegistrySettings, subject: str, text: str) -> int:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient  # noqa: PLC0415

    with closing(SchemaRegistryClient({"url": settings.url})) as client:
        return int(client.register_schema(subject, Schema(text, "AVRO")))


def test_records_that_expired_unread_are_said_loudly(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()):
        until(rig.all_once)
    rig.feed(90)  # nobody reads these
    rig.expire(keep=2)
    with rig.running(rig.sink()) as running:
        until(lambda: rig.rows()[0] == (50 + 2 * PARTITIONS) * 5, f"{rig.rows()}")
    assert lost(running) == 90 - 2 * PARTITIONS
    assert "expired unread" in running.status.report()["last_error"]


def test_records_that_expire_while_a_sink_waits_are_said_loudly(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()) as running:
        until(rig.all_once)
        rig.lake.rename(rig.folder / "aside")
        rig.feed(10)
        until(lambda: not running.status.ready)
        rig.feed(90)
        rig.expire()
        (rig.folder / "aside").rename(rig.lake)
        until(lambda: any(line["event"] == "records expired unread" for line in running.logs))
        rig.feed(10)
        until(lambda: rig.rows()[0] == rig.fed - lost(running) * 5, f"{rig.rows()}")
    assert running.error == []
    assert 0 < lost(running) <= 100
    assert rig.rows()[1] == rig.rows()[0], "and none twice"


def lost(running: Running) -> int:
    lines = (line for line in running.logs if line["event"] == "records expired unread")
    return sum(line["lost"] for line in lines)


@pytest.mark.parametrize("grown", [0, 200])
def test_a_topic_created_anew_is_refused(rig: Rig, grown: int) -> None:
    """Also one that has grown past the lake's offset: what lies before would be skipped."""
    rig.feed(50)
    with rig.running(rig.sink()):
        until(rig.all_once)
    rows = rig.rows()
    create_anew(rig)
    rig.feed(grown)
    for _ in range(2):
        with rig.running(rig.sink()) as running:
            until(lambda: bool(ERRORS))
        (error,) = running.error
        assert isinstance(error, TopicError)
        assert "the topic was deleted and created again since it was read to" in str(error)
        assert "give the sink another name" in str(error)
        assert rig.rows() == rows


def test_a_topic_created_anew_under_a_sink_is_noticed(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()) as running:
        until(rig.all_once)
        create_anew(rig)
        rig.feed(400)
        until(lambda: bool(ERRORS))
    (error,) = running.error
    assert isinstance(error, TopicError)
    assert "the topic was deleted and created again since it was read to" in str(error)


def create_anew(rig: Rig) -> None:
    admin = AdminClient(options(rig.plant.kafka))
    for deleted in admin.delete_topics([SENSORS.name]).values():
        deleted.result()
    until(lambda: SENSORS.name not in admin.list_topics(timeout=10).topics)
    ensure_topics(rig.plant.kafka, [SENSORS])


class Counter(Sink):
    """Goes on where its group has committed."""

    keeps_offsets = False
    topics = (SENSORS.name,)

    def __init__(self, name: str, plant: Plant) -> None:
        super().__init__(name, None, plant)
        self.done: dict[tuple[str, int], int] = {}
        self.count = 0

    def open(self, topic: str, partition: int) -> int | None:
        return None

    def close(self, topic: str, partition: int) -> None:
        self.done.pop((topic, partition), None)

    def write(self, records: Sequence[SinkRecord]) -> None:
        self.count += len(records)
        self.done |= {(one.topic, one.partition): one.offset + 1 for one in records}

    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        return self.done


def test_a_committed_offset_of_a_topic_that_was_created_anew_is_refused(rig: Rig) -> None:
    rig.feed(50)
    sink = Counter("counter", rig.plant)
    with rig.running(sink):
        until(lambda: sink.count == 50)
    parts = [TopicPartition(SENSORS.name, n) for n in range(PARTITIONS)]
    group = options(rig.plant.kafka, group_id=f"{rig.plant.environment}-counter")
    with closing(Consumer(group)) as consumer:
        before = consumer.committed(parts, timeout=30)
        assert {one.metadata for one in before} == set(sink.topic_ids.values())
        create_anew(rig)
        # Kafka drops a topic's offsets with it, unless their broker was away just then.
        consumer.commit(offsets=before, asynchronous=False)
    rig.feed(200)
    with rig.running(Counter("counter", rig.plant)) as running:
        until(lambda: bool(ERRORS))
    (error,) = running.error
    assert isinstance(error, TopicError)
    assert "deleted and created again since it was read to" in str(error)


def test_an_offset_beyond_the_end_is_refused(rig: Rig) -> None:
    rig.feed(50)
    with rig.running(rig.sink()):
        until(rig.all_once)
    table = rig.sink()
    key = (SENSORS.name, 0)
    table.open(*key)
    table.skip(*key, 1_000_000)
    table.flush(force=True)
    with rig.running(rig.sink()) as running:
        until(lambda: bool(ERRORS))
    (error,) = running.error
    assert isinstance(error, TopicError)
    assert "but the sink has read it to 1000001" in str(error)


def test_another_number_of_partitions_is_refused(rig: Rig) -> None:
    settings = rig.plant.kafka.model_copy(update={"partitions": 3})
    with pytest.raises(TopicError, match="has 4 partitions, the configuration says 3") as refused:
        ensure_topics(settings, [SENSORS])
    assert "set kafka.partitions to 4" in str(refused.value)


def test_an_error_that_will_not_pass_ends_the_sink(rig: Rig) -> None:
    class Broken(ParquetSink):
        def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
            msg = "cannot go on"
            raise PenstockError(msg)

    settings = ParquetSettings(type="parquet", path=str(rig.lake))
    with rig.running(Broken("lake", settings, rig.plant)) as running:
        until(lambda: bool(ERRORS))
    assert str(running.error[0]) == "cannot go on"
