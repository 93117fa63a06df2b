"""Feeds an operator of orders with what ERP wants and what was made."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from penstock.operator import RecordBatch
from penstock.testing.records import RecordFeed
from schemas import OrderWindow, ProductionOrder, Version

_LAST: Final = 2**60


def wanted(order: str, version: int = 1, **more: Any) -> ProductionOrder:
    """An order of 300 pieces of a line, and otherwise as `more` says."""
    found = ProductionOrder(
        order, version, "acme/bremen/line", 0, 90, "Released", "p", 300.0, "EA"
    )  # fmt: skip
    return found._replace(**more)


def made(order: str, version: int = 1, **more: Any) -> OrderWindow:
    """What a press has made of an order that goes on, and otherwise as `more` says."""
    found = OrderWindow(
        "acme/bremen/line/press", order, 0, 10, False, 5.0, 1.0, version, (),
        Version(1, (version,), 1),
    )  # fmt: skip
    return found._replace(**more)


class OrderFeed(RecordFeed):
    """Makes batches for the operator `order_performance`."""

    def closing(self, records: Sequence[Any]) -> list[Any]:
        """The end of every order at every unit that has worked for it."""
        windows = [one for one in records if isinstance(one, OrderWindow)]
        ends = {(one.unit, one.order): one.end for one in windows}
        return [
            made(order, _LAST, unit=unit, end=end, final=True)
            for (unit, order), end in sorted(ends.items())
        ]

    def broken(self, batch: RecordBatch) -> Iterator[RecordBatch]:
        """Batches that hold what is neither."""
        for record in batch.records:
            yield replace(batch, records=({},))
            yield replace(batch, records=(record, None))

    def shuffled(
        self, records: Sequence[Any], out_of_order: int, source: random.Random
    ) -> tuple[list[Any], list[Any]]:
        """The records as they are: in a partition none overtakes another."""
        del out_of_order, source
        return list(records), list(records)
