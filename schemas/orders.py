"""What Python sees of the records about orders; times are microseconds since 1970-01-01 UTC."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from schemas.records import Version

RELEASED: Final = "Released"
CANCELLED: Final = "Cancelled"
"""What ERP may say of an order."""


class ProductionOrder(NamedTuple):
    """An order as ERP wants it made; `production_order.avsc` gives each field's meaning."""

    order: str
    version: int
    scope: str
    start: int
    end: int
    state: str
    product: str
    quantity: float
    unit: str


class OrderWindow(NamedTuple):
    """What a unit, asset or line, has made of an order: as much of a `KpiWindow` as matters.

    `final`: the unit is known to have gone on to another order. `good` and `scrap` are NaN if
    nothing counts them. Without an `order` it stands for figures of something else. `flags` say
    what is doubtful.
    """

    unit: str
    order: str
    start: int
    end: int
    final: bool
    good: float
    scrap: float
    watermark: int
    flags: tuple[str, ...]
    version: Version


@dataclass(frozen=True, slots=True)
class ProductionPerformance:
    """What was made of an order; `production_performance.avsc` gives each field's meaning.

    `planned_run_time` is NaN where nobody said how long a piece takes.
    """

    id: str
    revision: int
    unit: str
    order: str
    completed: bool
    start: int
    end: int
    good: float
    scrap: float
    request: ProductionOrder | None
    planned_run_time: float
    flags: tuple[str, ...] = ()
