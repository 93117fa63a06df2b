"""A partition without Kafka: the books close, whatever comes in, however it is cut."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame
from penstock.errors import ParkedError, StateError, UnknownSchemaError
from penstock.kafka.dead_letters import origin_of
from penstock.operator import Books, Operator, Output, Result, SampleBatch
from penstock.processor import Input
from penstock.state.checkpoint import InputState, Meta, RecordBooks, Source
from penstock.state.checks import verify
from schemas import SensorEvent, Version, schema_text
from streams.host.duplicates import Duplicates
from streams.host.inputs import inputs_of
from streams.host.late import pick
from streams.host.outputs import Outgoing, refused
from streams.host.partition import Partition
from streams.host.record import Retried
from streams.host.schema_ids import schema_ids

TOPIC = "ot.t.v1"
SOURCE = Source("ot.t.v1", "id-1", 0)
INTS, NONE = np.empty(0, np.int32), np.empty(0)
SCHEMAS: Mapping[int, str | UnknownSchemaError] = {
    1: schema_text("SensorEvent"),
    2: UnknownSchemaError("there is no schema 2"),
}


class Record(NamedTuple):
    offset: int
    value: bytes | None
    key: bytes | None = b"press"
    headers: tuple[tuple[str, bytes], ...] = ()


class Total(Operator):
    """Adds up; refuses a batch with a negative value."""

    def __init__(self) -> None:
        self.books, self.sum, self.changed = Books(), 0.0, False

    def update(self, batch: SampleBatch) -> Output:
        if (batch.value < 0).any():
            raise ValueError("negative")
        self.books.samples_in += len(batch)
        self.books.aggregated += len(batch)
        self.sum += float(batch.value.sum())
        self.changed = True
        return Output([Result("press", self.sum)])

    def advance(self, time: int) -> Output:
        return Output([Result("press", self.sum)])

    def changes(self) -> Mapping[str, bytes | None]:
        changed, self.changed = self.changed, False
        return {"sum": str(self.sum).encode()} if changed else {}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        self.sum = float(rows["sum"])

    @property
    def fingerprint(self) -> str:
        return "total"

    def watermarks(self) -> Mapping[tuple[str, str], int]:
        return {}


class FakeEncoders:
    class processor:
        name, reads = "total", (Input("ot.t.v1"),)

    def result(self, result: Result, version: Version) -> Outgoing:
        return Outgoing("results", b"press", repr((result.record, version)).encode())


class Silent:
    def batch(self, batch: SampleBatch) -> None: ...

    def dead(self, offset: int, error: Exception) -> None: ...


def partition(**more: Any) -> Partition:
    seen, start = more.pop("seen", Duplicates()), more.pop("start", 0)
    states = (
        more["meta"].inputs if "meta" in more else {"ot.t.v1": InputState("id-1", start, start)}
    )
    processor: Any = FakeEncoders.processor
    ends = {TOPIC: more.pop("log_end", 0)}
    inputs = inputs_of(processor, [SOURCE], states, seen, epoch=9, ends=ends)
    given = {"environment": "test", "epoch": 9, "seen": seen} | more
    return Partition(0, inputs, Total(), FakeEncoders(), Silent(), **given)  # type: ignore[arg-type]


def record(offset: int, *values: float, sequence: int | None = None) -> Record:
    sequence = offset if sequence is None else sequence
    event = SensorEvent(
        "press", "plc", "s", sequence, 0, 0, ("t",), np.array([len(values)]),
        np.zeros(1), NONE, np.array(values, float), (), INTS, INTS,
    )  # fmt: skip
    return Record(offset, frame(1, encode(event)))


def test_poison_is_found_by_halving_and_the_rest_goes_on() -> None:
    records = [record(n, 1.0) for n in range(20)]
    records[7] = record(7, -1.0)
    records[13] = record(13, -1.0)
    records[3] = Record(3, frame(2, b""))
    records[4] = Record(4, None)
    records[19] = record(19, 1.0, sequence=0)
    one = partition()
    messages = one.process(TOPIC, records, SCHEMAS)
    dead = [message for message in messages if message.topic == "ot.t.v1.dlq"]
    assert {dict(each.headers)["__connect.errors.offset"] for each in dead} == {
        b"3",
        b"4",
        b"7",
        b"13",
    }
    assert (one.books.processed, one.books.duplicate, one.books.dead) == (15, 1, 4)
    assert one.books.closed
    assert one.operator.books.closed
    assert one.offsets == (20,)


def test_versions_grow_within_an_offset_and_start_again_at_the_next() -> None:
    one = partition()
    values = [message.value for message in one.process(TOPIC, [record(0, 1.0)], SCHEMAS)]
    values += [message.value for message in one.advance(0) + one.advance(0)]
    values += [message.value for message in one.process(TOPIC, [record(1, 1.0)], SCHEMAS)]
    assert values == [
        repr((total, Version(9, (offset,), emission))).encode()
        for total, offset, emission in ((1.0, 1, 1), (1.0, 1, 2), (1.0, 1, 3), (2.0, 2, 1))
    ]


def test_what_was_processed_is_ignored() -> None:
    one = partition()
    one.process(TOPIC, [record(0, 1.0), record(1, 2.0)], SCHEMAS)
    assert one.process(TOPIC, [record(0, 1.0), record(1, 2.0)], SCHEMAS) == []
    assert one.books.records_in == 2


def test_a_failed_checkpoint_is_merged_into_the_next() -> None:
    one = partition()
    first = one.capture("w", 1)
    assert first is not None  # a new epoch is worth storing at once
    one.process(TOPIC, [record(0, 1.0)], SCHEMAS)
    failed = one.capture("w", 2)
    assert failed is not None
    one.restore_unsaved(failed)
    again = one.capture("w", 3)
    assert again is not None
    assert again.rows == {
        "operator/sum": b"1.0",
        "seen/0": b'[["plc","press","s",0,[0,0]]]',
    }
    assert one.capture("w", 4) is None


def test_a_restored_partition_goes_on() -> None:
    one = partition()
    one.process(TOPIC, [record(0, 1.0)], SCHEMAS)
    stored = one.capture("w", 1)
    assert stored is not None
    meta = Meta.load(stored.meta.dump(), "state")
    assert meta == stored.meta
    seen = Duplicates.restored({"0": stored.rows["seen/0"] or b""})
    two = partition(start=1, meta=meta, seen=seen)
    two.process(TOPIC, [record(1, 1.0, sequence=0), record(2, 1.0)], SCHEMAS)
    assert (two.books.processed, two.books.duplicate) == (2, 1)


def test_another_format_is_refused() -> None:
    stored = partition().capture("w", 1)
    assert stored is not None
    newer = stored.meta.dump().replace(b'"format":5', b'"format":6,"unheard_of":1')
    with pytest.raises(StateError, match=r"newer release .* \(finish the roll-out, or reset"):
        Meta.load(newer, "state[0]")
    with pytest.raises(StateError, match="cannot be read"):
        Meta.load(b"{", "state[0]")


@pytest.mark.parametrize(
    ("source", "written", "end", "message"),
    [
        (Source("ot.t.v1", "id-2", 0), {}, 0, "deleted and created again"),
        (SOURCE, {"operator": "other"}, 0, "of other parameters"),
        (SOURCE, {"state_format": 2}, 0, "by a newer release"),
        (SOURCE, {"environment": "prod"}, 0, "belongs to environment 'prod', this is 'test'"),
        (SOURCE, {"partitions": 3}, 0, "of 3 partitions, ot.t.v1 has 6: keys moved"),
        (SOURCE, {}, -1, "goes up to offset 0, but ot.t.v1\\[0\\] ends at -1"),
    ],
)
def test_state_that_does_not_fit_is_refused(
    source: Source, written: dict[str, Any], end: int, message: str
) -> None:
    stored = partition().capture("w", 1)
    assert stored is not None
    meta = replace(stored.meta, **written)
    with pytest.raises(StateError, match=message) as refused:
        verify(
            meta, sources=[source], operator=Total(), environment="test", ends={TOPIC: end},
            partitions=6, state_topic="ot.total.state.v1",
        )  # fmt: skip
    assert refused.value.where == "ot.total.state.v1[0]"
    assert refused.value.remedy


def test_a_result_that_cannot_be_encoded_parks_the_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def encode(*_: object) -> Outgoing:
        raise ValueError("no such field")

    monkeypatch.setattr(FakeEncoders, "result", encode)
    with pytest.raises(ParkedError, match="cannot be encoded: ValueError: no such field"):
        partition().process(TOPIC, [record(0, 1.0)], SCHEMAS)


def test_only_what_kafka_will_never_take_parks_a_partition() -> None:
    large = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    found = refused(large, 4)
    assert found is not None
    assert found.where == "partition 4"
    denied = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert refused(denied, 4) is None, "rights may be given while the worker tries again"


def test_two_equal_letters_are_two_in_the_books() -> None:
    (dead,) = partition().process(TOPIC, [record(5, -1.0)], SCHEMAS)
    one = partition(start=9)
    letters = [replace(letter(dead), value=record(5, 1.0).value) for _ in range(2)]
    one.retry(TOPIC, letters, 2, SCHEMAS)
    assert one.books.retried == 2
    assert one.books.closed


def test_schema_ids_skip_what_is_not_framed() -> None:
    records = [Record(0, None), Record(1, b""), Record(2, b"\1abcd"), Record(3, frame(7, b"x"))]
    assert schema_ids(records) == {7}


def test_late_samples_keep_their_columns() -> None:
    event = SensorEvent(
        "press", "plc", "s", 3, 10, 20, ("a", "b", "c"), np.array([2, 1, 2]), np.arange(5.0),
        np.array([7.0]), np.arange(5.0) * 10, ("x",), np.array([0, 1, 2], np.int32),
        np.arange(5, dtype=np.int32),
    )  # fmt: skip
    late = pick(event, np.array([False, True, False, True, True]))
    assert late.tags == ("a", "c")
    assert late.counts.tolist() == [1, 2]
    assert late.kinds.tolist() == [0, 2]
    assert late.offsets.tolist() == [1, 3, 4]
    assert late.server_offsets.tolist() == [7]
    assert late.values.tolist() == [10, 30, 40]
    assert late.quality.tolist() == [1, 3, 4]


def letter(message: Outgoing, **more: Any) -> Retried:
    """A dead letter that is put back."""
    origin = replace(origin_of(message.headers), **more)
    return Retried(origin, message.key, message.value, message.headers)


def test_dead_letters_are_taken_again_by_who_buried_them_and_the_books_close() -> None:
    one = partition()
    records = [record(0, 1.0), Record(1, frame(2, record(1, 2.0).value[5:])), record(2, -3.0)]  # type: ignore[index]
    dead = [each for each in one.process(TOPIC, records, SCHEMAS) if each.topic == "ot.t.v1.dlq"]
    assert [origin_of(each.headers).stage for each in dead] == ["VALUE_CONVERTER", "TRANSFORMATION"]
    mended = {**SCHEMAS, 2: schema_text("SensorEvent")}

    again = one.retry(TOPIC, [letter(each) for each in dead], 2, mended)
    results = [each.value for each in again if each.topic == "results"]
    assert results == [repr((3.0, Version(9, (3, 2), 2))).encode()]
    (failed,) = [each for each in again if each.topic == "ot.t.v1.dlq"]
    assert (origin_of(failed.headers).attempt, origin_of(failed.headers).offset) == (1, 2)
    assert one.books == RecordBooks(3, processed=2, dead=3, retried=2)

    # One that was put back twice, and one of a state that is no more.
    one.retry(TOPIC, [letter(dead[0]), letter(failed, epoch="8")], 4, mended)
    assert one.books == RecordBooks(3, processed=2, duplicate=1, dead=3, retried=3)
    assert one.books.closed
    stored = one.capture("w", 1)
    assert stored is not None
    assert (stored.meta.inputs[TOPIC].offset, stored.meta.inputs[TOPIC].retry_offset) == (3, 4)


def test_letters_wait_until_a_predecessors_results_are_overtaken() -> None:
    one = partition(log_end=2)
    one.process(TOPIC, [record(0, 1.0)], SCHEMAS)
    assert not one.takes_retries
    one.process(TOPIC, [record(1, 1.0)], SCHEMAS)
    assert one.takes_retries


def test_letters_that_fail_again_do_not_park_the_partition() -> None:
    one = partition()
    dead = [each for each in one.process(TOPIC, [record(0, -1.0)], SCHEMAS) if each.key]
    letters = [letter(dead[0], offset=n) for n in range(300)]
    one.retry(TOPIC, letters, 300, SCHEMAS)
    assert (one.books.dead, one.books.retried) == (301, 300)


def test_offsets_that_are_no_records_are_gone_past_once_what_is_before_them_is_processed() -> None:
    one = partition(log_end=8)
    one.nothing_in(TOPIC, 2, 3)
    one.nothing_in(TOPIC, 3, 5)  # goes on where the first one ends
    assert one.capture("w", 1) is not None
    assert one.offsets == (0,), "two records are to be processed first"
    one.process(TOPIC, [record(0, 1.0), record(1, 1.0)], SCHEMAS)
    found = one.capture("w", 2)
    assert found is not None
    assert found.meta.inputs[TOPIC].offset == 5
    assert not one.takes_retries
    one.process(TOPIC, [record(5, 1.0), record(6, 1.0)], SCHEMAS)
    one.nothing_in(TOPIC, 7, 8)
    one.capture("w", 3)
    assert one.offsets == (8,)
    assert one.takes_retries, "the log ends with what is no record"
    assert one.books.closed
