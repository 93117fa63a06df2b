"""The stream host on a real broker: killed, frozen, fed nonsense; counts stay exact."""

import importlib.util
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from penstock.codec.sensor_event import decode, encode
from penstock.codec.wire import frame, unframe
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options
from schemas import schema_text

_spec = importlib.util.spec_from_file_location("host_rig", Path(__file__).with_name("host_rig.py"))
assert _spec is not None and _spec.loader is not None
host_rig = sys.modules.setdefault("host_rig", importlib.util.module_from_spec(_spec))
if not hasattr(host_rig, "Rig"):
    _spec.loader.exec_module(host_rig)
rig = host_rig.rig
Rig, Expected, assert_books, event = (
    host_rig.Rig, host_rig.Expected, host_rig.assert_books, host_rig.event,
)  # fmt: skip
ASSETS, DEADLINE, LATE, POISON, SAMPLES = (
    host_rig.ASSETS, host_rig.DEADLINE, host_rig.LATE, host_rig.POISON, host_rig.SAMPLES,
)  # fmt: skip


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
    assert rig.offsets() == ends

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
