"""One partition of a processor: decoding, duplicates, the operator, the books; no Kafka here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from penstock.codec.batches import BatchDecoder, ParsedEvent, RawRecord
from penstock.codec.generic import is_current
from penstock.codec.records import encode_record
from penstock.codec.sensor_event import encode
from penstock.codec.wire import frame, unframe
from penstock.errors import DecodeError, UnknownSchemaError
from penstock.kafka import dead_letters, topics
from penstock.operator import Books, Operator, Output, Result, SampleBatch
from penstock.processor import Processor
from schemas import Version
from streams.host.checkpoint import Checkpoint, Meta, RecordBooks, Source
from streams.host.duplicates import Duplicates, Verdict
from streams.host.late import REASON, pick
from streams.host.outputs import Headers, Outgoing

_EVENT: Final = "SensorEvent"


class Record(Protocol):
    """A record as the consumer gives it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Observer(Protocol):
    """Who is told about the partition's work; the host makes metrics of it."""

    def samples(self, batch: SampleBatch) -> None:
        """Samples are about to enter the operator."""

    def dead(self, offset: int, error: Exception) -> None:
        """A record went to the dead letters."""


class Encoders:
    """Makes messages of what a processor publishes.

    Args:
        processor: Whose results they are.
        result_schema: Id of the schema of its results.
        late_schema: Id of SensorEvent's schema for the late topic.
    """

    def __init__(self, processor: Processor, result_schema: int, late_schema: int) -> None:
        self.processor = processor
        self._result_schema = result_schema
        self._late_schema = late_schema
        self._late_topic = topics.late(processor.reads).name

    def result(self, result: Result, version: Version) -> Outgoing:
        """The message of a result."""
        datum = self.processor.to_avro(result, version)
        value = frame(self._result_schema, encode_record(self.processor.record, datum))
        return Outgoing(self.processor.writes, result.key.encode(), value)

    def late(self, parsed: ParsedEvent, mask: Any, reason: str) -> Outgoing:
        """The message of a record's late samples."""
        event = pick(parsed.event, mask)
        return Outgoing(
            self._late_topic,
            event.asset.encode(),
            frame(self._late_schema, encode(event)),
            [(REASON, reason.encode())],
        )


class Partition:
    """The state of a processor over one partition, and its way from records to messages.

    Args:
        source: The partition that is read.
        operator: With empty state, or restored.
        encoders: Make messages of results.
        observer: Is told.
        start: The next offset.
        epoch: Of results' versions.
        meta: What the state was restored from, if it was.
    """

    def __init__(
        self,
        source: Source,
        operator: Operator,
        encoders: Encoders,
        observer: Observer,
        *,
        start: int,
        epoch: int,
        meta: Meta | None = None,
    ) -> None:
        self.source = source
        self.operator = operator
        self.next_offset = start
        self.books = meta.records if meta else RecordBooks()
        self.results = 0
        """Published since the partition was taken over."""
        self._duplicates = Duplicates.restored(meta.duplicates if meta else ())
        self._encoders = encoders
        self._observer = observer
        self._epoch = epoch
        self._emission = meta.emission if meta and meta.offset == start else 0
        self._decoder = BatchDecoder()
        self._unsaved: dict[str, bytes | None] = {}
        self._saved = (start, self._emission) if meta else None

    def process(
        self, records: Sequence[Record], schemas: Mapping[int, str | UnknownSchemaError]
    ) -> list[Outgoing]:
        """Take consecutive records in; gives what is to be published.

        Args:
            records: Not empty; those before `next_offset` are ignored.
            schemas: The schema of each id in the records, or that there is none.
        """
        records = [record for record in records if record.offset >= self.next_offset]
        if not records:
            return []
        self.next_offset, self._emission = records[-1].offset + 1, 0
        self.books.records_in += len(records)
        outgoing: list[Outgoing] = []
        events = self._fresh(self._parse(records, schemas, outgoing), records, outgoing)
        if events:
            self._update(events, records, outgoing)
        return outgoing

    def advance(self, time: int) -> list[Outgoing]:
        """Let the operator emit what is due at a wall-clock time, microseconds."""
        return self._publish(self.operator.advance(time), ())

    def capture(self, writer: str, number: int) -> Checkpoint | None:
        """The state to store, None if nothing changed; if storing fails, `restore_unsaved` it."""
        self._unsaved |= self.operator.changes()
        at = (self.next_offset, self._emission)
        if not self._unsaved and at == self._saved:
            return None
        meta = Meta(
            operator=self.operator.fingerprint,
            source=self.source,
            offset=self.next_offset,
            epoch=self._epoch,
            emission=self._emission,
            records=RecordBooks(*_values(self.books)),
            samples=Books(*_values(self.operator.books)),
            duplicates=self._duplicates.stored(),
            watermarks={" ".join(key): mark for key, mark in self.operator.watermarks().items()},
            writer=writer,
            number=number,
        )
        rows, self._unsaved, self._saved = self._unsaved, {}, at
        return Checkpoint(rows, meta)

    def restore_unsaved(self, checkpoint: Checkpoint) -> None:
        """Take back the rows of a checkpoint that could not be stored; newer ones win."""
        self._unsaved = {**checkpoint.rows, **self._unsaved}
        self._saved = None

    def _parse(
        self,
        records: Sequence[Record],
        schemas: Mapping[int, str | UnknownSchemaError],
        outgoing: list[Outgoing],
    ) -> list[ParsedEvent]:
        raws: list[RawRecord] = []
        readable: list[Record] = []
        for record in records:
            try:
                raws.append(_raw(record, schemas))
            except (DecodeError, UnknownSchemaError) as error:
                outgoing.append(self._bury(record, error, "VALUE_CONVERTER"))
            else:
                readable.append(record)
        parsed = self._decoder.parse(raws)
        for failure in parsed.failures:
            outgoing.append(self._bury(readable[failure.index], failure.error, "VALUE_CONVERTER"))
        return parsed.events

    def _fresh(
        self, events: list[ParsedEvent], records: Sequence[Record], outgoing: list[Outgoing]
    ) -> list[ParsedEvent]:
        fresh = []
        for parsed in events:
            event = parsed.event
            verdict = self._duplicates.add(event.source, event.session, event.asset, event.sequence)
            if verdict is Verdict.NEW:
                fresh.append(parsed)
            elif verdict is Verdict.DUPLICATE:
                self.books.duplicate += 1
            else:
                msg = f"sequence {event.sequence} of session {event.session!r} is too old to judge"
                error = DecodeError(
                    msg, remedy="republish it with a new session if it was not seen"
                )
                outgoing.append(self._bury(_of(parsed, records), error, "TRANSFORMATION"))
        return fresh

    def _update(
        self, events: Sequence[ParsedEvent], records: Sequence[Record], outgoing: list[Outgoing]
    ) -> None:
        """Feed the operator; halve again and again where it raises, down to the record at fault."""
        try:
            batch = self._decoder.batch(events)
            self._observer.samples(batch)
            output = self.operator.update(batch)
        except MemoryError:
            raise
        except Exception as error:  # whatever a record may make an operator raise
            if len(events) == 1:
                outgoing.append(self._bury(_of(events[0], records), error, "TRANSFORMATION"))
                return
            half = len(events) // 2
            self._update(events[:half], records, outgoing)
            self._update(events[half:], records, outgoing)
            return
        self.books.processed += len(events)
        outgoing += self._publish(output, events)

    def _publish(self, output: Output, events: Sequence[ParsedEvent]) -> list[Outgoing]:
        outgoing = []
        self.results += len(output.results)
        for result in output.results:
            self._emission += 1
            version = Version(self._epoch, (self.next_offset,), self._emission)
            outgoing.append(self._encoders.result(result, version))
        for late in output.late:
            ends = np.cumsum([len(parsed.event.values) for parsed in events])
            masks = np.split(late.mask, ends[:-1])
            outgoing += [
                self._encoders.late(parsed, mask, late.reason)
                for parsed, mask in zip(events, masks, strict=True)
                if mask.any()
            ]
        return outgoing

    def _bury(self, record: Record, error: Exception, stage: str) -> Outgoing:
        self.books.dead += 1
        self._observer.dead(record.offset, error)
        headers = dead_letters.headers(
            topic=self.source.topic,
            partition=self.source.partition,
            offset=record.offset,
            component=self._encoders.processor.name,
            stage=stage,
            error=error,
        )
        topic = topics.dead_letters(self.source.topic).name
        return Outgoing(topic, record.key, record.value, [*record.headers, *headers])


def schema_ids(records: Sequence[Record]) -> set[int]:
    """The ids of the schemas that records were written with."""
    ids = set()
    for prefix in {record.value[:5] for record in records if record.value}:
        try:
            ids.add(unframe(prefix)[0])
        except DecodeError:  # `process` finds it again
            continue
    return ids


def _raw(record: Record, schemas: Mapping[int, str | UnknownSchemaError]) -> RawRecord:
    schema_id, body = unframe(record.value)
    schema = schemas[schema_id]
    if isinstance(schema, UnknownSchemaError):
        raise schema
    return RawRecord(record.offset, body, None if is_current(schema, _EVENT) else schema)


def _of(parsed: ParsedEvent, records: Sequence[Record]) -> Record:
    return next(record for record in records if record.offset == parsed.offset)


def _values(books: RecordBooks | Books) -> list[int]:
    return [getattr(books, name) for name in books.__slots__]
