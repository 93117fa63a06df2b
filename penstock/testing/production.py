"""Feeds an operator of KPIs with panes, for `penstock.testing.determinism`."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from penstock.operator import RecordBatch
from penstock.testing.records import RecordFeed
from penstock.work_units import WorkUnit
from schemas import ProductionPartial, Version

_MUCH_LATER: Final = 10**13


class ProductionFeed(RecordFeed):
    """Makes batches of panes of work units.

    Args:
        units: All work units.
    """

    def __init__(self, units: Sequence[WorkUnit]) -> None:
        self._units = units

    @classmethod
    def of(cls, units: Sequence[WorkUnit]) -> Callable[[], "ProductionFeed"]:
        """Makes feeds."""
        return lambda: cls(units)

    def closing(self, records: Sequence[ProductionPartial]) -> list[ProductionPartial]:
        """A heartbeat of every unit, much later than all panes."""
        end = max((p.pane_start + p.pane_size for p in records), default=0) + _MUCH_LATER
        return [heartbeat(unit, end, end) for unit in self._units]

    def broken(self, batch: RecordBatch) -> Iterator[RecordBatch]:
        """Batches that hold what is no partial."""
        for partial in batch.records:
            yield replace(batch, records=({},))
            yield replace(batch, records=(partial, replace(partial, version=None)))
            yield replace(batch, records=(partial, replace(partial, pane_size=-1)))

    def shuffled(
        self, records: Sequence[ProductionPartial], out_of_order: int, source: random.Random
    ) -> tuple[list[ProductionPartial], list[ProductionPartial]]:
        """Panes that move no watermark, as they are and in any order."""
        still = [replace(partial, watermark=-_MUCH_LATER) for partial in records]
        return still, source.sample(still, len(still))


def heartbeat(unit: WorkUnit, upto: int, watermark: int) -> ProductionPartial:
    """The heartbeat of a unit from which nothing more is expected before `upto`."""
    version = Version(2**60, (), 0)
    return ProductionPartial(
        unit.line, unit.asset, upto, 0, watermark, final=False, version=version
    )
