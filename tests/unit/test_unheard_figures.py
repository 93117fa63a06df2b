"""Figures of windows in which pieces were made while nothing was heard."""

import math
from dataclasses import replace

import pytest

from penstock.lines import Counter
from penstock.settings.production import States
from penstock.testing.production import ProductionFeed
from penstock.work_units import WorkUnit
from schemas import ProductionPartial, ProductionPieces, ProductionTime, Version
from streams.operators.kpis.oee import KPIS
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.windows import WindowPlan
from streams.operators.line_kpis import LineKpiOperator

HOUR = 3_600_000_000
LINE = "acme/bremen/line"
COUNTERS = {("plc", "good"): Counter("good", None), ("plc", "scrap"): Counter("scrap", None)}
STATES = States(state="state", producing=(6,))
PRESS, PACKER = (
    WorkUnit(f"{LINE}/{name}", LINE, {}, COUNTERS, STATES, run_times={"p": 900.0})
    for name in ("press", "packer")
)
PLAN = WindowPlan(every=HOUR, sizes=(4 * HOUR,), sliding=HOUR, rolling=720 * HOUR)
PARAMETERS = KpiParameters(
    lines=[LineUnits(LINE, "serial", (PRESS, PACKER), constraint=PRESS, output=PACKER)],
    plan=PLAN, kpis=KPIS, standard="iso22400", no_order_counts="down",
    same_failure_within=0, reopen_for=HOUR, deadline=HOUR,
)  # fmt: skip


def pane(unit, hour, *, unheard=0.0, since=0, seen=0.0, known=HOUR, good=2.0, stated=True):
    """Two pieces as they are seen; some that were made since another hour till the state is known.

    Args:
        seen: For how many hours since then it was still known.
        known: For how long, at the end of the hour.
        stated: Whether it is known as the two show.
    """
    start, cut = hour * HOUR, hour * HOUR + HOUR - known
    times = (("unknown", start, cut), ("producing", cut, start + HOUR))
    made = [ProductionPieces("A", "p", good, 0.0, math.nan, state_known=stated)]
    if unheard:
        span = since * HOUR, int((since + seen) * HOUR), cut
        made.append(ProductionPieces("A", "p", unheard, 0.0, math.nan, *span))
    return ProductionPartial(
        LINE, unit.asset, start, HOUR, start + HOUR, True, "A",
        times=tuple(ProductionTime("A", "p", what, "planned", end - begin, begin, end)
                    for what, begin, end in times if begin < end),
        pieces=tuple(made),
        version=Version(1, (hour,), 0),
    )  # fmt: skip


def figures(*panes, by=PARAMETERS):
    """By path, kind and begin in hours."""
    feed, operator = ProductionFeed((PRESS, PACKER)), LineKpiOperator(by)
    found = [result.record for result in operator.update(feed.batch(list(panes), 0)).results]
    return {(one.asset or one.line, one.kind, one.window_start // HOUR): one for one in found}


def both(hour, **more):
    return [pane(unit, hour, **more) for unit in (PRESS, PACKER)]


NIGHT = [*both(0), *both(3, unheard=90.0, since=1, known=HOUR // 2)]


@pytest.mark.parametrize("unit", [LINE, PRESS.asset])
def test_pieces_of_a_silence_are_counted_and_are_no_speed(unit):
    after = figures(*NIGHT)[unit, "sliding", 3]
    assert (after.produced, after.planned_run_time) == (92.0, 1800.0)
    assert after.kpis["effectiveness"] == 1.0 and after.kpis["oee"] == 1.0
    whole = figures(*NIGHT)[unit, "size", 0]
    assert (whole.produced, whole.planned_run_time) == (94.0, 3600.0)


def test_a_line_says_that_what_its_output_made_unheard_is_in_no_oee():
    found = figures(*both(0), *(pane(PRESS, hour) for hour in (1, 2, 3)),
                    pane(PACKER, 3, unheard=10.0, since=1, known=HOUR // 2))  # fmt: skip
    whole = found[LINE, "size", 0]
    assert (whole.good, whole.planned_run_time) == (14.0, 4 * 900.0)
    flag = f"{PACKER.asset} was not known all the time: what it made then is in no OEE"
    assert whole.flags == found[LINE, "sliding", 3].flags == (flag,)


def test_a_line_leaves_out_what_its_output_made_while_its_constraint_was_not_known():
    found = figures(pane(PRESS, 3, known=HOUR // 4, good=1.0), pane(PACKER, 3, good=4.0))
    assert found[LINE, "sliding", 3].good == 4.0
    assert found[LINE, "sliding", 3].planned_run_time == 900.0
    assert found[LINE, "sliding", 3].kpis["oee"] == 1.0


def test_pieces_of_a_silence_stand_against_as_much_of_it_as_is_known():
    """Of two and a half hours one: values hold."""
    found = figures(*both(0), *both(1), *both(3, unheard=90.0, since=1, seen=1, known=HOUR // 2))
    for unit in (LINE, PRESS.asset):
        assert found[unit, "size", 0].produced == 96.0
        assert found[unit, "size", 0].planned_run_time == pytest.approx((6 + 90 / 2.5) * 900.0)
        assert found[unit, "sliding", 3].planned_run_time == 2 * 900.0


def test_pieces_that_show_while_the_state_is_not_known_stand_against_no_time_of_the_unit():
    """In the line's figures they stand against its constraint's."""
    found = figures(pane(PRESS, 3), pane(PACKER, 3, known=HOUR // 2, stated=False))
    assert found[PACKER.asset, "sliding", 3].planned_run_time == 0.0
    assert found[LINE, "sliding", 3].planned_run_time == 2 * 900.0


def test_a_unit_without_states_has_a_quality_ratio_and_is_a_lines_output():
    counts = replace(PACKER, states=None)
    line = replace(PARAMETERS.lines[0], units=(PRESS, counts), output=counts)
    of_it = replace(pane(PACKER, 3, known=0), pieces=(
        ProductionPieces("A", "p", 3.0, 1.0, math.nan, state_known=False),))  # fmt: skip
    found = figures(pane(PRESS, 3), of_it, by=replace(PARAMETERS, lines=[line]))
    assert found[PACKER.asset, "sliding", 3].kpis["quality_ratio"] == 0.75
    assert found[LINE, "sliding", 3].good_run_time == 3 * 900.0


def test_each_unit_of_a_parallel_line_goes_by_its_own_time():
    line = replace(PARAMETERS.lines[0], flow="parallel", constraint=None, output=None)
    by = replace(PARAMETERS, lines=[line])
    panes = [pane(PRESS, 3), pane(PACKER, 3, unheard=4.0, since=3, known=HOUR // 2)]
    assert figures(*panes, by=by)[LINE, "sliding", 3].planned_run_time == 4 * 900.0


def test_a_window_of_which_hardly_anything_is_known_says_so():
    found = figures(pane(PRESS, 3, known=HOUR // 20), pane(PACKER, 3))
    assert found[PRESS.asset, "sliding", 3].flags == (
        "less than a tenth of its planned time is known",
    )
    assert found[PACKER.asset, "sliding", 3].flags == ()


def test_products_without_a_planned_run_time_are_named():
    other = replace(pane(PRESS, 3), pieces=(ProductionPieces("A", "q", 7.0, 1.0, math.nan),))
    found = figures(other, pane(PACKER, 3))[PRESS.asset, "sliding", 3]
    assert math.isnan(found.kpis["oee"])
    what = f"8 pieces of product q at {PRESS.asset}"
    assert found.flags == (f"{what} have no planned run time of {PRESS.asset}",)
    unsaid = replace(other, pieces=(ProductionPieces("A", "", 7.0, 1.0, math.nan),))
    (flag,) = figures(unsaid, pane(PACKER, 3))[PRESS.asset, "sliding", 3].flags
    assert flag.startswith(f"8 pieces whose product was not known at {PRESS.asset} have no")


def without_order(last, *times):
    """Panes of the second hour in which no order is shown; the last known one is `last`."""
    told = tuple(ProductionTime("", "p", what, "planned", end - begin, begin, end)
                 for what, begin, end in times)  # fmt: skip
    version = Version(1, (1,), 0)
    return [replace(one, pane_start=HOUR, order=last, times=told, pieces=(), version=version)
            for one in both(0)]  # fmt: skip


def test_an_order_whose_end_nobody_saw_says_so():
    """Its machine was silent, or its link lost, and then showed another one."""
    then = [replace(one, order="B", times=tuple(t._replace(order="B") for t in one.times),
                    pieces=()) for one in both(5)]  # fmt: skip
    cut = [replace(one, times=(one.times[0]._replace(duration=HOUR // 2, end=HOUR // 2),
                               ProductionTime("A", "p", "unknown", "planned", HOUR // 2,
                                              HOUR // 2, HOUR))) for one in both(0)]  # fmt: skip
    after = [replace(one, pane_start=HOUR, version=Version(1, (1,), 0),
                     times=tuple(t._replace(begin=HOUR, end=2 * HOUR) for t in one.times))
             for one in then]  # fmt: skip
    unseen = ("its state was not known when it ended",)
    moment, rest = (HOUR, HOUR + 1), (HOUR + 1, 2 * HOUR)
    lost = without_order("A", ("producing", *moment), ("unknown", *rest))
    none = without_order("", ("producing", HOUR, 2 * HOUR))
    for first, flags in (
        ((*both(0), *after), ()),
        (both(0), unseen),
        (cut, unseen),
        ((*both(0), *lost), unseen),
        ((*both(0), *none), ()),
    ):
        told = figures(*first, *then)
        assert told[PRESS.asset, "order", 0].final and told[PRESS.asset, "order", 0].flags == flags


def test_time_of_an_order_in_which_nobody_heard_of_its_machine_is_unknown_and_not_anothers():
    lost = [replace(one, order="", times=(one.times[0]._replace(order="", element="unknown"),),
                    pieces=()) for one in both(1)]  # fmt: skip
    for night in ([], lost):  # no pane tells of it, or one that nothing is known
        told = figures(*NIGHT[:2], *night, *NIGHT[2:])[PRESS.asset, "order", 0]
        assert {one.element: one.duration / HOUR for one in told.balance} == {
            "producing": 1.5, "unknown": 2.5
        }  # fmt: skip
        assert told.coverage == 0.375
    other = [replace(one, order="B", times=tuple(t._replace(order="B") for t in one.times),
                     pieces=()) for one in both(1)]  # fmt: skip
    told = figures(*NIGHT[:2], *other, *NIGHT[2:])[PRESS.asset, "order", 0]
    assert {one.element: one.duration / HOUR for one in told.balance} == {
        "producing": 1.5, "other": 1.0, "unknown": 1.5
    }  # fmt: skip


def test_an_order_keeps_what_was_made_unheard_for_it_after_its_panes_are_gone():
    later = [one for hour in range(4, 60) for one in both(hour)]
    told = figures(*NIGHT, *later)[PRESS.asset, "order", 0]
    assert told.good == 2.0 * 58 + 90.0 and told.planned_run_time == 2 * 58 * 900.0
