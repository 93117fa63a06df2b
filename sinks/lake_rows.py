"""From records to the lake's rows: one per sample, one per tag of a window; columns, not loops."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.kafka.topics import FEATURES, SENSORS
from penstock.sink import SinkRecord
from schemas import Kind, SensorEvent

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TIME: Final = pa.timestamp("us", tz="UTC")
_LINEAGE: Final = [("kafka_partition", pa.int32()), ("kafka_offset", pa.int64())]

SAMPLES: Final = pa.schema(
    [
        ("site", pa.string()), ("date", pa.date32()), ("asset", pa.string()),
        ("source", pa.string()), ("tag", pa.string()), ("time", _TIME), ("value", pa.float64()),
        ("text", pa.string()), ("quality", pa.int32()), ("server_time", _TIME),
        ("ingest_time", _TIME), *_LINEAGE,
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
        ("source", pa.string()), ("tag", pa.string()), ("window_start", _TIME),
        ("window_seconds", pa.float64()), ("revision", pa.int32()),
        ("version_epoch", pa.int64()), ("version_offsets", pa.list_(pa.int64())),
        ("version_emission", pa.int32()), ("watermark", _TIME),
        *((name, pa.int64()) for name in _COUNTS), *((name, pa.float64()) for name in _FIGURES),
        *_LINEAGE,
    ]
)  # fmt: skip
"""`windows`: one row per tag and revision; of the same window the greatest version counts.

A revision without tags takes the window back: one row, whose `tag` and figures are null.
"""

PARTITION_BY: Final = ["site", "date"]


def _sorted(*columns: str) -> Sequence[tuple[str, str]]:
    return [(column, "ascending") for column in columns]


def site_of(asset: str) -> str:
    """Enterprise and site of an ISA-95 path.

    >>> site_of("acme/bremen/stamping/line1/press07")
    'acme/bremen'
    """
    return "/".join(asset.split("/", 2)[:2])


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
            "site": _taken([site_of(event.asset) for event in events], lengths),
            "date": _dates(time),
            "asset": _taken([event.asset for event in events], lengths),
            "source": _taken([event.source for event in events], lengths),
            "tag": tags.array.take(pa.array(tag)),
            "time": _timestamps(time),
            "value": pa.array(value, mask=(kind == Kind.TEXT) | np.isnan(value)),
            "text": texts.array.take(pa.array(text.astype(np.int64), mask=~is_text)),
            "quality": _concatenated([_filled(e.quality, len(e.values)) for e in events]),
            "server_time": _timestamps(server),
            "ingest_time": _timestamps(np.repeat([float(e.ingest) for e in events], lengths)),
            **_lineage(records, lengths),
        }
    ).cast(SAMPLES)


def window_rows(records: Sequence[SinkRecord]) -> pa.Table:
    """Rows of `windows` from records that hold WindowStatistics."""
    data = [_with_a_row(record.value) for record in records]
    lengths = np.array([len(datum["tags"]) for datum in data])
    start = np.repeat([_microseconds(datum["window_start"]) for datum in data], lengths)
    watermark = np.repeat([_microseconds(datum["watermark"]) for datum in data], lengths)
    figures = {name: np.array(_chained(data, name), dtype=np.float64) for name in _FIGURES}
    return pa.table(
        {
            "site": _taken([site_of(datum["asset"]) for datum in data], lengths),
            "date": _dates(start),
            "asset": _taken([datum["asset"] for datum in data], lengths),
            "source": _taken([datum["source"] for datum in data], lengths),
            "tag": pa.array(_chained(data, "tags"), pa.string()),
            "window_start": _timestamps(start),
            "window_seconds": np.repeat([d["window_size"] / 1e6 for d in data], lengths),
            "revision": np.repeat([datum["revision"] for datum in data], lengths),
            **_versions([datum["version"] for datum in data], lengths),
            "watermark": _timestamps(watermark),
            **{name: np.array(_chained(data, name), dtype=np.int64) for name in _COUNTS},
            **{name: pa.array(column, mask=np.isnan(column)) for name, column in figures.items()},
            **_lineage(records, lengths),
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


def _chained(data: Sequence[dict[str, Any]], name: str) -> list[Any]:
    return [item for datum in data for item in datum[name]]


def _filled(column: NDArray[Any], count: int, absent: float = 0) -> NDArray[Any]:
    """A column of length 0 (absent) or 1 (one for all) at full length."""
    if len(column) == count:
        return column
    return np.full(count, column[0] if len(column) else absent)


def _times(event: SensorEvent, offsets: NDArray[Any], absent: float = 0) -> NDArray[np.float64]:
    """Microseconds since 1970, exact as a double until the year 2255; NaN where there is none."""
    times: NDArray[np.float64] = event.start + _filled(offsets, len(event.values), absent)
    return times


def _timestamps(micros: NDArray[Any]) -> pa.Array:
    absent = np.isnan(micros)
    return pa.array(_in_calendar(np.where(absent, 0, micros)), mask=absent).cast(_TIME)


def _dates(micros: NDArray[Any]) -> pa.Array:
    return pa.array(_in_calendar(micros)).cast(pa.timestamp("us")).cast(pa.date32())


def _in_calendar(micros: NDArray[Any]) -> NDArray[np.int64]:
    """Times that every reader of the lake can show; a garbled clock's lie at the calendar's ends.

    One date with five digits of year, and no reader could open the table any more.
    """
    clipped: NDArray[np.int64] = np.clip(micros, _FIRST, _LAST).astype(np.int64)
    return clipped


def _microseconds(value: Any) -> int:
    """An Avro timestamp, which readers give as a datetime, exactly."""
    return value if isinstance(value, int) else (value - _EPOCH) // timedelta(microseconds=1)


def _taken(names: Sequence[str], lengths: NDArray[np.int64]) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(np.repeat(np.arange(len(names)), lengths)))


def _versions(versions: Sequence[dict[str, Any]], lengths: NDArray[np.int64]) -> dict[str, Any]:
    rows = pa.array(np.repeat(np.arange(len(versions)), lengths))
    offsets = pa.array([version["offsets"] for version in versions], pa.list_(pa.int64()))
    return {
        "version_epoch": np.repeat([version["epoch"] for version in versions], lengths),
        "version_offsets": offsets.take(rows),
        "version_emission": np.repeat([version["emission"] for version in versions], lengths),
    }


def _lineage(records: Sequence[SinkRecord], lengths: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {
        "kafka_partition": np.repeat([record.partition for record in records], lengths),
        "kafka_offset": np.repeat([record.offset for record in records], lengths),
    }
