"""The stream host on a real broker: killed, frozen, fed nonsense; counts stay exact.

The worker (`host_worker.py`) is a process of its own; its operator keeps count, sum and sum of
squares of uniquely numbered values, so that any loss or double count shows.
"""

import importlib.util
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import decode, encode
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
            processor.reads, processor.writes, processor.state_topic,
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

    def raw(self, key: str, value: bytes | None) -> None:
        while True:
            try:
                return self.producer.produce(self.reads, key=key.encode(), value=value)
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

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def logs(self) -> str:
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


def test_counts_are_exact_after_kills(rig: Rig) -> None:
    """SIGKILL twice in the middle of the stream, with and without snapshots before it."""
    worker = rig.start()
    for pause in (0.2, 0.45):
        rig.await_log("restored", len(rig.workers))
        rig.feed(1500)
        time.sleep(pause)  # not a wait for a state: where in its work the worker is hit
        worker.kill()
        worker.wait()
        worker = rig.start()
    rig.feed(500)
    rig.await_exact()
    assert_books(rig, processed=3500)


def test_frozen_worker_is_fenced(rig: Rig) -> None:
    """A worker frozen past its session, with work not yet stored, must not count when it wakes."""
    frozen = rig.start(host={"snapshot_every": 4.0, "session_timeout": 6.0})
    rig.await_log("restored")
    rig.feed(500)
    rig.await_messages(rig.writes, 1)  # its state is ahead of what is stored
    frozen.send_signal(signal.SIGSTOP)
    rig.start()
    rig.await_log("restored", 2)
    rig.feed(500)
    rig.await_exact()
    frozen.send_signal(signal.SIGCONT)
    rig.await_log("fenced")
    rig.await_log("restored", 4)  # both, after the sleeper has joined again
    rig.feed(500)
    rig.await_exact()
    assert_books(rig, processed=1500)


def test_duplicates_and_poison(rig: Rig) -> None:
    """Duplicates are dropped, nonsense goes to the dead letters, late samples to the late topic."""
    rig.feed(100)
    asset = "acme/hall/a0"
    good = frame(rig.schema, encode(event(asset, 0, [1.0])))
    for again in range(10):  # of what `feed` published
        values = [float(again * ASSETS * SAMPLES + i) for i in range(SAMPLES)]
        rig.send(event(asset, again, values))
    poison = [
        None,
        b"",
        b"\x01" + good[1:],
        good[:-3],
        good + b"\0",
        b"\0\x7f\xff\xff\xff" + good[5:],
    ]
    for value in poison:
        rig.raw(asset, value)
    rig.send(event(asset, rig.sequence(asset), [3.0, POISON]))
    rig.send(event(asset, rig.sequence(asset), [LATE, 5.0, float("nan")]))
    rig.expected.add([5.0])
    rig.feed(100)
    rig.start()
    rig.await_exact()

    dead = rig.await_messages(topics.dead_letters(rig.reads).name, len(poison) + 1)
    assert {message.value() for message in dead} >= set(poison)
    headers = [dict(message.headers()) for message in dead]
    stages = [each["__connect.errors.stage"] for each in headers]
    assert stages.count(b"VALUE_CONVERTER") == len(poison)
    assert stages.count(b"TRANSFORMATION") == 1
    assert {each["__connect.errors.topic"] for each in headers} == {rig.reads.encode()}
    assert b"a value makes no sense" in {
        each["__connect.errors.exception.message"] for each in headers
    }

    (late,) = rig.await_messages(topics.late(rig.reads).name, 1)
    assert decode(unframe(late.value())[1]).values.tolist() == [LATE]
    assert dict(late.headers())["penstock.late.reason"] == b"too late"
    assert_books(rig, processed=201, duplicate=10, dead=7)


def test_stop_hands_over_and_loss_is_counted(rig: Rig) -> None:
    """After SIGTERM nothing is read twice; what expires while nobody reads is counted."""
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(200)
    rig.await_exact()
    begun = time.monotonic()
    worker.terminate()
    assert worker.wait(10) == 0
    assert time.monotonic() - begun < 4.0  # 1 s on an idle machine
    ends = rig.ends()
    assert {n: found.meta.offset for n, found in rig.snapshots().items()} == ends

    rig.feed(40)
    lost = rig.ends()
    rig.expected = Expected(1000, sum(range(1000)), sum(i * i for i in range(1000)))
    admin = AdminClient(options(rig.kafka))
    deleted = admin.delete_records([TopicPartition(rig.reads, n, end) for n, end in lost.items()])
    for future in deleted.values():
        future.result()
    rig.feed(40)
    rig.start()
    rig.await_exact()
    assert sum(line["records"] for line in rig.log_lines("records expired unread")) == 40
    assert_books(rig, processed=240, lost=40)


def test_recreated_topic_is_refused(rig: Rig) -> None:
    """State of a deleted topic, or of other parameters, is not applied to another."""
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(80)
    rig.await_exact()
    worker.terminate()
    worker.wait()

    worker = rig.start(fingerprint="sums-2")
    assert "the state is of other parameters" in rig.await_log("parked")["error"]
    worker.terminate()
    assert worker.wait(10) == 0

    admin = AdminClient(options(rig.kafka))
    admin.delete_topics([rig.reads])[rig.reads].result()
    rig.until(lambda: rig.reads not in admin.list_topics().topics)
    ensure_topics(rig.kafka, rig.contracts)
    before = rig.snapshots()
    rig.feed(200)
    rig.start()
    line = rig.await_log("parked", rig.kafka.partitions * 2)
    assert "was deleted and created again" in line["error"]
    assert rig.state in line["error"]
    assert rig.snapshots() == before


def test_unknown_schema_waits_for_the_registry(rig: Rig) -> None:
    """While the registry is away known schemas flow; a new one waits and is not dropped."""
    with away(rig) as gate:
        rig.start(registry=gate.url)
        rig.feed(100)
        rig.await_exact()
        newer = json.loads(schema_text("SensorEvent"))
        newer["fields"].append({"name": "shift", "type": "string", "default": ""})
        gate.closed = True
        asset, values = "acme/hall/a1", [1.0, 2.0]
        known, rig.schema = rig.schema, rig.register(newer)
        body = encode(event(asset, rig.sequence(asset), values)) + b"\x02n"
        rig.raw(asset, frame(rig.schema, body))
        rig.schema = known
        rig.feed(100)
        rig.await_log("waiting for a schema")
        others = rig.watch(lambda last: len(last) == ASSETS)
        assert 100 < sum(count for count, _, _ in others.values())
        rig.expected.add(values)
        gate.closed = False
        rig.await_exact()
    assert_books(rig, processed=201)


def assert_books(rig: Rig, *, processed: int, **others: int) -> None:
    """The stored books of all partitions, once all was stored, close and say what is expected."""
    ends = rig.ends()
    rig.until(lambda: {n: found.meta.offset for n, found in rig.snapshots().items()} == ends)
    metas = [found.meta for found in rig.snapshots().values()]
    assert all(meta.records.closed and meta.samples.closed for meta in metas)
    for name, count in {
        "processed": processed,
        "duplicate": 0,
        "dead": 0,
        "lost": 0,
        **others,
    }.items():
        assert sum(getattr(meta.records, name) for meta in metas) == count, name


class Gate(ThreadingHTTPServer):
    """Stands before the registry, and can be closed as if the registry were away."""

    def __init__(self, registry: str) -> None:
        super().__init__(("127.0.0.1", 0), Pass)
        self.registry, self.closed = urlsplit(registry), False
        self.url = f"http://127.0.0.1:{self.server_port}{self.registry.path}"


class Pass(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        gate: Gate = self.server  # type: ignore[assignment]
        if gate.closed:
            self.send_error(503)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = HTTPConnection(gate.registry.netloc)
        upstream.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def away(rig: Rig) -> Iterator[Gate]:
    gate = Gate(rig.registry.url)
    thread = threading.Thread(target=gate.serve_forever)
    thread.start()
    yield gate
    gate.shutdown()
    thread.join()
    gate.server_close()


def test_rebalances_under_load_lose_nothing(rig: Rig) -> None:
    """Workers join and leave while records keep coming; what is fetched right then counts too."""
    workers = [rig.start()]
    rig.await_log("restored")
    restored = 1
    for joins in (True, False):
        if joins:
            workers.append(rig.start())
        else:
            workers.pop(0).terminate()
        restored += len(workers)
        deadline = time.monotonic() + DEADLINE
        while len(rig.log_lines("restored")) < restored:
            assert time.monotonic() < deadline, rig.logs()
            rig.feed(20)
            time.sleep(0.02)  # the pace of the load
        rig.feed(20)
    rig.await_exact()
    assert_books(rig, processed=rig.numbers // SAMPLES)
