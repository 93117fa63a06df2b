"""Accounts of assets and lines, from what their units did in a window."""

import math
from collections.abc import Iterable, Mapping

from streams.operators.kpis.account import Account, Failures
from streams.operators.kpis.parameters import LineUnits
from streams.operators.kpis.tally import Tally, together


def of_unit(tally: Tally, no_order_counts: str, failures: Failures, *, order: bool) -> Account:
    """The account of an asset; `order`: in an order's window."""
    return Account(
        times=tally.times,
        no_order_counts=no_order_counts,
        produced=tally.total(lambda one: one.produced),
        good=tally.total(lambda one: one.good),
        scrap=tally.total(lambda one: one.scrap),
        planned_run=tally.run_time(lambda one: one.produced, tally.unit),
        good_run=tally.run_time(lambda one: one.good, tally.unit),
        execution=_execution([tally]) if order else math.nan,
        failures=failures,
    )


def of_line(
    line: LineUnits, tallies: Mapping[str, Tally], no_order_counts: str, *, order: bool
) -> tuple[Account, int]:
    """The account of a line, and of how many units its time is.

    Time is at the constraint, or of all units side by side; good pieces at the output. A piece that
    any unit of a serial line scraps is lost to the line, so its produced pieces are the good ones
    at the output and the scrap of all units.
    """
    keepers = [tallies[unit.asset] for unit in line.timekeepers]
    losing = [tally for tally in tallies.values() if tally.counts]
    outputs = [tallies[unit.asset] for unit in line.outputs]
    good = _sum(t.total(lambda one: one.good) for t in outputs)
    scrap = _sum(t.total(lambda one: one.scrap) for t in losing)
    good_run = scrap_run = math.nan
    if keepers:
        good_run = _sum(t.run_time(lambda one: one.good, line.keeper(t.unit)) for t in outputs)
        scrap_run = _sum(t.run_time(lambda one: one.scrap, line.keeper(t.unit)) for t in losing)
    account = Account(
        times=together(keepers),
        no_order_counts=no_order_counts,
        produced=good + scrap,
        good=good,
        scrap=scrap,
        planned_run=good_run + scrap_run,
        good_run=good_run,
        execution=_execution(tallies.values()) if order else math.nan,
    )
    return account, len(keepers)


def _execution(tallies: Iterable[Tally]) -> float:
    """AOET: from when the first began to work on an order to when the last was done, seconds."""
    spans = [(t.first, t.last) for t in tallies if t.first is not None and t.last is not None]
    if not spans:
        return math.nan
    return (max(last for _, last in spans) - min(first for first, _ in spans)) / 1e6


def _sum(figures: Iterable[float]) -> float:
    """NaN of nothing, and of what is not known."""
    known = list(figures)
    return math.fsum(known) if known else math.nan
