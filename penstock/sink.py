"""The contract of a sink: what carries records out of Kafka. `sinks/example.py` is one to copy.

A sink keeps the offsets of what it has carried out **with** what it has carried out (in one table
transaction, under one id), and says at the start where to go on; Kafka's committed offsets are for
display. `penstock.runtime.sinks` consumes for it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from penstock.clock import Clock, now
from penstock.kafka.dead_letters import Origin
from penstock.kafka.topics import Topic
from penstock.settings.model import Model
from penstock.settings.plant import Plant


class SinkSettings(Model):
    """What every sink's section of the configuration has; a sink's `Settings` adds its own."""

    type: str = Field(description="Name of the sink.")


@dataclass(frozen=True, slots=True)
class SinkRecord:
    """One record for a sink: already checked against its schema."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Kafka's time of the append, microseconds."""
    key: str | None
    value: Any
    """`SensorEvent` for sensor topics, else the datum of the record's schema as a dictionary."""
    origin: Origin | None = None
    """Of a dead letter that is taken again: where the record was first read. Its `topic` then is
    `<topic>.retry`, and `partition` and `offset` are of that one."""


class Sink(ABC):
    """Carries records of `topics` out. One process owns a sink's share of the partitions."""

    Settings: ClassVar[type[SinkSettings]] = SinkSettings
    keeps_offsets: ClassVar[bool] = True
    """Whether `open` knows where to go on; if not, the group's committed offset is taken."""
    retries: ClassVar[bool] = False
    """Whether dead letters can be taken again (`penstock dlq retry`): then `write` also gets
    records of `<topic>.retry`, whose offsets `open` and `flush` keep like any topic's, and `skip`
    is to be kept, too: what was buried must not be read again once it is taken again."""
    transactional: ClassVar[bool] = False
    """Whether it writes in transactions; their ids begin with `<environment>-<name>-`, and so do
    the groups that keep its offsets with them."""

    def __init__(self, name: str, settings: Any, plant: Plant, *, clock: Clock = now) -> None:
        self.name = name
        self.settings = settings
        self.plant = plant
        self.clock = clock
        self.topic_ids: Mapping[str, str] = {}
        """Of each topic that `open` is called for the id: one that is created anew has another.
        An offset that the sink keeps is to be kept with it, and to be refused by `open` where that
        is of another topic (`penstock.kafka.topic_ids`)."""

    @property
    @abstractmethod
    def topics(self) -> Sequence[str]:
        """The topics to consume."""

    @property
    def writes(self) -> Sequence[Topic]:
        """The topics that it writes to, for a sink whose outside is Kafka again."""
        return ()

    @abstractmethod
    def open(self, topic: str, partition: int) -> int | None:
        """Take over a partition: the next offset that is not yet carried out, None for no record.

        State that belongs to the partition and was held before is thrown away.

        Raises:
            TopicError: What is carried out is of another topic of this name.
        """

    @abstractmethod
    def close(self, topic: str, partition: int) -> None:
        """Give a partition up; what was not flushed is forgotten, its next owner reads it again."""

    @abstractmethod
    def write(self, records: Sequence[SinkRecord]) -> None:
        """Take records, in order within a partition; they may wait for `flush`.

        All are taken, or none where it raises.

        Raises:
            DecodeError: A record makes no sense here; it goes to the dead letters.
        """

    def skip(self, topic: str, partition: int, offset: int) -> None:  # noqa: B027  # may be ignored
        """Hear that a record is not for the sink, or is safe among the dead letters."""

    @abstractmethod
    def flush(self, *, force: bool = False) -> dict[tuple[str, int], int]:
        """Carry out what is due (with `force`: everything); called several times a second.

        Returns:
            The next offset of each (topic, partition) whose records are all carried out for good.
        """

    def epoch(self, topic: str) -> str:
        """Of what the sink holds of a topic: changes when it starts anew, from an empty store.

        Dead letters of another epoch are not taken again: the record itself is read again.
        """
        del topic
        return ""

    @property
    def counters(self) -> dict[str, float]:
        """What the sink counts of itself, exported as metrics, e.g. `rows`, `files`, `messages`."""
        return {}
