"""State through upgrades, other owners, sizes and losses; on a real broker, nothing miscounted."""

import importlib.util
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from penstock.errors import FencedError
from penstock.kafka.admin import ensure_topics
from penstock.kafka.client import options
from penstock.state.checkpoint import Checkpoint
from penstock.state.fencing import let_go, open_producer, transactional_id
from penstock.state.reading import read_newest, read_states
from streams.host.snapshots import SnapshotStore

_spec = importlib.util.spec_from_file_location("host_rig", Path(__file__).with_name("host_rig.py"))
assert _spec is not None and _spec.loader is not None
host_rig = sys.modules.setdefault("host_rig", importlib.util.module_from_spec(_spec))
if not hasattr(host_rig, "Rig"):
    _spec.loader.exec_module(host_rig)
rig = host_rig.rig
Rig: Any = host_rig.Rig
assert_books, event = host_rig.assert_books, host_rig.event
FAST = {"snapshot_every": 0.3, "session_timeout": 6.0}


def restart(rig: Rig, worker: subprocess.Popen[bytes], **changes: Any) -> subprocess.Popen[bytes]:
    worker.terminate()
    assert worker.wait(10) == 0
    fresh: subprocess.Popen[bytes] = rig.start(**changes)
    return fresh


def test_a_row_larger_than_a_message_is_stored_in_parts(rig: Rig) -> None:
    worker = rig.start(behaviour=["large"])
    asset = "acme/hall/a0"
    rig.send(event(asset, rig.sequence(asset), [1.0, 2.0]))
    rig.producer.flush()
    rig.until(
        lambda: any(
            one.meta.inputs[rig.reads].records.processed for one in rig.snapshots().values()
        )
    )
    assert max(one.meta.size for one in rig.snapshots().values()) > 12_000_000
    worker = restart(rig, worker)
    rig.send(event(asset, rig.sequence(asset), [3.0]))
    rig.producer.flush()
    found = rig.watch(lambda last: sum(count for count, _, _ in last.values()) == 3)
    assert list(found.values()) == [(3, 6.0, 14.0)]
    rig.until(lambda: max(one.meta.size for one in rig.snapshots().values()) < 1_000)
    messages = read_newest(rig.kafka, rig.state, dict.fromkeys(range(rig.kafka.partitions), 0))
    assert not [key for found in messages.values() for key in found if b"/part/" in key]


def test_an_upgrade_migrates_state_and_a_downgrade_is_refused(rig: Rig) -> None:
    worker = rig.start()
    rig.feed(100)
    rig.await_exact()
    worker = restart(rig, worker, behaviour=["newer"], fingerprint="sums-2")
    rig.feed(100)
    rig.await_exact()
    assert_books(rig, processed=200)
    names = {name for one in rig.snapshots().values() for name in one.rows}
    assert all(name.startswith(("operator/v2 ", "seen/", "levels/")) for name in names)
    worker = restart(rig, worker)
    line = rig.await_log("parked")
    assert "was written by a newer release" in line["error"]
    assert "finish the roll-out, or reset the processor" in line["error"]
    worker = restart(rig, worker, environment="other")
    line = rig.await_log("parked", rig.kafka.partitions + 1)
    assert "belongs to environment 'test', this is 'other'" in line["error"]


def fingerprints(rig: Rig) -> set[str]:
    """Of the states of what was processed."""
    books = (
        (one.meta.operator, one.meta.inputs[rig.reads].records) for one in rig.snapshots().values()
    )
    return {operator for operator, records in books if records.processed}


def test_workers_are_upgraded_one_after_another(rig: Rig) -> None:
    old = [rig.start(), rig.start()]
    rig.feed(100)
    rig.await_exact()
    new = []
    for number, worker in enumerate(old, 1):
        new.append(restart(rig, worker, behaviour=["newer"], fingerprint="sums-2"))
        rig.feed(100)
        rig.await_exact()
        wanted = {"sums-1", "sums-2"} if number < len(old) else {"sums-2"}
        rig.until(lambda now=wanted: now == fingerprints(rig))
    assert not rig.log_lines("parked")
    assert_books(rig, processed=300)


def test_a_store_that_was_fenced_says_so_and_can_be_closed(rig: Rig) -> None:
    worker = rig.start()
    rig.feed(20)
    rig.until(lambda: len(rig.snapshots()) == rig.kafka.partitions)
    worker.terminate()
    assert worker.wait(10) == 0
    name = transactional_id("test", rig.name, 0)
    for size in (1, 3_000_000):  # fenced as the transaction ends, and while messages are produced
        store = SnapshotStore(rig.kafka, rig.state, 0, name)
        store.open()
        let_go(open_producer(rig.kafka, name, rig.state))
        rows = {f"operator/{i}": bytes(size) for i in range(20)}
        with pytest.raises(FencedError, match="another worker took over"):
            store.write(Checkpoint(rows, rig.snapshots()[0].meta))
        store.close()


def test_a_row_that_came_and_went_between_two_snapshots_is_not_stored(rig: Rig) -> None:
    worker = rig.start()
    rig.feed(20)
    rig.until(lambda: len(rig.snapshots()) == rig.kafka.partitions)
    worker.terminate()
    assert worker.wait(10) == 0
    before = read_states(rig.kafka, rig.state, [0])[0]
    assert before.checkpoint is not None
    kept = next(iter(before.checkpoint.rows))
    store = SnapshotStore(rig.kafka, rig.state, 0, transactional_id("test", rig.name, 0))
    store.open()
    store.expect(before, before.checkpoint.meta.epoch)
    rows = {"operator/gone": None, kept: None, "operator/new": b"1"}
    store.write(Checkpoint(rows, before.checkpoint.meta))
    store.close()
    deleted = {
        (message.key() or b"").partition(b"/row/")[2].decode()
        for message in rig.await_messages(rig.state, 1)
        if message.value() is None
    }
    assert kept in deleted
    assert "operator/gone" not in deleted
    after = read_states(rig.kafka, rig.state, [0])[0]
    assert after.error is None, "its rows and bytes are those that were stored"


def test_who_is_fenced_again_and_again_gives_up(rig: Rig) -> None:
    worker = rig.start(host=FAST | {"retake_after": 0.3})
    rig.feed(20)
    rogue = transactional_id("test", rig.name, 0)
    for count in range(1, 5):
        rig.await_log("restored", count)
        open_producer(rig.kafka, rogue, rig.state).close()
        rig.feed(200)
        rig.await_log("fenced", count)
    assert worker.wait(30) == 1
    assert rig.said("another deployment takes over the partitions that our group assigns")
    rig.start()
    rig.await_exact()


def test_time_passes_about_once_a_second_and_missing_state_is_said(rig: Rig) -> None:
    worker = rig.start(behaviour=["ticks"])
    rig.await_log("restored")
    assert rig.await_log("state topic")["survives_a_broker"] is False
    begun = time.monotonic()
    rig.await_messages(rig.writes, 3 * rig.kafka.partitions)
    assert time.monotonic() - begun < 20
    rig.feed(40)
    rig.until(lambda: sum(rig.offsets().values()) == 40)
    worker.terminate()
    worker.wait()
    admin = AdminClient(options(rig.kafka))
    admin.delete_topics([rig.state])[rig.state].result()
    rig.until(lambda: rig.state not in admin.list_topics().topics)
    ensure_topics(rig.kafka, rig.contracts)
    rig.start()
    assert "state is missing" in rig.await_log(
        "state is missing: starting anew from what the topic holds, in a new epoch"
    )["event"]  # fmt: skip
    rig.await_exact()
