"""What Kafka has of a partition that is to be taken over, and where its inputs begin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.state.checkpoint import InputState, Meta, RecordBooks, Source
from penstock.state.control import Control
from penstock.state.layout import LEVELS, Stored

Bounds = Mapping[str, tuple[int, int]]
"""Of each topic's partition the first offset held and the next to be written."""


@dataclass(frozen=True, slots=True)
class Found:
    """What Kafka has.

    Args:
        sources: That partition of each topic.
        stored: Its state.
        bounds: Of that partition of each topic.
        partitions: How many each topic has.
        missing: Whether there was state once, and is none.
    """

    sources: Sequence[Source]
    stored: Stored
    bounds: Bounds
    partitions: int
    missing: bool

    @property
    def ends(self) -> dict[str, int]:
        """Of each topic the next offset to be written."""
        return {topic: end for topic, (_, end) in self.bounds.items()}

    @property
    def levels(self) -> dict[str, bytes]:
        """Of state that is there the rows with its streams' watermarks."""
        rows = self.stored.checkpoint.rows if self.stored.checkpoint else {}
        return named({name: row for name, row in rows.items() if row is not None}, LEVELS)

    def begun(self, control: Control) -> tuple[dict[str, InputState], int]:
        """Where the inputs of a new epoch begin, and how many records of it have expired."""
        states, total = {}, 0
        for source in self.sources:
            first, end = self.bounds[source.topic]
            start = min(control.start(source.topic, source.partition, first), end)
            lost = max(0, first - start)
            books = RecordBooks(lost=lost)
            states[source.topic] = InputState(source.topic_id, start, start + lost, books)
            total += lost
        return states, total

    def gone_on(self, meta: Meta) -> tuple[dict[str, InputState], int]:
        """How far the inputs are, behind what expired unread; and how many records that is."""
        states, total = {}, 0
        for topic, one in meta.inputs.items():
            lost = max(0, self.bounds[topic][0] - one.offset)
            books = replace(one.records, lost=one.records.lost + lost)
            states[topic] = replace(one, offset=one.offset + lost, records=books)
            total += lost
        return states, total


def named(rows: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """The rows whose names begin so, without that."""
    return {n.removeprefix(prefix): row for n, row in rows.items() if n.startswith(prefix)}
