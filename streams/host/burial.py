"""Makes dead letters of a partition's records."""

from dataclasses import dataclass

from penstock.kafka import dead_letters, topics
from penstock.kafka.dead_letters import Origin
from streams.host.outputs import Outgoing
from streams.host.record import Record, Retried


@dataclass(frozen=True, slots=True)
class Burial:
    """Buries for one partition of a processor."""

    component: str
    topic: str
    partition: int
    epoch: str

    def letter(self, record: Record, error: Exception, stage: str) -> Outgoing:
        """The dead letter of a record, or of one that was taken again."""
        headers = dead_letters.headers(self._origin(record, stage), error)
        topic = topics.dead_letters(self.topic).name
        came_with = dead_letters.came_with(record.headers)
        return Outgoing(topic, record.key, record.value, [*came_with, *headers])

    def _origin(self, record: Record, stage: str) -> Origin:
        if isinstance(record, Retried):
            return record.origin.once_more(stage)
        return Origin(
            self.component, self.topic, self.partition, record.offset, self.epoch, stage=stage
        )
