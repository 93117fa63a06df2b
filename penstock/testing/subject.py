"""An operator under test, and what it is fed."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from penstock import components
from penstock.lines import lines_of
from penstock.operator import Operator
from penstock.processor import Processor
from penstock.settings.plant import Plant
from penstock.testing.alerting import AlertFeed
from penstock.testing.batches import SampleFeed
from penstock.testing.joined import JoinedFeed
from penstock.testing.ordering import OrderFeed
from penstock.testing.partials import PartialFeed
from penstock.testing.production import ProductionFeed
from penstock.units import microseconds
from penstock.work_units import work_units

Make = Callable[[], Operator[Any]]


class Feed(Protocol):
    """Makes the batches of an operator from records; a new one for every run."""

    host_drops_duplicates: ClassVar[bool]

    def batch(self, records: Sequence[Any], first: int, step: int = 1) -> Any:
        """The batch of consecutive records, the offset of the first, and from one to the next."""

    def closing(self, records: Sequence[Any]) -> list[Any]:
        """Records that make an operator publish all that it knows from these."""

    def broken(self, batch: Any) -> Iterable[Any]:
        """Batches that an operator must refuse."""

    def shuffled(
        self, records: Sequence[Any], out_of_order: int, source: random.Random
    ) -> tuple[list[Any], list[Any]]:
        """Records in order of time, and the same out of order by less than `out_of_order`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An operator under test.

    Args:
        name: For reports.
        make: Makes one with empty state.
        identity: As a processor's.
        others: Make operators with other parameters.
        grown: Makes one of the same plant with more machines and lines.
        feed: Makes what batches are made with.
        out_of_order: How far records may overtake each other, microseconds.
    """

    name: str
    make: Make
    identity: tuple[str, ...]
    others: Sequence[Make] = ()
    grown: Make | None = None
    feed: Callable[[], Feed] = SampleFeed
    out_of_order: int = 0


def subject(
    processor: type[Processor],
    plant: Plant,
    others: Sequence[Plant] = (),
    grown: Plant | None = None,
) -> Subject:
    """A processor's operator, of a plant, of others with other parameters, of one with more."""
    return Subject(
        name=processor.name,
        make=processor(plant).operator,
        identity=processor.identity,
        others=[processor(other).operator for other in others],
        grown=None if grown is None else processor(grown).operator,
        feed=feed_of(processor, plant),
        out_of_order=microseconds(plant.windows.out_of_order) if len(processor.reads) == 1 else 0,
    )


def feed_of(processor: type[Processor], plant: Plant) -> Callable[[], Feed]:
    """Makes what a processor reads.

    Raises:
        KeyError: Nothing makes such records for tests.
    """
    feeds: dict[str, Callable[[], Feed]] = {
        "SensorEvent": SampleFeed,
        "Acknowledgement": AlertFeed,
        "AnomalyScore": AlertFeed,
        "WindowStatistics": AlertFeed,
        "KpiWindow": OrderFeed,
        "ProductionOrder": OrderFeed,
        "LinePartial": PartialFeed.of(lines_of(plant)),
        "ProductionPartial": ProductionFeed.of(work_units(plant)),
    }
    if len(processor.reads) == 1:
        return feeds[processor.reads[0].record]
    return lambda: JoinedFeed({topic: feeds[record]() for topic, record in processor.reads})


def subjects(plant: Plant, others: Sequence[Plant] = ()) -> list[Subject]:
    """The operators of all installed processors."""
    found = (components.load("processors", name) for name in components.names("processors"))
    return [subject(processor, plant, others) for processor in found]
