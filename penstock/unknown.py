"""Why a published KPI is null, in words."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from penstock import components


def unknown(record: Mapping[str, Any]) -> dict[str, str]:
    """Of each null figure of a `KpiWindow` the reason."""
    if record["work_units"] == 0:
        why = "the configuration does not say which machine is the line's constraint"
        return {name: why for name, value in record["kpis"].items() if value is None}
    late = ", ".join(name.rpartition("/")[2] for name in record["missing"])
    so_far = f"; nothing was heard of {late} up to the window's end" if late else ""
    return {
        name: f"{_reason(name, record)}{so_far}"
        for name, value in record["kpis"].items()
        if value is None
    }


def _reason(name: str, record: Mapping[str, Any]) -> str:
    kpi = _kpis().get(name)
    return "its KPI is not installed here" if kpi is None else str(kpi.unknown(record))


@cache
def _kpis() -> Mapping[str, Any]:
    """The installed KPIs by name."""
    return {
        kpi.name: kpi
        for family in components.names("kpis")
        for kpi in components.load("kpis", family)
    }
