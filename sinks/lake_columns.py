"""Columns that the tables of the lake share, and how they are made."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.sink import SinkRecord

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
TIME: Final = pa.timestamp("us", tz="UTC")
LINEAGE: Final = [("kafka_partition", pa.int32()), ("kafka_offset", pa.int64())]
VERSION: Final = [
    ("version_epoch", pa.int64()),
    ("version_offsets", pa.list_(pa.int64())),
    ("version_emission", pa.int32()),
]


def site_of(asset: str) -> str:
    """Enterprise and site of an ISA-95 path.

    >>> site_of("acme/bremen/stamping/line1/press07")
    'acme/bremen'
    """
    return "/".join(asset.split("/", 2)[:2])


def timestamps(micros: NDArray[Any]) -> pa.Array:
    """Times (N) of microseconds since 1970; null where they are NaN."""
    absent = np.isnan(micros)
    return pa.array(_in_calendar(np.where(absent, 0, micros)), mask=absent).cast(TIME)


def dates(micros: NDArray[Any]) -> pa.Array:
    """Dates (N) in UTC of microseconds since 1970."""
    return pa.array(_in_calendar(micros)).cast(pa.timestamp("us")).cast(pa.date32())


def _in_calendar(micros: NDArray[Any]) -> NDArray[np.int64]:
    """Times that every reader of the lake can show; a garbled clock's lie at the calendar's ends.

    One date with five digits of year, and no reader could open the table any more.
    """
    clipped: NDArray[np.int64] = np.clip(micros, _FIRST, _LAST).astype(np.int64)
    return clipped


def microseconds(value: Any) -> int:
    """An Avro timestamp, which readers give as a datetime, exactly."""
    return value if isinstance(value, int) else (value - EPOCH) // timedelta(microseconds=1)


def taken(names: Sequence[str], lengths: NDArray[np.int64]) -> pa.Array:
    """Each name as often as its length says."""
    return pa.array(names, pa.string()).take(pa.array(np.repeat(np.arange(len(names)), lengths)))


def versions(found: Sequence[dict[str, Any]], lengths: NDArray[np.int64]) -> dict[str, Any]:
    """The columns of `VERSION`, each version as often as its length says."""
    rows = pa.array(np.repeat(np.arange(len(found)), lengths))
    offsets = pa.array([version["offsets"] for version in found], pa.list_(pa.int64()))
    return {
        "version_epoch": np.repeat([version["epoch"] for version in found], lengths),
        "version_offsets": offsets.take(rows),
        "version_emission": np.repeat([version["emission"] for version in found], lengths),
    }


def lineage(records: Sequence[SinkRecord], lengths: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The columns of `LINEAGE`, each record as often as its length says."""
    return {
        "kafka_partition": np.repeat([record.partition for record in records], lengths),
        "kafka_offset": np.repeat([record.offset for record in records], lengths),
    }


def chained(data: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """One column of several data, one after another."""
    return [item for datum in data for item in datum[name]]
