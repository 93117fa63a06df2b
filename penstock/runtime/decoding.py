"""Decodes whatever a topic carries, by the schema that its message names."""

import time
from typing import Final

import structlog
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import decode
from penstock.codec.wire import unframe
from penstock.errors import DecodeError, RegistryUnavailableError
from penstock.kafka.registry import Registry
from penstock.kafka.topics import TOPICS
from penstock.runtime.backoff import Backoff
from penstock.sink import SinkRecord

_RECORDS: Final = {topic.name: topic.record for topic in TOPICS}


def place(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a message that was consumed."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    return topic, partition, offset


class Decoder:
    """Kafka message to `SinkRecord`.

    While the registry is away, known schema ids go on and an unknown one waits: nothing is dropped
    because somebody could not be asked.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def record(self, message: Message) -> SinkRecord:
        """Decode one message.

        Raises:
            DecodeError: The bytes do not follow their schema.
            UnknownSchemaError: The registry has no schema of this id.
        """
        topic, partition, offset = place(message)
        raw = message.value()
        if raw is None:
            msg = "the record has no value"
            raise DecodeError(msg, where=f"{topic}/{partition}@{offset}")
        schema_id, body = unframe(raw)
        kind, timestamp = message.timestamp()
        key = message.key()
        return SinkRecord(
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp * 1000,
            key=None if key is None else key.decode("utf-8", "replace"),
            value=self._value(topic, schema_id, body),
        )

    def _value(self, topic: str, schema_id: int, body: bytes) -> object:
        name = _RECORDS[topic]
        writer = self._schema(schema_id)
        if name == "SensorEvent":
            return decode(body, writer)
        return decode_record(body, writer, str(name))

    def _schema(self, schema_id: int) -> str:
        backoff = Backoff()
        while True:
            try:
                return self._registry.schema(schema_id)
            except RegistryUnavailableError as error:
                structlog.get_logger().warning(
                    "waiting for a schema", id=schema_id, error=str(error)
                )
                time.sleep(backoff.next())
