"""Decodes whatever a topic carries, by the schema that its message names."""

from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from penstock.codec.records import decode_record
from penstock.codec.sensor_event import NAME, decode
from penstock.codec.wire import unframe
from penstock.errors import DecodeError
from penstock.kafka.client import place
from penstock.kafka.dead_letters import Origin
from penstock.kafka.registry import Registry
from penstock.kafka.topics import TOPICS
from penstock.sink import SinkRecord

_RECORDS: Final = {topic.name: topic.record for topic in TOPICS}


class Decoder:
    """Kafka message to `SinkRecord`.

    While the registry is away known schema ids go on; an unknown one is the caller's to wait for.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def record(self, message: Message, origin: Origin | None = None) -> SinkRecord:
        """Decode one message; with `origin`, the dead letter that it once became.

        Raises:
            DecodeError: The bytes do not follow their schema.
            UnknownSchemaError: The registry has no schema of this id.
            RegistryUnavailableError: It does not answer.
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
            value=self._value(origin.topic if origin else topic, schema_id, body),
            origin=origin,
        )

    def _value(self, topic: str, schema_id: int, body: bytes) -> object:
        name = _RECORDS[topic]
        writer = self._registry.schema(schema_id)
        if name == NAME:
            return decode(body, writer)
        return decode_record(body, writer, str(name))
