"""Runs workers of the stream host on a real broker for tests, feeds them, reads what they say.

The worker (`host_worker.py`) is a process of its own; its operator keeps count, sum and sum of
squares of uniquely numbered values, so that any loss or double count shows.
"""

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, producer_options
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.settings.plant import KafkaSettings, RegistrySettings
from penstock.state.checkpoint import Checkpoint
from penstock.state.reading import read_states
from schemas import SensorEvent, schema_text

WORKER = Path(__file__).with_name("host_worker.py")
_spec = importlib.util.spec_from_file_location("host_worker", WORKER)
assert _spec is not None and _spec.loader is not None
host_worker = importlib.util.module_from_spec(_spec)
sys.modules["host_worker"] = host_worker
_spec.loader.exec_module(host_worker)

ASSETS = 8
SAMPLES = 5
"""Of each event."""
LATE, POISON = host_worker.LATE, host_worker.POISON
START = 1_760_000_000_000_000
NONE = np.empty(0)
DEADLINE = 45.0


def event(asset: str, sequence: int, values: Sequence[float], session: str = "s1") -> SensorEvent:
    ints = np.empty(0, np.int32)
    return SensorEvent(
        asset, "plc", session, sequence, START, START, ("temperature",),
        np.array([len(values)]), np.arange(len(values), dtype=float), NONE,
        np.array(values, float), (), ints, ints,
    )  # fmt: skip


@dataclass
class Expected:
    """What an offline count of all good values gives."""

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def add(self, values: Sequence[float]) -> None:
        self.count += len(values)
        self.sum += sum(values)
        self.squares += sum(value * value for value in values)


@dataclass
class Rig:
    """One processor with its topics; starts workers, feeds it, reads what it published."""

    kafka: KafkaSettings
    registry: RegistrySettings
    name: str
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    numbers: int = 0
    sequences: dict[str, int] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)

    def __post_init__(self) -> None:
        self.arguments = host_worker.Arguments(
            self.name, self.kafka.bootstrap, self.registry.url, self.kafka.partitions,
            str(self.folder), host={"snapshot_every": 0.3, "session_timeout": 6.0},
        )  # fmt: skip
        processor = self.arguments.processor()
        self.reads, self.writes, self.state = (
            processor.topics[0], processor.writes, processor.state_topic,
        )  # fmt: skip
        self.contracts = [
            topics.Topic(self.reads, "SensorEvent", topics.DAY_MS),
            topics.Topic(self.writes, "WindowStatistics", topics.DAY_MS),
            topics.dead_letters(self.reads),
            topics.late(self.reads),
            topics.state(self.state),
            topics.control(processor.control_topic),
        ]
        ensure_topics(self.kafka, self.contracts)
        with closing(Registry(self.registry)) as registry:
            self.schema = registry.register(self.reads, "SensorEvent")
        self.producer = Producer(producer_options(self.kafka, linger_ms=5))

    def start(self, **changes: Any) -> subprocess.Popen[bytes]:
        arguments = json.dumps(asdict(self.arguments) | changes)
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [sys.executable, str(WORKER), arguments],
            stderr=log, stdout=log,
        )  # fmt: skip
        log.close()
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        admin = AdminClient(options(self.kafka))
        for future in admin.delete_topics([topic.name for topic in self.contracts]).values():
            future.exception()

    def feed(self, events: int) -> None:
        """Publish events of uniquely numbered values, round the assets."""
        for _ in range(events):
            asset = f"acme/hall/a{self.numbers // SAMPLES % ASSETS}"
            values = [float(self.numbers + i) for i in range(SAMPLES)]
            self.numbers += SAMPLES
            self.send(event(asset, self.sequence(asset), values))
            self.expected.add(values)
        self.producer.flush()

    def sequence(self, asset: str) -> int:
        self.sequences[asset] = self.sequences.get(asset, -1) + 1
        return self.sequences[asset]

    def send(self, one: SensorEvent) -> None:
        self.raw(one.asset, frame(self.schema, encode(one)))

    def raw(self, key: str, value: bytes | None, topic: str | None = None) -> None:
        while True:
            try:
                return self.producer.produce(topic or self.reads, key=key.encode(), value=value)
            except BufferError:
                self.producer.poll(0.1)

    def await_exact(self) -> None:
        """Wait until the last versions add up to what was fed, and see that they stay so."""
        found = self.watch(lambda last: sum(c for c, _, _ in last.values()) >= self.expected.count)
        assert Expected(*(sum(x) for x in zip(*found.values(), strict=True))) == self.expected

    def watch(
        self, done: Callable[[dict[str, tuple[int, float, float]]], bool]
    ) -> dict[str, tuple[int, float, float]]:
        """The result of the greatest version of each series, once they satisfy `done`."""
        best: dict[str, Any] = {}
        last: dict[str, tuple[int, float, float]] = {}
        for message in self.read(self.writes):
            if message is None:
                if done(last):
                    break
                continue
            datum = decode_record(
                unframe(message.value())[1], schema_text("WindowStatistics"), "WindowStatistics"
            )
            version = tuple(datum["version"].values())
            if best.get(datum["asset"], ()) < version:
                best[datum["asset"]] = version
                last[datum["asset"]] = (
                    datum["count"][0], datum["mean"][0], datum["standard_deviation"][0],
                )  # fmt: skip
        return last

    def read(self, topic: str) -> Iterator[Message | None]:
        """All messages of a topic and those to come; None whenever it is at the end."""
        consumer = Consumer(options(self.kafka, group_id=f"{self.name}-test",
                                    auto_offset_reset="earliest", enable_partition_eof=True,
                                    isolation_level="read_committed"))  # fmt: skip
        consumer.assign([TopicPartition(topic, n, 0) for n in range(self.kafka.partitions)])
        deadline, ended = time.monotonic() + DEADLINE, set()
        try:
            while time.monotonic() < deadline:
                for message in consumer.consume(1000, 0.1):
                    if message.error() is None:
                        yield message
                    else:
                        assert message.error().code() == KafkaError._PARTITION_EOF
                        ended.add(message.partition())
                if len(ended) == self.kafka.partitions:
                    yield None
        finally:
            consumer.close()
        pytest.fail(f"{topic} never held what was awaited\n{self.logs()}")

    def await_messages(self, topic: str, count: int) -> list[Message]:
        """The messages of a topic once there are so many."""
        found: list[Message] = []
        for message in self.read(topic):
            if message is not None:
                found.append(message)
            elif len(found) >= count:
                break
        return found

    def snapshots(self) -> dict[int, Checkpoint]:
        numbers = list(range(self.kafka.partitions))
        found = read_states(self.kafka, self.state, numbers)
        return {n: one.checkpoint for n, one in found.items() if one.checkpoint is not None}

    def offsets(self) -> dict[int, int]:
        """The next offset of each partition that is not yet in its stored state."""
        return {n: one.meta.inputs[self.reads].offset for n, one in self.snapshots().items()}

    def ends(self) -> dict[int, int]:
        bounds = Describer(self.kafka).bounds(self.reads, range(self.kafka.partitions))
        return {number: end for number, (_, end) in bounds.items()}

    def register(self, schema: dict[str, Any]) -> int:
        request = Request(
            f"{self.registry.url}/subjects/{self.reads}-value/versions",
            json.dumps({"schema": json.dumps(schema)}).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request) as answer:
            return int(json.load(answer)["id"])

    def status(self, worker: subprocess.Popen[bytes]) -> dict[str, Any]:
        """What a worker says of itself under /status."""
        return dict(json.loads(self._get(worker, "/status")))

    def metrics(self, worker: subprocess.Popen[bytes]) -> str:
        return self._get(worker, "/metrics").decode()

    def _get(self, worker: subprocess.Popen[bytes], path: str) -> bytes:
        note = self.folder / f"{worker.pid}.port"
        # A worker that has just started has no port yet.
        self.until(lambda: note.exists() and note.read_text() != "")
        with urlopen(f"http://127.0.0.1:{int(note.read_text())}{path}") as answer:
            data: bytes = answer.read()
        return data

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def said(self, text: str) -> bool:
        """Whether the workers' logs hold it anywhere."""
        return any(text in path.read_text() for path in self.folder.glob("*.log"))

    def logs(self) -> str:
        """The ends of the workers' logs, for a failed test's words."""
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        lines = [
            json.loads(line)
            for path in sorted(self.folder.glob("*.log"))
            for line in path.read_text().splitlines()
            if line.startswith("{")
        ]
        return [line for line in lines if line["event"] == event]

    def await_log(self, event: str, count: int = 1) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while len(lines := self.log_lines(event)) < count:
            assert time.monotonic() < deadline, f"no {event!r} in\n{self.logs()}"
            time.sleep(0.05)
        return lines[count - 1]


@pytest.fixture
def rig(
    kafka: KafkaSettings, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Rig]:
    rig = Rig(kafka, registry, unique, tmp_path)
    yield rig
    rig.stop()


def assert_books(rig: Rig, *, processed: int, **others: int) -> None:
    """The stored books of all partitions, once all was stored, close and say what is expected."""
    ends = rig.ends()
    rig.until(lambda: rig.offsets() == ends)
    metas = [found.meta for found in rig.snapshots().values()]
    books = [meta.inputs[rig.reads].records for meta in metas]
    assert all(one.closed for one in books)
    assert all(meta.samples.closed for meta in metas)
    for name, count in {
        "processed": processed,
        "duplicate": 0,
        "dead": 0,
        "lost": 0,
        **others,
    }.items():
        assert sum(getattr(one, name) for one in books) == count, name
