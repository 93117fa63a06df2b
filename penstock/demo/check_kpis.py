"""Holds published KPIs against figures computed from the factory's ground truth.

Written apart from the operators: from what each machine really did, not from what it told. A window
is compared if every cycle of it, of the second before and of two behind, went out; while a killed
PLC was silent nobody can know what its machines did.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.factory.schedule import CYCLE_US, Activity
from penstock.factory.truth_reader import ActivitySpan, OrderRecord, Truth
from penstock.settings.plant import Plant
from penstock.settings.tags import Role
from penstock.units import format_duration, microseconds

TOLERANCE: Final = 1e-9
EXAMPLES: Final = 8
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
Span = tuple[int, int]


@dataclass(slots=True)
class KpiCheck:
    """What comparing KPIs found."""

    checked: int = 0
    """Figures that were compared."""
    wrong: int = 0
    orders_closed: int = 0
    """Orders of lines whose figures are final."""
    windows: int = 0
    """Windows that were compared."""
    examples: list[str] = field(default_factory=list)

    def note(self, example: str) -> None:
        """Count a difference and keep the first few."""
        self.wrong += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


def check_kpis(
    truth: Truth, records: Iterable[Mapping[str, Any]], plant: Plant, since: int, until: int
) -> KpiCheck:
    """Compare the figures of settled windows, and see that every balance closes.

    Args:
        truth: Of the factory.
        records: KpiWindow records of the run.
        plant: The configuration.
        since: Begin of the run, microseconds since 1970-01-01 UTC.
        until: Windows that end later may not have closed.
    """
    found = KpiCheck()
    latest = _latest(records)
    for record in latest.values():
        _balance(record, found)
    machines = {plant.asset_path(asset): _Machine(asset, truth, plant) for asset in plant.assets}
    for asset, machine in machines.items():
        for kind, name, size, step in _sizes(plant):
            for span in machine.settled(since, until, size, step):
                key = f"{asset}/{kind}/{name}/{span[0]}"
                _compare(key, latest.get(key), machine.figures(span), found)
        for order in machine.orders(since, until):
            key = f"{asset}/order/{order.order}"
            _compare(key, latest.get(key), machine.order_figures(order), found)
    for path, line in plant.lines.items():
        full = plant.asset_path(path)
        members = {a: m for a, m in machines.items() if a.startswith(f"{full}/")}
        constraint, output = (members[f"{full}/{n}"] for n in (line.constraint, line.output))
        for kind, name, size, step in _sizes(plant):
            for span in constraint.settled(since, until, size, step):
                if all(one.complete(span) for one in members.values()):
                    key = f"{full}/{kind}/{name}/{span[0]}"
                    wanted = _line_figures(list(members.values()), constraint, output, span)
                    _compare(key, latest.get(key), wanted, found)
    found.orders_closed = sum(
        one["kind"] == "order" and one["scope"] == "line" and one["final"]
        for one in latest.values()
    )
    return found


class _Machine:
    """What one machine really did."""

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
    def _cycles(self) -> NDArray[np.int64]:
        """The times at which anything went out for sure."""
        keys = ((self.asset, name) for name in self._names)
        times = [self._truth.series[key].times for key in keys if key in self._truth.series]
        every = np.unique(np.concatenate(times)) if times else np.zeros(0, np.int64)
        lost = {time for asset, time in self._truth.uncertain if asset == self.asset}
        return np.array([time for time in every.tolist() if time not in lost], np.int64)

    def complete(self, span: Span) -> bool:
        """Whether all cycles from a while before the span to a while behind it went out."""
        begin, end = span[0] - _BEFORE, span[1] + _AFTER
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
        if one.activity in (Activity.MINOR_STOP, Activity.WAITING):
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

    def run(self, pieces: Mapping[str, float], by: "_Machine | None" = None) -> float:
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


def _line_figures(
    members: Sequence[_Machine], constraint: _Machine, output: _Machine, span: Span
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


def _sizes(plant: Plant) -> Iterator[tuple[str, str, int, int]]:
    """(kind, name, size, step) of the windows that are compared."""
    every = microseconds(plant.kpis.every)
    sizes = [(microseconds(size), size) for size in plant.windows.sizes]
    for size, written in sizes:
        if size % every == 0:
            yield "size", format_duration(written), size, size
    sliding = microseconds(plant.kpis.sliding)
    yield "sliding", format_duration(plant.kpis.sliding), sliding, every


def _latest(records: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Of each id the record of the greatest version."""
    best: dict[str, Mapping[str, Any]] = {}
    for record in records:
        known = best.get(record["id"])
        if known is None or _version(record) > _version(known):
            best[record["id"]] = record
    return best


def _version(record: Mapping[str, Any]) -> tuple[int, list[int], int]:
    version = record["version"]
    return version["epoch"], version["offsets"], version["emission"]


def _balance(record: Mapping[str, Any], found: KpiCheck) -> None:
    whole = record["work_units"] * (record["until"] - record["window_start"])
    told = sum(one["duration"] for one in record["balance"])
    found.checked += 1
    if told != whole:
        found.note(f"{record['id']}: the balance holds {told} of {whole} us")


def _compare(
    key: str, record: Mapping[str, Any] | None, wanted: Mapping[str, float], found: KpiCheck
) -> None:
    found.windows += 1
    found.checked += len(wanted)
    if record is None:
        found.note(f"{key}: never published")
        return
    if not record["final"]:
        found.note(f"{key}: never final")
    for name, expected in wanted.items():
        value = record[name] if name in record else record["kpis"][name]
        got = math.nan if value is None else value
        both = math.isnan(got) and math.isnan(expected)
        if not both and not math.isclose(got, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            found.note(f"{key}: {name} is {got}, should be {expected}")
