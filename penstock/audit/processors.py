"""Holds the books of processors' states against the topics that they were made from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from penstock.audit.difference import Difference, compare, runs
from penstock.audit.scanning import BROKEN, Dead, Late, Scan
from penstock.state.checkpoint import Meta


@dataclass(frozen=True, slots=True)
class ProcessorAudit:
    """One partition of a processor: its books, and what differs."""

    processor: str
    partition: int
    start: int
    offset: int
    records: dict[str, int]
    samples: dict[str, int]
    difference: int
    """How many figures differ."""
    unseen: int
    """Records of the epoch that the topic no longer holds; their samples cannot be counted."""


def audit_processor(
    name: str, partition: int, meta: Meta, scan: Scan, dead: Dead, late: Late
) -> tuple[ProcessorAudit, list[Difference]]:
    """Check that the books close, and that they are those of the topic's records.

    Args:
        name: The processor.
        partition: Of the topic that it reads.
        meta: Of its state.
        scan: Of that topic's partition, from the first record that it still holds.
        dead: The topic's dead letters.
        late: The topic's late samples.
    """
    where = f"{name}[{partition}]"
    books, samples = meta.records, meta.samples
    found = compare(
        where, "records in + retried = processed + duplicate + dead",
        books.records_in + books.retried, books.processed + books.duplicate + books.dead,
    )  # fmt: skip
    found += compare(
        where, "samples in = aggregated + bad + late",
        samples.samples_in, samples.aggregated + samples.bad + samples.late,
    )  # fmt: skip
    found += compare(
        where, f"records in + lost = offsets {meta.start} to {meta.offset}",
        meta.offset - meta.start, books.records_in + books.lost,
    )  # fmt: skip
    letters = dead.of(name, partition, meta.start, meta.offset, str(meta.epoch))
    at = runs(sorted({letter.offset for letter in letters})) or "none"
    found += compare(where, f"dead letters, at {at}, = records dead", len(letters), books.dead)
    buried = dead.left(name, partition, letters, meta.retry_offset)
    unseen = max(0, min(scan.first, meta.offset) - meta.start)
    if not unseen:
        found += _against_topic(
            where, meta, scan.part(meta.start, meta.offset), buried, _of(late, name)
        )
    row = ProcessorAudit(
        processor=name, partition=partition, start=meta.start, offset=meta.offset,
        records=asdict(books), samples=asdict(samples), difference=len(found), unseen=unseen,
    )  # fmt: skip
    return row, found


def _of(late: Late, processor: str) -> Mapping[int, int]:
    """Late samples of a processor, by record; an old release did not say whose they were."""
    found: Counter[int] = Counter()
    for (record, whose, _), samples in late.items():
        if whose in ("", processor):
            found[record] += samples
    return found


def _against_topic(
    where: str, meta: Meta, scan: Scan, buried: list[int], late: Mapping[int, int]
) -> list[Difference]:
    """Count again from the topic what the books say."""
    counts = scan.counts.copy()
    broken = np.flatnonzero(counts == BROKEN) + scan.first
    unburied = np.setdiff1d(broken, buried)
    found = compare(where, f"broken records not dead: {runs(unburied)}", 0, len(unburied))
    counts[np.array(buried, np.int64) - scan.first] = BROKEN
    readable = np.flatnonzero(counts >= 0)
    _, firsts = np.unique(scan.ids[readable], return_index=True)
    duplicates = len(readable) - len(firsts)
    found += compare(where, "duplicates in the topic", duplicates, meta.records.duplicate)
    total = int(counts[readable[firsts]].sum())
    found += compare(
        where, "samples in the topic, each record once", total, meta.samples.samples_in
    )
    set_apart = sum(late.get(record, 0) for record in set(scan.ids[readable].tolist()))
    return found + compare(where, "samples in the late topic", set_apart, meta.samples.late)
