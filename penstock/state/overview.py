"""How far each processor is, as Kafka tells it; works while all workers are down."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penstock.clock import Clock, now
from penstock.errors import StateError, TopicError
from penstock.kafka.describe import Describer
from penstock.processor import Processor
from penstock.settings.plant import Plant
from penstock.state.checkpoint import Meta, Source
from penstock.state.checks import verify
from penstock.state.control import Control, read_control
from penstock.state.reading import read_metas


@dataclass(frozen=True, slots=True)
class PartitionOverview:
    """One partition of a processor; what is not known because nothing is stored yet is None."""

    partition: int
    epoch: int | None
    start: int
    """The first offset of the epoch."""
    offset: int
    """The next offset that the stored state does not hold."""
    end: int
    """The next offset to be written to the log."""
    lag: int
    snapshot_age: float | None
    """Seconds since the last snapshot; there is none while nothing changes."""
    snapshot_bytes: int
    snapshot_rows: int
    watermark_least: int | None
    """Microseconds since 1970, of the slowest stream."""
    watermark_greatest: int | None
    records: dict[str, int]
    samples: dict[str, int]
    parked: str | None
    """Why it stands still."""
    rebuilds_until: int | None
    """After a reset: the offset at which it has come as far as the epoch before."""


@dataclass(frozen=True, slots=True)
class ProcessorOverview:
    """A processor."""

    processor: str
    workers: int
    parked: str | None
    """Why a person parked it."""
    partitions: Sequence[PartitionOverview]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def overview(plant: Plant, processor: Processor, clock: Clock = now) -> ProcessorOverview:
    """How far a processor is.

    Raises:
        TopicError: Its topics are missing: it never ran.
        KafkaUnavailableError: Kafka does not answer.
    """
    describer = Describer(plant.kafka)
    facts = describer.topics([processor.reads, processor.state_topic])
    numbers = range(facts[processor.reads].partitions)
    control = _control(plant, processor, describer)
    metas = read_metas(plant.kafka, processor.state_topic, numbers)
    bounds = describer.bounds(processor.reads, numbers)
    look = _Look(processor, plant.environment, control, clock())
    return ProcessorOverview(
        processor=processor.name,
        workers=describer.members(f"{plant.environment}-{processor.name}"),
        parked=control.parked.reason if control.parked else None,
        partitions=[
            look.partition(
                Source(processor.reads, facts[processor.reads].id, n), metas[n], bounds[n]
            )
            for n in numbers
        ],
    )


def _control(plant: Plant, processor: Processor, describer: Describer) -> Control:
    try:
        describer.topic(processor.control_topic)
    except TopicError:
        return Control()
    return read_control(plant.kafka, processor.control_topic)


@dataclass(frozen=True, slots=True)
class _Look:
    processor: Processor
    environment: str
    control: Control
    time: int

    def partition(
        self, source: Source, found: Meta | StateError | None, bounds: tuple[int, int]
    ) -> PartitionOverview:
        meta = found if isinstance(found, Meta) and found.epoch >= self.control.epoch else None
        start = self.control.starts.get(source.partition, bounds[0])
        offset = meta.offset if meta else start
        until = self.control.behind.get(source.partition, 0)
        return PartitionOverview(
            partition=source.partition,
            epoch=meta.epoch if meta else self.control.epoch or None,
            start=meta.start if meta else start,
            offset=offset,
            end=bounds[1],
            lag=max(0, bounds[1] - offset),
            snapshot_age=(self.time - meta.written) / 1e6 if meta and meta.written else None,
            snapshot_bytes=meta.size if meta else 0,
            snapshot_rows=meta.rows if meta else 0,
            watermark_least=meta.watermarks.least if meta else None,
            watermark_greatest=meta.watermarks.greatest if meta else None,
            records=_records(meta),
            samples=_samples(meta),
            parked=self._parked(source, found, bounds[1]),
            rebuilds_until=until if offset < until else None,
        )

    def _parked(self, source: Source, found: Meta | StateError | None, end: int) -> str | None:
        """Why the partition stands still, or will as soon as a worker takes it."""
        if self.control.parked:
            return self.control.parked.reason
        if isinstance(found, StateError):
            return None if self.control.epoch else str(found)
        if found is None or found.epoch < self.control.epoch:
            return None
        try:
            verify(
                found, source=source, operator=self.processor.operator(),
                environment=self.environment, end=end, state_topic=self.processor.state_topic,
            )  # fmt: skip
        except StateError as error:
            return str(error)
        return found.parked.reason if found.parked and self.control.holds(found.parked) else None


def _records(meta: Meta | None) -> dict[str, int]:
    names = ("processed", "duplicate", "dead", "lost", "retried")
    books = meta.records if meta else None
    return {"in": books.records_in if books else 0} | {
        name: getattr(books, name) if books else 0 for name in names
    }


def _samples(meta: Meta | None) -> dict[str, int]:
    books = meta.samples if meta else None
    return {"in": books.samples_in if books else 0} | {
        name: getattr(books, name) if books else 0 for name in ("aggregated", "bad", "late")
    }
