"""The contract of a processor: an operator between topics."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from penstock import components
from penstock.codec.records import encode_record
from penstock.codec.sensor_event import NAME as SENSOR_EVENT
from penstock.operator import Operator, Result
from penstock.settings.model import Model
from penstock.settings.plant import Plant
from penstock.units import microseconds
from schemas import Version


class ProcessorSettings(Model):
    """What every processor's section of the configuration has; its `Settings` adds its own."""

    enabled: bool | None = Field(
        None,
        description="Whether it runs; where not said, if the configuration gives it reason to.",
    )


class Input(NamedTuple):
    """A topic that a processor reads."""

    topic: str
    record: str = SENSOR_EVENT
    """The schema of what it carries. Of SensorEvents the operator gets a `SampleBatch`, of all else
    a `RecordBatch` of what `from_avro` makes, duplicates included."""

    @property
    def sampled(self) -> bool:
        """Whether its records hold samples, each of which counts."""
        return self.record == SENSOR_EVENT


class Processor(ABC):
    """Declares what an operator reads and writes; the host does the rest.

    A processor that reads one zone and writes another is a conduit between them.

    **Several topics.** They are keyed alike and have as many partitions, so that one operator gets
    partition n of all of them: a batch is of one topic. In which order batches of different topics
    come is not defined, and another one after a crash: what an operator has found once it has seen
    the same records of each topic must not depend on it. So that nobody sees what a crash undid,
    results go out once the snapshot that they are of is stored, about a second later.
    """

    name: ClassVar[str]
    """The entry point's name; part of consumer group, transactional ids and state topic."""
    reads: ClassVar[tuple[Input, ...]]
    """The topics that it consumes; a version's offsets are in this order."""
    writes: ClassVar[str]
    """The topic that its results go to."""
    record: ClassVar[str]
    """The schema (`schemas.SCHEMAS`) of its results."""
    identity: ClassVar[tuple[str, ...]]
    """The fields of a result that say what it is of: of equal ones the greatest version counts."""
    Settings: ClassVar[type[ProcessorSettings]] = ProcessorSettings
    """Its section below `processors`; all settings of it have defaults."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.settings: Any = plant.processors.get(self.name) or self.Settings()

    @classmethod
    def wanted(cls, plant: Plant) -> bool:
        """Whether a configuration gives it reason to run."""
        return True

    @property
    def state_topic(self) -> str:
        """Where its snapshots are kept: `<zone>.<processor>.state.v1`, of its first topic."""
        return f"{self.reads[0].topic.split('.')[0]}.{self.name}.state.v1"

    @property
    def control_topic(self) -> str:
        """Where people's commands to it are kept: `<zone>.<processor>.control.v1`."""
        return f"{self.reads[0].topic.split('.')[0]}.{self.name}.control.v1"

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that it consumes."""
        return tuple(one.topic for one in self.reads)

    @property
    def lead(self) -> int:
        """Microseconds that a reset reads before its time, so that windows from then on are whole.

        Who reads samples needs the values that hold then, and those of clocks that are ahead.
        """
        windows = self.plant.windows
        early = (windows.hold, windows.clock_ahead, windows.out_of_order)
        return sum(map(microseconds, early)) if any(one.sampled for one in self.reads) else 0

    @abstractmethod
    def operator(self) -> Operator[Any]:
        """A new operator with empty state, for one partition."""

    def from_avro(self, record: str, datum: dict[str, Any]) -> Any:
        """What the operator takes in of a record that is no SensorEvent.

        Args:
            record: The schema of the topic that it came from.
            datum: What it holds, by this release's schema.

        Raises:
            DecodeError: The record makes no sense.
        """
        return datum

    @abstractmethod
    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The result as the datum of its Avro schema, with its version."""

    def encode(self, result: Result, version: Version) -> bytes:
        """The Avro body of `to_avro`; a processor with many results may write it itself."""
        return encode_record(self.record, self.to_avro(result, version))


def chosen(plant: Plant) -> list[Processor]:
    """The processors that a configuration runs, by name.

    Of all installed ones these are those that its section `processors` enables, and those that it
    gives reason to run and does not disable.
    """
    found = []
    for name in components.names("processors"):
        kind: type[Processor] = components.load("processors", name)
        settings = plant.processors.get(name)
        enabled = settings.enabled if settings else None
        if kind.wanted(plant) if enabled is None else enabled:
            found.append(kind(plant))
    return found
