"""The broker and the registry that all systems share, and what is asked of them."""

import os
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from penstock.kafka.client import options
from penstock.local.stack import LocalStack
from penstock.settings.plant import KafkaSettings, RegistrySettings

PARTITIONS: Final = 4
KAFKA: Final = "PENSTOCK_BENCH_KAFKA"
REGISTRY: Final = "PENSTOCK_BENCH_REGISTRY"
_ANSWER_SECONDS: Final = 30.0
_QUIET_SECONDS: Final = 20.0
_TRIES: Final = 50


class Row(NamedTuple):
    """A record that was read back; `timestamp` in milliseconds."""

    timestamp: int
    key: bytes
    value: bytes
    partition: int
    offset: int


@dataclass(frozen=True)
class Cluster:
    """Where Kafka and the registry are."""

    kafka: KafkaSettings
    registry: RegistrySettings
    folder: Path
    """For what the systems keep on disk."""

    def unique(self, name: str) -> str:
        """A name that no other run has."""
        return f"bench-{name}-{uuid.uuid4().hex[:8]}"

    def create(self, topic: str, **config: str) -> str:
        """Make a topic whose records bear the time of their append."""
        kept = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "10485760"}
        new = NewTopic(topic, PARTITIONS, 1, config=kept | config)
        admin = self._admin
        admin.create_topics([new])[topic].result(_ANSWER_SECONDS)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while not admin.list_topics(topic).topics[topic].partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(topic)
            time.sleep(0.02)
        return topic

    def delete(self, containing: str) -> None:
        """Remove all topics with this in their names."""
        admin = self._admin
        names = [name for name in admin.list_topics().topics if containing in name]
        if names:
            for future in admin.delete_topics(names).values():
                future.result(_ANSWER_SECONDS)

    def ends(self, topic: str) -> dict[int, int]:
        """The next offset of each partition."""
        asked = {
            TopicPartition(topic, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for number in range(PARTITIONS)
        }
        for _ in range(_TRIES):
            with suppress(KafkaException):  # a new topic's leaders take a moment
                found = self._admin.list_offsets(asked)
                return {at.partition: future.result().offset for at, future in found.items()}
            time.sleep(0.1)
        raise TimeoutError(topic)

    def group_members(self, group: str) -> int:
        """How many members of a consumer group have partitions."""
        asked = self._admin.describe_consumer_groups([group])[group].result()
        members = [m for m in asked.members if m.assignment and m.assignment.topic_partitions]
        return len(members)

    def exists(self, topic: str) -> bool:
        described = self._admin.describe_topics(TopicCollection([topic]))[topic]
        return described.exception() is None

    def read(self, topic: str, *, committed: bool = False) -> Iterator[Row]:
        """All records of a topic, as far as they are there now."""
        ends = {number: end for number, end in self.ends(topic).items() if end}
        consumer = Consumer(
            options(
                self.kafka,
                group_id="bench-reader",
                enable_auto_commit=False,
                isolation_level="read_committed" if committed else "read_uncommitted",
                enable_partition_eof=True,
                fetch_wait_max_ms=20,
            )
        )
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in ends])
            left, heard = set(ends), time.monotonic()
            while left:
                messages = consumer.consume(5000, 0.05)
                heard = time.monotonic() if messages else heard
                if time.monotonic() - heard > _QUIET_SECONDS:
                    raise TimeoutError(topic)
                for message in messages:
                    partition, error = message.partition() or 0, message.error()
                    if error is not None:
                        if error.code() == KafkaError._PARTITION_EOF:
                            left.discard(partition)
                        continue
                    yield Row(
                        message.timestamp()[1],
                        message.key() or b"",
                        message.value() or b"",
                        partition,
                        message.offset() or 0,
                    )
        finally:
            consumer.close()

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(options(self.kafka, client_id="bench"))


@contextmanager
def cluster(environment: Mapping[str, str] = os.environ) -> Iterator[Cluster]:
    """The cluster that the environment names, else the one that runs here, else one of its own."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        place = Path(folder)
        if KAFKA in environment:
            yield Cluster(
                KafkaSettings(bootstrap=environment[KAFKA], partitions=PARTITIONS),
                RegistrySettings(url=environment[REGISTRY]),
                place,
            )
            return
        running = LocalStack()
        if running.folder.path.is_dir() and running.status().up:
            yield _of(running, place)
            return
        stack = LocalStack(place / "stack", kafka_port=0, registry_port=0)
        stack.up()
        try:
            yield _of(stack, place)
        finally:
            stack.down()


def _of(stack: LocalStack, folder: Path) -> Cluster:
    settings = stack.kafka_settings().model_copy(update={"partitions": PARTITIONS})
    return Cluster(settings, stack.registry_settings(), folder)
