"""From records as Kafka gives them to the batches that operators take, by the schema of the topic.

SensorEvents become columns, and those that were seen before are dropped; all other records become
objects, and what comes twice is for the operator to bear.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.codec.batches import BatchDecoder, Schemas, decode_message
from penstock.codec.events import Events
from penstock.codec.records import decode_record
from penstock.codec.wire import unframe
from penstock.errors import DecodeError, UnknownSchemaError
from penstock.kafka.dead_letters import DECODING, PROCESSING
from penstock.operator import RecordBatch, SampleBatch
from penstock.processor import Input, Processor
from streams.host.duplicates import Duplicates, Verdict
from streams.host.encoders import Encoders
from streams.host.outputs import Outgoing
from streams.host.record import Record, Retried


class Refused(NamedTuple):
    """A record that will not reach the operator, and why."""

    record: Record
    error: Exception
    stage: str


@dataclass(slots=True)
class Read:
    """What became of records: each is an item, refused, or was seen before."""

    items: Any = field(default_factory=list)
    """In order; they have a length, and slices."""
    refused: list[Refused] = field(default_factory=list)
    duplicate: int = 0


class Reader(Protocol):
    """Reads the records of one partition of a topic."""

    def read(self, records: Sequence[Record], schemas: Schemas, *, again: bool = False) -> Read:
        """Decode and check records; one that cannot be read spoils no other.

        `again`: these are dead letters, to be taken a second time.
        """

    def batch(self, items: Any) -> Any:
        """Join items into what the operator takes."""

    def offset(self, items: Any) -> int:
        """The offset of the first item's record."""

    def late(
        self, items: Any, mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The messages of what an operator hands back of these items' batch."""


def reader(processor: Processor, one: Input, partition: int, seen: Duplicates) -> Reader:
    """The reader of a partition of a topic that a processor reads."""
    if one.sampled:
        return EventReader(one.topic, seen)
    return RecordReader(processor, one, partition)


class EventReader:
    """Reads SensorEvents.

    Args:
        topic: That holds them.
        seen: What was read before.
    """

    def __init__(self, topic: str, seen: Duplicates) -> None:
        self._topic = topic
        self._seen = seen
        self._decoder = BatchDecoder()
        self._records: Sequence[Record] = ()
        """Those read last, and their schemas: late samples are taken out of the records."""
        self._schemas: Schemas = {}

    def read(self, records: Sequence[Record], schemas: Schemas, *, again: bool = False) -> Read:
        """Decode events; each (source, session, asset, sequence) is taken once."""
        self._records, self._schemas = records, schemas
        offsets = [record.offset for record in records]
        parsed = self._decoder.parse(offsets, [record.value for record in records], schemas)
        found = Read(parsed.events)
        for failure in parsed.failures:
            found.refused.append(Refused(records[failure.index], failure.error, DECODING))
        events = parsed.events
        verdicts: list[Verdict] | None
        if again:
            verdicts = self._judge_again(events)
        else:
            verdicts = self._seen.add_all(events.sessions, events.session, events.sequence)
        if verdicts is not None:
            self._keep_new(events, verdicts, found)
        return found

    def _judge_again(self, events: Events) -> list[Verdict]:
        """Dead letters: what could be read was noted, and what could not is new, however old."""
        verdicts: list[Verdict] = []
        for session, sequence, index in zip(
            events.session.tolist(), events.sequence.tolist(), events.index.tolist(), strict=True
        ):
            verdict = Verdict.NEW
            if _unread(self._records[index]):
                source, name, asset = events.sessions[session]
                verdict = self._seen.add(source, name, asset, sequence)
            verdicts.append(Verdict.NEW if verdict is Verdict.TOO_OLD else verdict)
        return verdicts

    def _keep_new(self, events: Events, verdicts: Sequence[Verdict], found: Read) -> None:
        found.items = events.take(np.flatnonzero([one is Verdict.NEW for one in verdicts]))
        found.duplicate = verdicts.count(Verdict.DUPLICATE)
        for at, verdict in enumerate(verdicts):
            if verdict is Verdict.TOO_OLD:
                _, session, _ = events.sessions[events.session[at]]
                msg = f"sequence {events.sequence[at]} of session {session!r} is too old to judge"
                error = DecodeError(msg, remedy="have it taken again if it was not seen")
                record = self._records[events.index[at]]
                found.refused.append(Refused(record, error, PROCESSING))

    def batch(self, items: Events) -> SampleBatch:
        """The events' samples as columns."""
        return self._decoder.batch(items)

    def offset(self, items: Events) -> int:
        """The offset of the first event's record."""
        return int(items.offset[0])

    def late(
        self, items: Events, mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The late samples of each event, as an event."""
        parts = np.split(mask, np.cumsum(items.size)[:-1])
        for index, part in zip(items.index.tolist(), parts, strict=True):
            if part.any():
                event = decode_message(self._records[index].value, self._schemas)
                yield encoders.late_samples(self._topic, event, part, reason)


class ReadRecord(NamedTuple):
    """A record as the processor's `from_avro` makes it, and as it came."""

    offset: int
    value: Any
    record: Record


class RecordReader:
    """Reads records of any other schema.

    Args:
        processor: Makes its own objects of them.
        one: The topic that holds them, and their schema.
        partition: Whose records.
    """

    def __init__(self, processor: Processor, one: Input, partition: int) -> None:
        self._processor = processor
        self._topic, self._name = one
        self._partition = partition

    def read(self, records: Sequence[Record], schemas: Schemas, *, again: bool = False) -> Read:
        """Decode records, by whichever compatible schema they were written with."""
        del again
        found = Read()
        for record in records:
            try:
                value = self._value(record, schemas)
            except (DecodeError, UnknownSchemaError) as error:
                if isinstance(error, DecodeError):
                    error.where = error.where or f"offset {record.offset}"
                found.refused.append(Refused(record, error, DECODING))
            except Exception as error:  # whatever a record may make the processor's code raise
                found.refused.append(Refused(record, error, PROCESSING))
            else:
                found.items.append(ReadRecord(record.offset, value, record))
        return found

    def _value(self, record: Record, schemas: Schemas) -> Any:
        schema_id, body = unframe(record.value)
        schema = schemas[schema_id]
        if isinstance(schema, UnknownSchemaError):
            raise schema.with_traceback(None)  # of which it else gets another piece each time
        datum = decode_record(body, schema, self._name)
        return self._processor.from_avro(self._name, datum)

    def batch(self, items: Sequence[ReadRecord]) -> RecordBatch:
        """The records' objects."""
        offsets = np.array([item.offset for item in items], np.int64)
        return RecordBatch(tuple(item.value for item in items), offsets)

    def offset(self, items: Sequence[ReadRecord]) -> int:
        """The offset of the first record."""
        return items[0].offset

    def late(
        self, items: Sequence[ReadRecord], mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The records themselves, byte for byte."""
        for item, is_late in zip(items, mask, strict=True):
            if is_late:
                yield encoders.late_record(self._topic, item.record, self._partition, reason)


def _unread(record: Record) -> bool:
    """Whether nobody could read a dead letter when it was buried."""
    return isinstance(record, Retried) and record.origin.stage == DECODING
