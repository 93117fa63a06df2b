"""Holds the lake's rows against the topics that they came from, offset by offset."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from numpy.typing import NDArray

from penstock.audit.difference import Difference, compare, runs
from penstock.audit.scanning import ABSENT, Dead, Scan
from penstock.kafka.topics import ALERTS, FEATURES, KPIS, SENSORS
from penstock.lake import LostFile

TABLES: Final = {
    SENSORS.name: "samples",
    FEATURES.name: "windows",
    KPIS.name: "kpis",
    ALERTS.name: "alerts",
}
"""Of each topic: the table that its rows go to."""
_COLUMNS: Final = ["kafka_partition", "kafka_offset"]


@dataclass(frozen=True, slots=True)
class LakeAudit:
    """One partition of a topic in a table of the lake."""

    table: str
    topic: str
    partition: int
    offset: int
    """The next one that is not in the lake, by the table itself."""
    behind: int
    """Records of the topic from there on: they are yet to come into the lake."""
    rows: int
    expected: int
    difference: int
    """Rows missing or too many."""


def lake_rows(table: DeltaTable) -> dict[int, NDArray[np.int64]]:
    """The offsets (N) of all rows that can be read, by partition."""
    parts: dict[int, list[NDArray[np.int64]]] = {}
    for fragment in table.to_pyarrow_dataset().get_fragments():
        try:
            rows = fragment.to_table(columns=_COLUMNS)
        except (OSError, pa.ArrowException):
            continue  # named by `penstock.lake.check`
        for number in pc.unique(rows["kafka_partition"]).to_pylist():
            mine = rows.filter(pc.equal(rows["kafka_partition"], number))
            parts.setdefault(number, []).append(mine["kafka_offset"].to_numpy())
    return {number: np.concatenate(found) for number, found in parts.items()}


@dataclass(frozen=True, slots=True)
class LakeSource:
    """What a table holds of a topic, by the table itself."""

    sink: str
    """The sink that writes it."""
    topic: str
    epoch: str
    """The table's id."""
    offsets: Mapping[int, int]
    """The next offset of each partition."""
    taken: Mapping[int, int]
    """The next offset of each partition of the topic's retries."""
    committed: Mapping[int, int]
    """The next offset of each partition, as the sink told Kafka once it was in the table."""
    former: Set[int] = frozenset()
    """Partitions whose offset is of a topic that was deleted; this one is another."""


def audit_lake(
    source: LakeSource,
    rows: Mapping[int, NDArray[np.int64]],
    scans: Mapping[int, Scan],
    dead: Dead,
) -> tuple[list[LakeAudit], list[Difference]]:
    """Check that each record's rows are in the lake, once, as far as the sink has ever been.

    Args:
        source: What the table should hold.
        rows: The offset of each row, by partition.
        scans: Of the topic, from the first record that it still holds.
        dead: The topic's dead letters.
    """
    audits, differences = [], []
    for number, scan in sorted(scans.items()):
        if number in source.offsets or len(scan.counts):
            audit, found = _audit(source, number, rows.get(number), scan, dead)
            audits.append(audit)
            differences += found
    return audits, differences


def _audit(
    source: LakeSource, number: int, rows: NDArray[np.int64] | None, scan: Scan, dead: Dead
) -> tuple[LakeAudit, list[Difference]]:
    """The audit of one partition, and where table and topic differ."""
    topic, table = source.topic, TABLES[source.topic]
    offset = source.offsets.get(number, 0)
    end = max(offset, source.committed.get(number, 0))
    where = f"{table}, {topic}[{number}]"
    text = "commits of the table are lost: its next offset, and the one that its sink committed"
    differences = list(compare(where, text, end, offset))
    text = "the topic was deleted and created again: the table's next offset is of the former one"
    differences += compare(where, text, 0, int(number in source.former))
    expected = _expected(source, number, end, scan, dead)
    mine = np.empty(0, np.int64) if rows is None else rows[rows >= scan.first]
    found = np.bincount(mine - scan.first, minlength=len(expected))
    wanted = np.zeros(len(found), np.int64)
    wanted[: len(expected)] = expected
    for what, wrong in (("missing", found < wanted), ("too many", found > wanted)):
        at = np.flatnonzero(wrong)
        text = f"rows {what}, of offsets {runs(at + scan.first)}"
        differences += compare(where, text, int(wanted[at].sum()), int(found[at].sum()))
    off = int(np.abs(found - wanted).sum())
    behind = int((scan.counts[max(0, offset - scan.first) :] != ABSENT).sum())
    counts = (offset, behind, int(found.sum()), int(wanted.sum()), off)
    return LakeAudit(table, topic, number, *counts), differences


def _expected(
    source: LakeSource, number: int, end: int, scan: Scan, dead: Dead
) -> NDArray[np.int64]:
    """How many rows of each record of a partition should be there, the sink having come to `end`.

    Of a dead letter none, unless it was taken again.
    """
    until = source.taken.get(number, 0)
    last = scan.first + len(scan.counts)
    letters = dead.of(source.sink, number, scan.first, last, source.epoch)
    again = np.array(dead.taken(source.sink, number, source.epoch, until), np.int64) - scan.first
    buried = np.array(dead.left(source.sink, number, letters, until), np.int64) - scan.first
    expected = scan.rows
    retried = expected[again[again >= 0]]
    expected[max(0, end - scan.first) :] = 0
    expected[again[again >= 0]] = retried
    expected[buried] = 0
    return expected


def lost_file(lost: LostFile) -> Difference:
    """A file that the log names and that cannot be read."""
    held = "its offsets are not known"
    if lost.offsets and lost.partitions:
        (low, high), (first, last) = lost.partitions, lost.offsets
        of = f"partition {low}" if low == high else f"partitions {low}–{high}"
        held = f"it held rows of offsets {first}–{last} of {of}"
    return Difference(f"{lost.table}/{lost.path}", f"{lost.reason}: {held}", lost.rows or 0, 0)
