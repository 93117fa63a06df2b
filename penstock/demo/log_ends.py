"""Counts and reads the records that topics gained during a run, by the ends of their logs."""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, Message

from penstock.errors import KafkaUnavailableError
from penstock.kafka.client import options
from penstock.kafka.log_bounds import log_bounds
from penstock.kafka.scan import read
from penstock.settings.plant import KafkaSettings


class LogEnds:
    """The ends of some topics' logs, remembered from when this was made.

    Args:
        settings: Where Kafka is.
        topics: Those that do not exist yet count as empty.
    """

    def __init__(self, settings: KafkaSettings, topics: Iterable[str]) -> None:
        self._settings = settings
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
            ends = self._ends()
        except KafkaException as error:
            msg = f"{topic} cannot be read: {error}"
            raise KafkaUnavailableError(msg, remedy="is the broker up?") from error
        bounds = {
            partition: (self._before.get((name, partition), 0), end)
            for (name, partition), end in ends.items()
            if name == topic
        }
        return list(read(self._settings, topic, bounds))

    def close(self) -> None:
        """Let go of Kafka."""
        self._consumer.close()

    def _ends(self) -> dict[tuple[str, int], int]:
        metadata = self._consumer.list_topics(timeout=5)
        found = {}
        for name in self._topics & metadata.topics.keys():
            for partition in metadata.topics[name].partitions:
                found[name, partition] = log_bounds(self._consumer, (name, partition), seconds=5)[1]
        return found
