"""How far each processor is, as Kafka tells it; works while all workers are down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from penstock.clock import Clock, now
from penstock.errors import StateError, TopicError
from penstock.kafka.describe import Describer
from penstock.processor import Processor
from penstock.settings.plant import Plant
from penstock.state.checkpoint import Meta, RecordBooks, Source
from penstock.state.checks import no_place, verify
from penstock.state.control import Control, read_control
from penstock.state.layout import Described
from penstock.state.reading import read_metas

_Stored = tuple[Sequence[Source], Described | None, Mapping[str, tuple[int, int]]]
"""Of a partition: the topics' sources, the state that was found, the topics' bounds."""


@dataclass(frozen=True, slots=True)
class PartitionOverview:
    """One partition of a topic that a processor reads.

    What is not known because nothing is stored yet is None. What is of the state as a whole
    (snapshot, watermarks, samples) is said with the first of its topics only.
    """

    topic: str
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
    look, stored = _look(plant, processor, describer, clock())
    control = look.control
    return ProcessorOverview(
        processor=processor.name,
        workers=describer.members(f"{plant.environment}-{processor.name}"),
        parked=control.parked.reason if control.parked else None,
        partitions=[row for one in stored.values() for row in look.partition(*one)],
    )


def unfit(plant: Plant, processor: Processor) -> dict[int, StateError]:
    """The partitions whose stored state this release and configuration cannot go on with.

    Raises:
        TopicError: Its topics are missing: it never ran.
        KafkaUnavailableError: Kafka does not answer.
    """
    look, stored = _look(plant, processor, Describer(plant.kafka), 0)
    found = {}
    for number, (sources, meta, bounds) in stored.items():
        error = look.misfit(sources, meta, {topic: end for topic, (_, end) in bounds.items()})
        if error is not None:
            found[number] = error
    return found


def _look(
    plant: Plant, processor: Processor, describer: Describer, time: int
) -> tuple["_Look", dict[int, _Stored]]:
    """Read what is stored, by partition, and what it is to be looked at with."""
    facts = describer.topics([*processor.topics, processor.state_topic])
    numbers = range(min(facts[topic].partitions for topic in processor.topics))
    if (places := facts[processor.state_topic].partitions) < len(numbers):
        raise no_place(processor.topics[0], processor.state_topic, places)
    control = _control(plant, processor, describer)
    metas = read_metas(plant.kafka, processor.state_topic, numbers)
    bounds = {topic: describer.bounds(topic, numbers) for topic in processor.topics}
    stored: dict[int, _Stored] = {
        number: (
            [Source(topic, facts[topic].id, number) for topic in processor.topics],
            metas[number],
            {topic: found[number] for topic, found in bounds.items()},
        )
        for number in numbers
    }
    return _Look(processor, plant.environment, control, time, len(numbers)), stored


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
    partitions: int

    def partition(
        self,
        sources: Sequence[Source],
        found: Described | None,
        bounds: Mapping[str, tuple[int, int]],
    ) -> Iterator[PartitionOverview]:
        meta = self._current(found)
        parked = self._parked(sources, found, {topic: end for topic, (_, end) in bounds.items()})
        for source in sources:
            first = source is sources[0]
            yield self._input(source, meta, bounds[source.topic], parked, meta if first else None)

    def _input(
        self,
        source: Source,
        meta: Meta | None,
        bounds: tuple[int, int],
        parked: str | None,
        whole: Meta | None,
    ) -> PartitionOverview:
        """One topic's partition; `whole` tells of the state as such."""
        topic, number = source.topic, source.partition
        found = meta.inputs.get(topic) if meta else None
        start = found.start if found else self.control.start(topic, number, bounds[0])
        offset = found.offset if found else start
        until = self.control.until(topic, number)
        return PartitionOverview(
            topic=topic,
            partition=number,
            epoch=meta.epoch if meta else self.control.epoch or None,
            start=start,
            offset=offset,
            end=bounds[1],
            lag=max(0, bounds[1] - offset),
            snapshot_age=(self.time - whole.written) / 1e6 if whole and whole.written else None,
            snapshot_bytes=whole.size if whole else 0,
            snapshot_rows=whole.rows if whole else 0,
            watermark_least=whole.watermarks.least if whole else None,
            watermark_greatest=whole.watermarks.greatest if whole else None,
            records=_records(found.records if found else RecordBooks()),
            samples=_samples(whole),
            parked=parked,
            rebuilds_until=until if offset < until else None,
        )

    def _parked(
        self,
        sources: Sequence[Source],
        found: Described | None,
        ends: Mapping[str, int],
    ) -> str | None:
        """Why the partition stands still, or will as soon as a worker takes it."""
        if self.control.parked:
            return self.control.parked.reason
        misfit = self.misfit(sources, found, ends)
        if misfit is not None:
            return str(misfit)
        meta = self._current(found)
        if meta is None or meta.parked is None or not self.control.holds(meta.parked):
            return None
        return meta.parked.reason

    def _current(self, found: Described | None) -> Meta | None:
        """The description, if it is of the epoch that counts."""
        if found is None or found.epoch < self.control.epoch or isinstance(found.meta, StateError):
            return None
        return found.meta

    def misfit(
        self,
        sources: Sequence[Source],
        found: Described | None,
        ends: Mapping[str, int],
    ) -> StateError | None:
        """Why nobody can go on with the state that was found; None where one can, or has none."""
        if found is None or found.epoch < self.control.epoch:
            return None
        if isinstance(found.meta, StateError):
            return found.meta
        try:
            verify(
                found.meta, sources=sources, operator=self.processor.operator(),
                environment=self.environment, ends=ends, partitions=self.partitions,
                state_topic=self.processor.state_topic,
            )  # fmt: skip
        except StateError as error:
            return error
        return None


def _records(books: RecordBooks) -> dict[str, int]:
    names = ("processed", "duplicate", "dead", "lost", "retried")
    return {"in": books.records_in} | {name: getattr(books, name) for name in names}


def _samples(meta: Meta | None) -> dict[str, int]:
    books = meta.samples if meta else None
    return {"in": books.samples_in if books else 0} | {
        name: getattr(books, name) if books else 0 for name in ("aggregated", "bad", "late")
    }
