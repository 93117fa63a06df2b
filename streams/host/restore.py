"""Takes partitions over: fences their last owner, reads their state, and checks that it fits."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from penstock.clock import now
from penstock.errors import KafkaUnavailableError, StateError
from penstock.kafka.client import options
from penstock.operator import Books
from penstock.processor import Processor
from penstock.settings.plant import KafkaSettings
from streams.host.checkpoint import Checkpoint, Source
from streams.host.partition import Encoders, Observer, Partition
from streams.host.snapshots import SnapshotStore, read_snapshots

_ANSWER_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A partition that is ours: its state, and where it is stored."""

    partition: Partition
    store: SnapshotStore
    lost: int
    """Records that expired before they were read."""


@dataclass(slots=True)
class Takeover:
    """What became of the partitions to be taken over."""

    taken: dict[int, Taken] = field(default_factory=dict)
    refused: dict[int, StateError] = field(default_factory=dict)

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
        executor: Opens several partitions at once; one by one takes up to 2 s each.
    """

    processor: Processor
    settings: KafkaSettings
    environment: str
    encoders: Encoders
    observer: Callable[[int], Observer]
    executor: Executor

    def take(self, partitions: Sequence[int], wanted: Callable[[], bool]) -> Takeover:
        """Take partitions over.

        Args:
            partitions: Of the topic that the processor reads.
            wanted: Whether the partitions are still ours; looked at between the steps.

        Raises:
            KafkaUnavailableError: Kafka does not answer; nothing is kept open.
        """
        takeover = Takeover()
        stores: dict[int, SnapshotStore] = {}
        try:
            if partitions and wanted():
                stores = {number: self._store(number) for number in partitions}
                list(self.executor.map(SnapshotStore.open, stores.values()))
                self._restore(stores, takeover)
        except BaseException:
            for store in stores.values():
                store.close()
            raise
        for number in takeover.refused:
            stores[number].close()
        return takeover

    def _store(self, number: int) -> SnapshotStore:
        name = f"{self.environment}-{self.processor.name}-{number}"
        return SnapshotStore(self.settings, self.processor.state_topic, number, name)

    def _restore(self, stores: dict[int, SnapshotStore], takeover: Takeover) -> None:
        """Only now, with the predecessors fenced, is what can be read final."""
        numbers = list(stores)
        topic_id, ends = describe(self.settings, self.processor.reads, numbers)
        snapshots = read_snapshots(self.settings, self.processor.state_topic, numbers)
        for number, store in stores.items():
            source = Source(self.processor.reads, topic_id, number)
            found = snapshots[number]
            store.expect(found.meta if found else None)
            try:
                takeover.taken[number] = self._partition(source, found, ends[number], store)
            except StateError as error:
                takeover.refused[number] = error

    def _partition(
        self, source: Source, found: Checkpoint | None, ends: tuple[int, int], store: SnapshotStore
    ) -> Taken:
        operator = self.processor.operator()
        observer = self.observer(source.partition)
        if found is None:
            partition = Partition(
                source, operator, self.encoders, observer, start=ends[0], epoch=now() // 1000
            )
            return Taken(partition, store, 0)
        meta = found.meta
        verify(found, source, operator.fingerprint, ends, self.processor.state_topic)
        operator.restore({name: row for name, row in found.rows.items() if row is not None})
        if operator.books == Books():  # an operator need not keep its books among its rows
            operator.books = meta.samples
        lost = max(0, ends[0] - meta.offset)
        meta.records.lost += lost
        partition = Partition(
            source,
            operator,
            self.encoders,
            observer,
            start=meta.offset + lost,
            epoch=meta.epoch,
            meta=meta,
        )
        return Taken(partition, store, lost)


def verify(
    found: Checkpoint, source: Source, fingerprint: str, ends: tuple[int, int], state_topic: str
) -> None:
    """Check that state is this operator's, and of the records that the topic holds.

    Kafka's consumers would silently begin anew at an offset that the topic does not have.

    Raises:
        StateError: It is not.
    """
    anew = f"delete topic {state_topic} to start anew from what {source.topic} holds"
    meta, where = found.meta, f"{state_topic}[{source.partition}]"
    if (meta.source.topic, meta.source.topic_id) != (source.topic, source.topic_id):
        msg = f"the state is of another topic {meta.source.topic}: it was deleted and created again"
        raise StateError(msg, where=where, remedy=anew)
    if meta.operator != fingerprint:
        msg = f"the state is of other parameters ({meta.operator}, now {fingerprint})"
        raise StateError(msg, where=where, remedy=f"restore the parameters, or {anew}")
    if meta.offset > ends[1]:
        msg = f"the state goes up to offset {meta.offset}, but {source} ends at {ends[1]}"
        raise StateError(msg, where=where, remedy=f"{source.topic} lost records; {anew}")


def describe(
    settings: KafkaSettings, topic: str, partitions: Sequence[int]
) -> tuple[str, dict[int, tuple[int, int]]]:
    """The topic's id, and of each partition the first offset held and the next to be written.

    Raises:
        KafkaUnavailableError: No broker answers.
    """
    admin = AdminClient(options(settings, client_id="penstock-restore"))
    try:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_SECONDS)
        topic_id = str(asked[topic].result().topic_id)
        bounds = []
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):  # type: ignore[no-untyped-call]
            futures = admin.list_offsets(
                {TopicPartition(topic, number): spec for number in partitions},
                request_timeout=_ANSWER_SECONDS,
            )
            bounds.append({at.partition: future.result().offset for at, future in futures.items()})
    except KafkaException as failure:
        msg = f"the topic cannot be described: {failure.args[0].str()}"
        raise KafkaUnavailableError(msg, where=topic) from failure
    first, end = bounds
    return topic_id, {number: (first[number], end[number]) for number in partitions}
