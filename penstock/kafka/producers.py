"""The producers of connectors, on an event loop, and of everything that runs without one."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import (
    Headers,
    is_fatal,
    producer_options,
    remedy_of,
    told,
    usable_options,
)
from penstock.settings.plant import KafkaSettings

RESEND_SECONDS: Final = 1.0
_ABANDON_SECONDS: Final = 5.0
_SLOW_LINE_SECONDS: Final = 30.0
"""`client.ANSWER_SECONDS` for connectors, some of which send over slow lines what waited long."""

_log = structlog.get_logger()


class PolledProducer:
    """An idempotent producer that sends again for ever; a thread of its own hands out receipts.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
        more: Further settings of librdkafka, with `_` for `.`.

    Attributes:
        producer: librdkafka's.
        broken: Whether it came to an error after which it sends nothing any more.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, **more: Any) -> None:
        self.broken = False
        with usable_options():
            self.producer = Producer(
                producer_options(
                    settings, client_id=client_id, linger_ms=5, message_timeout_ms=0, **more
                )
            )
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._poller.start()

    def close(self, timeout: float) -> int:
        """Wait for what is under way and stop; gives the number of messages given up."""
        left = self.producer.flush(timeout)
        self._stopping.set()
        self._poller.join()
        return int(left)

    def abandon(self) -> None:
        """Stop, and fail the receipts of all that is under way."""
        self.producer.purge()
        self.close(_ABANDON_SECONDS)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self.producer.poll(0.1)
            except KafkaException as error:
                # Raised once where the producer can send nothing any more. Those who wait for what
                # was under way are told so now, not when a connection that is lost is given up.
                _log.error("kafka", error=told(error.args[0]))
                self.broken = True
                self.producer.purge()


class EventProducer:
    """An idempotent producer whose acknowledgements are awaited on an event loop.

    While Kafka is away messages wait and are sent again for ever; the caller bounds how many by
    awaiting `send`'s futures. Where librdkafka's producer comes to an error after which it sends
    nothing any more, as of a sequence that broke, another takes its place: a message that was
    under way then may be there twice.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
    """

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._open = partial(
            PolledProducer,
            settings,
            client_id,
            queue_buffering_max_messages=1_000_000,
            socket_timeout_ms=int(_SLOW_LINE_SECONDS * 1e3),
        )
        self._polled = self._open()
        self._loop = asyncio.get_running_loop()

    def send(
        self, topic: str, key: str, value: bytes, headers: Headers = ()
    ) -> asyncio.Future[int]:
        """Hand over a message; the future gives its offset once all in-sync replicas have it.

        Raises:
            KafkaException: The message can never be sent, as when it is too large. Through the
                future: the broker refuses it, as when the topic is missing.
            BufferError: Too many messages wait.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        self._polled.producer.produce(
            topic,
            key=key.encode(),
            value=value,
            headers=list(headers),
            on_delivery=self._delivered(future),
        )
        return future

    async def deliver(self, topic: str, key: str, value: bytes) -> None:
        """Send a message, again and again where it is refused, until Kafka has it."""
        while True:
            polled = self._polled
            try:
                await self.send(topic, key, value)
            except (KafkaException, BufferError) as error:
                why = told(error.args[0]) if isinstance(error, KafkaException) else str(error)
                if polled is self._polled:  # else it was replaced, which is said once
                    if polled.broken or is_fatal(error):
                        self._replace(why)
                    else:
                        _log.error("not delivered, sending again", topic=topic, key=key, error=why)
                await asyncio.sleep(RESEND_SECONDS)
            else:
                return

    def _replace(self, why: str) -> None:
        _log.error("the producer can send nothing any more, making another", error=why)
        broken, self._polled = self._polled, self._open()
        self._loop.run_in_executor(None, broken.abandon)

    def close(self, timeout: float = 5.0) -> int:
        """Wait for what is under way and stop; gives the number of messages given up."""
        return self._polled.close(timeout)

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


class _Outgoing(NamedTuple):
    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


class SyncProducer:
    """An idempotent producer for code without an event loop: `send`, then `flush`.

    What Kafka refuses is kept and sent again by the next `flush`.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
    """

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._bootstrap = settings.bootstrap
        with usable_options():
            self._producer = Producer(
                producer_options(settings, client_id=client_id, linger_ms=5, message_timeout_ms=0)
            )
        self._refused: list[tuple[_Outgoing, str, str | None]] = []

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> None:
        """Hand over a message; `flush` tells whether Kafka has it.

        Raises:
            KafkaException: The producer can send nothing any more.
        """
        self._produce(_Outgoing(topic, key, value, headers))

    def flush(self, timeout: float = 5.0) -> None:
        """Wait until Kafka has all messages.

        Raises:
            KafkaUnavailableError: It does not have them in time, or refuses some for now.
            KafkaException: The producer can send nothing any more.
        """
        refused, self._refused = self._refused, []
        for message, *_ in refused:
            self._produce(message)
        left = self._producer.flush(timeout)
        if self._refused:
            message, reason, remedy = self._refused[0]
            msg = f"{len(self._refused)} messages are refused: {reason}"
            raise KafkaUnavailableError(msg, where=message.topic, remedy=remedy)
        if left:
            msg = f"{left} messages are not acknowledged after {timeout:g} s"
            raise KafkaUnavailableError(msg, where=self._bootstrap)

    def _produce(self, message: _Outgoing) -> None:
        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                self._refused.append((message, error.str(), remedy_of(error)))

        try:
            self._producer.produce(
                message.topic,
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=delivered,
            )
        except BufferError as error:
            self._refused.append((message, str(error), None))
        except KafkaException as error:
            if is_fatal(error):
                raise
            self._refused.append((message, error.args[0].str(), None))
