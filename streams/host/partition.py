"""One partition of a processor: decoding, duplicates, the operator, the books; no Kafka here."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import numpy as np

from penstock.clock import now
from penstock.codec.batches import BatchDecoder, ParsedEvent, RawRecord
from penstock.codec.generic import is_current
from penstock.codec.wire import unframe
from penstock.errors import DecodeError, ParkedError, UnknownSchemaError
from penstock.kafka import dead_letters, topics
from penstock.operator import Books, Operator, Output, SampleBatch
from penstock.state.checkpoint import Checkpoint, Meta, RecordBooks, Source, Watermarks
from penstock.state.layout import OPERATOR, SEEN
from schemas import Version
from streams.host.duplicates import Duplicates, Verdict
from streams.host.encoders import Encoders
from streams.host.failures import Failures
from streams.host.outputs import Outgoing
from streams.host.record import Record

_EVENT: Final = "SensorEvent"


class Observer(Protocol):
    """Who is told about the partition's work; the host makes metrics of it."""

    def samples(self, batch: SampleBatch) -> None:
        """Samples are about to enter the operator."""

    def dead(self, offset: int, error: Exception) -> None:
        """A record went to the dead letters."""


class Partition:
    """The state of a processor over one partition, and its way from records to messages.

    Args:
        source: The partition that is read.
        operator: With empty state, or restored.
        encoders: Make messages of results.
        observer: Is told.
        environment: The deployment, for the snapshots.
        start: The next offset.
        epoch: Of results' versions.
        meta: What the state was restored from, if it was.
        seen: The seen ranges, if they were restored.
        unsaved: Rows that are to be stored anew with the next snapshot.
    """

    def __init__(
        self,
        source: Source,
        operator: Operator,
        encoders: Encoders,
        observer: Observer,
        *,
        environment: str,
        start: int,
        epoch: int,
        meta: Meta | None = None,
        seen: Duplicates | None = None,
        unsaved: Mapping[str, bytes | None] | None = None,
    ) -> None:
        self.source = source
        self.operator = operator
        self.next_offset = start
        self.books = meta.records if meta else RecordBooks()
        self.results = 0
        """Published since the partition was taken over."""
        self._duplicates = seen or Duplicates()
        self._failures = Failures()
        self._environment = environment
        self._start = meta.start if meta else start
        self._encoders = encoders
        self._observer = observer
        self._epoch = epoch
        self._emission = meta.emission if meta and meta.offset == start else 0
        self._decoder = BatchDecoder()
        self._unsaved = dict(unsaved or {})
        self._saved = (start, self._emission) if meta and not meta.parked else None

    def process(
        self, records: Sequence[Record], schemas: Mapping[int, str | UnknownSchemaError]
    ) -> list[Outgoing]:
        """Take consecutive records in; gives what is to be published.

        Args:
            records: Not empty; those before `next_offset` are ignored.
            schemas: The schema of each id in the records, or that there is none.

        Raises:
            ParkedError: The operator keeps failing; this object is of no use any more.
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
        """Let the operator emit what is due at a wall-clock time, microseconds.

        Raises:
            ParkedError: The operator fails; this object is of no use any more.
        """
        try:
            output = self.operator.advance(time)
        except Exception as error:  # no record is at fault
            msg = f"the operator fails as time passes, with {type(error).__name__}: {error}"
            raise ParkedError(
                msg, where=str(self.source), remedy="mend the processor, then resume it"
            ) from error
        return self._publish(output, ())

    def capture(self, writer: str, number: int) -> Checkpoint | None:
        """The state to store, None if nothing changed; if storing fails, `restore_unsaved` it."""
        self._unsaved |= {OPERATOR + name: row for name, row in self.operator.changes().items()}
        self._unsaved |= {SEEN + name: row for name, row in self._duplicates.changes().items()}
        at = (self.next_offset, self._emission)
        if not self._unsaved and at == self._saved:
            return None
        meta = Meta(
            environment=self._environment,
            operator=self.operator.fingerprint,
            state_format=self.operator.state_format,
            source=self.source,
            start=self._start,
            offset=self.next_offset,
            epoch=self._epoch,
            emission=self._emission,
            records=RecordBooks(*_values(self.books)),
            samples=Books(*_values(self.operator.books)),
            watermarks=Watermarks.of(self.operator.watermarks()),
            writer=writer,
            number=number,
            written=now(),
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
        except (MemoryError, ParkedError):
            raise
        except Exception as error:  # whatever a record may make an operator raise
            if len(events) == 1:
                self._failures.failed(error, f"{self.source}@{events[0].offset}")
                outgoing.append(self._bury(_of(events[0], records), error, "TRANSFORMATION"))
                return
            half = len(events) // 2
            self._update(events[:half], records, outgoing)
            self._update(events[half:], records, outgoing)
            return
        self._failures.passed(len(events))
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
