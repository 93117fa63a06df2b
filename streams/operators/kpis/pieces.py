"""What came of the pieces, and how fast (ISO 22400-2)."""

from typing import Final

from streams.operators.kpis.kpi import Kpi, ratio

KPIS: Final = (
    Kpi(
        "scrap_ratio",
        "Scrap ratio",
        "SQ / PQ",
        "",
        lambda a: ratio(a.scrap, a.produced),
        terms=("SQ", "/PQ"),
    ),
    Kpi(
        "throughput_rate",
        "Throughput rate",
        "PQ / AOET",
        "1/s",
        lambda a: ratio(a.produced, a.execution),
        kinds=("order",),
        note="Per order. It is no hourly rate.",
        terms=("PQ", "/AOET"),
    ),
    Kpi(
        "allocation_ratio",
        "Allocation ratio",
        "AUBT / AOET",
        "",
        lambda a: ratio(a.aubt, a.execution),
        kinds=("order",),
        terms=("/AOET",),
    ),
    Kpi(
        "production_process_ratio",
        "Production process ratio",
        "APT / AOET",
        "",
        lambda a: ratio(a.apt, a.execution),
        kinds=("order",),
        terms=("/AOET",),
    ),
    Kpi(
        "order_execution_time",
        "Actual order execution time",
        "AOET",
        "s",
        lambda a: a.execution,
        kinds=("order",),
        note="From the first setup or production to the last time that was not idle.",
        terms=("AOET",),
    ),
)
