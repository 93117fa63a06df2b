"""Writes what comes of an input, and how far the input was read, in one transaction.

How far is the committed offset of a consumer group that nobody joins. Whoever opens the writer last
fences all others, and finds there what Kafka has.
"""

import time
from collections.abc import Iterable
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from penstock.errors import FencedError, KafkaUnavailableError
from penstock.kafka.client import options, remedy_of, usable_options
from penstock.kafka.topic_ids import refuse_another
from penstock.settings.plant import KafkaSettings
from penstock.state.fencing import let_go, open_producer

OPEN_MS: Final = 10_000
"""A transaction left open by a kill ends by itself after so long: readers wait for it."""
_SECONDS: Final = 30.0
"""Until Kafka should have taken a transaction, or said how far the input was."""
_LOOK_SECONDS: Final = 0.2
_APART: Final = "give each sink a name of its own; scale one sink by its partitions"


class Message(NamedTuple):
    """A message to write."""

    topic: str
    key: bytes | None
    value: bytes


class OnceWriter:
    """The only writer of what comes of one input.

    Args:
        settings: Where Kafka is.
        name: Of the writer, as its transactional id; there is one of a name at a time.
        group: Of the committed offset; another group begins anew.
        topic: The input, or where the group's offset is kept for one that is no topic.
        partition: Of the input.
        topic_id: Of the input, to be kept with the offset.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
        TopicError: The committed offset is of another topic.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        name: str,
        group: str,
        topic: str,
        partition: int = 0,
        topic_id: str = "",
    ) -> None:
        self._settings, self._name = settings, name
        self._input = TopicPartition(topic, partition)
        self._topic_id = topic_id
        with usable_options():
            self._group = Consumer(
                options(
                    settings,
                    client_id=name,
                    group_id=group,
                    enable_auto_commit=False,
                    isolation_level="read_committed",
                )
            )
        self._producer: Producer | None = None
        self.next: int | None = None
        """The next of the input by what Kafka has; None: nothing of it yet."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        self._before: int | None = self.next
        """What `next` is unless somebody else has written since."""

    def write(self, messages: Iterable[Message], following: int) -> None:
        """Write, whole or not at all; nothing where Kafka already has the input so far.

        Args:
            messages: What comes of the input since the last call.
            following: The next of the input.

        Raises:
            KafkaUnavailableError: It is not known to be written; call again with the same.
            FencedError: Somebody else has written a part of it.
        """
        producer = self._producer or self._open()
        if self.next is not None and self.next >= following:
            self._before = following
            return
        if self.next != self._before:
            self._let_go()
            msg = f"another process has written: next is {self.next}, not {self._before}"
            raise FencedError(msg, where=self._name, remedy=_APART)
        at = TopicPartition(self._input.topic, self._input.partition, following, self._topic_id)
        try:
            producer.begin_transaction()
            for message in messages:
                _produce(producer, message)
            producer.send_offsets_to_transaction(
                [at], self._group.consumer_group_metadata(), _SECONDS
            )
            producer.commit_transaction(_SECONDS)
        except (KafkaException, BufferError) as failure:
            self._let_go()
            msg = f"what comes before {following} is not known to be in Kafka: {failure}"
            raise KafkaUnavailableError(msg, where=self._name) from failure
        self.next = self._before = following

    def close(self) -> None:
        """Let go of Kafka."""
        self._let_go()
        self._group.close()

    def _open(self) -> Producer:
        producer = open_producer(self._settings, self._name, self._input.topic, OPEN_MS)
        try:
            self.next = self._committed()
        except BaseException:
            let_go(producer)
            raise
        self._producer = producer
        return producer

    def _let_go(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            let_go(producer)

    def _committed(self) -> int | None:
        """By what Kafka has; a group that is new has no coordinator for a moment."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                (known,) = self._group.committed([self._input], timeout=_SECONDS / 3)
            except KafkaException as failure:
                if time.monotonic() < deadline:
                    time.sleep(_LOOK_SECONDS)
                    continue
                msg = f"Kafka does not say how far it is: {failure.args[0].str()}"
                raise KafkaUnavailableError(
                    msg, where=self._name, remedy=remedy_of(failure.args[0])
                ) from failure
            if known.offset < 0:
                return None
            place, was = (self._input.topic, self._input.partition), known.metadata
            refuse_another(place, known.offset, known=was, now=self._topic_id)
            return int(known.offset)


def _produce(producer: Producer, message: Message) -> None:
    deadline = time.monotonic() + OPEN_MS / 1e3
    while True:
        try:
            return producer.produce(message.topic, key=message.key, value=message.value)
        except BufferError:  # more than the producer holds: it is being sent
            if time.monotonic() > deadline:
                raise
            producer.poll(0.05)
