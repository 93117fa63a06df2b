"""Reads documents of Penstock's ERP topics into SQLite, each once: the greatest version counts."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext, SerializationError

TOPICS: Final = ("it.erp.production-performance.v1", "it.erp.maintenance-requests.v1")
_TABLES: Final = """
create table if not exists documents (
    topic text, id text, version integer, body text, primary key (topic, id));
create table if not exists refused (
    topic text, partition integer, offset integer, reason text,
    primary key (topic, partition, offset));
"""
_UPSERT: Final = """
insert into documents values (?, ?, ?, ?)
on conflict (topic, id) do update set version = excluded.version, body = excluded.body
where excluded.version > version
"""


class Store:
    """The service's database: documents by topic and id, and what was refused.

    Args:
        path: SQLite's file; made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def keep(self, topic: str, document: dict[str, Any]) -> None:
        """Keep a document, unless a version at least as great is there.

        Raises:
            KeyError: It has no ID or Version.
        """
        body = json.dumps(document, default=str)
        self._database.execute(_UPSERT, (topic, document["ID"], document["Version"], body))

    def refuse(self, place: tuple[str, int, int], reason: str) -> None:
        """Remember what could not be read."""
        self._database.execute(
            "insert or ignore into refused values (?, ?, ?, ?)", (*place, reason)
        )

    def commit(self) -> None:
        """Have all of it on the disk."""
        self._database.commit()


def follow(
    store: Store,
    kafka: dict[str, Any],
    registry: str,
    topics: Sequence[str],
    stopping: Callable[[], bool],
) -> None:
    """Keep documents until `stopping()`.

    Args:
        store: Where they go.
        kafka: librdkafka's settings, with the group's name.
        registry: Address of the schema registry.
        topics: What to read.
        stopping: Asked between two batches.

    Raises:
        SchemaRegistryError: The registry does not answer; nothing is lost.
    """
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {**kafka, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
         "isolation.level": "read_committed"}
    )  # fmt: skip
    consumer.subscribe(list(topics))
    try:
        while not stopping():
            messages = [one for one in consumer.consume(500, 0.2) if one.error() is None]
            for message in messages:
                _keep(store, deserialize, message)
            if messages:
                store.commit()  # first on the disk, then out of Kafka's sight
                consumer.commit(offsets=_next_offsets(messages), asynchronous=False)
    finally:
        consumer.close()


def _keep(store: Store, deserialize: AvroDeserializer, message: Message) -> None:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    context = SerializationContext(topic, MessageField.VALUE)
    try:
        document = deserialize(message.value(), context)
        if not isinstance(document, dict):
            store.refuse((topic, partition, offset), "it has no value")
            return
        store.keep(topic, document)
    except SchemaRegistryError as error:
        if error.http_status_code != 404:  # noqa: PLR2004 - an unknown schema will stay unknown
            raise
        store.refuse((topic, partition, offset), str(error))
    except (SerializationError, KeyError, ValueError, EOFError) as error:
        store.refuse((topic, partition, offset), f"{type(error).__name__}: {error}")


def _next_offsets(messages: Sequence[Message]) -> list[TopicPartition]:
    ends: dict[tuple[Any, Any], int] = {}
    for one in messages:
        ends[one.topic(), one.partition()] = (one.offset() or 0) + 1
    return [TopicPartition(*place, offset) for place, offset in ends.items()]
