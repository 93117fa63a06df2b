"""The record of one window of an asset or line, from its units."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from hashlib import sha256
from typing import Final

from schemas import KpiInput, KpiWindow, TimeShare
from streams.operators.kpis.account import Account, Failures
from streams.operators.kpis.accounting import of_line, of_unit
from streams.operators.kpis.failures import CONVENTIONS
from streams.operators.kpis.member import Member
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.tally import Tally, most_flags
from streams.operators.kpis.windows import ORDER, ROLLING, Window

ENDED_UNSEEN: Final = "its state was not known when it ended"
"""Of an order: when it really ended, and what was made until then, nobody saw."""
LITTLE: Final = 0.1
"""Of so little known time the pieces at its borders can be many: figures may be anything."""


def record(
    parameters: KpiParameters,
    line: LineUnits,
    asset: Member | None,
    members: Mapping[str, Member],
    window: Window,
    *,
    floor: int,
    revision: int,
    overdue: bool,
) -> KpiWindow:
    """The figures of a window, as they are known.

    Args:
        parameters: Figures and conventions.
        line: The line.
        asset: The asset that they are of; None: the line's figures.
        members: The asset, or the line's units, by path.
        window: The window.
        floor: Up to when all is known.
        revision: Its number.
        overdue: Whether to do without the units that are not known up to the window's end.
    """
    overdue &= window.kind != ORDER
    until = window.end if overdue else min(window.end, floor)
    tallies = {name: member.tally(window, until) for name, member in members.items()}
    start, end, final = window.start, window.end, floor >= window.end
    if window.kind == ORDER:
        keepers = set() if asset else {one.asset for one in line.timekeepers}
        start, end = _order_bounds(tallies, keepers)
        until = end
        for name, tally in tallies.items():
            beside = members[name].unknown_beside(window.name, start, end)
            tally.fill_order(start, end, beside)
        final = all(one.ended(window.name, floor) for one in members.values())
    account, units = _account(parameters, line, asset, tallies, window)
    flags = {flag for tally in tallies.values() for flag in tally.flags}
    flags |= set(_doubts(line, asset, tallies, account))
    if window.kind == ORDER and final:
        ended = (one.ended_unseen(window.name, tallies[name]) for name, one in members.items())
        flags |= {ENDED_UNSEEN} if any(ended) else set()
    rolling = window.kind == ROLLING
    return KpiWindow(
        id=window.id(asset.unit.asset if asset else line.line),
        scope="asset" if asset else "line",
        line=line.line,
        asset=asset.unit.asset if asset else None,
        kind=window.kind,
        name=window.name,
        production_day=window.day,
        window_start=start,
        window_end=end,
        until=until,
        final=final,
        incomplete=overdue and not final,
        missing=tuple(a for a, m in members.items() if overdue and m.known < window.end),
        watermark=min(member.level for member in members.values()),
        revision=revision,
        standard=parameters.standard,
        no_order_counts=parameters.no_order_counts,
        coverage=account.coverage,
        work_units=units,
        balance=tuple(TimeShare(*key, time) for key, time in sorted(account.times.items()) if time),
        produced=account.produced,
        good=account.good,
        scrap=account.scrap,
        planned_run_time=account.planned_run,
        good_run_time=account.good_run,
        kpis={
            one.name: one.compute(account) for one in parameters.kpis if one.belongs_to(window.kind)
        },
        conventions=CONVENTIONS if rolling else {},
        flags=tuple(most_flags(flags)),
        inputs=tuple(_input(m, tallies[a]) for a, m in sorted(members.items())),
    )


def digest(found: KpiWindow) -> str:
    """What makes a result worth publishing again."""
    leave = ("watermark", "revision", "inputs", "kpis")
    said = [getattr(found, name) for name in found.__slots__ if name not in leave]
    inputs = [
        [one.asset, one.panes, one.late, astuple(one.partials_version)] for one in found.inputs
    ]
    kpis = sorted(found.kpis.items())
    return sha256(json.dumps([said, inputs, kpis]).encode()).hexdigest()[:16]


def _order_bounds(tallies: Mapping[str, Tally], keepers: set[str]) -> tuple[int, int]:
    """When an order was first and last shown: at the constraint, if it was there."""
    shown = [t for t in tallies.values() if t.begin is not None]
    timed = [t for t in shown if t.unit.asset in keepers] or shown
    begins = [t.begin for t in timed if t.begin is not None]
    ends = [t.end for t in timed if t.end is not None]
    return min(begins, default=0), max(ends, default=0)


def _account(
    parameters: KpiParameters,
    line: LineUnits,
    asset: Member | None,
    tallies: Mapping[str, Tally],
    window: Window,
) -> tuple[Account, int]:
    """The account of an asset or line, and of how many units its time is."""
    counts, order = parameters.no_order_counts, window.kind == ORDER
    if asset is None:
        return of_line(line, tallies, counts, order=order)
    failures = Failures()
    if window.kind == ROLLING:
        failures = asset.failures(window, parameters.same_failure_within)
    return of_unit(tallies[asset.unit.asset], counts, failures, order=order), 1


def _doubts(
    line: LineUnits, asset: Member | None, tallies: Mapping[str, Tally], account: Account
) -> Iterator[str]:
    """What of a window's figures cannot be right, or cannot be computed."""
    if asset is not None:
        (tally,) = tallies.values()
        yield from tally.without_run_time(lambda one: one.produced, tally.unit)
    else:
        for unit in line.outputs:
            yield from tallies[unit.asset].without_run_time(lambda o: o.good, line.keeper(unit))
        for tally in tallies.values():
            by = line.keeper(tally.unit)
            yield from tally.without_run_time(lambda one: one.scrap, by)
        yield from _unknown_outputs(line, tallies)
    if account.coverage < LITTLE:
        yield "less than a tenth of its planned time is known"
    if account.scrap > account.produced:
        yield "more scrap than was produced"


def _unknown_outputs(line: LineUnits, tallies: Mapping[str, Tally]) -> Iterator[str]:
    """Of which outputs, whose time is not the line's, the state is not known all the time."""
    for unit in line.outputs:
        if unit not in line.timekeepers and unit.states is not None:
            if tallies[unit.asset].has_unknown_time:
                yield f"{unit.asset} was not known all the time: what it made then is in no OEE"


def _input(member: Member, tally: Tally) -> KpiInput:
    return KpiInput(
        asset=member.unit.asset,
        panes=tally.panes,
        late=tally.late,
        watermark=member.level,
        partials_version=tally.version,
    )
