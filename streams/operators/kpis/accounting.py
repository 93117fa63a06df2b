"""Accounts of assets and lines, from what their units did in a window."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from streams.operators.kpis.account import Account, Failures
from streams.operators.kpis.parameters import LineUnits
from streams.operators.kpis.tally import Made, Tally, together


def of_unit(
    tally: Tally, no_order_counts: str, failures: Failures, *, start: int, order: bool
) -> Account:
    """The account of an asset in a window that begins at `start`; `order`: of an order's."""
    whole = _takes_known_time(tally, start, [tally])
    return Account(
        times=tally.times,
        no_order_counts=no_order_counts,
        produced=tally.total(lambda one: one.produced),
        good=tally.total(lambda one: one.good),
        scrap=tally.total(lambda one: one.scrap),
        planned_run=tally.run_time(lambda one: one.produced, whole=whole),
        good_run=tally.run_time(lambda one: one.good, whole=whole),
        execution=_execution([tally]) if order else math.nan,
        failures=failures,
    )


def of_line(
    line: LineUnits, tallies: Mapping[str, Tally], no_order_counts: str, *, start: int, order: bool
) -> tuple[Account, int]:
    """The account of a line, and of how many units its time is.

    Time is at the constraint, or of all units side by side; good pieces at the output. A piece that
    any unit of a serial line scraps is lost to the line, so its produced pieces are the good ones
    at the output and the scrap of all units.
    """
    keepers = [tallies[unit.asset] for unit in line.timekeepers]
    parallel = line.flow == "parallel"
    outputs = [tallies[line.output.asset]] if line.output else list(tallies.values())
    if not parallel and line.output is None:
        outputs = []
    losing = list(tallies.values())
    good = _sum(t.total(lambda one: one.good) for t in outputs)
    scrap = _sum(t.total(lambda one: one.scrap) for t in losing if t.counts)
    by = None if parallel else line.constraint

    def run_time(tally: Tally, of: Callable[[Made], float]) -> float:
        whole = _takes_known_time(tally, start, [tally] if parallel else keepers)
        return tally.run_time(of, whole=whole, unit=by)

    good_run = _sum(run_time(t, lambda one: one.good) for t in outputs)
    scrap_run = _sum(run_time(t, lambda one: one.scrap) for t in losing if t.counts)
    if not parallel and line.constraint is None:
        good_run = math.nan
    account = Account(
        times=together(keepers),
        no_order_counts=no_order_counts,
        produced=good + scrap,
        good=good,
        scrap=scrap,
        planned_run=good_run + scrap_run,
        good_run=good_run,
        execution=_execution(losing) if order else math.nan,
    )
    return account, len(keepers)


def _execution(tallies: Iterable[Tally]) -> float:
    """AOET: from when the first began to work on an order to when the last was done, seconds."""
    spans = [(t.first, t.last) for t in tallies if t.first is not None and t.last is not None]
    if not spans:
        return math.nan
    return (max(last for _, last in spans) - min(first for first, _ in spans)) / 1e6


def _takes_known_time(tally: Tally, start: int, keepers: Sequence[Tally]) -> bool:
    """Whether all that a unit made stands against known time: that of these, known throughout.

    What it made before its own window began does not.
    """
    before = tally.since is not None and tally.since < start
    mine = any(one is tally for one in keepers)
    return not (mine and before) and all(one.known for one in keepers)


def _sum(figures: Iterable[float]) -> float:
    """NaN of nothing, and of what is not known."""
    known = list(figures)
    return math.fsum(known) if known else math.nan
