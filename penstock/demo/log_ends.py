"""Counts and reads the records that topics gained during a run, by the ends of their logs."""

import time
from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import options, place
from penstock.settings.plant import KafkaSettings

READ_SECONDS: Final = 30.0


class LogEnds:
    """The ends of some topics' logs, remembered from when this was made.

    Args:
        settings: Where Kafka is.
        topics: Those that do not exist yet count as empty.
    """

    def __init__(self, settings: KafkaSettings, topics: Iterable[str]) -> None:
        self._topics = set(topics)
        self._consumer = Consumer(
            options(settings, group_id="penstock-ends", enable_auto_commit=False)
        )
        self._before = self._ends()

    def gained(self, topics: Iterable[str]) -> int:
        """Records appended to these topics since; what cannot be asked now counts as before."""
        wanted = set(topics)
        try:
            ends = self._ends()
        except KafkaException:
            return 0
        return sum(end - self._before.get(key, 0) for key, end in ends.items() if key[0] in wanted)

    def read(self, topic: str) -> list[Message]:
        """The records appended to a topic since.

        Raises:
            KafkaUnavailableError: Kafka does not give them in time.
        """
        try:
            left = {
                partition: end
                for (name, partition), end in self._ends().items()
                if name == topic and end > self._before.get((name, partition), 0)
            }
            self._consumer.assign(
                [TopicPartition(topic, n, self._before.get((topic, n), 0)) for n in left]
            )
            return self._read(left)
        except KafkaException as error:
            msg = f"{topic} cannot be read: {error}"
            raise KafkaUnavailableError(msg, remedy="is the broker up?") from error
        finally:
            self._consumer.unassign()

    def _read(self, left: dict[int, int]) -> list[Message]:
        """Records up to the ends of the assigned partitions, which are taken out of `left`."""
        found = []
        deadline = time.monotonic() + READ_SECONDS
        while left:
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            for message in self._consumer.consume(1000, 0.2):
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                _, partition, offset = place(message)
                if offset + 1 >= left.get(partition, 0):
                    left.pop(partition, None)
                found.append(message)
        return found

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def _ends(self) -> dict[tuple[str, int], int]:
        metadata = self._consumer.list_topics(timeout=5)
        found = {}
        for name in self._topics & metadata.topics.keys():
            for partition in metadata.topics[name].partitions:
                _, high = self._consumer.get_watermark_offsets(
                    TopicPartition(name, partition), timeout=5
                )
                found[name, partition] = int(high)
        return found
