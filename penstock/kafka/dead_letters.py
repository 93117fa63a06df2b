"""Dead letters: what cannot be decoded or processed, byte for byte, with the reason.

The header names are Kafka Connect's (`DeadLetterQueueReporter`): its users' tools read them.
"""

import traceback
from typing import Final, cast

from confluent_kafka import Message

from penstock.kafka.client import Headers, SyncProducer, place
from penstock.kafka.topics import dead_letters
from penstock.settings.plant import KafkaSettings

PREFIX: Final = "__connect.errors."


def headers(
    *, topic: str, partition: int, offset: int, component: str, stage: str, error: BaseException
) -> list[tuple[str, str | bytes | None]]:
    """What is known of a failure, for the headers of its dead letter.

    Args:
        topic: Where the record was read.
        partition: Of that topic.
        offset: In that partition.
        component: The processor or sink that could not take it.
        stage: Connect's: `VALUE_CONVERTER` where decoding failed, `TRANSFORMATION` where a
            processor did, `TASK_PUT` where a sink did.
        error: What was raised.
    """
    fields = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "connector.name": component,
        "task.id": 0,
        "stage": stage,
        "class.name": component,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": error,
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }
    return [(PREFIX + name, str(value).encode()) for name, value in fields.items()]


class DeadLetters:
    """Sends what a sink cannot take to `<topic>.dlq`, with the headers that it came with and ours.

    Args:
        settings: Where Kafka is.
        component: The sink's name.
    """

    def __init__(self, settings: KafkaSettings, component: str) -> None:
        self._component = component
        self._producer = SyncProducer(settings, f"{component}-dlq")

    def bury(self, message: Message, stage: str, error: Exception) -> None:
        """Hand a message over; `flush` tells whether Kafka has it.

        Raises:
            KafkaException: The producer can send nothing any more.
        """
        topic, partition, offset = place(message)
        why = headers(
            topic=topic,
            partition=partition,
            offset=offset,
            component=self._component,
            stage=stage,
            error=error,
        )
        came_with = cast(Headers, message.headers() or ())  # the stubs' tuples have no length
        self._producer.send(
            dead_letters(topic).name, message.key(), message.value(), [*came_with, *why]
        )

    def flush(self) -> None:
        """Wait until Kafka has all messages.

        Raises:
            KafkaUnavailableError: It does not have them in time, or refuses some for now.
            KafkaException: The producer can send nothing any more.
        """
        self._producer.flush()
