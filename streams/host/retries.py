"""Reads the dead letters that people want a processor to take again.

They lie in `<topic>.retry`, in the partition of the record that they were. Few as they are, they do
not pass through the consumer group: a consumer of their own is assigned the partitions that this
worker owns, from the offsets in their states on.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from penstock.kafka.client import Place, options, place
from penstock.kafka.dead_letters import headers_of, to_take_again
from penstock.kafka.topics import RETRIES, retries
from penstock.settings.plant import KafkaSettings
from streams.host.record import Retried

_log = structlog.get_logger()
_MOST: Final = 500
"""Records of one look."""
_WAIT: Final = 0.05


class Found(NamedTuple):
    """What a look at the retry topic gave of a partition."""

    letters: list[Retried]
    next_offset: int


class RetryReader:
    """Finds a processor's own letters; blocks, for a thread.

    Args:
        settings: Where Kafka is.
        processor: Whose letters.
    """

    def __init__(self, settings: KafkaSettings, processor: str) -> None:
        self._processor = processor
        self._positions: dict[Place, int] = {}
        self._consumer = Consumer(
            options(
                settings,
                group_id="penstock-retries",  # never joined: partitions are assigned by hand
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
            )
        )

    def read(self, offsets: Mapping[Place, int]) -> dict[Place, Found]:
        """What lies there from an offset on, as far as it is at hand.

        Args:
            offsets: In the retries of each topic's partition.
        """
        if self._positions != offsets:
            self._positions = dict(offsets)
            assigned = [
                TopicPartition(retries(topic).name, n, at) for (topic, n), at in offsets.items()
            ]
            self._consumer.assign(assigned)
        found: dict[Place, Found] = {}
        if not offsets:
            return found
        for message in self._consumer.consume(_MOST, _WAIT):
            error = message.error()
            if error is not None:  # mends itself, or the topic is missing: nobody retried anything
                _log.debug("retries", error=error.str())
                continue
            topic, number, offset = place(message)
            whose = (topic.removesuffix(RETRIES), number)
            letter = self._letter(message)
            letters = found[whose].letters if whose in found else []
            found[whose] = Found([*letters, letter] if letter else letters, offset + 1)
            self._positions[whose] = offset + 1
        return found

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def _letter(self, message: Message) -> Retried | None:
        origin = to_take_again(message, self._processor)
        if origin is None:
            return None
        return Retried(origin, message.key(), message.value(), headers_of(message))
