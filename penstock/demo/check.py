"""Holds all that a run left in the lake against the factory's ground truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from penstock.demo.check_alerts import AlertCheck, check_alerts
from penstock.demo.check_kpis import KpiCheck, check_kpis
from penstock.demo.check_orders import OrderCheck, check_orders
from penstock.demo.check_samples import SampleCheck, check_samples
from penstock.demo.check_windows import check_windows
from penstock.factory import Truth, read_truth
from penstock.lake.tables import open_table
from penstock.settings.plant import Plant

FOREVER: Final = 2**53
BEFORE: Final = 7_200_000_000
"""Microseconds before the run from which values may have been carried into its windows."""
SETTLING: Final = 10_000_000
"""Microseconds before `until` in which windows may not have closed."""
_TIMES: Final = ("time", "ingest_time", "window_start")
_SAMPLES: Final = pa.schema(
    [
        ("asset", pa.string()), ("source", pa.string()), ("tag", pa.string()),
        ("time", pa.int64()), ("value", pa.float64()), ("text", pa.string()),
        ("quality", pa.int32()), ("ingest_time", pa.int64()), ("kafka_offset", pa.int64()),
    ]
)  # fmt: skip
"""What is read of a sample, with times as integers."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found."""

    samples: SampleCheck
    windows: int
    windows_wrong: int
    orders: int
    erp_compared: int
    erp_bounded: int
    erp_wrong: int
    kpis: KpiCheck
    alerts: AlertCheck
    lake_rows: int
    lake_files: int
    examples: Sequence[str]


def check(
    factory: Path,
    lake: Path,
    plant: Plant,
    since: int,
    until: int = FOREVER,
    erp: Iterable[Mapping[str, Any]] | None = None,
    kpis: Iterable[Mapping[str, Any]] | None = None,
    alerts: Iterable[Mapping[str, Any]] = (),
    requests: Iterable[Mapping[str, Any]] = (),
) -> Check:
    """Compare what has a time in [since, until), microseconds since 1970-01-01 UTC.

    Args:
        factory: Folder of the factory, with its truth.
        lake: Folder of the lake.
        plant: The configuration, for the windows.
        since: Begin of the run.
        until: What is later may still be on its way.
        erp: ProductionPerformance records of the whole run; None: they are not looked at.
        kpis: KpiWindow records of the whole run; None: they are not looked at.
        alerts: Alert records of the whole run.
        requests: MaintenanceRequest records of the whole run.
    """
    truth = read_truth(factory)
    table, windows_table = (open_table(str(lake), name, None) for name in ("samples", "windows"))
    span = (since - BEFORE, until)
    rows = _SAMPLES.empty_table()
    if table is not None:
        rows = _rows(table, "time", span, _SAMPLES.names)
    inside = rows.filter(pc.greater_equal(rows["time"], pa.scalar(since)))
    published = pa.table({})
    if windows_table is not None:
        published = _rows(windows_table, "window_start", (since, until))
    settled = until if until == FOREVER else until - SETTLING
    windows = check_windows(rows, published, plant.windows, (since, settled))
    orders = OrderCheck() if erp is None else check_orders(truth, erp, plant, since)
    figures = KpiCheck()
    if kpis is not None:
        ended = min(until, _heard(truth)) - SETTLING
        figures = check_kpis(truth, kpis, plant, since, ended)
    return Check(
        samples=check_samples(truth, inside, since, until),
        windows=windows.windows,
        windows_wrong=windows.wrong,
        orders=sum(since <= order.end < until for order in truth.orders),
        erp_compared=orders.orders,
        erp_bounded=orders.bounded,
        erp_wrong=orders.wrong,
        kpis=figures,
        alerts=check_alerts(truth, alerts, requests, since),
        lake_rows=0 if table is None else table.count(),
        lake_files=0 if table is None else len(table.file_uris()),
        examples=[*windows.examples, *orders.examples, *figures.examples],
    )


def _heard(truth: Truth) -> int:
    """Up to when every PLC told of what happened."""
    ends: dict[str, int] = {}
    for span in truth.activities:
        ends[span.asset] = max(ends.get(span.asset, 0), span.end)
    return min(ends.values(), default=0)


def _rows(
    table: DeltaTable, column: str, span: tuple[int, int], names: Sequence[str] | None = None
) -> pa.Table:
    """Rows with a time from the span's first to before its second, times as integers."""
    first, last = (pa.scalar(t, pa.timestamp("us", tz="UTC")) for t in span)
    time = pc.field(column)
    dataset = table.to_pyarrow_dataset()
    found = dataset.to_table(columns=names, filter=(time >= first) & (time < last))
    for name in set(_TIMES) & set(found.column_names):
        index = found.column_names.index(name)
        found = found.set_column(index, name, found[name].cast(pa.int64()))
    return found
