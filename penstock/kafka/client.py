"""Settings for librdkafka, and the producers: of connectors, and of sinks."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from penstock.errors import ConfigurationError, KafkaUnavailableError
from penstock.kafka.topics import HEADERS_BYTES, MAX_MESSAGE_BYTES
from penstock.settings.plant import KafkaSettings

RESEND_SECONDS: Final = 1.0
FORBIDDEN: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
)
"""Kafka knows us, and its access lists do not let us."""
STARTS: Final = "'penstock up' starts a local one"
"""Where no Kafka answers."""
CONNECT_SECONDS: Final = 10.0
"""Until a connection is tried anew: as Java's clients. librdkafka's own 30 s are lost where a
pod is gone and its service has led to the next one for long."""
ANSWER_SECONDS: Final = 10.0
"""Until a request without an answer is given up, its connection closed, and another one made.
Where a pod or node is gone without a word, this is how long its clients hang on it; librdkafka's
own minute, and Faust's minute and a half, are longer than all else of a restart together."""
_SLOW_LINE_SECONDS: Final = 30.0
"""The same for connectors, some of which send over slow lines what waited for long."""

_LOGGER: Final = logging.getLogger("librdkafka")
_log = structlog.get_logger()

Headers = Sequence[tuple[str, str | bytes | None]]
"""Of a record: names and values."""
Place = tuple[str, int]
"""A topic and one of its partitions."""


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
        "error_cb": tell,
        "log.connection.close": False,
        "socket.connection.setup.timeout.ms": int(CONNECT_SECONDS * 1e3),
        "socket.timeout.ms": int(ANSWER_SECONDS * 1e3),
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
    chosen |= {
        name if name.endswith("_cb") else name.replace("_", "."): value
        for name, value in more.items()
    }
    return chosen | settings.options


def answer_seconds(settings: KafkaSettings) -> float:
    """`ANSWER_SECONDS`, or what the user says instead, for clients that are not librdkafka's."""
    return int(settings.options.get("socket.timeout.ms", ANSWER_SECONDS * 1e3)) / 1e3


def tell(error: KafkaError) -> None:
    """Log what librdkafka reports of a client: Kafka is away, or refuses us.

    It tries again by itself; each failed try of a connection (`_TRANSPORT`) is not worth a line.
    """
    if error.code() != KafkaError._TRANSPORT:
        _log.warning("kafka", error=told(error))


def producer_options(settings: KafkaSettings, **more: Any) -> dict[str, Any]:
    """Of every producer: nothing acknowledged is lost or doubled, keys lie where Java's lie."""
    return options(
        settings,
        enable_idempotence=True,
        acks="all",
        partitioner="murmur2_random",
        compression_type="lz4",
        message_max_bytes=MAX_MESSAGE_BYTES + HEADERS_BYTES,
        **more,
    )


@contextmanager
def usable_options() -> Iterator[None]:
    """Around the construction of a client.

    Raises:
        ConfigurationError: librdkafka does not take the settings.
    """
    try:
        yield
    except KafkaException as error:
        msg = f"the settings of Kafka cannot be used: {error.args[0].str()}"
        raise ConfigurationError(msg, where="kafka", remedy="correct kafka.options") from error


def remedy_of(error: KafkaError) -> str | None:
    """What to do about an error where that is known: where Kafka forbids something."""
    if error.code() not in FORBIDDEN:
        return None
    return "give Penstock's user in Kafka the rights that 'penstock topics acls' lists"


def told(error: KafkaError) -> str:
    """An error in words, with its remedy."""
    remedy = remedy_of(error)
    return f"{error.str()} ({remedy})" if remedy else error.str()


def place(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a message that was consumed."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    return topic, partition, offset


def is_fatal(error: BaseException) -> bool:
    """Whether a client can do nothing any more, and only a new one can."""
    return isinstance(error, KafkaException) and bool(error.args[0].fatal())


class EventProducer:
    """An idempotent producer whose acknowledgements are awaited on an event loop.

    While Kafka is away messages wait and are sent again for ever; the caller bounds how many by
    awaiting `send`'s futures.

    Args:
        settings: Where Kafka is.
        client_id: Shown in the broker's logs and metrics.
    """

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        with usable_options():
            self._producer = Producer(
                producer_options(
                    settings,
                    client_id=client_id,
                    linger_ms=5,
                    message_timeout_ms=0,
                    queue_buffering_max_messages=1_000_000,
                    socket_timeout_ms=int(_SLOW_LINE_SECONDS * 1e3),
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

        Raises:
            KafkaException: The message can never be sent, as when it is too large. Through the
                future: the broker refuses it, as when the topic is missing.
            BufferError: Too many messages wait.
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

    async def deliver(self, topic: str, key: str, value: bytes) -> None:
        """Send a message, again and again where it is refused, until Kafka has it.

        Raises:
            KafkaException: The producer can send nothing any more.
        """
        while True:
            try:
                await self.send(topic, key, value)
            except (KafkaException, BufferError) as error:
                if is_fatal(error):
                    raise
                why = told(error.args[0]) if isinstance(error, KafkaException) else str(error)
                _log.error("not delivered, sending again", topic=topic, key=key, error=why)
                await asyncio.sleep(RESEND_SECONDS)
            else:
                return

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
