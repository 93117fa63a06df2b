"""Runs a sink: consumes its topics, decodes, dead-letters what makes no sense."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from penstock import metrics
from penstock.errors import DecodeError, PenstockError, UnknownSchemaError
from penstock.health import Status
from penstock.kafka.client import options, producer_options
from penstock.kafka.dead_letters import headers
from penstock.kafka.registry import Registry
from penstock.kafka.topics import dead_letters
from penstock.runtime.backoff import Backoff
from penstock.runtime.decoding import Decoder, place
from penstock.settings.plant import Plant
from penstock.sink import Sink, SinkRecord

POLL_SECONDS: Final = 0.2
POLL_RECORDS: Final = 2_000
LAG_SECONDS: Final = 1.0


class SinkRunner:
    """Feeds one sink from its topics, as a member of the group `<environment>-<sink>`.

    Where a partition goes on is what the sink's `open` says; the group's committed offset is for
    tools that show lag, and for sinks that keep no offsets of their own. While a sink cannot carry
    out what it has (a full disk, an object store that is away), no more is fetched.

    Args:
        sink: What carries the records out.
        plant: Where Kafka is, and the environment's name.
        registry: Gives the schemas of what is read.
        status: What people are told.
    """

    def __init__(self, sink: Sink, plant: Plant, registry: Registry, status: Status) -> None:
        self._sink = sink
        self._status = status
        self._decoder = Decoder(registry)
        self._log = structlog.get_logger().bind(sink=sink.name)
        self._consumer = Consumer(
            options(
                plant.kafka,
                client_id=f"{plant.environment}-{sink.name}",
                group_id=f"{plant.environment}-{sink.name}",
                enable_auto_commit=False,
                auto_offset_reset="error",
                isolation_level="read_committed",
                session_timeout_ms=10_000,
                fetch_wait_max_ms=100,
            )
        )
        self._dead = Producer(producer_options(plant.kafka, client_id=f"{sink.name}-dlq"))
        self._next: dict[tuple[str, int], int] = {}
        self._done: dict[tuple[str, int], int] = {}
        self._lag_at = 0.0
        self._paused = False
        self._retry_at = 0.0
        self._backoff = Backoff()

    def run(self, stopping: Callable[[], bool]) -> None:
        """Consume until `stopping()`; then carry out what is there, and leave the group."""
        self._consumer.subscribe(
            list(self._sink.topics), on_assign=self._assigned, on_revoke=self._revoked
        )
        try:
            while not stopping():
                self._take(self._consumer.consume(POLL_RECORDS, POLL_SECONDS))
                self._flush_or_pause()
            self._flush(force=True)
        finally:
            self._consumer.close()
            self._dead.flush(10)
            self._log.info("sink stopped", **self._sink.counters)

    def _flush_or_pause(self) -> None:
        """Flush; while that fails for a reason that may pass, fetch nothing and try again."""
        if time.monotonic() < self._retry_at:
            return
        try:
            self._flush(force=self._paused)
        except PenstockError as error:
            if not error.transient:
                raise
            self._retry_at = time.monotonic() + self._backoff.next()
            self._pause(paused=True)
            self._status.note(last_error=str(error))
            self._log.warning("waiting", error=str(error))
        else:
            self._backoff.reset()
            self._pause(paused=False)

    def _pause(self, *, paused: bool) -> None:
        if paused != self._paused:
            change = self._consumer.pause if paused else self._consumer.resume
            change(self._consumer.assignment())
            self._paused = paused

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            offset = self._sink.open(part.topic, part.partition)
            if not self._sink.keeps_offsets:
                offset = self._committed(part)
            part.offset = self._verified(part, offset)
            self._next[part.topic, part.partition] = max(part.offset, 0)
        consumer.assign(partitions)
        self._status.ready = True
        self._log.info(
            "assigned", partitions={f"{p.topic}/{p.partition}": p.offset for p in partitions}
        )

    def _committed(self, part: TopicPartition) -> int | None:
        (known,) = self._consumer.committed([part], timeout=10)
        return int(known.offset) if known.offset >= 0 else None

    def _verified(self, part: TopicPartition, offset: int | None) -> int:
        """The offset to go on from; what the log no longer holds is a loss, said loudly."""
        low, high = self._consumer.get_watermark_offsets(part, timeout=10)
        if offset is None:
            return low if low else OFFSET_BEGINNING
        if offset < low:
            self._log.error(
                "records expired unread",
                topic=part.topic,
                partition=part.partition,
                lost=low - offset,
            )
            return int(low)
        if offset > high:
            reason = f"{part.topic}/{part.partition} ends at {high}, the sink has {offset}"
            self._status.fail(f"{reason}: was the topic recreated?")
            raise KafkaException(reason)
        return offset

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._flush(force=True)
        for part in partitions:
            self._sink.close(part.topic, part.partition)
            self._next.pop((part.topic, part.partition), None)
            self._done.pop((part.topic, part.partition), None)

    def _take(self, messages: Sequence[Message]) -> None:
        records = []
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            record = self._decoded(message)
            if record is not None:
                records.append((record, message))
            topic, partition, offset = place(message)
            self._next[topic, partition] = offset + 1
        self._write(records)
        metrics.SINK_RECORDS.labels(self._sink.name).inc(len(messages))

    def _decoded(self, message: Message) -> SinkRecord | None:
        try:
            return self._decoder.record(message)
        except (DecodeError, UnknownSchemaError) as error:
            self._bury(message, "VALUE_CONVERTER", error)
            return None

    def _write(self, records: Sequence[tuple[SinkRecord, Message]]) -> None:
        """All at once; where the sink refuses, halve until the one that it refuses is found."""
        if not records:
            return
        try:
            self._sink.write([record for record, _ in records])
        except DecodeError as error:
            if len(records) == 1:
                self._bury(records[0][1], "SINK", error)
                return
            middle = len(records) // 2
            self._write(records[:middle])
            self._write(records[middle:])

    def _bury(self, message: Message, stage: str, error: Exception) -> None:
        topic, partition, offset = place(message)
        self._dead.produce(
            dead_letters(topic).name,
            key=message.key(),
            value=message.value(),
            headers=headers(
                topic=topic,
                partition=partition,
                offset=offset,
                component=self._sink.name,
                stage=stage,
                error=error,
            ),
        )
        metrics.SINK_DEAD.labels(self._sink.name).inc()
        self._log.warning(
            "dead letter", topic=topic, partition=partition, offset=offset, error=str(error)
        )

    def _flush(self, *, force: bool = False) -> None:
        began = time.monotonic()
        self._dead.flush()
        done = self._sink.flush(force=force)
        moved = {key: offset for key, offset in done.items() if self._done.get(key) != offset}
        if moved:
            self._consumer.commit(
                offsets=[TopicPartition(*key, offset) for key, offset in moved.items()],
                asynchronous=True,
            )
            self._done |= moved
            metrics.SINK_FLUSH.labels(self._sink.name).observe(time.monotonic() - began)
        for what, count in self._sink.counters.items():
            metrics.SINK_COUNTERS.labels(self._sink.name, what).set(count)
        if began - self._lag_at > LAG_SECONDS:
            self._lag_at = began
            metrics.SINK_LAG.labels(self._sink.name).set(self._lag())

    def _lag(self) -> int:
        lag = 0
        for (topic, partition), position in self._next.items():
            high = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), cached=True
            )[1]
            lag += max(0, high - position)
        return lag
