"""One partition of a processor: decoding, duplicates, the operator, the books; no Kafka here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from penstock.clock import now
from penstock.errors import ParkedError
from penstock.kafka.dead_letters import PROCESSING
from penstock.operator import Books, Operator, Output, RecordBatch, SampleBatch
from penstock.state.checkpoint import Checkpoint, Meta, RecordBooks, Source, Watermarks
from penstock.state.layout import OPERATOR, SEEN
from schemas import Version
from streams.host.burial import Burial
from streams.host.duplicates import Duplicates
from streams.host.encoders import Encoders
from streams.host.failures import Failures
from streams.host.outputs import Outgoing
from streams.host.readers import Schemas, reader
from streams.host.record import Record, Retried


class Observer(Protocol):
    """Who is told about the partition's work; the host makes metrics of it."""

    def batch(self, batch: SampleBatch | RecordBatch) -> None:
        """Something is about to enter the operator."""

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
        log_end: The end of the partition when it was taken over.
        unsaved: Rows that are to be stored anew with the next snapshot.
    """

    def __init__(
        self,
        source: Source,
        operator: Operator[Any],
        encoders: Encoders,
        observer: Observer,
        *,
        environment: str,
        start: int,
        epoch: int,
        meta: Meta | None = None,
        seen: Duplicates | None = None,
        log_end: int = 0,
        unsaved: Mapping[str, bytes | None] | None = None,
    ) -> None:
        self.source = source
        self.operator = operator
        self.next_offset = start
        self.books = meta.records if meta else RecordBooks()
        self.results = 0
        """Published since the partition was taken over."""
        self._failures = Failures()
        self.retry_offset = meta.retry_offset if meta else 0
        """The next offset of the retry topic."""
        self._log_end = log_end
        self._environment = environment
        self._start = meta.start if meta else start
        self._encoders = encoders
        self._observer = observer
        self._epoch = epoch
        self._burial = Burial(encoders.processor.name, source.topic, source.partition, str(epoch))
        self._emission = meta.emission if meta and meta.offset == start else 0
        self._reader = reader(encoders.processor, source.partition, seen or Duplicates())
        self._unsaved = dict(unsaved or {})
        self._saved = self._at if meta and not meta.parked else None

    def process(self, records: Sequence[Record], schemas: Schemas) -> list[Outgoing]:
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
        read = self._reader.read(records, schemas)
        self.books.duplicate += read.duplicate
        outgoing = [self._bury(*refused) for refused in read.refused]
        if read.items:
            self._update(read.items, records, outgoing, self._failures)
        return outgoing

    @property
    def takes_retries(self) -> bool:
        """Whether all is processed that a predecessor may have published results of.

        Until then a result with a retried record in it could get a lesser version than one
        without.
        """
        return self.next_offset >= self._log_end

    def retry(
        self, letters: Sequence[Retried], retry_offset: int, schemas: Schemas
    ) -> list[Outgoing]:
        """Take dead letters of this partition in again.

        Args:
            letters: All that are for this processor, up to `retry_offset`.
            retry_offset: The next offset of the retry topic.
            schemas: The schema of each id in them, or that there is none.
        """
        self.retry_offset = retry_offset
        mine = [one for one in letters if one.origin.epoch == self._burial.epoch]
        self.books.retried += len(mine)
        outgoing: list[Outgoing] = []
        while mine:  # a letter that was retried twice is in two batches
            batch = list({one.offset: one for one in reversed(mine)}.values())[::-1]
            mine = [one for one in mine if one not in batch]
            read = self._reader.read(batch, schemas, again=True)
            self.books.duplicate += read.duplicate
            outgoing += [self._bury(*refused) for refused in read.refused]
            if read.items:
                self._update(read.items, batch, outgoing, None)
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
        self._unsaved |= {SEEN + name: row for name, row in self._reader.changes().items()}
        at = self._at
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
            retry_offset=self.retry_offset,
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

    def _update(
        self,
        items: Sequence[Any],
        records: Sequence[Record],
        outgoing: list[Outgoing],
        failures: Failures | None,
    ) -> None:
        """Feed the operator; halve again and again where it raises, down to the record at fault.

        What fails of dead letters says nothing of the processor's health: `failures` is None.
        """
        try:
            batch = self._reader.batch(items)
            if failures:
                self._observer.batch(batch)
            output = self.operator.update(batch)
        except (MemoryError, ParkedError):
            raise
        except Exception as error:  # whatever a record may make an operator raise
            if len(items) == 1:
                if failures:
                    failures.failed(error, f"{self.source}@{items[0].offset}")
                outgoing.append(self._bury(_of(items[0], records), error, PROCESSING))
                return
            half = len(items) // 2
            self._update(items[:half], records, outgoing, failures)
            self._update(items[half:], records, outgoing, failures)
            return
        if failures:
            failures.passed(len(items))
        self.books.processed += len(items)
        outgoing += self._publish(output, items)

    def _publish(self, output: Output, items: Sequence[Any]) -> list[Outgoing]:
        outgoing = []
        self.results += len(output.results)
        for result in output.results:
            self._emission += 1
            version = Version(self._epoch, self._offsets, self._emission)
            outgoing.append(self._encoders.result(result, version))
        for late in output.late:
            outgoing += self._reader.late(items, late.mask, late.reason, self._encoders)
        return outgoing

    @property
    def _offsets(self) -> tuple[int, ...]:
        """For versions: what is retried after equal offsets is newer."""
        return (self.next_offset, self.retry_offset)[: 2 if self.retry_offset else 1]

    @property
    def _at(self) -> tuple[int, int, int]:
        return (self.next_offset, self.retry_offset, self._emission)

    def _bury(self, record: Record, error: Exception, stage: str) -> Outgoing:
        self.books.dead += 1
        self._observer.dead(record.offset, error)
        return self._burial.letter(record, error, stage)


def _of(item: Any, records: Sequence[Record]) -> Record:
    return next(record for record in records if record.offset == item.offset)


def _values(books: RecordBooks | Books) -> list[int]:
    return [getattr(books, name) for name in books.__slots__]
