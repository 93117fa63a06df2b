"""Sums up panes: time by element and planning, pieces by product."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from penstock.shifts import PLANNED, ShiftCalendar
from penstock.work_units import WorkUnit
from schemas import ProductionPartial, ProductionPieces, Version
from streams.operators.kpis.account import OTHER, Times
from streams.operators.production.elements import NO_ORDER, UNKNOWN

_FIRST: Final = Version(0, (), 0)
_MOST_FLAGS: Final = 8
_IDLE: Final = (NO_ORDER, UNKNOWN)


@dataclass(slots=True)
class Made:
    """Pieces of one product: PQ, GQ and SQ, each NaN if nothing counts it."""

    produced: float
    good: float
    scrap: float


@dataclass(slots=True)
class Tally:
    """What a unit did.

    Args:
        unit: The asset.
        times: Microseconds by element and planning.
        made: By product.
        unknown: Of that the part that stands against no known time, by whose time it is: the
            unit's, or that of the line's constraint.
        flags: What is doubtful.
        panes: How many are in it.
        late: How many late samples changed them.
    """

    unit: WorkUnit
    times: Times = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    unknown: dict[str, dict[str, Made]] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    panes: int = 0
    late: int = 0
    version: Version = _FIRST
    """The greatest of its panes."""
    begin: int | None = None
    """Of an order: when it was first shown, and the end of the last time that it was."""
    end: int | None = None
    first: int | None = None
    """Of an order: when the first work on it began, and the last ended."""
    last: int | None = None

    def copy(self) -> "Tally":
        """One to go on with, that leaves this as it is."""
        return replace(
            self,
            times=dict(self.times),
            made={product: replace(one) for product, one in self.made.items()},
            unknown={
                keeper: {product: replace(one) for product, one in made.items()}
                for keeper, made in self.unknown.items()
            },
            flags=set(self.flags),
        )

    @property
    def counts(self) -> bool:
        """Whether the unit counts pieces at all."""
        return bool(self.unit.counters)

    @property
    def has_unknown_time(self) -> bool:
        """Whether there is time of which nothing is known."""
        return any(time for (element, _), time in self.times.items() if element == UNKNOWN)

    def add(self, partial: ProductionPartial, order: str | None = None) -> None:
        """Add a pane, or what of it is for one order."""
        self.panes += 1
        self.late += len(partial.late)
        self.version = max(self.version, partial.version or self.version)
        self.flags |= set(partial.flags)
        for one in partial.times:
            if order is None or one.order == order:
                key = (one.element, one.planning)
                self.times[key] = self.times.get(key, 0) + one.duration
                self.begin = one.begin if self.begin is None else min(self.begin, one.begin)
                self.end = one.end if self.end is None else max(self.end, one.end)
                if one.element not in _IDLE:
                    self.first = one.begin if self.first is None else min(self.first, one.begin)
                    self.last = one.end if self.last is None else max(self.last, one.end)
        for pieces in partial.pieces:
            if order is None or pieces.order == order:
                _add(self.made, pieces, 1.0)

    def leave_out(self, keeper: str, pieces: ProductionPieces, share: float) -> None:
        """Have a share of pieces stand against no time of a unit."""
        if share:
            _add(self.unknown.setdefault(keeper, {}), pieces, share)

    def fill(self, begin: int, end: int, element: str = UNKNOWN) -> None:
        """Account for all time of a window: what no pane tells of is unknown."""
        calendar = self.unit.calendar
        for planning, whole in planned(calendar, begin, end).items():
            known = sum(time for (_, how), time in self.times.items() if how == planning)
            if whole != known:
                key = (element, planning)
                self.times[key] = self.times.get(key, 0) + whole - known

    def fill_order(self, begin: int, end: int, unknown: Times) -> None:
        """Account for the time of an order's window that is not the order's.

        Args:
            begin: Of the window.
            end: Of it.
            unknown: Of that time the part of which nothing is known; else it was another's.
        """
        rest = end - begin - sum(self.times.values())
        for key, time in sorted(unknown.items()):
            part = min(time, rest)
            self.times[key] = self.times.get(key, 0) + part
            rest -= part
        if rest:
            self.times[OTHER, PLANNED] = rest

    def total(self, of: Callable[[Made], float]) -> float:
        """Pieces of all products; NaN if nothing counts them."""
        if not self.counts:
            return math.nan
        return math.fsum(of(one) for _, one in sorted(self.made.items()))

    def run_time(self, of: Callable[[Made], float], by: WorkUnit) -> float:
        """Σ PRU × pieces, seconds, of those that stand against known time of a unit.

        Args:
            of: Which pieces.
            by: The unit: itself, or the line's timekeeper. Its run times count; NaN if one is not
                known.
        """
        if not self.counts:
            return math.nan
        left_out = self.unknown.get(by.asset, {})
        standing = (
            (product, of(one) - (of(left_out[product]) if product in left_out else 0.0))
            for product, one in sorted(self.made.items())
        )
        shares = [(by.run_time(product), pieces) for product, pieces in standing if pieces]
        known = [time * pieces for time, pieces in shares if time is not None]
        return math.fsum(known) if len(known) == len(shares) else math.nan

    def without_run_time(self, of: Callable[[Made], float], by: WorkUnit) -> Iterator[str]:
        """In words, which of these were made of products without a run time at a unit that has any.

        Args:
            of: Which pieces.
            by: The unit, as of `run_time`.
        """
        left_out = self.unknown.get(by.asset, {})
        for product, one in sorted(self.made.items()):
            stands = product not in left_out or of(one) != of(left_out[product])
            if by.run_times and by.run_time(product) is None and of(one) > 0 and stands:
                what = f"of product {product}" if product else "whose product was not known"
                made = f"{of(one):,.15g} pieces {what} at {self.unit.asset}"
                yield f"{made} have no planned run time of {by.asset}"


def most_flags(flags: Iterable[str]) -> list[str]:
    """As many as are told, in order: the same ones whether some were left out before or not."""
    return sorted(set(flags))[:_MOST_FLAGS]


def planned(calendar: ShiftCalendar | None, begin: int, end: int) -> Mapping[str, int]:
    """Microseconds of a span by planning."""
    if calendar is None:
        return {PLANNED: end - begin}
    found: dict[str, int] = {}
    for start, stop, planning in calendar.planning(begin, end):
        found[planning] = found.get(planning, 0) + stop - start
    return found


def together(tallies: Iterable[Tally]) -> Times:
    """The times of several units."""
    found: Times = {}
    for tally in tallies:
        for key, time in tally.times.items():
            found[key] = found.get(key, 0) + time
    return found


def _add(to: dict[str, Made], pieces: ProductionPieces, share: float) -> None:
    made = to.setdefault(pieces.product, Made(0.0, 0.0, 0.0))
    produced, good, scrap = _derived(pieces)
    made.produced += share * produced
    made.good += share * good
    made.scrap += share * scrap


def _derived(pieces: ProductionPieces) -> tuple[float, float, float]:
    """PQ, GQ and SQ from whichever counters there are; of two the third follows."""
    good, scrap, total = pieces.good, pieces.scrap, pieces.total
    if math.isnan(good):
        good = total - scrap
    if math.isnan(scrap):
        scrap = total - good
    if math.isnan(total):
        total = good if math.isnan(scrap) else good + scrap
    return total, good, scrap
