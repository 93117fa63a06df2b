"""Turns the books of partitions into metrics."""

import time
from collections.abc import Mapping
from typing import Final

import structlog
from prometheus_client import Counter

from penstock.clock import Clock
from penstock.operator import RecordBatch, SampleBatch
from streams.host import metrics
from streams.host.owned import Owned
from streams.host.partition import Partition

_log = structlog.get_logger()
_OF_A_PARTITION: Final = (
    metrics.LAG,
    metrics.WATERMARK_DELAY,
    metrics.SNAPSHOT_AGE,
    metrics.BOOKED_RECORDS,
    metrics.BOOKED_SAMPLES,
)
_DEAD_LINES: Final = 10
"""Dead letters logged one by one per report; of the rest, the number."""


class Meter:
    """Counts for one processor of this process.

    Args:
        processor: The label.
        clock: Gives the time that delays are measured against.
    """

    def __init__(self, processor: str, clock: Clock) -> None:
        self._processor = processor
        self._clock = clock
        self._counted: dict[int, dict[Counter, int]] = {}
        self._partitions: dict[int, Partition] = {}
        self._dead = 0

    def observer(self, partition: int) -> "PartitionObserver":
        """Who is told about a partition's work."""
        return PartitionObserver(self, partition)

    def owned(self, number: int, partition: Partition) -> None:
        """A partition was taken over: count from here."""
        self._partitions[number] = partition
        self._counted[number] = _books(partition)

    def released(self, number: int) -> None:
        """A partition was given up: who takes it over tells of it now."""
        for gauge in _OF_A_PARTITION:
            gauge.remove_by_labels({"processor": self._processor, "partition": str(number)})

    def processed(self, number: int) -> None:
        """Count what a partition's books have more than before."""
        counts = _books(self._partitions[number])
        before = self._counted[number]
        for counter, count in counts.items():
            if count != before[counter]:
                counter.labels(self._processor).inc(count - before[counter])
        self._counted[number] = counts

    def batch(self, batch: SampleBatch | RecordBatch) -> None:
        """Something is about to enter the operator."""
        if isinstance(batch, SampleBatch):
            metrics.END_TO_END.observe(self._processor, self._clock() - batch.time)

    def dead(self, partition: int, offset: int, error: Exception) -> None:
        """A record went to the dead letters."""
        self._dead += 1
        if self._dead <= _DEAD_LINES:
            _log.warning("dead letter", partition=partition, offset=offset, error=str(error))

    def report(self, owned: Mapping[int, Owned]) -> None:
        """Bring the gauges up to date."""
        if self._dead > _DEAD_LINES:
            _log.warning("more dead letters", records=self._dead - _DEAD_LINES)
        self._dead = 0
        for number, one in owned.items():
            labels = (self._processor, str(number))
            age = time.monotonic() - one.stored_at
            metrics.SNAPSHOT_AGE.labels(*labels).set(age)
            self._book(labels, one.partition)
            marks = one.partition.operator.watermarks()
            if marks:
                delay = (self._clock() - min(marks.values())) / 1e6
                metrics.WATERMARK_DELAY.labels(*labels).set(delay)

    def _book(self, labels: tuple[str, str], partition: Partition) -> None:
        for topic, one in partition.inputs.items():
            for what in ("in", "retried", "processed", "duplicate", "dead", "lost"):
                count = one.books.records_in if what == "in" else getattr(one.books, what)
                metrics.BOOKED_RECORDS.labels(labels[0], topic, labels[1], what).set(count)
        samples = partition.operator.books
        for what in ("in", "aggregated", "bad", "late"):
            count = samples.samples_in if what == "in" else getattr(samples, what)
            metrics.BOOKED_SAMPLES.labels(*labels, what).set(count)


class PartitionObserver:
    """Tells a `Meter` about one partition."""

    def __init__(self, meter: Meter, partition: int) -> None:
        self._meter = meter
        self._partition = partition

    def batch(self, batch: SampleBatch | RecordBatch) -> None:
        """Something is about to enter the operator."""
        self._meter.batch(batch)

    def dead(self, offset: int, error: Exception) -> None:
        """A record went to the dead letters."""
        self._meter.dead(self._partition, offset, error)


def _books(partition: Partition) -> dict[Counter, int]:
    records, samples = partition.books, partition.operator.books
    return {
        metrics.RECORDS: records.records_in,
        metrics.DUPLICATES: records.duplicate,
        metrics.DEAD: records.dead,
        metrics.SAMPLES: samples.samples_in,
        metrics.BAD: samples.bad,
        metrics.LATE: samples.late,
        metrics.RESULTS: partition.results,
    }
