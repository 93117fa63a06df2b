"""A sink's dead letters: buries what it cannot take, and finds what it is to take again."""

import structlog
from confluent_kafka import Message

from penstock import metrics
from penstock.kafka.client import place
from penstock.kafka.dead_letters import (
    DeadLetters,
    Origin,
    headers_of,
    origin_of,
    to_take_again,
)
from penstock.kafka.topics import RETRIES, retries
from penstock.runtime.decoding import Decoder
from penstock.settings.plant import KafkaSettings
from penstock.sink import Sink, SinkRecord


def topics_of(sink: Sink) -> list[str]:
    """All that a sink reads: its topics, and dead letters to be taken again."""
    again = [retries(topic).name for topic in sink.topics] if sink.retries else []
    return [*sink.topics, *again]


class Letters:
    """Decodes for one sink, and buries for it.

    Args:
        sink: Whose dead letters.
        settings: Where Kafka is.
        decoder: Of what the sink reads.
    """

    def __init__(self, sink: Sink, settings: KafkaSettings, decoder: Decoder) -> None:
        self._sink = sink
        self._decoder = decoder
        self._dead = DeadLetters(settings, sink.name)
        self._log = structlog.get_logger().bind(sink=sink.name)

    def decode(self, message: Message) -> SinkRecord | None:
        """The record of a message; None for a retry that is not for this sink.

        Raises:
            DecodeError: The bytes do not follow their schema.
            UnknownSchemaError: The registry has no schema of this id.
            RegistryUnavailableError: It does not answer.
        """
        if not place(message)[0].endswith(RETRIES):
            return self._decoder.record(message)
        origin = self._retried(message)
        return None if origin is None else self._decoder.record(message, origin)

    def bury(self, message: Message, stage: str, error: Exception) -> None:
        """Send a message to the dead letters; `flush` tells whether Kafka has it.

        Raises:
            KafkaException: The producer can send nothing any more.
        """
        origin = self._origin(message, stage)
        self._dead.bury(message, origin, error)
        metrics.SINK_DEAD.labels(self._sink.name).inc()
        self._log.warning(
            "dead letter", topic=origin.topic, partition=origin.partition, offset=origin.offset,
            attempt=origin.attempt, error=str(error),
        )  # fmt: skip

    def flush(self) -> None:
        """Wait until Kafka has all that was buried.

        Raises:
            KafkaUnavailableError: It does not have them in time, or refuses some for now.
            KafkaException: The producer can send nothing any more.
        """
        self._dead.flush()

    def _retried(self, message: Message) -> Origin | None:
        """What this sink buried and is to take again, while it has what it had then."""
        origin = to_take_again(message, self._sink.name)
        return origin if origin and origin.epoch == self._sink.epoch(origin.topic) else None

    def _origin(self, message: Message, stage: str) -> Origin:
        topic, partition, offset = place(message)
        if topic.endswith(RETRIES):
            return origin_of(headers_of(message)).once_more(stage)
        epoch = self._sink.epoch(topic)
        return Origin(self._sink.name, topic, partition, offset, epoch, stage=stage)
