"""The account of one unit over one window: where its time went and what it made.

All that KPIs are computed from. Times are kept as whole microseconds, so that the balance closes;
the properties give seconds. The names are those of ISO 22400-2.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from penstock.shifts import PLANNED, PLANNED_STOP
from streams.operators.production.elements import (
    DELAY,
    FAILURE,
    MINOR_STOP,
    NO_ORDER,
    PRODUCING,
    SETUP,
    UNKNOWN,
)

US: Final = 1e6
"""Microseconds in a second."""
OTHER: Final = "other"
"""The element of an order's window in which the unit worked for another order."""

Times = dict[tuple[str, str], int]
"""Microseconds by (element, planning)."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures of a unit, restarts of the same failure merged.

    Args:
        count: How many began in the window.
        repaired: How many ended in it.
        repair: Seconds of those that ended.
    """

    count: int = 0
    repaired: int = 0
    repair: float = 0.0


@dataclass(frozen=True, slots=True)
class Account:
    """Time and pieces.

    Args:
        times: Microseconds by (element, planning); of a parallel line: of all its units.
        no_order_counts: `down` or `not_planned`.
        produced: PQ; NaN if nothing counts.
        good: GQ.
        scrap: SQ.
        planned_run: Σ PRU × PQ over the products, seconds; NaN if a product made has no PRU.
        good_run: Σ PRU × GQ.
        execution: AOET of an order, seconds; NaN in other windows.
        failures: In the window.
    """

    times: Mapping[tuple[str, str], int]
    no_order_counts: str = "down"
    produced: float = math.nan
    good: float = math.nan
    scrap: float = math.nan
    planned_run: float = math.nan
    good_run: float = math.nan
    execution: float = math.nan
    failures: Failures = field(default_factory=Failures)

    @classmethod
    def published(cls, record: Mapping[str, Any]) -> "Account":
        """What a record (`KpiWindow`) tells of an account: not its execution time and failures."""
        return cls(
            {(one["element"], one["planning"]): one["duration"] for one in record["balance"]},
            record["no_order_counts"],
            produced=_figure(record["produced"]),
            good=_figure(record["good"]),
            scrap=_figure(record["scrap"]),
            planned_run=_figure(record["planned_run_time"]),
            good_run=_figure(record["good_run_time"]),
        )

    def seconds(self, elements: Iterable[str], planning: str | None = None) -> float:
        """Time in elements, however or only so planned."""
        return self._time(elements, planning) / US

    def _time(self, elements: Iterable[str], planning: str | None = None) -> int:
        wanted = set(elements)
        return sum(
            time
            for (element, how), time in self.times.items()
            if element in wanted and planning in (None, how)
        )

    def _planned(self, planning: str) -> int:
        return sum(time for (_, how), time in self.times.items() if how == planning)

    @property
    def pot(self) -> float:
        """Planned operation time: shifts, planned stops included."""
        return (self._planned(PLANNED) + self._planned(PLANNED_STOP)) / US

    @property
    def pbt(self) -> float:
        """Planned busy time, as far as it is known: POT − planned stops − unknown time.

        Less the time without an order, where that does not count as down.
        """
        without = [UNKNOWN] if self.no_order_counts == "down" else [UNKNOWN, NO_ORDER]
        return (self._planned(PLANNED) - self._time(without, PLANNED)) / US

    @property
    def apt(self) -> float:
        """Actual production time, whenever it was."""
        return self.seconds([PRODUCING])

    @property
    def asut(self) -> float:
        """Actual setup time."""
        return self.seconds([SETUP])

    @property
    def aupt(self) -> float:
        """Actual unit processing time: setup and production."""
        return self.seconds([SETUP, PRODUCING])

    @property
    def adet(self) -> float:
        """Actual delay time: delays, minor stops and failures."""
        return self.seconds([DELAY, MINOR_STOP, FAILURE])

    @property
    def aubt(self) -> float:
        """Actual unit busy time: with an order."""
        return self.seconds([SETUP, PRODUCING, DELAY, MINOR_STOP, FAILURE])

    @property
    def minor(self) -> float:
        """Minor stops in planned busy time."""
        return self.seconds([MINOR_STOP], PLANNED)

    @property
    def coverage(self) -> float:
        """Share of the planned operation time of which the state is known; NaN of none."""
        unknown = self.seconds([UNKNOWN], PLANNED) + self.seconds([UNKNOWN], PLANNED_STOP)
        return 1.0 - unknown / self.pot if self.pot > 0 else math.nan


def _figure(published: float | None) -> float:
    return math.nan if published is None else published
