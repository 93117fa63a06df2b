"""Settings for librdkafka, and the producer that connectors and sinks share."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from penstock.settings.plant import KafkaSettings

_LOGGER: Final = logging.getLogger("librdkafka")

Headers = Sequence[tuple[str, bytes]]


def options(settings: KafkaSettings, **more: Any) -> dict[str, Any]:
    """The configuration of librdkafka for these settings.

    Args:
        settings: Where Kafka is, and who we are there.
        more: Further settings, with `_` for `.`; they yield to the user's own `options`.
    """
    chosen: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap,
        "security.protocol": settings.security,
        "logger": _LOGGER,
        "log.connection.close": False,
    }
    credentials = {
        "sasl.mechanism": settings.mechanism,
        "sasl.username": settings.user,
        "sasl.password": settings.password.get_secret_value() if settings.password else None,
        "ssl.ca.location": settings.ca,
        "ssl.certificate.location": settings.certificate,
        "ssl.key.location": settings.key,
    }
    chosen |= {name: str(value) for name, value in credentials.items() if value is not None}
    chosen |= {name.replace("_", "."): value for name, value in more.items()}
    return chosen | settings.options


def producer_options(settings: KafkaSettings, **more: Any) -> dict[str, Any]:
    """Of every producer: nothing acknowledged is lost or doubled, keys lie where Java's lie."""
    return options(
        settings,
        enable_idempotence=True,
        acks="all",
        partitioner="murmur2_random",
        compression_type="lz4",
        **more,
    )


class EventProducer:
    """An idempotent producer whose acknowledgements are awaited on an event loop.

    While Kafka is away messages wait and are sent again for ever; the caller bounds how many by
    awaiting `send`'s futures.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
    """

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._producer = Producer(
            producer_options(
                settings,
                client_id=client_id,
                linger_ms=5,
                message_timeout_ms=0,
                queue_buffering_max_messages=1_000_000,
            )
        )
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._poller.start()

    def send(
        self, topic: str, key: str, value: bytes, headers: Headers = ()
    ) -> asyncio.Future[int]:
        """Hand over a message; the future gives its offset once all in-sync replicas have it.

        Raises (through the future):
            KafkaException: The broker refuses the message for good, as when the topic is missing.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        self._producer.produce(
            topic,
            key=key.encode(),
            value=value,
            headers=list(headers),
            on_delivery=self._delivered(future),
        )
        return future

    def close(self, timeout: float = 5.0) -> int:
        """Wait for what is under way and stop; gives the number of messages given up."""
        left = self._producer.flush(timeout)
        self._stopping.set()
        self._poller.join()
        return int(left)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)

    def _delivered(
        self, future: asyncio.Future[int]
    ) -> Callable[[KafkaError | None, Message], None]:
        def resolve(error: KafkaError | None, offset: int | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(KafkaException(error))
            else:
                future.set_result(-1 if offset is None else offset)

        def report(error: KafkaError | None, message: Message) -> None:
            self._loop.call_soon_threadsafe(resolve, error, message.offset())

        return report
