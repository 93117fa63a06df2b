"""From KPIs and alerts to the lake's rows: one per figure of a window, or state of an alert."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.sink import SinkRecord
from sinks.lake_columns import (
    LINEAGE,
    TIME,
    VERSION,
    dates,
    lineage,
    microseconds,
    site_of,
    timestamps,
    versions,
)

_BALANCE: Final = pa.list_(
    pa.struct(
        [("element", pa.string()), ("planning", pa.string()), ("duration_seconds", pa.float64())]
    )
)

KPIS: Final = pa.schema(
    [
        ("site", pa.string()), ("date", pa.date32()), ("id", pa.string()), ("scope", pa.string()),
        ("line", pa.string()), ("asset", pa.string()), ("kind", pa.string()),
        ("name", pa.string()), ("production_day", pa.string()), ("window_start", TIME),
        ("window_end", TIME), ("until", TIME), ("final", pa.bool_()),
        ("incomplete", pa.bool_()), ("kpi", pa.string()), ("value", pa.float64()),
        ("produced", pa.float64()), ("good", pa.float64()), ("scrap", pa.float64()),
        ("coverage", pa.float64()), ("balance", _BALANCE), ("standard", pa.string()),
        ("no_order_counts", pa.string()), ("flags", pa.list_(pa.string())),
        ("revision", pa.int32()), *VERSION, ("watermark", TIME), *LINEAGE,
    ]
)  # fmt: skip
"""`kpis`: one row per figure and revision; of the same id the greatest version counts."""

ALERTS: Final = pa.schema(
    [
        ("site", pa.string()), ("date", pa.date32()), ("id", pa.string()),
        ("asset", pa.string()), ("cause", pa.string()), ("severity", pa.string()),
        ("state", pa.string()), ("message", pa.string()), ("words", pa.list_(pa.string())),
        ("tags", pa.list_(pa.string())), ("shares", pa.list_(pa.float64())),
        ("onset", TIME), ("raised", TIME), ("acknowledged", TIME),
        ("acknowledged_by", pa.string()), ("note", pa.string()), ("cleared", TIME),
        ("worst", pa.float64()), ("threshold", pa.float64()),
        ("revision", pa.int32()), *VERSION, ("watermark", TIME), *LINEAGE,
    ]
)  # fmt: skip
"""`alerts`: one row per state of an alert; of the same id the greatest version counts."""

_KPI_COLUMNS: Final = (
    "id", "scope", "line", "asset", "kind", "name", "production_day", "final", "incomplete",
    "produced", "good", "scrap", "coverage", "standard", "no_order_counts", "flags", "revision",
)  # fmt: skip
_ALERT_COLUMNS: Final = (
    "id", "asset", "cause", "severity", "state", "message", "acknowledged_by", "note", "revision",
)  # fmt: skip


def kpi_rows(records: Sequence[SinkRecord]) -> pa.Table:
    """Rows of `kpis` from records that hold KpiWindows; one without figures has a row, too."""
    data = [record.value for record in records]
    figures: list[dict[str | None, float | None]] = [
        datum["kpis"] or {None: None} for datum in data
    ]
    rows = np.repeat(np.arange(len(data)), [len(one) for one in figures])
    found = {name: [datum[name] for datum in data] for name in _KPI_COLUMNS}
    found["site"] = [site_of(datum["line"]) for datum in data]
    found["balance"] = [[_share(one) for one in datum["balance"]] for datum in data]
    whole = {name: pa.array(column, KPIS.field(name).type) for name, column in found.items()}
    whole |= _times(data, ("window_start", "window_end", "until", "watermark"))
    whole["date"] = dates(_micros(data, "window_start"))
    table = pa.table(whole).take(pa.array(rows))
    lengths = np.bincount(rows, minlength=len(data))
    more: dict[str, Any] = {
        "kpi": pa.array([name for one in figures for name in one], pa.string()),
        "value": pa.array([value for one in figures for value in one.values()], pa.float64()),
        **versions([datum["version"] for datum in data], lengths),
        **lineage(records, lengths),
    }
    columns = {name: more[name] if name in more else table[name] for name in KPIS.names}
    return pa.table(columns).cast(KPIS)


def alert_rows(records: Sequence[SinkRecord]) -> pa.Table:
    """Rows of `alerts` from records that hold Alerts."""
    data = [record.value for record in records]
    evidence = [datum["evidence"] for datum in data]
    found = {name: [datum[name] for datum in data] for name in _ALERT_COLUMNS}
    found |= {name: [one[name] for one in evidence] for name in ("words", "tags", "shares")}
    found["site"] = [site_of(datum["asset"]) for datum in data]
    found["worst"] = [datum["value"] for datum in data]
    found["threshold"] = [datum["limit"] for datum in data]
    whole = {name: pa.array(column, ALERTS.field(name).type) for name, column in found.items()}
    whole |= _times(data, ("onset", "raised", "acknowledged", "cleared", "watermark"))
    whole["date"] = dates(_micros(data, "raised"))
    once = np.ones(len(data), np.int64)
    whole |= versions([datum["version"] for datum in data], once)
    whole |= lineage(records, once)
    return pa.table({name: whole[name] for name in ALERTS.names}).cast(ALERTS)


def _share(share: Mapping[str, Any]) -> dict[str, Any]:
    seconds = share["duration"] / 1e6
    return {
        "element": share["element"], "planning": share["planning"], "duration_seconds": seconds,
    }  # fmt: skip


def _times(data: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, pa.Array]:
    return {name: timestamps(_micros(data, name)) for name in names}


def _micros(data: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """Microseconds, exact as doubles until the year 2255; NaN where there is no time."""
    found = (datum[name] for datum in data)
    return np.array([np.nan if time is None else microseconds(time) for time in found])
