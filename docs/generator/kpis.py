"""The page of KPIs."""

import importlib
from typing import Any

from generator.markdown import code, docstring, table
from penstock import components

_TERMS = (
    ("POT", "planned operation time: the shifts of the calendar, planned stops included"),
    ("PBT", "planned busy time: POT − planned stops − unknown time (− time without an order, "
            "where `no_order_counts` is `not_planned`)"),
    ("APT", "actual production time: `producing`, also where it was not planned"),
    ("ASUT, AUPT", "setup time; setup and production time"),
    ("ADET", "delay time: `delay`, `minor_stop` and `failure`"),
    ("AUBT", "busy time: AUPT + ADET"),
    ("AOET", "from the first work on an order to the last"),
    ("PQ, GQ, SQ", "produced, good and scrapped pieces; of two counters the third follows"),
    ("PRU", "planned run time per unit: `products`' `seconds_per_unit`"),
)  # fmt: skip


def kpis() -> str:
    """Each KPI's formula, and what goes into it."""
    elements = docstring("streams.operators.production.elements").partition("\n\n")[2]
    text = (
        "# KPIs\n\n`dmz.kpis.v1` holds a [KpiWindow](schemas.md#kpiwindow) for every asset and "
        "line, and every window; `kpis` of the record has the figures by name. Names and formulas "
        "are those of ISO 22400-2 (PRU and ASUT are called PRI and AUST in some editions), but "
        "for three: MTBF and MTTR are divided by the number of failures, not by one more; they "
        "and `failures` are of machines alone; time of which nothing is known is no planned busy "
        "time. Nothing is clipped; what cannot be computed is null: a divisor "
        "is 0, as PQ where nothing was produced and PBT where no time was planned, or a term is "
        "not known, as GQ without a counter. [`penstock why`](cli.md#penstock-why) says in words "
        "which, and so does the console where one points at the figure.\n\n"
        "## Figures\n\n"
    )
    rows: list[tuple[str, ...]] = []
    for family in components.names("kpis"):
        found: Any = components.load("kpis", family)
        for kpi in found:
            kinds = ", ".join(kpi.kinds) or "all but rolling"
            rows.append((code(kpi.name), kpi.title, kpi.formula, kpi.unit, kinds, kpi.note))
    text += table(["name", "KPI", "formula", "unit", "windows", "note"], rows)
    text += "\n## Terms\n\n" + table(["term", "meaning"], _TERMS)
    text += "\n## Where time goes\n\n" + elements + "\n\n"
    text += (
        "In an order's window, `other` is the time in which the unit worked for another order, or "
        "for none; it is in the order's PBT, so that an order that had to wait is seen to. Of what "
        "was more than a day before nobody can tell it from unknown time any more.\n\n"
        "Each is told apart by what was planned: `planned`, `planned_stop` or `not_scheduled`. The "
        "balance of every record adds up to `work_units` × (`until` − `window_start`), to the "
        "microsecond.\n\n## Counters\n\n"
    )
    text += docstring("streams.operators.production.counting").partition("\n\n")[2] + "\n"
    conventions = importlib.import_module("streams.operators.kpis.failures").CONVENTIONS
    text += "\n## Failures\n\n" + table(["convention", "meaning"], conventions.items())
    text += "\n## From assets to lines\n\n"
    text += docstring("streams.operators.line_kpis").partition("\n\n")[2] + "\n\n## Shifts\n\n"
    text += docstring("penstock.shifts").partition("\n\n")[2] + "\n\n## Late samples\n\n"
    text += docstring("streams.operators.production_partials").partition("\n\n")[2]
    return text
