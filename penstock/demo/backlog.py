"""What lies in Kafka and is not carried out yet."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from penstock.errors import KafkaUnavailableError, TopicError
from penstock.kafka.describe import Describer
from penstock.processor import Processor, chosen
from penstock.runtime.topics import sinks_of
from penstock.settings.plant import KafkaSettings, Plant
from penstock.sink import Sink

UNKNOWN: Final = 1
"""Records that are left where Kafka does not say: there may be some."""

Stage = Literal["processor", "sink"]
Group = tuple[str, Sequence[str]]


class Backlog:
    """Asks Kafka: a component's own figure is as old as its last fetch, or its process gone.

    Args:
        settings: Where Kafka is.
        groups: Of each stage the consumer groups, with the topics that they read.
    """

    def __init__(self, settings: KafkaSettings, groups: Mapping[Stage, Sequence[Group]]) -> None:
        self._describer = Describer(settings)
        self._groups = groups

    @classmethod
    def of(cls, plant: Plant) -> "Backlog":
        """That of a plant's processors and sinks."""
        readers: dict[Stage, Sequence[Processor] | Sequence[Sink]] = {
            "processor": chosen(plant),
            "sink": sinks_of(plant),
        }
        groups = {
            stage: [(f"{plant.environment}-{one.name}", one.topics) for one in found]
            for stage, found in readers.items()
        }
        return cls(plant.kafka, groups)

    def left(self, stage: Stage) -> int:
        """Records that a stage's groups have not committed; at least one where that is unknown."""
        try:
            return sum(
                self._of_topic(group, topic)
                for group, topics in self._groups[stage]
                for topic in topics
            )
        except KafkaUnavailableError:
            return UNKNOWN

    def _of_topic(self, group: str, topic: str) -> int:
        try:
            numbers = range(self._describer.topic(topic).partitions)
        except TopicError:  # nobody has written anything
            return 0
        committed = self._describer.committed(group, topic)
        bounds = self._describer.bounds(topic, numbers)
        return sum(end - committed.get(number, first) for number, (first, end) in bounds.items())
