"""Strategies of hypothesis, which must be installed, for what operators are fed."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hypothesis import strategies as st

from penstock.lines import LineMembers
from penstock.testing.alerting import score
from penstock.testing.batches import Record
from penstock.testing.joined import Of
from penstock.testing.ordering import made, wanted
from penstock.work_units import WorkUnit
from schemas import (
    AnomalyScore,
    FailureTime,
    LinePartial,
    ProductionPartial,
    ProductionPieces,
    ProductionTime,
    Version,
)

STREAMS: Final = (
    ("acme/bremen/line/press", "plc"),
    ("acme/bremen/line/press", "plc/2"),
    ("acme/bremen/line/press/plc", "2"),
)
"""(asset, source) whose names are easily taken for each other."""
VALUES: Final = st.one_of(
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.sampled_from([0.0, 101325.0, 101325.01, math.nan]),
    st.sampled_from(["idle", "running"]),
)
"""Numbers, text and NaN."""
STARTS: Final = (-300, 0, 1_700_000_000_000_000)
"""Before 1970, at it, and today."""


ALERTED: Final = ("acme/bremen/line/press", "acme/bremen/line/press/feeder")
"""Assets that have alerts."""


@st.composite
def record_lists(draw: st.DrawFn, jitter: int = 30, longest: int = 14) -> list[Record]:
    """Records of three streams whose times creep forward with jumps, jitter and wrong clocks.

    Times are of a few microseconds: for operators of windows as short.

    Args:
        draw: Given by hypothesis.
        jitter: By how much samples are behind the time of their record at most.
        longest: How many records at most.
    """
    now, records = draw(st.sampled_from(STARTS)), []
    for _ in range(draw(st.integers(1, longest))):
        now += draw(st.sampled_from([0, 1, 3, 9, 9, 15, 70]))
        samples = draw(
            st.lists(
                st.tuples(
                    st.sampled_from("abc"),
                    st.integers(now - jitter, now + 6),
                    VALUES,
                    st.sampled_from([True, True, True, False]),
                ),
                max_size=8,
            )
        )
        asset, source = draw(st.sampled_from(STREAMS))
        ingest = now + draw(st.sampled_from([0, 0, 0, -50]))
        records.append(Record(asset, source, samples, ingest))
    return records


@st.composite
def partial_lists(
    draw: st.DrawFn, lines: Sequence[LineMembers], sizes: Sequence[int], longest: int = 14
) -> list[LinePartial]:
    """Partials and heartbeats of lines' members whose event times creep forward.

    Args:
        draw: Given by hypothesis.
        lines: All lines.
        sizes: Of windows, a few microseconds.
        longest: How many at most.
    """
    members = [(line.line, *name) for line in lines for name in line.members]
    pieces = st.sampled_from([0.0, 1.0, 7.0, math.nan])
    now, partials = draw(st.sampled_from(STARTS)), []
    for place in range(draw(st.integers(1, longest))):
        now += draw(st.sampled_from([0, 3, 15, 70]))
        name, size = draw(st.sampled_from(members)), draw(st.sampled_from([0, *sizes]))
        behind = draw(st.sampled_from([0, 0, 1, 5])) * size
        start = now - behind if not size else (now - behind) // size * size - size
        version = Version(1, (draw(st.sampled_from([place, place, 0])),), place)
        good, scrap, total, covered = (
            *(draw(pieces) for _ in range(3)),
            draw(st.integers(0, size)),
        )
        watermark, final = now - draw(st.integers(0, 9)), draw(st.booleans())
        partials.append(
            LinePartial(*name, start, size, watermark, final, good, scrap, total, covered, version)
        )
    return partials


@st.composite
def score_lists(draw: st.DrawFn, asset: str = ALERTED[0], longest: int = 40) -> list[AnomalyScore]:
    """Scores of an asset in order of time, with alarms, and with what cannot be known.

    Args:
        draw: Given by hypothesis.
        asset: Whose they are.
        longest: How many at most.
    """
    now, found = 1_000, []
    for _ in range(draw(st.integers(1, longest))):
        now += draw(st.sampled_from([1, 5, 10, 10, 40]))
        p_value = draw(st.sampled_from([1e-6, 0.005, 0.02, 0.049, 0.05, 0.7, math.nan]))
        state = draw(st.sampled_from(["", "", "", "frozen", "incomplete", "something new"]))
        alarm = p_value < 0.01 and draw(st.booleans())  # noqa: PLR2004 - the threshold of `score`
        one = score(asset, now, p_value, alarm=alarm)
        found.append(replace(one, state=state) if state else one)
    return found


@st.composite
def score_mixes(draw: st.DrawFn) -> list[AnomalyScore]:
    """Scores of two assets, as they may arrive."""
    found = [one for asset in ALERTED for one in draw(score_lists(asset, longest=7))]
    return sorted(found, key=lambda one: one.time)


@st.composite
def production_lists(
    draw: st.DrawFn, units: Sequence[WorkUnit], every: int, longest: int = 14
) -> list[ProductionPartial]:
    """Panes and heartbeats of work units whose event times creep forward.

    Args:
        draw: Given by hypothesis.
        units: All work units.
        every: Length of a pane, a few microseconds.
        longest: How many at most.
    """
    now, partials = draw(st.sampled_from(STARTS)), []
    for place in range(draw(st.integers(1, longest))):
        now += draw(st.sampled_from([0, 3, 15, 70]))
        unit, size = draw(st.sampled_from(units)), draw(st.sampled_from([0, every, every]))
        start = now if not size else now // every * every - every * draw(st.integers(1, 4))
        order = draw(st.sampled_from(["", "O-1", "O-2"]))
        element = draw(
            st.sampled_from(["producing", "setup", "delay", "failure", "no_order", "unknown"])
        )
        cut = draw(st.integers(0, size))
        times = [(element, start, start + cut), ("producing", start + cut, start + size)]
        pieces = draw(st.sampled_from([0.0, 1.0, 7.0]))
        since = draw(st.sampled_from([None, None, start - every, start - 9 * every]))
        known, until = (None, None) if since is None else (since + size // 2, start)
        stated = draw(st.booleans())
        made = ProductionPieces(
            order, "p", pieces, 1.0, math.nan, since, known, until, state_known=stated
        )
        version = Version(1, (draw(st.sampled_from([place, place, 0])),), place)
        partials.append(
            ProductionPartial(
                line=unit.line,
                asset=unit.asset,
                pane_start=start,
                pane_size=size,
                watermark=now - draw(st.integers(0, 9)),
                final=draw(st.booleans()),
                order=order,
                times=tuple(
                    ProductionTime(order, "p", what, "planned", end - begin, begin, end)
                    for what, begin, end in times
                    if begin < end
                ),
                pieces=(made,) if size else (),
                failures=(FailureTime(start, start + cut),) * (element == "failure" and cut > 0),
                version=version,
            )
        )
    return partials


@st.composite
def order_mixes(draw: st.DrawFn, figures: str, orders: str, longest: int = 10) -> list[Of]:
    """Two orders, as ERP changes its mind and as two units go on with them and are corrected.

    Args:
        draw: Given by hypothesis.
        figures: Topic of what is made.
        orders: Topic of what is wanted.
        longest: How many records at most.
    """
    found = []
    for place in range(draw(st.integers(1, longest))):
        order, version = draw(st.sampled_from(["O-1", "O/2"])), draw(st.sampled_from([place, 0]))
        if draw(st.booleans()):
            quantity = draw(st.sampled_from([1.0, 2.0]))
            state = draw(st.sampled_from(["Released", "Cancelled"]))
            one = wanted(order, version, quantity=quantity, state=state)
            found.append(Of(orders, one))
            continue
        window = made(
            draw(st.sampled_from([order, order, ""])),
            version,
            unit=draw(st.sampled_from(["acme/bremen/line", ALERTED[0]])),
            start=draw(st.integers(0, 2)),
            end=draw(st.integers(3, 9)),
            final=draw(st.booleans()),
            good=draw(st.sampled_from([0.0, 7.0, math.nan])),
        )
        found.append(Of(figures, window))
    return found
