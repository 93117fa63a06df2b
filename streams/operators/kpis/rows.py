"""Lines and panes as rows of state, in JSON."""

from dataclasses import astuple
from typing import Any

from penstock.work_units import WorkUnit
from schemas import (
    FailureTime,
    LateChange,
    ProductionPartial,
    ProductionPieces,
    ProductionTime,
    Version,
)
from streams.operators.kpis.line import LineKpis
from streams.operators.kpis.member import Member
from streams.operators.kpis.tally import Made, Tally


def dump_partial(partial: ProductionPartial) -> list[Any]:
    """A partial, but for its line and asset."""
    assert partial.version is not None
    named = [
        getattr(partial, name)
        for name in partial.__slots__
        if name not in ("line", "asset", "version")
    ]
    return [*named, list(astuple(partial.version))]


def load_partial(line: str, asset: str, row: list[Any]) -> ProductionPartial:
    """The inverse of `dump_partial`."""
    start, size, watermark, final, order, times, pieces, failures, late, flags, version = row
    epoch, offsets, emission = version
    return ProductionPartial(
        line=line,
        asset=asset,
        pane_start=start,
        pane_size=size,
        watermark=watermark,
        final=final,
        order=order,
        times=tuple(ProductionTime(*one) for one in times),
        pieces=tuple(ProductionPieces(*one) for one in pieces),
        failures=tuple(FailureTime(*one) for one in failures),
        late=tuple(LateChange(*one) for one in late),
        flags=tuple(flags),
        version=Version(epoch, tuple(offsets), emission),
    )


def line_row(state: LineKpis) -> list[Any]:
    """What of a line is in no pane and no window."""
    members = [
        [asset, one.level, one.quiet, sorted(one.past.items()), one.failed, _dump_before(one)]
        for asset, one in sorted(state.members.items())
    ]
    return [state.dropped, state.closed, members]


def load_line(state: LineKpis, row: list[Any]) -> None:
    """The inverse of `line_row`."""
    state.dropped, state.closed, members = row
    for asset, level, quiet, past, failed, before in members:
        member = state.members[asset]
        member.level, member.quiet, member.past = level, quiet, dict(past)
        member.failed = [FailureTime(*one) for one in failed]
        for order, tally in before:
            member.before[order] = _load_tally(member.unit, tally)


def _dump_before(member: Member) -> list[Any]:
    return [[order, _dump_tally(tally)] for order, tally in sorted(member.before.items())]


def _dump_tally(tally: Tally) -> list[Any]:
    times = [[*key, time] for key, time in sorted(tally.times.items())]
    bounds = [tally.begin, tally.end, tally.first, tally.last]
    return [
        times,
        _dump_made(tally.made),
        [[keeper, _dump_made(made)] for keeper, made in sorted(tally.unknown.items())],
        sorted(tally.flags),
        tally.panes,
        tally.late,
        astuple(tally.version),
        bounds,
    ]


def _dump_made(made: dict[str, Made]) -> list[Any]:
    return [[product, *astuple(one)] for product, one in sorted(made.items())]


def _load_made(rows: list[Any]) -> dict[str, Made]:
    return {product: Made(*pieces) for product, *pieces in rows}


def _load_tally(unit: WorkUnit, row: list[Any]) -> Tally:
    times, made, unknown, flags, panes, late, (epoch, offsets, emission), bounds = row
    return Tally(
        unit,
        {(element, planning): time for element, planning, time in times},
        _load_made(made),
        {keeper: _load_made(left_out) for keeper, left_out in unknown},
        set(flags),
        panes,
        late,
        Version(epoch, tuple(offsets), emission),
        *bounds,
    )
