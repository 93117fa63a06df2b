"""One order: what ERP wants, what each unit has made of it, and what was told."""

import json
import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from hashlib import sha256
from typing import Any

from schemas import OrderWindow, ProductionOrder, ProductionPerformance, Version
from schemas.orders import CANCELLED
from streams.operators.orders.parameters import OrderParameters
from streams.operators.windows.parameters import NEVER


@dataclass(slots=True)
class Made:
    """What a unit has made of the order, and what was told of it last: how often, and a digest."""

    window: OrderWindow
    revision: int = 0
    digest: str = ""


@dataclass(slots=True)
class OrderState:
    """What is known of one order.

    Args:
        request: What ERP wants, by its greatest version; None: it has not said.
        units: By path of the asset or line.
    """

    request: ProductionOrder | None = None
    units: dict[str, Made] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """When anything of it was last shown; before it has begun, when it is due."""
        if self.units:
            return max(made.window.end for made in self.units.values())
        return self.request.end if self.request else NEVER

    def want(self, request: ProductionOrder) -> bool:
        """Take what ERP wants; False: it is known already, or older."""
        if self.request is not None and request.version <= self.request.version:
            return False
        self.request = request
        return True

    def make(self, window: OrderWindow) -> bool:
        """Take what a unit has made; False: it is known already, or older."""
        made = self.units.get(window.unit)
        if made is None:
            self.units[window.unit] = Made(window)
        elif made.window.version < window.version:
            made.window = window
        else:
            return False
        return True

    def news(self, parameters: OrderParameters) -> Iterator[ProductionPerformance]:
        """The next revision of what is to be told of each unit, where it is not what was told."""
        for _, made in sorted(self.units.items()):
            told = performance(made.window, self.request, parameters, made.revision + 1)
            digest = _digest(told)
            if digest != made.digest:
                made.revision, made.digest = told.revision, digest
                yield told

    def dump(self) -> list[Any]:
        """As a row of state, in JSON."""
        units = []
        for _, made in sorted(self.units.items()):
            *window, version = made.window
            units.append([[*window, astuple(version)], made.revision, made.digest])
        return [self.request, units]

    @classmethod
    def load(cls, row: list[Any]) -> "OrderState":
        """The inverse of `dump`."""
        request, units = row
        found = cls(None if request is None else ProductionOrder(*request))
        for (*window, flags, (epoch, offsets, emission)), revision, digest in units:
            made = Version(epoch, tuple(offsets), emission)
            one = OrderWindow._make([*window, tuple(flags), made])
            found.units[one.unit] = Made(one, revision, digest)
        return found


def performance(
    window: OrderWindow,
    request: ProductionOrder | None,
    parameters: OrderParameters,
    revision: int,
) -> ProductionPerformance:
    """What is told of an order at a unit.

    While it runs that is its begin and its plan: how far it is, `dmz.kpis.v1` tells.
    """
    seconds = math.nan
    if request is not None:
        each = parameters.run_time(window.unit, request.product)
        seconds = math.nan if each is None else each * request.quantity
    return ProductionPerformance(
        id=f"{window.unit}/{window.order}",
        revision=revision,
        unit=window.unit,
        order=window.order,
        completed=window.final,
        start=window.start,
        end=window.end if window.final else window.start,
        good=window.good if window.final else math.nan,
        scrap=window.scrap if window.final else math.nan,
        request=request,
        planned_run_time=seconds,
        flags=tuple(_doubts(window, request)),
    )


def _doubts(window: OrderWindow, request: ProductionOrder | None) -> Iterator[str]:
    if window.final:
        yield from window.flags
    if request is None:
        yield "ERP has sent no such order"
        return
    if request.state == CANCELLED:
        yield "the order is cancelled"
    if not _within(window.unit, request.scope) and not _within(request.scope, window.unit):
        yield f"the order was to be made at {request.scope}"


def _within(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}/")


def _digest(told: ProductionPerformance) -> str:
    said = [getattr(told, name) for name in told.__slots__ if name != "revision"]
    return sha256(json.dumps(said).encode()).hexdigest()[:16]
