"""Publishes results, late samples and dead letters, and knows when Kafka has them all."""

import threading
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from penstock.errors import KafkaUnavailableError, ParkedError
from penstock.kafka.client import Headers
from penstock.kafka.producers import PolledProducer
from penstock.settings.plant import KafkaSettings

FULL: Final = 100_000
"""Unacknowledged messages from which on no further records should be processed."""


_NEVER: Final = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
}
"""What Kafka says of a message that it will never take."""


def refused(failure: KafkaException, partition: int) -> ParkedError | None:
    """Why a partition has to stand still, if Kafka will never take one of its messages."""
    error: KafkaError = failure.args[0]
    if error.code() not in _NEVER:
        return None
    msg = f"Kafka does not take a result: {error.str()}"
    remedy = "raise max.message.bytes of the topic or mend the processor, then resume it"
    return ParkedError(msg, where=f"partition {partition}", remedy=remedy)


class Outgoing(NamedTuple):
    """A message to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Receipts:
    """Counts the messages of one partition since its last snapshot until Kafka has them.

    A snapshot's offset must not be stored before the outputs of the records below it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = 0
        self._error: KafkaError | None = None

    def expect(self, messages: int) -> None:
        """So many more messages are handed to the producer."""
        with self._changed:
            self._open += messages

    def delivered(self, error: KafkaError | None, _message: object) -> None:
        """Called by the producer's thread for each message."""
        with self._changed:
            self._open -= 1
            self._error = self._error or error
            if not self._open or error:
                self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Block until Kafka has all messages.

        Raises:
            KafkaUnavailableError: It does not have them in time.
            KafkaException: It refuses one for good.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: not self._open or self._error, timeout)
            if self._error:
                raise KafkaException(self._error)
            if not done:
                msg = f"{self._open} results are not acknowledged after {timeout:g} s"
                raise KafkaUnavailableError(msg)


class Outputs:
    """An idempotent producer; messages wait and are sent again for ever while Kafka is away."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._polled = PolledProducer(settings, client_id, queue_buffering_max_messages=10 * FULL)
        self._producer = self._polled.producer

    def publish(self, messages: Sequence[Outgoing], receipts: Receipts) -> None:
        """Hand messages over.

        Raises:
            KafkaException: One can never be sent, as when it is too large.
        """
        receipts.expect(len(messages))
        for message in messages:
            self._produce(message, receipts)

    def _produce(self, message: Outgoing, receipts: Receipts) -> None:
        arguments: dict[str, Any] = {
            "key": message.key,
            "value": message.value,
            "headers": list(message.headers),
            "on_delivery": receipts.delivered,
        }
        while True:
            try:
                return self._producer.produce(message.topic, **arguments)
            except BufferError:  # `full` should have prevented it
                self._producer.poll(0.05)

    @property
    def full(self) -> bool:
        """Whether processing should wait for Kafka."""
        return len(self._producer) > FULL

    def close(self, timeout: float = 1.0) -> None:
        """Send what can be sent in time, and stop."""
        self._polled.close(timeout)
