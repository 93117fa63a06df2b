"""Takes partitions over: fences their last owner, reads their state, and checks that it fits."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import structlog

from penstock.clock import now
from penstock.errors import ParkedError, PenstockError, StateError
from penstock.kafka.describe import Describer
from penstock.operator import Books, Operator
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings
from penstock.state.checkpoint import Checkpoint, InputState, Meta, Source
from penstock.state.checks import verify
from penstock.state.control import Control
from penstock.state.fencing import transactional_id
from penstock.state.layout import OPERATOR, OUTBOX, SEEN, Stored
from penstock.state.reading import read_states
from streams.host.cut import Cut
from streams.host.duplicates import Duplicates
from streams.host.encoders import Encoders
from streams.host.guard import TopicGuard
from streams.host.inputs import InputPartition, inputs_of
from streams.host.outbox import load_outbox
from streams.host.outputs import Outgoing
from streams.host.partition import Observer, Partition
from streams.host.snapshots import SnapshotStore
from streams.host.topics import check_together

_log = structlog.get_logger()

Bounds = Mapping[str, tuple[int, int]]
"""Of each topic's partition the first offset held and the next to be written."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition that is ours."""

    partition: Partition
    store: SnapshotStore
    stored: Checkpoint
    """Storing this leaves the state as it was found, or empty."""
    lost: int
    """Records that expired before they were read."""
    outbox: Sequence[Outgoing] = ()
    """Results of the state that Kafka may not have."""


@dataclass(slots=True)
class Takeover:
    """What became of the partitions to be taken over."""

    taken: dict[int, Taken] = field(default_factory=dict)
    refused: dict[int, PenstockError] = field(default_factory=dict)
    """Parked, or their state does not fit."""

    def close(self) -> None:
        """Let go of what was taken."""
        for taken in self.taken.values():
            taken.store.close()


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores the state of a processor's partitions. Blocks, for a thread.

    Args:
        processor: Whose partitions.
        settings: Where Kafka is.
        environment: Goes before transactional ids.
        encoders: For the partitions.
        observer: Gives each partition's observer.
        guard: Is told which topics the state is of.
        describer: Asks Kafka.
        executor: Opens several partitions at once; one by one takes up to 2 s each.
    """

    processor: Processor
    settings: KafkaSettings
    environment: str
    encoders: Encoders
    observer: Callable[[int], Observer]
    guard: TopicGuard
    describer: Describer
    executor: Executor

    def take(
        self, partitions: Sequence[int], control: Control, wanted: Callable[[], bool]
    ) -> Takeover:
        """Take partitions over.

        Args:
            partitions: Of the topics that the processor reads.
            control: What people command.
            wanted: Whether the partitions are still ours; looked at between the steps.

        Raises:
            KafkaUnavailableError: Kafka does not answer; nothing is kept open.
            TopicError: A topic is missing.
        """
        takeover = Takeover()
        stores: dict[int, SnapshotStore] = {}
        try:
            if partitions and wanted():
                self._take(partitions, control, takeover, stores)
        except BaseException:
            for store in stores.values():
                store.close()
            raise
        for number in takeover.refused.keys() & stores.keys():
            stores[number].close()
        return takeover

    def _take(
        self,
        partitions: Sequence[int],
        control: Control,
        takeover: Takeover,
        stores: dict[int, SnapshotStore],
    ) -> None:
        """Only with the predecessors fenced is what can be read final."""
        topics, state = self.processor.topics, self.processor.state_topic
        facts = self.describer.topics([*topics, state])
        check_together({topic: facts[topic] for topic in topics})
        for number in partitions:
            if number < facts[state].partitions:
                stores[number] = self._store(number)
            else:
                takeover.refused[number] = _no_place(topics[0], state, facts[state].partitions)
        list(self.executor.map(SnapshotStore.open, stores.values()))
        bounds = {topic: self.describer.bounds(topic, stores) for topic in topics}
        states = read_states(self.settings, state, list(stores))
        self.guard.expect({name: found.id for name, found in facts.items()})
        if not control.epoch and not all(found.checkpoint for found in states.values()):
            self._complain(states)
        for number, store in stores.items():
            sources = [Source(topic, facts[topic].id, number) for topic in topics]
            ends = {topic: found[number] for topic, found in bounds.items()}
            try:
                takeover.taken[number] = self._taken(sources, states[number], ends, control, store)
            except (StateError, ParkedError) as error:
                takeover.refused[number] = error

    def _store(self, number: int) -> SnapshotStore:
        name = transactional_id(self.environment, self.processor.name, number)
        return SnapshotStore(self.settings, self.processor.state_topic, number, name)

    def _complain(self, states: Mapping[int, Stored]) -> None:
        """Say it where a group that has read before finds no state."""
        group = f"{self.environment}-{self.processor.name}"
        committed = self.describer.committed(group, self.processor.topics[0])
        for number, found in states.items():
            if found.checkpoint is None and found.error is None and committed.get(number):
                _log.error(
                    "state is missing: starting anew from what the topic holds, in a new epoch",
                    partition=number, topic=self.processor.state_topic, read=committed[number],
                )  # fmt: skip

    def _taken(
        self,
        sources: Sequence[Source],
        stored: Stored,
        bounds: Bounds,
        control: Control,
        store: SnapshotStore,
    ) -> Taken:
        checkpoint = stored.checkpoint
        if stored.error is not None and stored.epoch >= control.epoch:
            raise stored.error
        if checkpoint is None or checkpoint.meta.epoch < control.epoch:
            return self._anew(sources, stored, bounds, control, store)
        return self._again(sources, stored, checkpoint, bounds, control, store)

    def _anew(
        self,
        sources: Sequence[Source],
        stored: Stored,
        bounds: Bounds,
        control: Control,
        store: SnapshotStore,
    ) -> Taken:
        """A partition without state, from where a reset says or from what the topic holds."""
        number, epoch = sources[0].partition, control.epoch or now() // 1000
        states = {}
        for topic, topic_id, _ in map(astuple, sources):
            first, end = bounds[topic]
            start = min(max(control.start(topic, number, first), first), end)
            states[topic] = InputState(topic_id, start, start)
        seen = Duplicates()
        partition = Partition(
            number, self._inputs(sources, states, seen, epoch, bounds), self.processor.operator(),
            self.encoders, self.observer(number), environment=self.environment, epoch=epoch,
            seen=seen, cut=Cut.of(control, number),
        )  # fmt: skip
        store.expect(stored, epoch)
        return Taken(partition, store, _baseline(partition, store), 0)

    def _inputs(
        self,
        sources: Sequence[Source],
        states: Mapping[str, InputState],
        seen: Duplicates,
        epoch: int,
        bounds: Bounds,
    ) -> Mapping[str, InputPartition]:
        ends = {topic: end for topic, (_, end) in bounds.items()}
        return inputs_of(self.processor, sources, states, seen, epoch=epoch, ends=ends)

    def _again(
        self,
        sources: Sequence[Source],
        stored: Stored,
        checkpoint: Checkpoint,
        bounds: Bounds,
        control: Control,
        store: SnapshotStore,
    ) -> Taken:
        """A partition that goes on from its state."""
        meta, operator = checkpoint.meta, self.processor.operator()
        ends = {topic: end for topic, (_, end) in bounds.items()}
        verify(
            meta, sources=sources, operator=operator, environment=self.environment,
            ends=ends, state_topic=self.processor.state_topic,
        )  # fmt: skip
        if meta.parked and control.holds(meta.parked):
            raise ParkedError(
                meta.parked.reason, where=str(sources[0]), remedy="mend the cause, then resume it"
            )
        rows = {name: row for name, row in checkpoint.rows.items() if row is not None}
        _restore(operator, _named(rows, OPERATOR), str(store))
        if operator.books == Books():  # an operator need not keep its books among its rows
            operator.books = meta.samples
        states, lost = _found(meta, bounds)
        seen = Duplicates.restored(_named(rows, SEEN))
        partition = Partition(
            meta.partition, self._inputs(sources, states, seen, meta.epoch, bounds), operator,
            self.encoders, self.observer(meta.partition), environment=self.environment,
            epoch=meta.epoch, meta=meta, seen=seen,
            unsaved=_to_store_anew(rows, meta, operator, stored.old_layout),
            cut=Cut.of(control, meta.partition),
        )  # fmt: skip
        store.expect(stored, meta.epoch)
        outbox = load_outbox(rows.get(OUTBOX), str(store))
        return Taken(partition, store, _baseline(partition, store, meta), lost, outbox)


def _found(meta: Meta, bounds: Bounds) -> tuple[dict[str, InputState], int]:
    """How far the inputs are, behind what expired unread; and how many records that is."""
    states, total = {}, 0
    for topic, one in meta.inputs.items():
        lost = max(0, bounds[topic][0] - one.offset)
        books = replace(one.records, lost=one.records.lost + lost)
        states[topic] = replace(one, offset=one.offset + lost, records=books)
        total += lost
    return states, total


def _no_place(reads: str, state: str, partitions: int) -> StateError:
    msg = f"{reads} has more partitions than the {partitions} of the processor's state"
    return StateError(
        msg, where=state, remedy="keys have moved: delete the state topic to start anew"
    )


def _named(rows: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {n.removeprefix(prefix): row for n, row in rows.items() if n.startswith(prefix)}


def _restore(operator: Operator[Any], rows: Mapping[str, bytes], where: str) -> None:
    try:
        operator.restore(rows)
    except StateError:
        raise
    except Exception as error:  # rows that no check caught
        msg = f"the operator cannot read its state: {error!r}"
        raise StateError(msg, where=where, remedy="reset the processor") from error


def _to_store_anew(
    rows: Mapping[str, bytes], meta: Meta, operator: Operator[Any], old_layout: bool
) -> dict[str, bytes | None]:
    """All rows of an older layout; of an older operator's format none stays as it was."""
    unsaved: dict[str, bytes | None] = dict(rows) if old_layout else {}
    if meta.state_format < operator.state_format:
        unsaved |= {name: None for name in rows if name.startswith(OPERATOR)}
    return unsaved


def _baseline(partition: Partition, store: SnapshotStore, meta: Meta | None = None) -> Checkpoint:
    """What is to be stored were nothing more to come; the partition goes on as if not asked."""
    found = partition.capture(store.writer, 0)
    if found is not None:
        partition.restore_unsaved(found)
        return found
    assert meta is not None  # what was never stored is always captured
    return Checkpoint({}, meta)
