"""From records as Kafka gives them to the batches that operators take, by the schema of the topic.

SensorEvents become columns, and those that were seen before are dropped; all other records become
objects, and what comes twice is for the operator to bear.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.codec.batches import BatchDecoder, ParsedEvent, RawRecord
from penstock.codec.generic import is_current
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

EVENT: Final = "SensorEvent"

Schemas = Mapping[int, str | UnknownSchemaError]
"""The schema of each id, or that there is none."""


class Refused(NamedTuple):
    """A record that will not reach the operator, and why."""

    record: Record
    error: Exception
    stage: str


@dataclass(slots=True)
class Read:
    """What became of records: each is an item, refused, or was seen before."""

    items: list[Any] = field(default_factory=list)
    """In order, each with its record's `offset`."""
    refused: list[Refused] = field(default_factory=list)
    duplicate: int = 0


class Reader(Protocol):
    """Reads the records of one partition of a topic."""

    def read(self, records: Sequence[Record], schemas: Schemas, *, again: bool = False) -> Read:
        """Decode and check records; one that cannot be read spoils no other.

        `again`: these are dead letters, to be taken a second time.
        """

    def batch(self, items: Sequence[Any]) -> Any:
        """Join items into what the operator takes."""

    def late(
        self, items: Sequence[Any], mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The messages of what an operator hands back of these items' batch."""


def reader(processor: Processor, one: Input, partition: int, seen: Duplicates) -> Reader:
    """The reader of a partition of a topic that a processor reads."""
    if one.record == EVENT:
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

    def read(self, records: Sequence[Record], schemas: Schemas, *, again: bool = False) -> Read:
        """Decode events; each (source, session, asset, sequence) is taken once."""
        found = Read()
        readable, raws = [], []
        for record in records:
            try:
                raws.append(_raw(record, schemas))
            except (DecodeError, UnknownSchemaError) as error:
                found.refused.append(Refused(record, error, DECODING))
            else:
                readable.append(record)
        parsed = self._decoder.parse(raws)
        for failure in parsed.failures:
            found.refused.append(Refused(readable[failure.index], failure.error, DECODING))
        for one in parsed.events:
            if not again or _unread(one, records):
                self._judge(one, records, found, again=again)
            else:  # noted before the operator failed on it
                found.items.append(one)
        return found

    def _judge(
        self, one: ParsedEvent, records: Sequence[Record], found: Read, *, again: bool
    ) -> None:
        """Of a dead letter that is too old to judge is known that nobody could read it."""
        event = one.event
        verdict = self._seen.add(event.source, event.session, event.asset, event.sequence)
        if verdict is Verdict.NEW or (again and verdict is Verdict.TOO_OLD):
            found.items.append(one)
        elif verdict is Verdict.DUPLICATE:
            found.duplicate += 1
        else:
            msg = f"sequence {event.sequence} of session {event.session!r} is too old to judge"
            error = DecodeError(msg, remedy="have it taken again if it was not seen")
            found.refused.append(Refused(_of(one, records), error, PROCESSING))

    def batch(self, items: Sequence[ParsedEvent]) -> SampleBatch:
        """The events' samples as columns."""
        return self._decoder.batch(items)

    def late(
        self, items: Sequence[ParsedEvent], mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The late samples of each event, as an event."""
        ends = np.cumsum([len(item.event.values) for item in items])
        for item, part in zip(items, np.split(mask, ends[:-1]), strict=True):
            if part.any():
                yield encoders.late_samples(self._topic, item.event, part, reason)


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

    def late(
        self, items: Sequence[ReadRecord], mask: NDArray[np.bool_], reason: str, encoders: Encoders
    ) -> Iterable[Outgoing]:
        """The records themselves, byte for byte."""
        for item, is_late in zip(items, mask, strict=True):
            if is_late:
                yield encoders.late_record(self._topic, item.record, self._partition, reason)


def _of(one: ParsedEvent, records: Sequence[Record]) -> Record:
    return next(record for record in records if record.offset == one.offset)


def _unread(one: ParsedEvent, records: Sequence[Record]) -> bool:
    """Whether nobody could read a dead letter when it was buried."""
    record = _of(one, records)
    return isinstance(record, Retried) and record.origin.stage == DECODING


def _raw(record: Record, schemas: Schemas) -> RawRecord:
    schema_id, body = unframe(record.value)
    schema = schemas[schema_id]
    if isinstance(schema, UnknownSchemaError):
        raise schema.with_traceback(None)  # of which it else gets another piece each time
    return RawRecord(record.offset, body, None if is_current(schema, EVENT) else schema)
