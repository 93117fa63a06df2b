"""Reads states back from their topic."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import options, remedy_of
from penstock.kafka.log_bounds import log_bounds
from penstock.settings.plant import KafkaSettings
from penstock.state.layout import PARTS, Described, RowMessage, Stored, gather, newest_meta

READ_SECONDS: Final = 30.0
"""Without any message, until reading is given up."""
_TAIL: Final = 64
"""Messages before the end among which the newest description is looked for first."""


def read_states(
    settings: KafkaSettings, topic: str, partitions: Sequence[int]
) -> dict[int, Stored]:
    """The stored state of each partition; blocks.

    A writer calls it after it has become the only one (`SnapshotStore.open`), which ends the
    transactions that would hide the newest snapshot.

    Raises:
        KafkaUnavailableError: The topic cannot be read to its end.
    """
    messages = read_newest(settings, topic, dict.fromkeys(partitions, 0))
    return {number: gather(found, f"{topic}[{number}]") for number, found in messages.items()}


def read_metas(
    settings: KafkaSettings, topic: str, partitions: Sequence[int]
) -> dict[int, Described | None]:
    """Only the newest description of each partition, read from the topic's end; None for none.

    Raises:
        KafkaUnavailableError: The topic cannot be read.
    """
    with _consumer(settings) as consumer:
        try:
            log = {
                number: log_bounds(consumer, (topic, number), READ_SECONDS) for number in partitions
            }
        except KafkaException as failure:
            msg = f"the topic cannot be read: {failure.args[0].str()}"
            raise KafkaUnavailableError(msg, where=topic) from failure
    found: dict[int, Described | None] = dict.fromkeys(partitions)
    left, tail = set(partitions), _TAIL
    while left:
        starts = {number: max(log[number][0], log[number][1] - tail) for number in left}
        for number, messages in read_newest(settings, topic, starts).items():
            found[number] = newest_meta(messages, f"{topic}[{number}]")
        left = {n for n in left if found[n] is None and starts[n] > log[n][0]}
        tail *= 16
    return found


def read_newest(
    settings: KafkaSettings, topic: str, starts: dict[int, int]
) -> dict[int, dict[bytes, RowMessage]]:
    """The newest committed message of each key from an offset on, by partition; no deleted keys.

    Raises:
        KafkaUnavailableError: The topic cannot be read to its end.
    """
    newest: dict[int, dict[bytes, RowMessage]] = {number: {} for number in starts}
    if not starts:
        return newest
    with _consumer(settings) as consumer:
        consumer.assign([TopicPartition(topic, n, offset) for n, offset in starts.items()])
        for message in _to_the_end(consumer, topic, set(starts)):
            found = newest[message.partition() or 0]
            key = message.key() or b""
            if message.value() is None:
                found.pop(key, None)
            else:
                found[key] = RowMessage(key, message.value(), _parts(message))
    return newest


def _parts(message: Message) -> int:
    headers = dict(message.headers() or ())
    return int(headers[PARTS] or 0) if PARTS in headers else 0


def _to_the_end(consumer: Consumer, topic: str, left: set[int]) -> Iterator[Message]:
    """Messages until every partition of `left` has ended."""
    progress = time.monotonic()
    while left:
        messages = consumer.consume(1000, 0.05)  # waits for all of them, or so long
        if messages:
            progress = time.monotonic()
        elif time.monotonic() - progress > READ_SECONDS:
            msg = f"the topic cannot be read to its end within {READ_SECONDS:g} s"
            raise KafkaUnavailableError(msg, where=topic)
        left -= set(_ended(messages, topic))
        yield from (message for message in messages if message.error() is None)


def _ended(messages: Iterable[Message], topic: str) -> Iterator[int]:
    """The partitions whose end was reached.

    Raises:
        KafkaUnavailableError: The topic cannot be read.
    """
    for message in messages:
        error = message.error()
        if error is None:
            continue
        if error.code() == KafkaError._PARTITION_EOF:
            yield message.partition() or 0
        elif not error.retriable():
            msg = f"the topic cannot be read: {error.str()}"
            raise KafkaUnavailableError(msg, where=topic, remedy=remedy_of(error))


@contextmanager
def _consumer(settings: KafkaSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        options(
            settings,
            group_id="penstock-restore",  # never joined: partitions are assigned by hand
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_partition_eof=True,
            fetch_wait_max_ms=50,
        )
    )
    try:
        yield consumer
    finally:
        consumer.close()
