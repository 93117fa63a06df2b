"""One partition of a processor: decoding, duplicates, the operator, the books; no Kafka here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from penstock.clock import now
from penstock.codec.batches import Schemas
from penstock.errors import ParkedError
from penstock.kafka.dead_letters import PROCESSING
from penstock.operator import Books, Operator, Output, RecordBatch, Result, SampleBatch
from penstock.state.checkpoint import Checkpoint, Meta, RecordBooks, Watermarks
from penstock.state.layout import LEVELS, OPERATOR, SEEN
from schemas import Version
from streams.host.cut import NOTHING_CUT, Cut
from streams.host.duplicates import Duplicates
from streams.host.encoders import Encoders
from streams.host.failures import Failures
from streams.host.inputs import InputPartition
from streams.host.levels import Levels
from streams.host.outputs import Outgoing
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
        number: Of the partition.
        inputs: That partition of every topic that is read, in the processor's order.
        operator: With empty state, or restored.
        encoders: Make messages of results.
        observer: Is told.
        environment: The deployment, for the snapshots.
        epoch: Of results' versions.
        meta: What the state was restored from, if it was.
        seen: The seen ranges of the inputs' readers.
        unsaved: Rows that are to be stored anew with the next snapshot.
        cut: The windows whose results are not published.
        levels: The watermarks that are stored.
        partitions: Of each topic.
    """

    def __init__(
        self,
        number: int,
        inputs: Mapping[str, InputPartition],
        operator: Operator[Any],
        encoders: Encoders,
        observer: Observer,
        *,
        environment: str,
        epoch: int,
        seen: Duplicates,
        meta: Meta | None = None,
        unsaved: Mapping[str, bytes | None] | None = None,
        cut: Cut = NOTHING_CUT,
        levels: Levels | None = None,
        partitions: int = 0,
    ) -> None:
        self.number = number
        self.inputs = inputs
        self.operator = operator
        self.results = 0
        """Published since the partition was taken over."""
        self._failures = Failures()
        self._cut = cut
        self._levels = levels or Levels({})
        self._partitions = partitions
        self._environment = environment
        self._encoders = encoders
        self._observer = observer
        self._epoch = epoch
        before = tuple(one.offset for one in meta.inputs.values()) if meta else ()
        self._emission = meta.emission if meta and before == self._next else 0
        self._seen = seen
        self._unsaved = dict(unsaved or {})
        self._saved = self._at if meta and not meta.parked else None

    @property
    def offsets(self) -> tuple[int, ...]:
        """Of results' versions: what is retried after equal offsets is newer."""
        retries = tuple(one.retry_offset for one in self.inputs.values())
        return self._next + retries if any(retries) else self._next

    @property
    def _next(self) -> tuple[int, ...]:
        return tuple(one.next_offset for one in self.inputs.values())

    @property
    def _at(self) -> tuple[tuple[int, ...], int]:
        return self.offsets, self._emission

    @property
    def books(self) -> RecordBooks:
        """Where the records of all inputs went."""
        found = [one.books for one in self.inputs.values()]
        return RecordBooks(*(sum(column) for column in zip(*map(_values, found), strict=True)))

    def process(self, topic: str, records: Sequence[Record], schemas: Schemas) -> list[Outgoing]:
        """Take consecutive records of a topic in; gives what is to be published.

        Args:
            topic: One that is read.
            records: Not empty; those that were taken in before are ignored.
            schemas: The schema of each id in the records, or that there is none.

        Raises:
            ParkedError: The operator keeps failing, or gives what cannot be encoded; this object is
                of no use any more.
        """
        one = self.inputs[topic]
        records = [record for record in records if record.offset >= one.next_offset]
        if not records:
            return []
        one.next_offset, self._emission = records[-1].offset + 1, 0
        one.books.records_in += len(records)
        read = one.reader.read(records, schemas)
        one.books.duplicate += read.duplicate
        outgoing = [self._bury(one, *refused) for refused in read.refused]
        if len(read.items):
            self._update(one, read.items, records, outgoing, self._failures)
        return outgoing

    def nothing_in(self, topic: str, start: int, end: int) -> None:
        """Offsets of a topic are no records: the next snapshot goes past them if it gets there."""
        one = self.inputs[topic]
        one.gap = range(one.gap.start if one.gap.stop == start else start, end)

    @property
    def takes_retries(self) -> bool:
        """Whether all is processed that a predecessor may have published results of.

        Until then a result with a retried record in it could get a lesser version than one
        without.
        """
        return all(one.next_offset >= one.log_end for one in self.inputs.values())

    def retry(
        self, topic: str, letters: Sequence[Retried], retry_offset: int, schemas: Schemas
    ) -> list[Outgoing]:
        """Take dead letters of this partition of a topic in again.

        Args:
            topic: One that is read.
            letters: All that are for this processor, up to `retry_offset`.
            retry_offset: The next offset of the topic's retries.
            schemas: The schema of each id in them, or that there is none.
        """
        one = self.inputs[topic]
        one.retry_offset = retry_offset
        mine = [letter for letter in letters if letter.origin.epoch == one.burial.epoch]
        one.books.retried += len(mine)
        outgoing: list[Outgoing] = []
        while mine:  # a letter that was retried twice is in two batches
            batch = list({letter.offset: letter for letter in reversed(mine)}.values())[::-1]
            taken = set(map(id, batch))  # two that are equal are two
            mine = [letter for letter in mine if id(letter) not in taken]
            read = one.reader.read(batch, schemas, again=True)
            one.books.duplicate += read.duplicate
            outgoing += [self._bury(one, *refused) for refused in read.refused]
            if len(read.items):
                self._update(one, read.items, batch, outgoing, None)
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
                msg, where=f"partition {self.number}", remedy="mend the processor, then resume it"
            ) from error
        return self._results(output)

    def capture(self, writer: str, number: int) -> Checkpoint | None:
        """The state to store, None if nothing changed; if storing fails, `restore_unsaved` it."""
        for one in self.inputs.values():
            if one.next_offset in one.gap:
                one.next_offset, self._emission = one.gap.stop, 0
        self._unsaved |= {OPERATOR + name: row for name, row in self.operator.changes().items()}
        self._unsaved |= {SEEN + name: row for name, row in self._seen.changes().items()}
        watermarks = self.operator.watermarks()
        self._unsaved |= {LEVELS + n: row for n, row in self._levels.changes(watermarks).items()}
        at = self._at
        if not self._unsaved and at == self._saved:
            return None
        meta = Meta(
            environment=self._environment,
            operator=self.operator.fingerprint,
            state_format=self.operator.state_format,
            partition=self.number,
            inputs={topic: one.state() for topic, one in self.inputs.items()},
            epoch=self._epoch,
            emission=self._emission,
            samples=Books(*_values(self.operator.books)),
            watermarks=Watermarks.of(watermarks),
            writer=writer,
            number=number,
            written=now(),
            partitions=self._partitions,
        )
        rows, self._unsaved, self._saved = self._unsaved, {}, at
        return Checkpoint(rows, meta)

    def restore_unsaved(self, checkpoint: Checkpoint) -> None:
        """Take back the rows of a checkpoint that could not be stored; newer ones win."""
        self._unsaved = {**checkpoint.rows, **self._unsaved}
        self._saved = None

    def _update(
        self,
        one: InputPartition,
        items: Any,
        records: Sequence[Record],
        outgoing: list[Outgoing],
        failures: Failures | None,
    ) -> None:
        """Feed the operator; halve again and again where it raises, down to the record at fault.

        What fails of dead letters says nothing of the processor's health: `failures` is None.
        """
        try:
            batch = one.reader.batch(items)
            if failures:
                self._observer.batch(batch)
            output = self.operator.update(batch)
        except (MemoryError, ParkedError):
            raise
        except Exception as error:  # whatever a record may make an operator raise
            if len(items) == 1:
                offset = one.reader.offset(items)
                if failures:
                    failures.failed(error, f"{one.source}@{offset}")
                record = next(record for record in records if record.offset == offset)
                outgoing.append(self._bury(one, record, error, PROCESSING))
                return
            half = len(items) // 2
            self._update(one, items[:half], records, outgoing, failures)
            self._update(one, items[half:], records, outgoing, failures)
            return
        if failures:
            failures.passed(len(items))
        one.books.processed += len(items)
        outgoing += self._results(output)
        for late in output.late:
            outgoing += one.reader.late(items, late.mask, late.reason, self._encoders)

    def _results(self, output: Output) -> list[Outgoing]:
        if not output.results:
            return []
        outgoing = []
        offsets = self.offsets
        for result in output.results:
            if self._cut.through(result.record):
                continue
            self._emission += 1
            version = Version(self._epoch, offsets, self._emission)
            outgoing.append(self._encoded(result, version))
        self.results += len(outgoing)
        return outgoing

    def _encoded(self, result: Result, version: Version) -> Outgoing:
        try:
            return self._encoders.result(result, version)
        except Exception as error:  # whatever a processor's own encoding may raise
            msg = f"a result cannot be encoded: {type(error).__name__}: {error}"
            where = f"partition {self.number}, key {result.key!r}"
            remedy = "mend the processor, then resume it"
            raise ParkedError(msg, where=where, remedy=remedy) from error

    def _bury(self, one: InputPartition, record: Record, error: Exception, stage: str) -> Outgoing:
        one.books.dead += 1
        self._observer.dead(record.offset, error)
        return one.burial.letter(record, error, stage)


def _values(books: RecordBooks | Books) -> list[int]:
    return [getattr(books, name) for name in books.__slots__]
