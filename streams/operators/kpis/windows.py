"""The windows that KPIs are of, as panes are put together to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from penstock.settings.production import Kpis
from penstock.shifts import ShiftCalendar
from penstock.units import format_duration, microseconds
from streams.operators.windows.parameters import FOREVER, NEVER

SIZE: Final = "size"
SLIDING: Final = "sliding"
SHIFT: Final = "shift"
ORDER: Final = "order"
ROLLING: Final = "rolling"
RUNNING: Final = (SHIFT, ORDER)
"""Kinds that are published while they run, too."""


class Window(NamedTuple):
    """A window; of an order: start and end are not known beforehand, and `NEVER` and `FOREVER`."""

    kind: str
    name: str
    start: int
    end: int
    day: str | None = None

    def id(self, unit: str) -> str:
        """Identifies the window's results of a unit, asset or line."""
        at = "" if self.kind == ORDER else f"/{self.start}"
        return f"{unit}/{self.kind}/{self.name}{at}"


def order_window(order: str) -> Window:
    """The window of an order."""
    return Window(ORDER, order, NEVER, FOREVER)


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Which windows there are; lengths in microseconds.

    Args:
        every: Length of a pane.
        sizes: Of tumbling windows, multiples of a pane.
        sliding: Length of the sliding window, which moves by a pane.
        rolling: Length of the window of failures, which moves by `sliding`.
    """

    every: int
    sizes: Sequence[int]
    sliding: int
    rolling: int

    def of_pane(
        self, pane: int, calendar: ShiftCalendar | None, orders: Sequence[str]
    ) -> Iterator[Window]:
        """The windows that hold a pane.

        Args:
            pane: Its start.
            calendar: Of the unit; without one there are no shifts.
            orders: That were worked for in the pane.
        """
        end = pane + self.every
        for size in self.sizes:
            start = pane // size * size
            yield Window(SIZE, _length(size), start, start + size)
        for start in range(end - self.sliding, pane + 1, self.every):
            yield Window(SLIDING, _length(self.sliding), start, start + self.sliding)
        for shift in calendar.shifts(pane, end) if calendar else ():
            yield Window(SHIFT, shift.name, shift.start, shift.end, shift.day.isoformat())
        for order in orders:
            if order:
                yield order_window(order)

    def rolling_of(self, pane: int) -> Window:
        """The first window of failures that ends after a pane."""
        end = -(-(pane + self.every) // self.sliding) * self.sliding
        return Window(ROLLING, _length(self.rolling), end - self.rolling, end)

    @property
    def longest(self) -> int:
        """How far back panes are needed: a day of 25 hours, or longer windows."""
        return max(self.sliding, *self.sizes, microseconds(timedelta(hours=25)))


def window_plan(kpis: Kpis, sizes: Sequence[int]) -> WindowPlan:
    """The plan that a plant's settings ask for."""
    every = microseconds(kpis.every)
    return WindowPlan(
        every=every,
        sizes=tuple(size for size in sizes if size % every == 0),
        sliding=microseconds(kpis.sliding),
        rolling=microseconds(kpis.failures_over),
    )


def _length(size: int) -> str:
    return format_duration(timedelta(microseconds=size))
