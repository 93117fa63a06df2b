"""Takes partitions over: fences their last owner, reads their state, and checks that it fits."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import structlog

from penstock.clock import now
from penstock.errors import ParkedError, PenstockError, StateError
from penstock.kafka.describe import Describer
from penstock.operator import Books, Operator
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings
from penstock.state.checkpoint import Checkpoint, InputState, Meta, Source
from penstock.state.checks import no_place, verify, verify_partitions
from penstock.state.control import Control
from penstock.state.fencing import transactional_id
from penstock.state.layout import BEFORE, LEVELS, OPERATOR, OUTBOX, SEEN, Stored
from penstock.state.reading import read_metas, read_states
from streams.host.cut import Cut
from streams.host.duplicates import Duplicates
from streams.host.encoders import Encoders
from streams.host.found import Found, named
from streams.host.guard import TopicGuard
from streams.host.inputs import InputPartition, inputs_of
from streams.host.levels import Levels, load_levels
from streams.host.outbox import load_outbox
from streams.host.outputs import Outgoing
from streams.host.partition import Observer, Partition
from streams.host.snapshots import SnapshotStore
from streams.host.topics import check_together

_log = structlog.get_logger()


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
                takeover.refused[number] = no_place(topics[0], state, facts[state].partitions)
        list(self.executor.map(SnapshotStore.open, stores.values()))
        bounds = {topic: self.describer.bounds(topic, stores) for topic in topics}
        states = read_states(self.settings, state, list(stores))
        self.guard.expect({name: found.id for name, found in facts.items()})
        missing, count = self._missing(states, control), facts[topics[0]].partitions
        moved = self._moved(states, control, count)
        for number, store in stores.items():
            found = Found(
                [Source(topic, facts[topic].id, number) for topic in topics], states[number],
                {topic: one[number] for topic, one in bounds.items()}, count, number in missing,
            )  # fmt: skip
            try:
                if moved is not None and states[number].checkpoint is None:
                    raise moved
                takeover.taken[number] = self._taken(found, control, store)
            except (StateError, ParkedError) as error:
                takeover.refused[number] = error

    def _store(self, number: int) -> SnapshotStore:
        name = transactional_id(self.environment, self.processor.name, number)
        return SnapshotStore(self.settings, self.processor.state_topic, number, name)

    def _missing(self, states: Mapping[int, Stored], control: Control) -> set[int]:
        """The partitions without state that our group has read; says it."""
        empty = [n for n, one in states.items() if one.checkpoint is None and one.error is None]
        if not empty:
            return set()
        topic = self.processor.topics[0]
        committed = self.describer.committed(f"{self.environment}-{self.processor.name}", topic)
        found = {n for n in empty if committed.get(n, 0) > control.start(topic, n, 0)}
        for number in sorted(found):
            _log.error(
                "state is missing: starting anew from what the topic holds, in a new epoch",
                partition=number, topic=self.processor.state_topic, read=committed[number],
            )  # fmt: skip
        return found

    def _moved(
        self, states: Mapping[int, Stored], control: Control, partitions: int
    ) -> StateError | None:
        """Why a partition without state must not begin: others' is of another number of them."""
        if all(found.checkpoint for found in states.values()):
            return None
        state = self.processor.state_topic
        for number, found in read_metas(self.settings, state, range(partitions)).items():
            if found and isinstance(found.meta, Meta) and found.epoch >= control.epoch:
                try:
                    verify_partitions(found.meta, partitions, f"{state}[{number}]")
                except StateError as error:
                    return error
        return None

    def _taken(self, found: Found, control: Control, store: SnapshotStore) -> Taken:
        checkpoint = found.stored.checkpoint
        if found.stored.error is not None and found.stored.epoch >= control.epoch:
            raise found.stored.error
        if checkpoint is None or checkpoint.meta.epoch < control.epoch:
            return self._anew(found, control, store)
        return self._again(found, checkpoint, control, store)

    def _anew(self, found: Found, control: Control, store: SnapshotStore) -> Taken:
        """A partition without state, from where a reset says or from what the topic holds."""
        number, epoch = found.sources[0].partition, control.epoch
        if found.missing or not epoch:
            epoch = max(epoch + 1, now() // 1000)
        states, lost = found.begun(control)
        before = found.levels if control.since else {}
        seen = Duplicates()
        partition = Partition(
            number, self._inputs(found, states, seen, epoch), self.processor.operator(),
            self.encoders, self.observer(number), environment=self.environment, epoch=epoch,
            seen=seen, cut=Cut.of(control, number, load_levels(before)),
            unsaved={BEFORE + name: row for name, row in before.items()},
            partitions=found.partitions,
        )  # fmt: skip
        store.expect(found.stored, epoch)
        return Taken(partition, store, _baseline(partition, store), lost)

    def _inputs(
        self, found: Found, states: Mapping[str, InputState], seen: Duplicates, epoch: int
    ) -> Mapping[str, InputPartition]:
        return inputs_of(self.processor, found.sources, states, seen, epoch=epoch, ends=found.ends)

    def _again(
        self, found: Found, checkpoint: Checkpoint, control: Control, store: SnapshotStore
    ) -> Taken:
        """A partition that goes on from its state."""
        meta, operator = checkpoint.meta, self.processor.operator()
        verify(
            meta, sources=found.sources, operator=operator, environment=self.environment,
            ends=found.ends, partitions=found.partitions, state_topic=self.processor.state_topic,
        )  # fmt: skip
        if meta.parked and control.holds(meta.parked):
            where = str(found.sources[0])
            remedy = "mend the cause, then resume it"
            raise ParkedError(meta.parked.reason, where=where, remedy=remedy)
        rows = {name: row for name, row in checkpoint.rows.items() if row is not None}
        _restore(operator, named(rows, OPERATOR), str(store))
        if operator.books == Books():  # an operator need not keep its books among its rows
            operator.books = meta.samples
        states, lost = found.gone_on(meta)
        seen = Duplicates.restored(named(rows, SEEN))
        partition = Partition(
            meta.partition, self._inputs(found, states, seen, meta.epoch), operator,
            self.encoders, self.observer(meta.partition), environment=self.environment,
            epoch=meta.epoch, meta=meta, seen=seen,
            unsaved=_to_store_anew(rows, meta, operator, found.stored.old_layout),
            cut=Cut.of(control, meta.partition, load_levels(named(rows, BEFORE))),
            levels=Levels(named(rows, LEVELS)), partitions=found.partitions,
        )  # fmt: skip
        store.expect(found.stored, meta.epoch)
        outbox = load_outbox(rows.get(OUTBOX), str(store))
        return Taken(partition, store, _baseline(partition, store, meta), lost, outbox)


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
