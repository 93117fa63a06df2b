"""A partition of a topic that a processor reads: how far it is, and where its records went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock.processor import Processor
from penstock.state.checkpoint import InputState, RecordBooks, Source
from streams.host.burial import Burial
from streams.host.duplicates import Duplicates
from streams.host.readers import Reader, reader


@dataclass(slots=True)
class InputPartition:
    """A partition of a topic, as it is taken in."""

    source: Source
    reader: Reader
    start: int
    """The first offset of the epoch."""
    next_offset: int
    burial: Burial
    books: RecordBooks = field(default_factory=RecordBooks)
    retry_offset: int = 0
    """The next offset of the topic's retries."""
    log_end: int = 0
    """The end of the partition when it was taken over."""
    gap: range = range(0)
    """Offsets that are no records: the last such that is known."""

    def state(self) -> InputState:
        """For a snapshot."""
        books = RecordBooks(*(getattr(self.books, name) for name in self.books.__slots__))
        return InputState(
            self.source.topic_id, self.start, self.next_offset, books, self.retry_offset
        )


def inputs_of(
    processor: Processor,
    sources: Sequence[Source],
    states: Mapping[str, InputState],
    seen: Duplicates,
    *,
    epoch: int,
    ends: Mapping[str, int] | None = None,
) -> dict[str, InputPartition]:
    """The inputs of one partition, by topic, in the processor's order.

    Args:
        processor: Says how the topics are read.
        sources: That partition of each of its topics, in its order.
        states: How far each topic was taken in.
        seen: Events that were read before.
        epoch: Of the state.
        ends: Of each topic the end of its partition.
    """
    records = {one.topic: one for one in processor.reads}
    found = {}
    for source in sources:
        topic, number, state = source.topic, source.partition, states[source.topic]
        found[topic] = InputPartition(
            source,
            reader(processor, records[topic], number, seen),
            state.start,
            state.offset,
            Burial(processor.name, topic, number, str(epoch)),
            state.records,
            state.retry_offset,
            (ends or {}).get(topic, 0),
        )
    return found
