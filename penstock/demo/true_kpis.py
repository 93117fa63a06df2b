"""What KPIs must be, computed from the factory's ground truth.

Written apart from the operators: from what each machine really did, not from what it told.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.factory.schedule import CYCLE_US, Activity
from penstock.factory.truth_reader import ActivitySpan, OrderRecord, Truth
from penstock.settings.plant import Plant
from penstock.settings.tags import Role
from penstock.units import microseconds

_BEFORE: Final = 1_000_000
_AFTER: Final = 2_000_000
"""A value holds up to the last answer that its device gave; of one that was killed, not longer."""
_ELEMENTS: Final = {
    Activity.PRODUCING: "producing",
    Activity.SETUP: "setup",
    Activity.FAILURE: "failure",
    Activity.REPAIR: "failure",
    Activity.BREAK: "no_order",
    Activity.NO_ORDER: "no_order",
}
_STOPS: Final = (Activity.MINOR_STOP, Activity.WAITING)
Span = tuple[int, int]
"""From a time to before another, microseconds."""


class Machine:
    """What one machine really did.

    Args:
        asset: Its path within the site.
        truth: Of the factory.
        plant: The configuration.
    """

    def __init__(self, asset: str, truth: Truth, plant: Plant) -> None:
        self.asset = plant.asset_path(asset)
        self._truth = truth
        self._minor = microseconds(plant.kpis.minor_stop_below)
        self._no_order = plant.kpis.no_order_counts
        self._run_times = {p: s for (p, of), s in plant.run_times.items() if of == asset}
        tags = [tag for tags in plant.tags.values() for tag in tags if tag.asset == asset]
        self._tags: dict[Role, str] = {
            tag.role: tag.tag for tag in tags if tag.role is not Role.SIGNAL
        }
        self._most = {tag.role: tag.max for tag in tags}
        self._names = [tag.tag for tag in tags]

    @cached_property
    def _activities(self) -> list[ActivitySpan]:
        return [one for one in self._truth.activities if one.asset == self.asset]

    @cached_property
    def _stops(self) -> list[ActivitySpan]:
        return [one for one in self._activities if one.activity in _STOPS]

    @cached_property
    def _cycles(self) -> NDArray[np.int64]:
        """The times at which anything went out for sure."""
        keys = ((self.asset, name) for name in self._names)
        times = [self._truth.series[key].times for key in keys if key in self._truth.series]
        every = np.unique(np.concatenate(times)) if times else np.zeros(0, np.int64)
        lost = {time for asset, time in self._truth.uncertain if asset == self.asset}
        return np.array([time for time in every.tolist() if time not in lost], np.int64)

    def complete(self, span: Span) -> bool:
        """Whether all cycles from a while before the span to a while behind it went out.

        Stops at its borders must be seen whole, as far as they tell a minor one from a delay.
        """
        begin, end = span[0] - _BEFORE, span[1] + _AFTER
        for one in self._stops:
            if one.start < span[0] <= one.end:
                begin = min(begin, max(one.start, span[0] - self._minor) - CYCLE_US)
            if one.start <= span[1] < one.end:
                end = max(end, min(one.end, span[1] + self._minor) + CYCLE_US)
        begin, end = begin - begin % CYCLE_US, end + -end % CYCLE_US
        first, last = np.searchsorted(self._cycles, (begin, end))
        return int(last - first) == (end - begin) // CYCLE_US

    def settled(self, since: int, until: int, size: int, step: int) -> Iterator[Span]:
        """The windows of a size that were told of completely."""
        for start in range(-(-since // step) * step, until - size + 1, step):
            if self.complete((start, start + size)):
                yield start, start + size

    def times(self, span: Span) -> dict[str, float]:
        """Seconds by element."""
        found: dict[str, float] = defaultdict(float)
        for one in self._activities:
            inside = min(one.end, span[1]) - max(one.start, span[0])
            if inside > 0:
                found[self._element(one)] += inside / 1e6
        return found

    def _element(self, one: ActivitySpan) -> str:
        if one.activity in _STOPS:
            return "minor_stop" if one.end - one.start < self._minor else "delay"
        return _ELEMENTS[one.activity]

    def pieces(self, role: Role, span: Span) -> dict[str, float]:
        """By how much a counter rose in [first, second), by the product shown then."""
        series = self._truth.series[self.asset, self._tags[role]]
        shown = self._truth.series[self.asset, self._tags[Role.PRODUCT]]
        first, last = np.searchsorted(series.times, span)
        found: dict[str, float] = defaultdict(float)
        for place in range(max(int(first), 1), int(last)):
            rise = float(series.values[place] - series.values[place - 1])
            rise += 0.0 if rise >= 0 else (self._most[role] or 0.0) + 1
            at = np.searchsorted(shown.times, series.times[place], side="right") - 1
            found[f"{shown.values[at]:.15g}"] += rise
        return found

    def run(self, pieces: Mapping[str, float], by: "Machine | None" = None) -> float:
        """Σ PRU × pieces, seconds."""
        times = (by or self)._run_times
        return math.fsum(times[product] * count for product, count in pieces.items() if count)

    def busy(self, times: Mapping[str, float]) -> float:
        """Planned busy time, of a machine that is always planned to produce."""
        without = times.get("no_order", 0.0) if self._no_order == "not_planned" else 0.0
        return math.fsum(times.values()) - without

    def figures(self, span: Span) -> dict[str, float]:
        """What must be published of a window."""
        good, scrap = self.pieces(Role.GOOD, span), self.pieces(Role.SCRAP, span)
        times = self.times(span)
        return _figures(
            times, self.busy(times), sum(good.values()), sum(scrap.values()),
            self.run(good), self.run(scrap),
        )  # fmt: skip

    def orders(self, since: int, until: int) -> Iterator[OrderRecord]:
        """The orders that were told of completely, and followed by another."""
        for one in self._truth.orders:
            mine = one.asset == self.asset and one.start - _BEFORE >= since
            if mine and one.end + _BEFORE < until - _BEFORE and self.complete((one.start, one.end)):
                yield one

    def order_figures(self, order: OrderRecord) -> dict[str, float]:
        """What must be published of an order."""
        seconds = (order.end - order.start) / 1e6
        made = order.good + order.scrap
        return {
            "good": float(order.good),
            "scrap": float(order.scrap),
            "order_execution_time": seconds,
            "throughput_rate": made / seconds,
            "scrap_ratio": order.scrap / made,
        }


def _figures(
    times: Mapping[str, float], busy: float, good: float, scrap: float, run: float, lost: float
) -> dict[str, float]:
    producing, setup = times.get("producing", 0.0), times.get("setup", 0.0)
    minor = times.get("minor_stop", 0.0)
    delay = times.get("delay", 0.0) + minor + times.get("failure", 0.0)
    availability = _ratio(producing, busy)
    effectiveness, quality = _ratio(run + lost, producing), _ratio(run, run + lost)
    return {
        "good": good,
        "scrap": scrap,
        "produced": good + scrap,
        "availability": availability,
        "effectiveness": effectiveness,
        "quality_ratio": quality,
        "oee": _ratio(run, busy),
        "scrap_ratio": _ratio(scrap, good + scrap),
        "setup_ratio": _ratio(setup, setup + producing),
        "technical_efficiency": _ratio(producing, producing + delay),
        "tpm_availability": _ratio(producing + minor, busy),
        "tpm_performance": _ratio(run + lost, producing + minor),
    }


def line_figures(
    members: Sequence[Machine], constraint: Machine, output: Machine, span: Span
) -> dict[str, float]:
    """Time at the constraint, good pieces at the output, scrap wherever it was made."""
    times, good = constraint.times(span), output.pieces(Role.GOOD, span)
    scrapped = [one.pieces(Role.SCRAP, span) for one in members]
    scrap = sum(sum(one.values()) for one in scrapped)
    lost = math.fsum(constraint.run(one) for one in scrapped)
    busy = constraint.busy(times)
    return _figures(times, busy, sum(good.values()), scrap, constraint.run(good), lost)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
