"""Holds the books of processors' states against the topics that they were made from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from penstock.audit.difference import Difference, compare, runs
from penstock.audit.scanning import ABSENT, BROKEN, Dead, Late, Scan
from penstock.operator import Books
from penstock.state.checkpoint import Meta


@dataclass(frozen=True, slots=True)
class ProcessorAudit:
    """One partition of a topic that a processor reads: its books, and what differs."""

    processor: str
    topic: str
    partition: int
    start: int
    offset: int
    records: dict[str, int]
    samples: dict[str, int]
    """Of all topics together; said with the first."""
    difference: int
    """How many figures differ."""
    unseen: int
    """Records of the epoch that the topic no longer holds; their samples cannot be counted."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a topic that a processor reads holds."""

    scan: Scan
    """Of the partition, from the first record that it still holds."""
    dead: Dead
    """The topic's dead letters."""
    late: Late
    """The topic's late samples."""
    sampled: bool = True
    """Whether its records hold samples; where not, the books count each record as one."""
    compacted: bool = False
    """Whether Kafka keeps only the newest record of each key."""
    topic_id: str = ""
    """Where it is known."""


def audit_processor(
    name: str, meta: Meta, topics: Mapping[str, Held]
) -> tuple[list[ProcessorAudit], list[Difference]]:
    """Check that the books close, and that they are those of the topics' records.

    Args:
        name: The processor.
        meta: Of its state of one partition.
        topics: Each that it reads.
    """
    samples, where = meta.samples, f"{name}[{meta.partition}]"
    found = compare(
        where, "samples in = aggregated + bad + late",
        samples.samples_in, samples.aggregated + samples.bad + samples.late,
    )  # fmt: skip
    counts = [_Input(name, topic, meta, held) for topic, held in topics.items()]
    if not any(one.unseen for one in counts):
        total, late = (sum(part) for part in zip(*(one.samples() for one in counts), strict=True))
        text = "samples in the topic, each record once"
        found += compare(where, text, total, samples.samples_in)
        found += compare(where, "samples in the late topic", late, samples.late)
    rows: list[ProcessorAudit] = []
    for one in counts:
        differences = one.differences()
        found += differences
        books = Books() if rows else samples
        rows.append(one.row(asdict(books), len(differences) if rows else len(found)))
    return rows, found


class _Input:
    """One topic's records, counted again."""

    def __init__(self, name: str, topic: str, meta: Meta, held: Held) -> None:
        self._name, self._topic, self._partition = name, topic, meta.partition
        self._state = one = meta.inputs[topic]
        self._former = held.topic_id not in {"", one.topic_id}
        self._late = _of(held.late, name)
        self._letters = held.dead.of(name, meta.partition, one.start, one.offset, str(meta.epoch))
        self._buried = held.dead.left(name, meta.partition, self._letters, one.retry_offset)
        self.unseen = max(0, min(held.scan.first, one.offset) - one.start)
        self._scan = scan = held.scan.part(one.start, one.offset)
        counts = scan.counts.copy() if held.sampled else np.minimum(scan.counts, 1)
        self._broken = np.flatnonzero(counts == BROKEN) + scan.first
        counts[[offset - scan.first for offset in self._buried if offset >= scan.first]] = BROKEN
        absent = int((counts == ABSENT).sum()) if held.compacted else 0
        # Compaction may have taken a record before or after it was read: the books may hold as
        # many more than are there still as offsets are empty.
        self._offsets = one.offset - one.start - absent
        books = one.records.records_in + one.records.lost
        self._compacted = min(max(0, books - self._offsets), absent)
        readable = np.flatnonzero(counts >= 0)
        _, firsts = np.unique(scan.ids[readable], return_index=True)
        self._duplicates = len(readable) - len(firsts)
        self._once, self._counts = readable[firsts], counts

    def samples(self) -> tuple[int, int]:
        """Samples of each record once, and those that are in the late topic."""
        late = sum(self._late.get(record, 0) for record in self._scan.ids[self._once].tolist())
        return int(self._counts[self._once].sum()) + self._compacted, late

    def differences(self) -> list[Difference]:
        """Between the books of records and the topic."""
        one, books = self._state, self._state.records
        where = f"{self._name}, {self._topic}[{self._partition}]"
        found = compare(
            where, "records in + retried = processed + duplicate + dead",
            books.records_in + books.retried, books.processed + books.duplicate + books.dead,
        )  # fmt: skip
        found += compare(
            where, f"records in + lost = offsets {one.start} to {one.offset}",
            self._offsets + self._compacted, books.records_in + books.lost,
        )  # fmt: skip
        text = "the topic was deleted and created again: the books are of the former one"
        found += compare(where, text, 0, int(self._former))
        at = runs(sorted({letter.offset for letter in self._letters})) or "none"
        text = f"dead letters, at {at}, = records dead"
        found += compare(where, text, len(self._letters), books.dead)
        if not self.unseen:
            unburied = np.setdiff1d(self._broken, self._buried)
            found += compare(where, f"broken records not dead: {runs(unburied)}", 0, len(unburied))
            found += compare(where, "duplicates in the topic", self._duplicates, books.duplicate)
        return found

    def row(self, samples: dict[str, int], difference: int) -> ProcessorAudit:
        """For people and scripts."""
        one = self._state
        return ProcessorAudit(
            processor=self._name, topic=self._topic, partition=self._partition, start=one.start,
            offset=one.offset, records=asdict(one.records), samples=samples,
            difference=difference, unseen=self.unseen,
        )  # fmt: skip


def _of(late: Late, processor: str) -> Mapping[int, int]:
    """Late samples of a processor, by record; an old release did not say whose they were."""
    found: Counter[int] = Counter()
    for (record, whose, _), samples in late.items():
        if whose in ("", processor):
            found[record] += samples
    return found
