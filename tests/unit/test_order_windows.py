"""Figures of orders, from the panes of the units that work for them."""

import json
from dataclasses import replace

import pytest

from penstock.lines import Counter
from penstock.operator import RecordBatch
from penstock.testing.production import ProductionFeed, heartbeat
from penstock.work_units import WorkUnit
from schemas import ProductionPartial, ProductionPieces, ProductionTime, Version
from streams.operators.kpis.parameters import KpiParameters, LineUnits
from streams.operators.kpis.windows import ORDER, WindowPlan
from streams.operators.line_kpis import LineKpiOperator

HOUR = 3_600_000_000
LINE = "acme/bremen/line"
COUNTERS = {("plc", "good"): Counter("good", None), ("plc", "scrap"): Counter("scrap", None)}
UNITS = tuple(
    WorkUnit(f"{LINE}/{name}", LINE, {}, COUNTERS, run_times={"p": 1800.0})
    for name in ("press", "packer")
)
PRESS = UNITS[0].asset
PLAN = WindowPlan(every=HOUR, sizes=(HOUR,), sliding=HOUR, rolling=720 * HOUR)
PARAMETERS = KpiParameters(
    lines=[LineUnits(LINE, "serial", UNITS, constraint=UNITS[0], output=UNITS[1])],
    plan=PLAN, kpis=[], standard="iso22400", no_order_counts="down",
    same_failure_within=0, reopen_for=HOUR, deadline=HOUR,
)  # fmt: skip


def pane(hour, order, good=1.0, *, scrap=0.0, unit=UNITS[0], revision=1, shown=None):
    """What a unit told of an hour that it spent with an order."""
    start = hour * HOUR
    return ProductionPartial(
        unit.line, unit.asset, start, HOUR, start + HOUR, False, order if shown is None else shown,
        times=(ProductionTime(order, "p", "producing", "planned", HOUR, start, start + HOUR),),
        pieces=(ProductionPieces(order, "p", good, scrap, good + scrap),),
        version=Version(1, (hour,), revision),
    )  # fmt: skip


def hours(first, last, order):
    """The panes of both units, hour by hour."""
    return [pane(hour, order, unit=unit) for hour in range(first, last) for unit in UNITS]


def batch(records) -> RecordBatch:
    return ProductionFeed(UNITS).batch(records, 0)


def figures(operator, records):
    """The newest figures of each order and unit that records bring."""
    results = [
        result.record for record in records for result in operator.update(batch([record])).results
    ]
    return {(one.asset or one.line, one.name): one for one in results if one.kind == ORDER}


def test_an_order_keeps_its_first_pieces_however_long_it_takes():
    found = figures(LineKpiOperator(PARAMETERS), hours(0, 100, "A") + hours(100, 102, "B"))
    for unit in (LINE, PRESS):
        told = found[unit, "A"]
        assert (told.final, told.good, told.inputs[0].panes) == (True, 100.0, 100)
        assert (told.window_start, told.window_end) == (0, 100 * HOUR)


def test_a_unit_that_was_done_with_an_order_long_ago_counts_at_its_line():
    operator = LineKpiOperator(PARAMETERS)
    records = [pane(hour, "A", scrap=1.0) for hour in range(3)]
    records += [pane(hour, "B") for hour in range(3, 100)]
    records += [pane(hour, "A", unit=UNITS[1]) for hour in range(100)]
    records.sort(key=lambda partial: partial.pane_start)
    told = figures(operator, records + hours(100, 102, "C"))[LINE, "A"]
    assert (told.final, told.good, told.scrap, told.window_start) == (True, 100.0, 3.0, 0)


@pytest.mark.parametrize("away", [30, 60])
def test_an_order_outlives_days_in_which_nobody_knows_what_is_made(away):
    """A weekend without the PLC: its panes tell of the order that it last showed, and no more."""
    lost = [pane(hour, "", 0.0, unit=u, shown="A") for hour in range(3, 3 + away) for u in UNITS]
    records = [*hours(0, 3, "A"), *lost, *hours(3 + away, 6 + away, "A")]
    found = figures(LineKpiOperator(PARAMETERS), [*records, *hours(6 + away, 8 + away, "B")])
    for unit in (LINE, PRESS):
        told = found[unit, "A"]
        assert (told.final, told.good, told.window_start) == (True, 6.0, 0)
    begun = figures(LineKpiOperator(PARAMETERS), records)[PRESS, "A"]
    assert (begun.final, begun.revision) == (False, 6)


@pytest.mark.parametrize(("then", "good"), [("A", 6.0), ("B", 3.0)])
def test_an_order_outlives_a_silence_of_days(then, good):
    """The first words after it: the pane that it cut, and a sign of life, with the time of now."""
    records = hours(0, 3, "A")
    cut = [replace(one, watermark=63 * HOUR, version=Version(1, (63,), 0)) for one in records[-2:]]
    operator = LineKpiOperator(PARAMETERS)
    told = figures(operator, [*records, *cut, *(heartbeat(u, 0, 65 * HOUR) for u in UNITS)])
    assert not told[LINE, "A"].final and not told[PRESS, "A"].final
    found = figures(operator, [*hours(65, 68, then), *hours(68, 70, "B")])
    for unit in (LINE, PRESS):
        assert (found[unit, "A"].final, found[unit, "A"].good) == (True, good)


def test_what_was_done_long_ago_for_an_order_outlives_a_restart():
    before, after = LineKpiOperator(PARAMETERS), LineKpiOperator(PARAMETERS)
    figures(before, hours(0, 60, "A"))
    after.restore({name: row for name, row in before.changes().items() if row is not None})
    found = figures(after, hours(60, 100, "A") + hours(100, 102, "B"))
    assert (
        found[LINE, "A"] == figures(before, hours(60, 100, "A") + hours(100, 102, "B"))[LINE, "A"]
    )
    assert found[LINE, "A"].good == 100.0


@pytest.mark.parametrize("former", [1, 2])
def test_state_of_a_former_format_is_read(former):
    before, after = LineKpiOperator(PARAMETERS), LineKpiOperator(PARAMETERS)
    figures(before, hours(0, 60, "A"))
    rows = {name: row for name, row in before.changes().items() if row is not None}
    meta, line = json.loads(rows["meta"]), json.loads(rows[f"l/{LINE.replace('/', '%2F')}"])
    meta[0] = meta[0].replace("line-kpis/3", f"line-kpis/{former}")
    for member in line[2]:
        for _, tally in member[5]:
            tally[2] = [["p", 0.0, 0.0, 0.0]]  # of one timekeeper
            tally[-1].append(None)
    line[2] = [member[: 4 + former] for member in line[2]]
    old = {
        "meta": json.dumps(meta).encode(),
        f"l/{LINE.replace('/', '%2F')}": json.dumps(line).encode(),
    }
    for name in [name for name in rows if name.startswith("p/")]:
        row = json.loads(rows[name])
        row[6] = [[*one[:6], 1.0][: 5 + former] for one in row[6]]
        old[name] = json.dumps(row).encode()
    assert after.reads(meta[0])
    after.restore(rows | old)
    saved = after.changes()  # the host deletes all others
    assert saved.keys() == rows.keys()
    after.restore({name: row for name, row in saved.items() if row is not None})
    found = figures(after, hours(60, 62, "A") + hours(62, 63, "B"))[LINE, "A"]
    assert found.good == (62.0 if former == 2 else 29.0)  # 1: of the panes that are kept


@pytest.mark.parametrize(("shown", "ended"), [("A", False), ("", True), ("B", True)])
def test_an_order_has_ended_when_another_or_none_is_shown(shown, ended):
    operator = LineKpiOperator(PARAMETERS)
    records = [*hours(0, 2, "A"), *(pane(2, "", unit=unit, shown=shown) for unit in UNITS)]
    assert figures(operator, records)[LINE, "A"].final == ended
