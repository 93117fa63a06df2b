"""From records to the lake's rows: one per sample, one per tag of a window; columns, not loops."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.kafka.topics import ALERTS, FEATURES, KPIS, SENSORS
from penstock.sink import SinkRecord
from schemas import Kind, SensorEvent
from sinks import lake_documents
from sinks.lake_columns import (
    LINEAGE,
    TIME,
    VERSION,
    chained,
    dates,
    lineage,
    microseconds,
    site_of,
    taken,
    timestamps,
    versions,
)

SAMPLES: Final = pa.schema(
    [
        ("site", pa.string()), ("date", pa.date32()), ("asset", pa.string()),
        ("source", pa.string()), ("tag", pa.string()), ("time", TIME), ("value", pa.float64()),
        ("text", pa.string()), ("quality", pa.int32()), ("server_time", TIME),
        ("ingest_time", TIME), *LINEAGE,
    ]
)  # fmt: skip
"""`samples`: one row per sample. `value` is null where the sample is text or not a number."""

_FIGURES: Final = (
    "mean", "time_weighted_mean", "minimum", "maximum", "standard_deviation", "first", "last",
    "coverage",
)  # fmt: skip
_COUNTS: Final = ("count", "bad", "late")

WINDOWS: Final = pa.schema(
    [
        ("site", pa.string()), ("date", pa.date32()), ("asset", pa.string()),
        ("source", pa.string()), ("tag", pa.string()), ("window_start", TIME),
        ("window_seconds", pa.float64()), ("revision", pa.int32()),
        *VERSION, ("watermark", TIME),
        *((name, pa.int64()) for name in _COUNTS), *((name, pa.float64()) for name in _FIGURES),
        *LINEAGE,
    ]
)  # fmt: skip
"""`windows`: one row per tag and revision; of the same window the greatest version counts.

A revision without tags takes the window back: one row, whose `tag` and figures are null.
"""

PARTITION_BY: Final = ["site", "date"]


def _sorted(*columns: str) -> Sequence[tuple[str, str]]:
    return [(column, "ascending") for column in columns]


def sample_rows(records: Sequence[SinkRecord]) -> pa.Table:
    """Rows of `samples` (N) from records that hold SensorEvents."""
    events: list[SensorEvent] = [record.value for record in records]
    lengths = np.array([len(event.values) for event in events])
    tags = _Joined.of([event.tags for event in events])
    texts = _Joined.of([event.texts for event in events])
    tag = _concatenated(
        [np.repeat(np.arange(len(e.tags)) + base, e.counts) for e, base in tags.with_base(events)]
    )
    kind = _concatenated([np.repeat(_filled(e.kinds, len(e.tags)), e.counts) for e in events])
    value = _concatenated([event.values for event in events])
    time = _concatenated([_times(e, e.offsets) for e in events])
    server = _concatenated([_times(e, e.server_offsets, np.nan) for e in events])
    is_text = (kind == Kind.TEXT) & ~np.isnan(value)
    text = np.where(is_text, value, 0) + np.repeat(texts.bases, lengths)
    return pa.table(
        {
            "site": taken([site_of(event.asset) for event in events], lengths),
            "date": dates(time),
            "asset": taken([event.asset for event in events], lengths),
            "source": taken([event.source for event in events], lengths),
            "tag": tags.array.take(pa.array(tag)),
            "time": timestamps(time),
            "value": pa.array(value, mask=(kind == Kind.TEXT) | np.isnan(value)),
            "text": texts.array.take(pa.array(text.astype(np.int64), mask=~is_text)),
            "quality": _concatenated([_filled(e.quality, len(e.values)) for e in events]),
            "server_time": timestamps(server),
            "ingest_time": timestamps(np.repeat([float(e.ingest) for e in events], lengths)),
            **lineage(records, lengths),
        }
    ).cast(SAMPLES)


def window_rows(records: Sequence[SinkRecord]) -> pa.Table:
    """Rows of `windows` from records that hold WindowStatistics."""
    data = [_with_a_row(record.value) for record in records]
    lengths = np.array([len(datum["tags"]) for datum in data])
    start = np.repeat([microseconds(datum["window_start"]) for datum in data], lengths)
    watermark = np.repeat([microseconds(datum["watermark"]) for datum in data], lengths)
    figures = {name: np.array(chained(data, name), dtype=np.float64) for name in _FIGURES}
    return pa.table(
        {
            "site": taken([site_of(datum["asset"]) for datum in data], lengths),
            "date": dates(start),
            "asset": taken([datum["asset"] for datum in data], lengths),
            "source": taken([datum["source"] for datum in data], lengths),
            "tag": pa.array(chained(data, "tags"), pa.string()),
            "window_start": timestamps(start),
            "window_seconds": np.repeat([d["window_size"] / 1e6 for d in data], lengths),
            "revision": np.repeat([datum["revision"] for datum in data], lengths),
            **versions([datum["version"] for datum in data], lengths),
            "watermark": timestamps(watermark),
            **{name: np.array(chained(data, name), dtype=np.int64) for name in _COUNTS},
            **{name: pa.array(column, mask=np.isnan(column)) for name, column in figures.items()},
            **lineage(records, lengths),
        }
    ).cast(WINDOWS)


def _with_a_row(datum: dict[str, Any]) -> dict[str, Any]:
    """A result that takes its window back has no tags; it gets one row all the same."""
    if datum["tags"]:
        return datum
    nothing = {name: [0] for name in _COUNTS} | {name: [np.nan] for name in _FIGURES}
    return {**datum, "tags": [None], **nothing}


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table of the lake."""

    name: str
    columns: pa.Schema
    rows: Callable[[Sequence[SinkRecord]], pa.Table]
    sort: Sequence[tuple[str, str]]
    """Order of the rows in a file, so that readers can skip."""


TABLES: Final[Mapping[str, LakeTable]] = {
    SENSORS.name: LakeTable("samples", SAMPLES, sample_rows, _sorted("asset", "tag", "time")),
    FEATURES.name: LakeTable(
        "windows", WINDOWS, window_rows, _sorted("asset", "tag", "window_start")
    ),
    KPIS.name: LakeTable(
        "kpis",
        lake_documents.KPIS,
        lake_documents.kpi_rows,
        _sorted("line", "asset", "kind", "window_start"),
    ),
    ALERTS.name: LakeTable(
        "alerts", lake_documents.ALERTS, lake_documents.alert_rows, _sorted("asset", "raised")
    ),
}
"""Of each topic: the table that its rows go to."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """The texts of several events one after another, and where each event's begin."""

    array: pa.Array
    bases: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[Sequence[str]]) -> "_Joined":
        bases = np.concatenate([[0], np.cumsum([len(part) for part in parts])])[:-1]
        return cls(pa.array([text for part in parts for text in part], pa.string()), bases)

    def with_base(self, events: Sequence[SensorEvent]) -> Iterable[tuple[SensorEvent, int]]:
        return zip(events, self.bases.tolist(), strict=True)


def _concatenated(columns: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(columns) if columns else np.empty(0)


def _filled(column: NDArray[Any], count: int, absent: float = 0) -> NDArray[Any]:
    """A column of length 0 (absent) or 1 (one for all) at full length."""
    if len(column) == count:
        return column
    return np.full(count, column[0] if len(column) else absent)


def _times(event: SensorEvent, offsets: NDArray[Any], absent: float = 0) -> NDArray[np.float64]:
    """Microseconds since 1970, exact as a double until the year 2255; NaN where there is none."""
    times: NDArray[np.float64] = event.start + _filled(offsets, len(event.values), absent)
    return times
