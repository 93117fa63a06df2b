"""Reads what a topic holds, from one offset to another."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import options, place
from penstock.settings.plant import KafkaSettings

Bounds = Mapping[int, tuple[int, int]]
"""Of each partition the first offset and the one behind the last."""

_READ_SECONDS: Final = 30.0


def read(settings: KafkaSettings, topic: str, bounds: Bounds) -> Iterator[Message]:
    """All records between bounds.

    Raises:
        KafkaUnavailableError: They cannot be read.
    """
    left = {number for number, (first, end) in bounds.items() if first < end}
    consumer = Consumer(
        options(
            settings,
            group_id="penstock-scan",  # never joined: partitions are assigned by hand
            enable_auto_commit=False,
            auto_offset_reset="error",
            isolation_level="read_committed",
            enable_partition_eof=True,
        )
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, number, bounds[number][0]) for number in left])
        progress = time.monotonic()
        while left:
            messages = consumer.consume(1000, 0.1)
            if messages:
                progress = time.monotonic()
            elif time.monotonic() - progress > _READ_SECONDS:
                msg = f"the topic cannot be read to its end within {_READ_SECONDS:g} s"
                raise KafkaUnavailableError(msg, where=topic)
            for message in messages:
                if _ends(message, bounds, topic):
                    left.discard(message.partition() or 0)
                if message.error() is None and place(message)[2] < bounds[place(message)[1]][1]:
                    yield message


def _ends(message: Message, bounds: Bounds, topic: str) -> bool:
    """Whether nothing of interest follows in this partition."""
    error = message.error()
    if error is None:
        _, partition, offset = place(message)
        return offset + 1 >= bounds[partition][1]
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.retriable():
        return False
    msg = f"the topic cannot be read: {error.str()}"
    raise KafkaUnavailableError(msg, where=topic) from KafkaException(error)
