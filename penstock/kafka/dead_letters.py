"""Dead letters: what cannot be decoded or processed, byte for byte, with the reason.

Most header names are Kafka Connect's (`DeadLetterQueueReporter`): its users' tools read them. Two
are ours: `penstock.epoch` changes when who buried the record starts anew, and `penstock.attempt`
counts how often it was taken again before.
"""

import traceback
from dataclasses import dataclass, replace
from typing import Final, cast

import structlog
from confluent_kafka import Message

from penstock.errors import DecodeError
from penstock.kafka.client import Headers, place
from penstock.kafka.producers import SyncProducer
from penstock.kafka.topics import dead_letters
from penstock.settings.plant import KafkaSettings

PREFIX: Final = "__connect.errors."
EPOCH: Final = "penstock.epoch"
ATTEMPT: Final = "penstock.attempt"
ACTION: Final = "penstock.retry"
"""Of records in `<topic>.retry`: RETRY or DROP."""
RETRY: Final = "retry"
DROP: Final = "drop"
DECODING: Final = "VALUE_CONVERTER"
"""Connect's name of the stage at which a record could not be read."""
PROCESSING: Final = "TRANSFORMATION"
"""Connect's name of the stage at which a processor could not take a record."""
PUTTING: Final = "TASK_PUT"
"""Connect's name of the stage at which a sink could not take a record."""
_log = structlog.get_logger()
_OURS: Final = (PREFIX, EPOCH, ATTEMPT, ACTION)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which record a dead letter was, who buried it, and which time this was."""

    component: str
    """The processor or sink."""
    topic: str
    partition: int
    offset: int
    epoch: str = ""
    """Of the component's state; empty where it has none."""
    attempt: int = 0
    """How often the record was taken again before."""
    stage: str = DECODING

    @property
    def place(self) -> str:
        """Where the record was read, for people."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    def once_more(self, stage: str) -> "Origin":
        """Of the dead letter that the record becomes where it cannot be taken again, either."""
        return replace(self, attempt=self.attempt + 1, stage=stage)


def headers(origin: Origin, error: BaseException) -> list[tuple[str, str | bytes | None]]:
    """What is known of a failure, for the headers of its dead letter."""
    fields = {
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "connector.name": origin.component,
        "task.id": 0,
        "stage": origin.stage,
        "class.name": origin.component,
        "exception.class.name": f"{type(error).__module__}.{type(error).__qualname__}",
        "exception.message": error,
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }
    found: list[tuple[str, str | bytes | None]]
    found = [(PREFIX + name, str(value).encode()) for name, value in fields.items()]
    return [*found, (EPOCH, origin.epoch.encode()), (ATTEMPT, str(origin.attempt).encode())]


def origin_of(found: Headers) -> Origin:
    """What the headers of a dead letter, or of its retry, say.

    Raises:
        DecodeError: They are not those of a dead letter.
    """
    texts = header_texts(found)
    try:
        return Origin(
            component=texts[PREFIX + "connector.name"],
            topic=texts[PREFIX + "topic"],
            partition=int(texts[PREFIX + "partition"]),
            offset=int(texts[PREFIX + "offset"]),
            epoch=texts.get(EPOCH, ""),
            attempt=int(texts.get(ATTEMPT, "0")),
            stage=texts[PREFIX + "stage"],
        )
    except (KeyError, ValueError) as error:
        msg = f"the headers are not those of a dead letter: {error!r}"
        raise DecodeError(msg, remedy="see who else writes to the topic") from error


def to_take_again(message: Message, component: str) -> Origin | None:
    """What lies in `<topic>.retry` for a component: of the letters that it buried, one to take.

    None of what others buried, of what is to be dropped, and of what is no letter, which is logged.
    """
    found = headers_of(message)
    try:
        origin = origin_of(found)
    except DecodeError as error:  # written by somebody else
        _log.error("no retry", component=component, place=place(message), error=str(error))
        return None
    wanted = header_texts(found).get(ACTION) == RETRY
    return origin if wanted and origin.component == component else None


def header_texts(found: Headers) -> dict[str, str]:
    """Headers by name, as text."""
    return {
        name: value if isinstance(value, str) else (value or b"").decode(errors="replace")
        for name, value in found
    }


def came_with(found: Headers) -> list[tuple[str, str | bytes | None]]:
    """The headers that a record had before it became a dead letter."""
    return [(name, value) for name, value in found if not name.startswith(_OURS)]


def headers_of(message: Message) -> Headers:
    """A message's headers; the stubs' tuples have no length."""
    return cast(Headers, message.headers() or ())


class DeadLetters:
    """Sends what a sink cannot take to `<topic>.dlq`, with the headers that it came with and ours.

    Args:
        settings: Where Kafka is.
        component: The sink's name.
    """

    def __init__(self, settings: KafkaSettings, component: str) -> None:
        self._producer = SyncProducer(settings, f"{component}-dlq")

    def bury(self, message: Message, origin: Origin, error: Exception) -> None:
        """Hand a message over; `flush` tells whether Kafka has it.

        Raises:
            KafkaException: The producer can send nothing any more.
        """
        self._producer.send(
            dead_letters(origin.topic).name,
            message.key(),
            message.value(),
            [*came_with(headers_of(message)), *headers(origin, error)],
        )

    def flush(self) -> None:
        """Wait until Kafka has all messages.

        Raises:
            KafkaUnavailableError: It does not have them in time, or refuses some for now.
            KafkaException: The producer can send nothing any more.
        """
        self._producer.flush()
