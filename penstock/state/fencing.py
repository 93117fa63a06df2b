"""Makes a process the only writer of a partition's state."""

from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaException, Producer

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import producer_options, remedy_of, usable_options
from penstock.settings.plant import KafkaSettings

OPEN_SECONDS: Final = 30.0
_TRANSACTION_MS: Final = 60_000
"""Longer than a broker's restart; whoever takes over ends an open transaction without waiting."""


def transactional_id(environment: str, processor: str, partition: int) -> str:
    """Of a partition's writer: whoever opens it last fences all others."""
    return f"{environment}-{processor}-{partition}"


def open_producer(
    settings: KafkaSettings,
    transactional_id: str,
    where: str,
    transaction_ms: int = _TRANSACTION_MS,
) -> Producer:
    """A transactional producer; ends the transactions of the one before, and fences it. Blocks.

    Args:
        settings: Where Kafka is.
        transactional_id: Whoever opens it last fences all others.
        where: What is written, for the error.
        transaction_ms: How long a transaction may stay open; readers of its topics wait for it.

    Raises:
        KafkaUnavailableError: No coordinator answers.
        ConfigurationError: The user's `kafka.options` cannot be used.
    """
    config = producer_options(
        settings,
        client_id=transactional_id,
        transactional_id=transactional_id,
        transaction_timeout_ms=transaction_ms,
        linger_ms=0,
    )
    # librdkafka refuses to wait longer for an answer than a transaction may take.
    config["socket.timeout.ms"] = min(int(config["socket.timeout.ms"]), transaction_ms)
    with usable_options():
        producer = Producer(config)
    try:
        producer.init_transactions(OPEN_SECONDS)
    except KafkaException as failure:
        let_go(producer)
        msg = f"it cannot be opened for writing: {failure.args[0].str()}"
        raise KafkaUnavailableError(
            msg, where=where, remedy=remedy_of(failure.args[0])
        ) from failure
    return producer


def let_go(producer: Producer) -> None:
    """Close a transactional producer, also one that was fenced."""
    # It says once more that it was fenced, or says it so badly that Python complains of it.
    with suppress(KafkaException, SystemError):
        producer.close()
