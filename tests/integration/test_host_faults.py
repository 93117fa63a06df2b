"""What ends or parks a stream worker, with a clear word: on a real broker, nothing miscounted."""

import importlib.util
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.kafka import topics
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options, producer_options
from penstock.kafka.describe import Describer
from penstock.local.stack import LocalStack
from penstock.settings.plant import RegistrySettings
from penstock.state.administration import Administration

_spec = importlib.util.spec_from_file_location("host_rig", Path(__file__).with_name("host_rig.py"))
assert _spec is not None and _spec.loader is not None
host_rig = sys.modules.setdefault("host_rig", importlib.util.module_from_spec(_spec))
if not hasattr(host_rig, "Rig"):
    _spec.loader.exec_module(host_rig)
rig = host_rig.rig
Rig: Any = host_rig.Rig
assert_books, event = host_rig.assert_books, host_rig.event
FAST = {"snapshot_every": 0.3, "session_timeout": 6.0}


def administration(rig: Rig) -> Administration:
    return Administration(rig.arguments.plant(), rig.arguments.processor())


def restart(rig: Rig, worker: subprocess.Popen[bytes], **changes: Any) -> subprocess.Popen[bytes]:
    worker.terminate()
    assert worker.wait(10) == 0
    fresh: subprocess.Popen[bytes] = rig.start(**changes)
    return fresh


def test_a_processor_that_keeps_failing_is_parked_and_loses_nothing(rig: Rig) -> None:
    rig.feed(400)
    fed = sum(end > 0 for end in rig.ends().values())
    worker = rig.start(behaviour=["fails"])
    line = rig.await_log("parked", fed)
    assert "the operator fails on most records, last with RuntimeError: there is a bug" in str(line)
    reasons = rig.status(worker)["parked"]
    assert all("there is a bug" in reason for reason in reasons.values())
    dead = Describer(rig.kafka).bounds(
        topics.dead_letters(rig.reads).name, range(rig.kafka.partitions)
    )
    assert sum(end for _, end in dead.values()) < 100 * fed
    worker = restart(rig, worker)  # mended, but it stays parked until resumed
    rig.await_log("parked", 2 * fed)
    administration(rig).resume()
    rig.await_exact()
    assert_books(rig, processed=400)
    assert rig.status(worker)["parked"] == {}


def test_a_worker_that_reads_nothing_ends(rig: Rig) -> None:
    rig.feed(10)
    worker = rig.start(behaviour=["hangs"], host=FAST | {"stalled_after": 3.0})
    rig.await_log("restored")
    rig.until(lambda: sum(rig.offsets().values()) > 0)
    rig.feed(100)
    assert worker.wait(30) == 1
    assert rig.said("StalledError")
    assert rig.said("although records wait")
    rig.start()
    rig.await_exact()


def test_a_rebalance_that_takes_longer_than_an_answer_may_comes_to_an_end(rig: Rig) -> None:
    """Who joins gives the request up after 6 s (`session_timeout`), and joins again."""
    options = {"socket.timeout.ms": "1000"}
    rig.feed(100)
    rig.start(behaviour=["dawdles"])
    rig.await_log("restored")
    rig.until(lambda: sum(rig.offsets().values()) == 100)
    rig.start(options=options)
    rig.await_log("restored", 3)
    whole, rest, other = (set(line["offsets"]) for line in rig.log_lines("restored"))
    assert rest | other == whole
    assert not rest & other
    rig.feed(100)
    rig.await_exact()
    assert_books(rig, processed=200)


def test_what_is_no_record_is_gone_past_and_what_was_aborted_does_not_count(rig: Rig) -> None:
    writer = Producer(producer_options(rig.kafka, transactional_id=rig.name))
    writer.init_transactions()

    def write(number: int, sequence: int) -> None:
        for place in range(rig.kafka.partitions):
            one = event(f"acme/hall/t{place}", sequence, [float(number)])
            value = frame(rig.schema, encode(one))
            writer.produce(rig.reads, value, one.asset, partition=place)

    def commit(number: int, sequence: int) -> None:
        writer.begin_transaction()
        write(number, sequence)
        rig.expected.add([float(number)] * rig.kafka.partitions)
        writer.commit_transaction()

    commit(1, 0)
    rig.start()
    rig.until(lambda: rig.offsets() == rig.ends())  # each log ends with the transaction's marker
    writer.begin_transaction()
    write(1000, 1)
    writer.abort_transaction()
    rig.until(lambda: rig.offsets() == rig.ends())
    commit(2, 2)
    rig.await_exact()
    assert_books(rig, processed=2 * rig.kafka.partitions)


@pytest.mark.parametrize("which", ["reads", "state"])
def test_a_topic_that_is_created_anew_under_a_worker_is_noticed(rig: Rig, which: str) -> None:
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(80)
    rig.await_exact()
    rig.until(lambda: sum(rig.offsets().values()) == 80)
    before = rig.snapshots()
    name = getattr(rig, which)
    admin = AdminClient(options(rig.kafka))
    admin.delete_topics([name])[name].result()
    rig.until(lambda: name not in admin.list_topics().topics)
    ensure_topics(rig.kafka, rig.contracts)
    deadline = time.monotonic() + host_rig.DEADLINE
    while not rig.log_lines("parked"):
        assert time.monotonic() < deadline, rig.logs()
        rig.feed(8)
        time.sleep(0.2)  # the pace of the load
    assert "deleted" in rig.log_lines("parked")[0]["error"]
    after = rig.snapshots()
    if which == "reads":
        assert {n: one.meta.inputs[rig.reads].offset for n, one in after.items()} == {
            n: one.meta.inputs[rig.reads].offset for n, one in before.items()
        }, "nothing of the new topic is in the state"
        return
    worker.terminate()
    worker.wait()
    administration(rig).reset(None)
    rig.start()
    rig.await_exact()


def test_a_topic_that_is_deleted_under_a_worker_is_said_and_ends_it(rig: Rig) -> None:
    worker = rig.start(host={"stalled_after": 4.0})
    rig.await_log("restored")
    rig.feed(8)
    rig.await_exact()
    admin = AdminClient(options(rig.kafka))
    admin.delete_topics([rig.reads])[rig.reads].result()
    assert worker.wait(60) != 0
    assert rig.said(rig.reads)


def test_partitions_that_were_added_are_refused_until_a_reset(rig: Rig) -> None:
    worker = rig.start()
    rig.feed(80)
    rig.await_exact()
    rig.until(lambda: sum(rig.offsets().values()) == 80)
    worker.terminate()
    assert worker.wait(10) == 0
    more = rig.kafka.partitions + 2
    admin = AdminClient(options(rig.kafka))
    for done in admin.create_partitions(
        [NewPartitions(name, more) for name in (rig.reads, rig.state)]
    ).values():
        done.result()
    rig.until(lambda: len(admin.list_topics().topics[rig.state].partitions) == more)
    rig.start(partitions=more)
    rig.until(lambda: len(rig.log_lines("parked")) >= more)
    told = {line["error"] for line in rig.log_lines("parked")}
    assert all("keys moved" in error for error in told), told


@pytest.fixture
def own_rig(
    own_stack: LocalStack, registry: RegistrySettings, unique: str, tmp_path: Path
) -> Iterator[Any]:
    rig = Rig(own_stack.kafka_settings(), registry, unique, tmp_path)
    yield rig
    for worker in rig.workers:
        worker.kill()
        worker.wait()


def test_stop_ends_soon_while_kafka_is_down(own_stack: LocalStack, own_rig: Rig) -> None:
    rig = own_rig
    worker = rig.start()
    rig.await_log("restored")
    rig.feed(100)
    rig.await_exact()
    own_stack.kill("kafka")
    try:
        begun = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert time.monotonic() - begun < 5.0
        assert rig.said("not handed over in time")
    finally:
        own_stack.start("kafka")
    rig.start()
    rig.feed(100)
    rig.await_exact()
    assert_books(rig, processed=200)
