"""Settings for librdkafka's clients, and what their errors mean."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Message

from penstock.errors import ConfigurationError
from penstock.kafka.topics import HEADERS_BYTES, MAX_MESSAGE_BYTES
from penstock.settings.plant import KafkaSettings

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
    # What is handed over after a fatal error is refused with `_FATAL`, itself not marked as one.
    return isinstance(error, KafkaException) and bool(
        error.args[0].fatal() or error.args[0].code() == KafkaError._FATAL
    )
