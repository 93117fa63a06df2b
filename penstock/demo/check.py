"""Holds all that a run left in the lake against the factory's ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from penstock.demo.check_samples import SampleCheck, check_samples
from penstock.demo.check_windows import check_windows
from penstock.factory import read_truth
from penstock.settings.plant import Plant

FOREVER: Final = 2**53
BEFORE: Final = 7_200_000_000
"""Microseconds before the run from which values may have been carried into its windows."""
SETTLING: Final = 10_000_000
"""Microseconds before `until` in which windows may not have closed."""
_TIMES: Final = ("time", "ingest_time", "window_start")


@dataclass(frozen=True, slots=True)
class Check:
    """What was found."""

    samples: SampleCheck
    windows: int
    windows_wrong: int
    orders: int
    lake_rows: int
    lake_files: int
    examples: Sequence[str]


def check(factory: Path, lake: Path, plant: Plant, since: int, until: int = FOREVER) -> Check:
    """Compare what has a time in [since, until), microseconds since 1970-01-01 UTC.

    Args:
        factory: Folder of the factory, with its truth.
        lake: Folder of the lake.
        plant: The configuration, for the windows.
        since: Begin of the run.
        until: What is later may still be on its way.
    """
    truth = read_truth(factory)
    names = ["asset", "source", "tag", "time", "value", "text", "quality", "ingest_time",
             "kafka_offset"]  # fmt: skip
    rows = _rows(lake / "samples", "time", since - BEFORE, until, names)
    inside = rows.filter(pc.greater_equal(rows["time"], pa.scalar(since)))
    published = _rows(lake / "windows", "window_start", since, until)
    settled = until if until == FOREVER else until - SETTLING
    windows = check_windows(rows, published, plant.windows, (since, settled))
    table = DeltaTable(lake / "samples")
    return Check(
        samples=check_samples(truth, inside, since, until),
        windows=windows.windows,
        windows_wrong=windows.wrong,
        orders=sum(since <= order.end < until for order in truth.orders),
        lake_rows=table.count(),
        lake_files=len(table.file_uris()),
        examples=windows.examples,
    )


def _rows(
    table: Path, column: str, since: int, until: int, names: Sequence[str] | None = None
) -> pa.Table:
    """Rows with a time in [since, until), their times as integers."""
    first, last = (pa.scalar(t, pa.timestamp("us", tz="UTC")) for t in (since, until))
    time = pc.field(column)
    dataset = DeltaTable(table).to_pyarrow_dataset()
    found = dataset.to_table(columns=names, filter=(time >= first) & (time < last))
    for name in set(_TIMES) & set(found.column_names):
        index = found.column_names.index(name)
        found = found.set_column(index, name, found[name].cast(pa.int64()))
    return found
