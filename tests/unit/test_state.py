"""State as it lies in its topic: epochs, parts, what is missing, what an older release wrote."""

import json
from dataclasses import replace
from typing import Any

import pytest

from penstock.errors import ParkedError, StalledError, StateError, TopicError
from penstock.kafka.describe import TopicFacts
from penstock.operator import Books
from penstock.state.checkpoint import InputState, Meta, Parked, Watermarks
from penstock.state.control import Control
from penstock.state.layout import PART_BYTES, RowMessage, Stored, gather, messages_of, meta_key
from streams.host.failures import WINDOW, Failures
from streams.host.guard import TopicGuard
from streams.host.snapshots import SnapshotStore
from streams.host.watchdog import Watchdog

META = Meta(
    environment="test", operator="o", state_format=1, partition=0,
    inputs={"ot.sensors.v1": InputState("id", 0, 7)}, epoch=20, emission=0, samples=Books(),
    watermarks=Watermarks(2, 5, 9), writer="w", number=1, written=3,
)  # fmt: skip


def lying(epoch: int, rows: dict[str, bytes], offset: int = 7) -> dict[bytes, RowMessage]:
    meta = replace(
        META, epoch=epoch, inputs={"ot.sensors.v1": InputState("id", 0, offset)}, rows=len(rows),
        size=sum(map(len, rows.values())),
    )  # fmt: skip
    found = [one for name, row in rows.items() for one in messages_of(epoch, name, row, 1)]
    found.append(RowMessage(meta_key(epoch), meta.dump()))
    return {message.key: message for message in found}


def test_rows_of_any_size_come_back() -> None:
    rows = {"small": b"1", "empty": b"", "large": b"ab" * PART_BYTES, "exact": b"x" * PART_BYTES}
    found = gather(lying(20, rows), "state[0]")
    assert found.checkpoint is not None
    assert found.checkpoint.rows == rows
    assert found.checkpoint.meta.watermarks == Watermarks(2, 5, 9)
    assert found.obsolete == []


def test_parts_that_a_row_no_longer_has_are_deleted() -> None:
    keys = {m.key: m.value for m in messages_of(7, "a", None, 3)}
    assert keys == {b"7/row/a": None, b"7/part/1/a": None, b"7/part/2/a": None}


def test_the_greatest_epoch_counts_and_the_others_are_obsolete() -> None:
    old, new = lying(20, {"a": b"1"}, offset=100), lying(21, {"a": b"2"}, offset=30)
    found = gather(old | new, "state[0]")
    assert found.checkpoint is not None
    assert found.checkpoint.rows == {"a": b"2"}
    assert found.older is not None
    assert found.older.inputs["ot.sensors.v1"].offset == 100
    assert set(found.obsolete) == set(old)


@pytest.mark.parametrize("key", [b"20/row/a", b"20/part/1/a"])
def test_a_state_that_is_not_whole_is_refused(key: bytes) -> None:
    messages = lying(20, {"a": b"x" * (PART_BYTES + 1), "b": b"2"})
    del messages[key]
    assert "is not whole" in str(gather(messages, "state[0]").error)


def test_an_unreadable_epoch_does_not_hide_a_newer_one() -> None:
    newer = lying(21, {"a": b"2"})
    broken = {b"20/meta": RowMessage(b"20/meta", b"{")}
    found = gather(broken | newer, "state[0]")
    assert (found.error, found.older) == (None, None)
    unreadable = gather(broken, "state[0]")
    assert "reset the processor" in str(unreadable.error)
    assert unreadable.epoch == 20


def test_a_description_of_format_2_had_one_topic() -> None:
    fields = json.loads(META.dump())
    (one,) = fields.pop("inputs").values()
    source = {"topic": "ot.sensors.v1", "topic_id": one.pop("topic_id"), "partition": 0}
    del fields["partition"]
    older = json.dumps(fields | one | {"format": 2, "source": source}).encode()
    assert Meta.load(older, "state[0]") == META


def test_state_of_format_1_is_read() -> None:
    meta = {
        "format": 1, "operator": "o", "offset": 7, "epoch": 20, "emission": 0,
        "source": {"topic": "ot.sensors.v1", "topic_id": "id", "partition": 0},
        "records": {"records_in": 6, "processed": 6, "duplicate": 0, "dead": 0, "lost": 1},
        "samples": {"samples_in": 6, "aggregated": 6, "bad": 0, "late": 0},
        "duplicates": [["plc", "press", "s", 0, [0, 5]]],
        "watermarks": {"press plc": 5, "saw plc": 9}, "writer": "w", "number": 4,
    }  # fmt: skip
    found = gather(
        {
            b"meta": RowMessage(b"meta", json.dumps(meta).encode()),
            b"row:a": RowMessage(b"row:a", b"1"),
        },
        "state[0]",
    )
    assert found.checkpoint is not None
    assert found.old_layout
    assert found.checkpoint.rows == {
        "operator/a": b"1",
        "seen/0": b'[["plc","press","s",0,[0,5]]]',
    }
    one = found.checkpoint.meta.inputs["ot.sensors.v1"]
    assert (one.topic_id, one.start, one.offset, one.records.processed) == ("id", 0, 7, 6)
    assert found.checkpoint.meta.watermarks.greatest == 9
    assert set(found.obsolete) == {b"meta", b"row:a"}


@pytest.mark.parametrize(
    ("stored", "epoch", "until"),
    [
        (gather(lying(20, {"a": b"1"}), ""), 20, 0),
        (gather(lying(20, {"a": b"1"}, 100) | lying(21, {"a": b"1"}, 30), ""), 21, 100),
        (gather(lying(20, {"a": b"1"}, 50), ""), 21, 50),
        (Stored(), 21, 0),
    ],
)
def test_old_state_is_kept_until_the_new_one_has_come_as_far(
    stored: Stored, epoch: int, until: int
) -> None:
    store = SnapshotStore(None, "state", 0, "id")  # type: ignore[arg-type]  # not opened
    store.expect(stored, epoch)
    assert store._obsolete_until.get("ot.sensors.v1", 0) == until
    assert bool(store._obsolete) is bool(until)


def test_commands_come_back_and_hold_until_resumed() -> None:
    control = Control(Parked("boiler", 5), 3, 20, {"ot.a": {0: 7}}, {"ot.a": {0: 9}}, 5, {1: 8})
    assert Control.load(control.dump(), "control") == control
    assert (control.start("ot.a", 0, 1), control.start("ot.b", 0, 1)) == (7, 1)
    older = control.dump().replace(b'{"ot.a":{"0":7}}', b'{"0":7}')
    assert Control.load(older, "control").start("ot.a", 0, 1) == 7
    assert control.holds(Parked("bug", 4))
    assert not control.holds(Parked("bug", 2))
    assert not control.holds(None)
    with pytest.raises(StateError, match="cannot be read"):
        Control.load(b"[]", "control")


def test_single_failures_pass_and_most_do_not() -> None:
    failures = Failures()
    for _ in range(10 * WINDOW):  # one of ten
        failures.failed(ValueError("no"), "t[0]@1")
        failures.passed(9)
    with pytest.raises(ParkedError, match="the operator fails on most records, last with Val"):
        for _ in range(WINDOW):
            failures.failed(ValueError("no"), "t[0]@1")


class Topics:
    """Answers like Kafka, and counts the questions."""

    def __init__(self) -> None:
        self.ids, self.asked = {"reads": "1", "state": "2"}, 0

    def topics(self, names: list[str]) -> dict[str, TopicFacts]:
        self.asked += 1
        if missing := set(names) - self.ids.keys():
            raise TopicError("unknown", where=missing.pop())
        return {name: TopicFacts(self.ids[name], 1, 1) for name in names}


def test_partitions_share_one_look_at_their_topics() -> None:
    topics = Topics()
    guard = TopicGuard(topics)  # type: ignore[arg-type]
    guard.expect({"reads": "1", "state": "2"})
    guard.check(10.0)
    guard.check(10.0)
    assert topics.asked == 1
    topics.ids["state"] = "3"
    with pytest.raises(StateError, match="created again while") as found:
        guard.check(float("inf"))
    assert found.value.where == "state"
    del topics.ids["reads"]
    with pytest.raises(StateError, match="was deleted while"):
        guard.check(float("inf"))


class Worker:
    """What a watchdog sees of a host."""

    def __init__(self) -> None:
        self.offsets: dict[tuple[str, int], int] = {("ot", 0): 5}
        self.standing: set[int] = set()
        self.outputs, self.intake = self, self
        self.full = self.waiting = False

    def waits(self, _number: int) -> bool:
        return self.waiting

    def resume_offsets(self) -> dict[tuple[str, int], int]:
        return self.offsets


def watch(change: Any = None, ends: int = 9, assigned: tuple[int, ...] = (0,)) -> None:
    worker, time = Worker(), [0.0]
    dog = Watchdog(worker, ["ot"], 30.0, lambda: time[0])  # type: ignore[arg-type]
    for at in (0.0, 20.0, 40.0):
        time[0] = at
        dog.judge({("ot", number): ends for number in assigned})
        if change and at == 20.0:
            change(worker)


def test_a_worker_that_does_not_move_is_noticed() -> None:
    with pytest.raises(StalledError, match="for 40 s although records wait: it is at 5, the log"):
        watch()
    with pytest.raises(StalledError, match="its state is not restored"):
        watch(assigned=(3,))


@pytest.mark.parametrize(
    "change",
    [
        lambda worker: worker.offsets.update({("ot", 0): 6}),
        lambda worker: worker.standing.add(0),
        lambda worker: setattr(worker, "full", True),
        lambda worker: setattr(worker, "waiting", True),
    ],
)
def test_a_worker_that_moves_or_must_wait_is_left_alone(change: Any) -> None:
    watch(change)


def test_a_worker_with_nothing_to_read_is_left_alone() -> None:
    watch(ends=5)
