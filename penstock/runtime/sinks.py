"""Runs a sink: consumes its topics, decodes, dead-letters what makes no sense."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock import metrics
from penstock.errors import (
    DecodeError,
    KafkaUnavailableError,
    PenstockError,
    RegistryUnavailableError,
    StalledError,
    TopicError,
    UnknownSchemaError,
)
from penstock.health import Status
from penstock.kafka.client import Place, is_fatal, options, place, tell, told
from penstock.kafka.dead_letters import DECODING, PUTTING
from penstock.kafka.describe import Describer
from penstock.kafka.registry import Registry
from penstock.runtime.assignment import Assignment
from penstock.runtime.backoff import Backoff
from penstock.runtime.decoding import Decoder
from penstock.runtime.letters import Letters, topics_of
from penstock.runtime.membership import Membership
from penstock.runtime.positions import start_offset
from penstock.runtime.same_topics import SameTopics
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord

POLL_SECONDS: Final = 0.2
POLL_RECORDS: Final = 500
LAG_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0


class SinkRunner:
    """Feeds one sink from its topics, as a member of the group `<environment>-<sink>`.

    Where a partition goes on is what the sink's `open` says; the group's committed offset is for
    tools that show lag, and for sinks that keep no offsets of their own. What may pass is waited
    for: while a sink cannot carry out what it has (a full disk, an object store that is away), no
    more is fetched; while the registry is away, partitions wait whose next record needs it.

    Args:
        sink: What carries the records out.
        plant: Where Kafka is, and the environment's name.
        registry: Gives the schemas of what is read.
        status: What people are told.
    """

    def __init__(self, sink: Sink, plant: Plant, registry: Registry, status: Status) -> None:
        self._sink = sink
        self._status = status
        self._kafka = plant.kafka
        self._log = structlog.get_logger().bind(sink=sink.name)
        self._consumer = Consumer(
            options(
                plant.kafka,
                client_id=f"{plant.environment}-{sink.name}",
                group_id=f"{plant.environment}-{sink.name}",
                enable_auto_commit=False,
                auto_offset_reset="error",
                isolation_level="read_committed",
                session_timeout_ms=6_000,
                fetch_wait_max_ms=100,
                fetch_min_bytes=65_536,  # many small batches cost several times what few do
                error_cb=self._trouble,
            )
        )
        self._letters = Letters(sink, plant.kafka, Decoder(registry))
        self._membership = Membership(f"{plant.environment}-{sink.name}", self._kafka_answers)
        self._ours = Assignment(self._consumer)
        self._topics = SameTopics(plant.kafka, sink)
        self._opening: list[Place] | None = None
        """Partitions that are ours and that the sink has yet to open."""
        self._lag_at = 0.0
        self._blocked = False
        self._retry_at = 0.0
        self._backoff = Backoff()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Consume until `stopping()`; then carry out what is there, and leave the group.

        Ends the process where the consumer stays outside its group although Kafka answers.

        Raises:
            TopicError: A topic is not the one that the sink has read before.
            KafkaException: The consumer can do nothing any more; only a new process can.
            PenstockError: The sink cannot go on.
        """
        self._consumer.subscribe(
            topics_of(self._sink),
            on_assign=self._assigned,
            on_revoke=self._revoked,
            on_lost=self._lost,
        )
        try:
            while not stopping():
                self._status.beat()
                self._take(self._consumer.consume(POLL_RECORDS, POLL_SECONDS))
                self._look()
                self._carry_out()
                self._ours.hold(everything=self._blocked)
                self._membership.look()
            self._flush_if_possible()
        except StalledError as error:
            self._log.error("giving up", error=str(error))
            os._exit(error.exit_code)  # Such a consumer's `close` waits for ever.
        finally:
            self._consumer.close()
            self._log.info("sink stopped", **self._sink.counters)

    def _kafka_answers(self) -> bool:
        try:
            Describer(self._kafka, ANSWER_SECONDS).names()
        except KafkaUnavailableError:
            return False
        return True

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Fetch nothing until the sink has opened the partitions, which may take several tries."""
        self._membership.joined()
        self._opening = [(part.topic, part.partition) for part in partitions]
        consumer.assign([])

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._flush_if_possible()
        self._lost(_consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Somebody else has the partitions already: what was not carried out is theirs."""
        self._ours.end()
        for part in partitions:
            self._sink.close(part.topic, part.partition)
        self._opening = None
        self._membership.left()
        self._status.ready = False

    def _look(self) -> None:
        try:
            self._topics.look(self._ours.positions)
        except TopicError:
            for key in self._ours.partitions:  # What waits may be of another topic already.
                self._sink.close(*key)
            self._ours.end()
            raise

    def _take(self, messages: Sequence[Message]) -> None:
        records = []
        taken = 0
        for message in messages:
            if message.error():
                self._complain(message)
                continue
            topic, partition, offset = place(message)
            key = (topic, partition)
            if not self._ours.reads(key):
                continue
            try:
                record = self._letters.decode(message)
            except RegistryUnavailableError as error:
                self._wait_for_schema(key, offset, error)
                continue
            except (DecodeError, UnknownSchemaError) as error:
                self._bury(message, DECODING, error)
            else:
                if record is None:
                    self._sink.skip(topic, partition, offset)
                else:
                    records.append((record, message))
            self._ours.took(key, offset)
            taken += 1
        self._write(records)
        metrics.SINK_RECORDS.labels(self._sink.name).inc(taken)

    def _trouble(self, error: KafkaError) -> None:
        self._status.note(last_error=told(error))
        tell(error)

    def _complain(self, message: Message) -> None:
        """Most errors of a consumer mend themselves: it goes on as soon as it can."""
        error = message.error()
        assert error is not None
        if error.fatal():
            raise KafkaException(error)
        topic, partition = message.topic(), message.partition()
        self._status.note(last_error=told(error))
        self._log.warning("consumer", error=told(error), topic=topic, partition=partition)
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._opening = self._ours.partitions

    def _wait_for_schema(self, key: Place, offset: int, error: PenstockError) -> None:
        """Read this record again later, and nothing of its partition before."""
        if self._ours.wait(key, offset):
            self._status.note(last_error=str(error))
            self._log.warning("waiting for a schema", error=str(error))

    def _write(self, records: Sequence[tuple[SinkRecord, Message]]) -> None:
        """All at once; where the sink refuses, halve until the one that it refuses is found."""
        if not records:
            return
        try:
            self._sink.write([record for record, _ in records])
        except DecodeError as error:
            if len(records) == 1:
                self._bury(records[0][1], PUTTING, error)
                return
            middle = len(records) // 2
            self._write(records[:middle])
            self._write(records[middle:])

    def _bury(self, message: Message, stage: str, error: Exception) -> None:
        self._letters.bury(message, stage, error)
        self._sink.skip(*place(message))

    def _carry_out(self) -> None:
        """Open and flush; while that fails for a reason that may pass, try again."""
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._opening is not None:
                self._open(self._opening)
            self._flush(force=self._blocked)
        except (PenstockError, KafkaException) as error:
            if not _may_pass(error):
                raise
            self._retry_at = time.monotonic() + self._backoff.next()
            self._blocked = True
            self._status.ready = False
            self._status.note(last_error=str(error))
            self._log.warning("waiting", error=str(error))
        else:
            self._backoff.reset()
            self._blocked = False
            self._status.ready = self._membership.inside

    def _open(self, partitions: Sequence[Place]) -> None:
        if self._ours.partitions:  # One is out of range: what is here may be nowhere else any more.
            self._flush(force=True)
        self._topics.learn({topic for topic, _ in partitions})
        starts = {}
        for key in partitions:
            starts[key], lost = start_offset(self._consumer, self._sink, *key)
            if lost:
                self._status.note(last_error=f"{lost} records of {key[0]} expired unread")
        self._ours.start(starts)
        self._opening = None
        self._log.info("opened", partitions={f"{t}/{n}": o for (t, n), o in starts.items()})

    def _flush_if_possible(self) -> None:
        """Before partitions go: what cannot be carried out now is read again."""
        try:
            self._flush(force=True)
        except (PenstockError, KafkaException) as error:
            if not _may_pass(error):
                raise
            self._log.warning("left undone, to be read again", error=str(error))

    def _flush(self, *, force: bool = False) -> None:
        began = time.monotonic()
        self._letters.flush()
        if self._ours.commit(self._sink.flush(force=force), self._sink.topic_ids):
            metrics.SINK_FLUSH.labels(self._sink.name).observe(time.monotonic() - began)
        for what, count in self._sink.counters.items():
            metrics.SINK_COUNTERS.labels(self._sink.name, what).set(count)
        if began - self._lag_at > LAG_SECONDS:
            self._lag_at = began
            metrics.SINK_LAG.labels(self._sink.name).set(self._ours.lag())


def _may_pass(error: PenstockError | KafkaException) -> bool:
    """Whether waiting may help; of Kafka's own errors all but fatal ones."""
    return error.transient if isinstance(error, PenstockError) else not is_fatal(error)
