"""The contract of a processor: an operator between two topics."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from penstock.operator import Operator, Result
from penstock.settings.plant import Plant
from schemas import Version


class Processor(ABC):
    """Declares what an operator reads and writes; the host does the rest.

    A processor that reads one zone and writes another is a conduit between them.
    """

    name: ClassVar[str]
    """The entry point's name; part of consumer group, transactional ids and state topic."""
    reads: ClassVar[str]
    """The topic that it consumes."""
    input: ClassVar[str] = "SensorEvent"
    """The schema of what it consumes. Of SensorEvents the operator gets a `SampleBatch`, of all
    else a `RecordBatch` of what `from_avro` makes, duplicates included."""
    writes: ClassVar[str]
    """The topic that its results go to."""
    record: ClassVar[str]
    """The schema (`schemas.SCHEMAS`) of its results."""
    identity: ClassVar[tuple[str, ...]]
    """The fields of a result that say what it is of: of equal ones the greatest version counts."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant

    @property
    def state_topic(self) -> str:
        """Where its snapshots are kept: `<zone>.<processor>.state.v1`."""
        return f"{self.reads.split('.')[0]}.{self.name}.state.v1"

    @property
    def control_topic(self) -> str:
        """Where people's commands to it are kept: `<zone>.<processor>.control.v1`."""
        return f"{self.reads.split('.')[0]}.{self.name}.control.v1"

    @abstractmethod
    def operator(self) -> Operator[Any]:
        """A new operator with empty state, for one partition."""

    def from_avro(self, datum: dict[str, Any]) -> Any:
        """What the operator takes in of a record that is no SensorEvent.

        Raises:
            DecodeError: The record makes no sense.
        """
        return datum

    @abstractmethod
    def to_avro(self, result: Result, version: Version) -> dict[str, Any]:
        """The result as the datum of its Avro schema, with its version."""
